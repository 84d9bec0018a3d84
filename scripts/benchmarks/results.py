"""What a benchmark has found so far, kept so that a stopped run goes on."""

import io
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from functools import cached_property
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np

from cohorts.cohort import Cohort
from cohorts.files import canonical_json, digest_of_file, digest_of_text, write_whole
from lightning_modules.config import TrainingOptions
from scripts.benchmarks.baselines import BASELINES
from scripts.benchmarks.measures import average_on_the_logit, measures
from scripts.benchmarks.networks import NETWORKS, code_digest
from scripts.benchmarks.plans import Plan

AVERAGED = {"lightgbm_xgboost": ("lightgbm", "xgboost")}
LIBRARIES = {"lightgbm": "lightgbm", "xgboost": "xgboost", "lightgbm_masked": "lightgbm", "lightgbm_xgboost": "xgboost"}
Scores = Mapping[tuple[str, str], np.ndarray]


def known_models() -> tuple[str, ...]:
    """Networks, then baselines."""
    return (*NETWORKS, *BASELINES, *AVERAGED)


def missing_libraries(chosen: Sequence[str]) -> list[str]:
    """Problems, where a baseline's library is not installed."""
    missing = sorted({LIBRARIES[name] for name in chosen if name in LIBRARIES and not find_spec(LIBRARIES[name])})
    return [f"models: {name} is not installed; pip install '.[baselines]', or choose models" for name in missing]


def reset_peak() -> None:
    """Start to measure peak memory anew, where the system can."""
    counter = Path("/proc/self/clear_refs")
    if counter.exists():
        counter.write_text("5")


class Results:
    """Scores of models on splits, in a folder: rows in the order of the plan, without subject ids.

    Args:
        folder: Made where it is missing.
        people: Who is scored.
        training: How our networks train.
    """

    def __init__(self, folder: Path, people: Cohort, training: TrainingOptions) -> None:
        self.folder, self.people, self.training = folder, people, training
        folder.mkdir(parents=True, exist_ok=True)

    @cached_property
    def _code(self) -> dict[bool, str]:
        """Digest of the code, by whether a network is ours."""
        baselines = [Path(__file__).parent / name for name in ("baselines.py", "features.py")]
        return {True: code_digest(), False: "".join(digest_of_file(file) for file in baselines)}

    def _path(self, plan: Plan, name: str) -> Path:
        """A place that changes with all that the scores follow from."""
        is_ours = name in NETWORKS
        parts = [self.people.spec.digest, self.people.fingerprint, plan.name, plan.split.content, plan.seed, name]
        parts += [self._code[is_ours], asdict(self.training) if is_ours else {}]
        return self.folder / f"{digest_of_text(canonical_json(parts))[:24]}.npz"

    def done(self, plan: Plan, name: str) -> bool:
        """Whether the scores are there."""
        return self._path(plan, name).exists()

    def keep(self, plan: Plan, name: str, scores: Scores, about: dict[str, Any]) -> None:
        """Write them, whole or not at all."""
        buffer = io.BytesIO()
        arrays: dict[str, Any] = {"|".join(key): values for key, values in scores.items()}
        np.savez(buffer, about=json.dumps(about), **arrays)
        write_whole(self._path(plan, name), buffer.getvalue())

    def read(self, plan: Plan, name: str) -> tuple[dict[tuple[str, str], np.ndarray], dict[str, Any]]:
        """Scores by (tested, condition), and what else was kept."""
        with np.load(self._path(plan, name)) as found:
            scores = {tuple(key.split("|")): found[key] for key in found.files if key != "about"}
            return scores, json.loads(str(found["about"]))

    def average(self, plan: Plan, name: str) -> None:
        """Make a model out of two others, on the logit."""
        parts = [self.read(plan, part) for part in AVERAGED[name]]
        scores = {key: average_on_the_logit([part[0][key] for part in parts]) for key in parts[0][0]}
        seconds = sum(part[1]["seconds"] for part in parts)
        peak = max(part[1]["peak_megabytes"] for part in parts)
        self.keep(plan, name, scores, {"seconds": seconds, "peak_megabytes": peak, "setting": {}})

    def measures(self, plan: Plan, name: str) -> dict[tuple[str, str], dict[str, float]]:
        """Measures by (tested, condition)."""
        scores, _ = self.read(plan, name)
        return {key: measures(self.people.label[plan.tested[key[0]]], values) for key, values in scores.items()}

    def seconds(self, plan: Plan, name: str) -> float:
        """Seconds of fitting, tuning included."""
        return float(self.read(plan, name)[1]["seconds"])
