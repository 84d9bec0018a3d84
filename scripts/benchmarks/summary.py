"""The figures of a benchmark of quality: every model over the splits, and by how much ours differs from it."""

from collections.abc import Sequence
from dataclasses import asdict
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import numpy as np

from cohorts.files import canonical_json, read_json, write_whole
from scripts.benchmarks.figure import draw
from scripts.benchmarks.measures import MEASURES, over_splits, paired
from scripts.benchmarks.networks import OURS
from scripts.benchmarks.outcome import this_machine
from scripts.benchmarks.plans import Plan
from scripts.benchmarks.results import Results

VERSIONS = {"lightgbm": ("lightgbm",), "xgboost": ("xgboost", "xgboost-cpu"), "scikit-learn": ("scikit-learn",)}


def summary(results: Results, plans: Sequence[Plan], chosen: Sequence[str]) -> dict[str, Any]:
    """Every model's measures over the splits, and what ours is better or worse by; no path, no subject."""
    found = {name: [results.measures(plan, name) for plan in plans] for name in chosen}
    about = {name: [results.read(plan, name)[1] for plan in plans] for name in chosen}
    parts = [[len(plan.split.rows(part)) for part in ("held_out", "rich_train", "sparse_train")] for plan in plans]
    ratio = float(np.mean([test / (rich + sparse) for test, rich, sparse in parts]))
    models: dict[str, Any] = {}
    for name in chosen:
        models[name] = {
            "seconds": over_splits([part["seconds"] for part in about[name]])["mean"],
            "peak_megabytes": max(part["peak_megabytes"] for part in about[name]),
        }
        for key in found[name][0]:
            label, which = ", ".join(key), range(len(plans))
            values = {m: [found[name][split][key][m] for split in which] for m in MEASURES}
            models[name][label] = {m: over_splits(values[m]) for m in MEASURES}
            models[name][label]["auroc"]["by_split"] = [round(value, 4) for value in values["auroc"]]
            if OURS in found and name != OURS:
                ours = {m: [found[OURS][split][key][m] for split in which] for m in MEASURES}
                differences = {m: paired(ours[m], values[m], ratio) for m in MEASURES[:4]}
                models[name][label]["attention_minus_this"] = differences
    return {"splits": [plan.name for plan in plans], "models": models}


def write_results(
    out: Path, results: Results, plans: Sequence[Plan], chosen: Sequence[str], described: dict[str, Any]
) -> None:
    """Add this run to the file, in the place of an earlier one of the same cohort and splits."""
    before = read_json(out, "the figures of a benchmark")["runs"] if out.exists() else {}
    machine = this_machine() | {name: _version(packages) for name, packages in VERSIONS.items()}
    run = {**described, "training": asdict(results.training), "machine": machine, **summary(results, plans, chosen)}
    title = f"{described['cohort']}, {described['splits']}"
    title += f", {described['num_sparse']} sparse" if described["num_sparse"] else ""
    runs = {**before, title: run}
    write_whole(out, canonical_json({"benchmark": "quality", "runs": runs}))
    figure = draw(runs)
    if figure:
        write_whole(out.with_suffix(".svg"), figure)


def _version(packages: tuple[str, ...]) -> str:
    for package in packages:
        try:
            return version(package)
        except PackageNotFoundError:
            continue
    return "not installed"
