"""A comparison of fusions as plain data: what is recommended and why, and how every model degrades.

The tuning people choose; the held-out people are shown beside and choose nothing. No group of fewer than 11 people of
either class has a figure.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from cohorts.disclosure import COUNTS, is_limit, suppressed
from cohorts.missingness import pattern_names
from cohorts.statistics import mean_and_covariance
from validation.degradation import (
    METRICS,
    Estimate,
    Measured,
    Scored,
    measure_deployed,
    measure_loss,
    measure_under,
    strongest_modality,
)
from validation.statistics import normal_interval

SCHEMA = "comparison/1"
WHOLE, COARSE = 3, 2  # decimals; the second beside a hidden count, as in cohorts.disclosure
LEAST = 11  # of people of each class behind any figure
ALPHA = 0.025  # one-sided
CHOOSES = "log_loss"
FUSIONS = ("early", "intermediate", "late", "attention")
UNMASKED, ATTENTION = "early_unmasked", "attention"


def compare(record: Mapping[str, Any], tuning: Scored, held_out: Scored, subsets: np.ndarray) -> dict[str, Any]:
    """Compare models that scored the same people.

    Args:
        record: Plain data that is shown as it is: cohort, axes (with `suggestion`), availability, modalities (names of
            the M columns of subsets), common (those whose subsets are looked at) and provenance.
        tuning: Those who choose.
        held_out: Those who are shown beside, with the same models; of these, only FUSIONS may be recommended.
        subsets: bool (S, M), the largest first, each within the common modalities.

    Returns:
        Plain data with the record and: models, deployed, recommendation, people, curves, strongest, subsets.
    """
    parts = {"tuning": tuning, "held_out": held_out}
    people = _people(parts)
    counts = [row[name] for row in people if row["part"] == "held_out" for name in COUNTS if name in row]
    digits = COARSE if is_limit(*counts) else WHOLE
    measured = {name: measure_deployed(part) for name, part in parts.items() if _enough(part.label)}
    chosen = measure_deployed(tuning)
    best = min(FUSIONS, key=lambda name: chosen.estimate(CHOOSES, name).value)
    models = list(tuning.deployed)
    return {
        "schema": SCHEMA,
        **record,
        "models": [{"model": name, "kind": "fusion" if name in FUSIONS else "other"} for name in models],
        "people": people,
        "recommendation": _recommendation(chosen, best, record["axes"]["suggestion"], measured),
        "deployed": [
            row for name, figures in measured.items() for row in _figures(figures, best, WHOLE, {"part": name})
        ],
        "curves": _curves(held_out, subsets, best, digits),
        "strongest": _strongest(tuning, held_out, subsets, record["modalities"], digits),
        "subsets": _by_subset(held_out, subsets, record["modalities"], digits),
        "smallest_shown": LEAST,
        "digits": digits,
    }


def with_explanation(
    found: Mapping[str, Any], values: np.ndarray, weight: np.ndarray, presence: np.ndarray
) -> dict[str, Any]:
    """The comparison with the Shapley values of the recommended fusion.

    Args:
        found: From `compare`.
        values: Gain in log loss that each modality gave to each held-out person, (M, N).
        weight: Of these people, (N,), above 0.
        presence: What they have, bool (N, M).

    Returns:
        The same with `explanation`: rows of modality, value, lower and upper, None where from 1 to 10 people have it;
        and, unless one is hidden, a last row with the modality None: all together.
    """
    few = np.isin(presence.sum(axis=0), range(1, LEAST))
    everything = np.vstack([values, values.sum(axis=0)])
    equal = bool(np.all(weight == weight[:1]))
    mean, covariance = mean_and_covariance(everything, None if equal else weight)
    rows: list[dict[str, Any]] = []
    for name, value, variance in zip([*found["modalities"], None], mean, np.diag(covariance), strict=True):
        estimate = Estimate(float(value), *normal_interval(float(value), float(variance), ALPHA))
        rows.append({"modality": name, **_rounded(estimate, 4)})
    for row in np.flatnonzero(few):
        rows[row] |= {"value": None, "lower": None, "upper": None}
    return {**found, "explanation": rows[:-1] if few.any() else rows}


def _enough(label: np.ndarray) -> bool:
    return min(int((label == value).sum()) for value in (0, 1)) >= LEAST


def _rounded(estimate: Estimate, digits: int) -> dict[str, float | None]:
    found = {"value": estimate.value, "lower": estimate.lower, "upper": estimate.upper}
    return {name: round(value, digits) if np.isfinite(value) else None for name, value in found.items()}


def _figures(measured: Measured, reference: str, digits: int, of: Mapping[str, Any]) -> list[dict[str, Any]]:
    """A row a model: each metric with its interval, and the paired difference to the reference."""
    return [
        {
            **of,
            "model": model,
            **{metric: _rounded(measured.estimate(metric, model), digits) for metric in METRICS},
            "minus_recommended": {
                metric: None if model == reference else _rounded(measured.difference(metric, model, reference), digits)
                for metric in METRICS
            },
        }
        for model in measured.models
    ]


def _people(parts: Mapping[str, Scored]) -> list[dict[str, Any]]:
    """Counts of those who have all common modalities, and of the others, as they may be shown."""
    rows = []
    for name, part in parts.items():
        for group, chosen in (("all common modalities", part.complete), ("not all of them", ~part.complete)):
            positive = int((part.label[chosen] == 1).sum())
            counts = {"num_subjects": int(chosen.sum()), "num_positives": positive}
            rows.append({"part": name, "group": group, **counts, "num_negatives": int(chosen.sum()) - positive})
    return suppressed(pd.DataFrame(rows), LEAST, ["part"])


def _recommendation(chosen: Measured, best: str, suggested: str, measured: Mapping[str, Measured]) -> dict[str, Any]:
    """The fusion with the lowest log loss of the tuning people, and how it compares with the suggested one."""
    agree = best == suggested
    differences: dict[str, Any] = {}
    if not agree:
        differences = {
            part: {metric: _rounded(figures.difference(metric, best, suggested), WHOLE) for metric in METRICS}
            for part, figures in measured.items()
        }
    gap = chosen.difference(CHOOSES, best, suggested)
    return {
        "fusion": best,
        "suggested": suggested,
        "agree": agree,
        "told_apart": not agree and gap.upper < 0,
        "minus_suggested": differences,
    }


def _curves(held_out: Scored, subsets: np.ndarray, reference: str, digits: int) -> list[dict[str, Any]]:
    """A row a model and number of removed modalities: means over all subsets of that size, of the same people."""
    rows: list[dict[str, Any]] = []
    size = subsets.sum(axis=1)
    for left in sorted(set(size.tolist()), reverse=True):
        chosen = size == left
        of = {"removed": int(size.max() - left), "num_subsets": int(chosen.sum())}
        rows += _figures(measure_under(held_out, chosen), reference, digits, of)
    return rows


def _strongest(
    tuning: Scored, held_out: Scored, subsets: np.ndarray, modalities: Sequence[str], digits: int
) -> dict[str, Any] | None:
    """What each model loses without the modality that early fusion needs most, as the tuning people tell.

    None where fewer than two modalities are common.
    """
    size = subsets.sum(axis=1)
    if not len(size) or size.max() < 2:
        return None
    whole = int(np.argmax(size))
    strongest = strongest_modality(tuning, "early", subsets[whole])
    without = int(np.flatnonzero((size == size.max() - 1) & ~subsets[:, strongest])[0])
    modality, models = modalities[strongest], tuple(held_out.under)
    measured = measure_loss(held_out, whole, without, models)
    rows = [
        {
            "model": model,
            **{metric: _rounded(measured.contrast(metric, _lost(metric, model)), digits) for metric in METRICS},
            "minus_attention": {
                metric: _rounded(
                    measured.contrast(metric, [*_lost(metric, model), *_lost(metric, ATTENTION, factor=-1)]), digits
                )
                for metric in METRICS
                if model != ATTENTION
            },
        }
        for model in models
    ]
    return {"modality": modality, "rows": rows}


def _lost(metric: str, model: str, factor: int = 1) -> list[tuple[float, str]]:
    """Terms of what a model loses: AUROC falls and log loss rises, and both are a loss above 0."""
    sign = factor if metric == "auroc" else -factor
    return [(sign, model), (-sign, f"{model}-")]


def _by_subset(held_out: Scored, subsets: np.ndarray, modalities: Sequence[str], digits: int) -> list[dict[str, Any]]:
    """Each subset with the figures of each model."""
    rows = []
    for number, name in enumerate(pattern_names(subsets, modalities).tolist()):
        chosen = np.arange(len(subsets)) == number
        measured = measure_under(held_out, chosen)
        figures = {m: {k: _rounded(measured.estimate(k, m), digits) for k in METRICS} for m in measured.models}
        rows.append({"subset": name, "num_modalities": int(subsets[number].sum()), "models": figures})
    return rows
