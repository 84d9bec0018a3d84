"""The folder of one stage: its resolved config, what it depends on, and whether it is done."""

import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cohorts.errors import InputError
from cohorts.files import canonical_json, read_json, write_whole
from scripts.command_line import config_text, plain

PLACES = (
    "predictions",
    "registry",
    "key",
    "out",
    "data",
    "held_out_data",
    "dashboard",
    "pretrained",
    "model",
    "controls",
)
CONFIG, IDENTITY, CHECKPOINTS = "config.yaml", "stage.json", "checkpoints"


@dataclass(frozen=True)
class Stage:
    """One stage in one folder.

    Attributes:
        folder: Where it writes.
        result: File or folder below it that exists when the stage is done, and not before.
    """

    folder: Path
    result: str

    @property
    def done(self) -> bool:
        """Whether the result is there."""
        return (self.folder / self.result).exists()


def essential(options: dict[str, Any]) -> dict[str, Any]:
    """Options that change the result, as plain data: not where things lie (digests do that), nor the dashboard."""
    return {key: value for key, value in plain(options).items() if key not in PLACES}


def open_stage(folder: Path, result: str, options: dict[str, Any], depends_on: dict[str, str]) -> Stage:
    """Start a stage, or go on with the one that this folder holds.

    Call it when all input has been checked: before that, nothing is written.

    Args:
        folder: Made where it is missing.
        result: What exists when the stage is done.
        options: Resolved options, saved as config.yaml.
        depends_on: Name to digest of all else that the result follows from.

    Raises:
        InputError: The folder holds something else, or this stage with other options or other input; each difference
            is named.
    """
    identity = {"options": essential(options), "depends_on": depends_on}
    if (folder / IDENTITY).exists():
        before = read_json(folder / IDENTITY, "the identity of a stage")
        differences = _differences(before, identity)
        if differences:
            raise InputError(
                [f"out {folder}: holds a run with other input; choose another --out, or remove it", *differences]
            )
    elif folder.exists() and not (folder.is_dir() and all(_is_ours(path) for path in folder.iterdir())):
        raise InputError(f"out {folder}: holds something that is not a run of this script; choose another --out")
    else:
        folder.mkdir(parents=True, exist_ok=True)
        write_whole(folder / CONFIG, config_text(options))
        write_whole(folder / IDENTITY, canonical_json(identity))
    stage = Stage(folder, result)
    if stage.done:  # a kill may have come after the result and before the end
        shutil.rmtree(folder / CHECKPOINTS, ignore_errors=True)
    return stage


def _is_ours(path: Path) -> bool:
    """Whether a kill while a stage was opened can have left this: its config, or a file beside its place."""
    return path.name == CONFIG or path.name.startswith((f".{CONFIG}.", f".{IDENTITY}."))


def _differences(before: Any, now: Any, name: str = "") -> list[str]:
    if isinstance(before, dict) and isinstance(now, dict):
        keys = sorted(set(before) | set(now))
        return [
            line for key in keys for line in _differences(before.get(key), now.get(key), f"{name}.{key}".lstrip("."))
        ]
    return [] if before == now else [f"{name.removeprefix('options.')}: was {before!r}, now {now!r}"]
