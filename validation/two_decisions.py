"""Two decisions beside each other: what each says, and how the models differ on the same subjects, paired."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from cohorts.files import digest_of_file
from validation.audit import UNITS
from validation.checks.base import NAMES, classes
from validation.decision import read_decision
from validation.disclosure import families_with_few
from validation.estimands import Estimand, Mean
from validation.paired import PairedGap
from validation.predictions import SENSITIVE, sensitive_features, weights_of

Decision = Mapping[str, Any]
EVERYBODY = "all"


def compare_decisions(first: Path, second: Path) -> dict[str, Any]:
    """Compare two decisions, with their predictions beside them if they are there.

    Args:
        first, second: A decision.json each.

    Returns:
        Plain data: `decisions`, what each is; `verdicts`, one row a finding that either has: kind, name, first and
        second; `differences`, second minus first on the same subjects: metric, scope, value, lower, upper, support and
        unit (AUROC, Brier score, and rates each at its own operating point; of all, and of a group, only where no count
        of theirs, or of its feature, is hidden); and `unpaired`, why there are no differences, or None.

    Raises:
        InputError: One of them is no decision, or was changed.
    """
    decisions = [read_decision(path) for path in (first, second)]
    tables = [_held_out(path, decision) for path, decision in zip((first, second), decisions, strict=True)]
    unpaired = _why_unpaired(decisions, tables)
    return {
        "decisions": [_described(decision) for decision in decisions],
        "verdicts": _verdicts(*decisions),
        "differences": [] if unpaired else _differences(decisions, tables),
        "unpaired": unpaired,
    }


def _described(decision: Decision) -> dict[str, Any]:
    auroc = next(row for row in decision["tables"]["performance"] if row["metric"] == "auroc")
    return {
        "decision": decision["digest"],
        "model": decision["model"]["digest"],
        "cohort": decision["cohort"]["name"],
        "policy": decision["policy"]["name"],
        "created": decision["created"],
        "verdict": decision["verdict"],
        "threshold": decision["operating_point"]["threshold"],
        "auroc": {name: auroc[name] for name in ("value", "lower", "upper")},
    }


def _verdicts(first: Decision, second: Decision) -> list[dict[str, Any]]:
    found: dict[tuple[str, str], list[str | None]] = {}
    for place, decision in enumerate((first, second)):
        for finding in decision["findings"]:
            name = finding["title"] if finding["kind"] == "integrity" else f"{finding['title']}, {finding['scope']}"
            found.setdefault((finding["kind"], name), [None, None])[place] = finding["verdict"]
    return [
        {"kind": kind, "name": name, "first": verdicts[0], "second": verdicts[1]}
        for (kind, name), verdicts in found.items()
    ]


def _held_out(path: Path, decision: Decision) -> pd.DataFrame | None:
    """Predictions of the held-out cohort in the order of subjects; None where they are not there as they were."""
    file = path.with_name("predictions.parquet")
    if not file.is_file() or digest_of_file(file) != decision["predictions"]["digest"]:
        return None
    table = pd.read_parquet(file)
    return table[table["part"] == "held_out"].sort_values("subject_id", ignore_index=True)


def _why_unpaired(decisions: list[dict[str, Any]], tables: list[pd.DataFrame | None]) -> str | None:
    a, b = tables
    if a is None or b is None:
        return "the predictions of one are not beside its decision, or were changed"
    if len(a) != len(b) or not (a["subject_id"].equals(b["subject_id"]) and a["label"].equals(b["label"])):
        return "they judge different held-out subjects, so nothing is paired"
    return None


def _differences(decisions: list[dict[str, Any]], tables: list[pd.DataFrame | None]) -> list[dict[str, Any]]:
    a, b = tables
    assert a is not None
    assert b is not None
    alpha = min(decision["policy"]["alpha"] for decision in decisions)
    least = max(decision["policy"]["smallest_group"] for decision in decisions)
    thresholds = [decision["operating_point"]["threshold"] for decision in decisions]
    hidden = set().union(*(families_with_few(c, t, least) for c, t in zip((a, b), thresholds, strict=True)))
    scopes = {} if "" in hidden else {EVERYBODY: np.ones(len(a), dtype=bool)}
    for feature in sensitive_features(a):
        if feature not in hidden:
            groups = sorted(a[SENSITIVE + feature].unique())
            scopes |= {f"{feature} {group}": (a[SENSITIVE + feature] == group).to_numpy() for group in groups}
    rows = []
    for scope, member in scopes.items():
        if min(classes(a[member]).values()) < least:
            continue
        for metric, estimand in _estimands(a[member], b[member]["score"].to_numpy(), thresholds):
            lower, upper = estimand.interval(alpha)
            figures = {"value": estimand.value, "lower": lower, "upper": upper}
            rounded = {name: None if np.isnan(figure) else round(figure, 4) for name, figure in figures.items()}
            rows.append(
                {"metric": metric, "scope": scope, **rounded, "support": int(estimand.support), "unit": estimand.unit}
            )
    return rows


def _estimands(people: pd.DataFrame, other: np.ndarray, thresholds: list[float]) -> Iterator[tuple[str, Estimand]]:
    label, score, weight = people["label"].to_numpy(), people["score"].to_numpy(), weights_of(people)
    yield "AUROC", Mean.auroc_gain(label, other, score, weight)
    yield "Brier score", Mean.over((other - label) ** 2 - (score - label) ** 2, weight)
    before, after = ((s >= threshold) == label for s, threshold in zip((score, other), thresholds, strict=True))
    for metric, positive in (("sensitivity", 1), ("specificity", 0)):
        rows = label == positive
        weights = None if weight is None else weight[rows]
        yield NAMES[metric], PairedGap.of(after[rows], before[rows], weights, UNITS[metric])
