"""Who may know whom, how soon help answers, and what no file may hold."""

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
ROOMS = ("cohorts", "lightning_modules", "validation", "scripts")
MAY_KNOW = {
    "cohorts": {"cohorts"},
    "lightning_modules": {"cohorts", "lightning_modules"},
    "validation": {"cohorts", "validation"},
    "scripts": set(ROOMS),
}
TORCH = {"torch", "pytorch_lightning", "torchmetrics", "safetensors", "lightning"}


def files(room: str) -> list[Path]:
    return sorted((ROOT / room).rglob("*.py"))


def imports(file: Path, *, top_level_only: bool = False) -> Iterator[str]:
    tree = ast.parse(file.read_text())
    for node in tree.body if top_level_only else ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield node.module or ""


@pytest.mark.parametrize("room", ROOMS)
def test_a_room_knows_only_the_rooms_before_it(room: str) -> None:
    known = {name.split(".")[0] for file in files(room) for name in imports(file)} & set(ROOMS)
    assert known <= MAY_KNOW[room]


def test_the_judge_never_sees_a_model() -> None:
    for file in files("validation"):
        assert not {name.split(".")[0] for name in imports(file)} & TORCH, file.name


def test_in_cohorts_only_what_makes_batches_knows_torch() -> None:
    found = {file.name for file in files("cohorts") if {name.split(".")[0] for name in imports(file)} & TORCH}
    assert found == {"batches.py", "datamodule.py", "streaming.py"}


@pytest.mark.parametrize("module", ["lightning_modules.config", "scripts.dashboard", "scripts.workflow"])
def test_options_and_scripts_are_imported_without_anything_heavy(module: str) -> None:
    code = f"import sys, {module}; print(*sys.modules)"
    loaded = set(
        subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    )
    heavy = {"torch", "pandas", "numpy", "duckdb", "wandb", "sklearn", "pydantic", "pytorch_lightning", "matplotlib"}
    assert not loaded & heavy


def test_no_file_prints_but_through_the_command_line() -> None:
    allowed = {"command_line.py", "spec.py", "policy.py"}
    for room in ROOMS:
        for file in files(room):
            calls = [n for n in ast.walk(ast.parse(file.read_text())) if isinstance(n, ast.Call)]
            prints = any(isinstance(call.func, ast.Name) and call.func.id == "print" for call in calls)
            assert not prints or file.name in allowed, file.name


def test_scripts_fit_on_a_screen_or_two() -> None:
    for file in files("scripts"):
        assert len(file.read_text().splitlines()) <= 150, file.name
