"""The tables of the modality audit, as they may be shown."""

from typing import Any

import pandas as pd

from cohorts.disclosure import is_secret, lower_limit
from validation.checks import Evidence
from validation.disclosure import COUNTS, FIGURES, suppressed
from validation.presence import presence_alone
from validation.shapley import shapley_values
from validation.standardisation import standardised_gaps
from validation.subset_performance import ALL, by_num_removed, by_subset, modality_effects, pattern_shift
from validation.subsets import Subsets

Rows = list[dict[str, Any]]


def modality_tables(evidence: Evidence, alpha: float, least: int) -> dict[str, Rows]:
    """What absent modalities do, for the report.

    Args:
        evidence: Predictions, and scores under subsets where there are some.
        alpha: One-sided level of the bounds.
        least: Smallest number of people of whom a figure is shown.

    Returns:
        Table to rows as plain data, without any count or figure of fewer than `least` people: presence_alone and
        standardised_gaps; and subsets, degradation, modality_effects, shapley and pattern_shift, empty where scores
        under subsets are not there or are of too few people.
    """
    groups, held_out, subsets = evidence.groups(), evidence.held_out, evidence.subsets
    presence = presence_alone(held_out, groups, alpha, least)
    gaps = standardised_gaps(held_out, groups, evidence.threshold, alpha, least)
    tables = {"presence_alone": suppressed(presence, least, ["feature"])}
    tables["standardised_gaps"] = suppressed(gaps, least, ["feature"])
    of_subsets = {
        "subsets": by_subset,
        "degradation": by_num_removed,
        "shapley": shapley_values,
        "pattern_shift": pattern_shift,
    }
    if subsets is None or not subsets.can_be_shown(least):
        return tables | {name: [] for name in [*of_subsets, "modality_effects"]}
    tables |= {name: suppressed(make(subsets, alpha), least, []) for name, make in of_subsets.items()}
    effects = suppressed(modality_effects(subsets, groups, alpha), least, ["feature", "modality"])
    return tables | {"modality_effects": _without_differences(effects, subsets, evidence, least)}


def _without_differences(rows: Rows, subsets: Subsets, evidence: Evidence, least: int) -> Rows:
    """Counts of complete subjects are limits in a feature where they would tell of a few others in a group."""
    label, everybody = evidence.held_out["label"].to_numpy(), pd.Series(True, evidence.held_out.index)
    unsure = {
        feature
        for feature, _, member in [(ALL, ALL, everybody), *evidence.groups()]
        if subsets.tells_of_few(label, member.to_numpy(dtype=bool), least)
    }
    return [_limited(row, least) if row["feature"] in unsure else row for row in rows]


def _limited(row: dict[str, Any], least: int) -> dict[str, Any]:
    counts = {name: row[name] for name in COUNTS if name in row}
    limits = {n: f"≥{lower_limit(c, least)}" if isinstance(c, int) and c else c for n, c in counts.items()}
    secret = any(is_secret(limit) for limit in limits.values())
    figures = {name: None if secret or row[name] is None else round(row[name], 2) for name in FIGURES if name in row}
    return {**row, **limits, **figures}
