"""What a decision may show of small groups: findings rounded so that no small count follows, and no check passes by it.

Bounds are rounded outwards, so that rounding never lets a check pass. Tables follow `cohorts.disclosure`.
"""

from collections.abc import Collection, Sequence
from dataclasses import replace
from math import ceil, floor, log10

import pandas as pd

from cohorts.disclosure import COUNTS, FIGURES, suppressed
from validation.findings import Finding
from validation.predictions import SENSITIVE, sensitive_features

__all__ = ["COUNTS", "FIGURES", "coarsened", "families_with_few", "suppressed"]

P_VALUES = (1e-6, 1e-5, 1e-4, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0)


def families_with_few(held_out: pd.DataFrame, threshold: float, least: int) -> set[str]:
    """Families of which somebody has from 1 to `least` - 1 subjects, positives, negatives, flagged or unflagged ones.

    The negatives of a group, by a check of specificity, and its size would tell its positives, so that all checks of
    such a family are shown as if each had a hidden group.

    Args:
        held_out: Predictions.
        threshold: A score at or above it is flagged.
        least: Smallest count that is shown.

    Returns:
        Sensitive features, and "" for the checks of everybody.
    """
    found = set()
    sides = (held_out["label"], held_out["score"] >= threshold)
    families = {name: held_out[SENSITIVE + name] for name in sensitive_features(held_out)}
    for name, group in ({"": pd.Series("all", held_out.index)} | families).items():
        counts = [group.value_counts(), *(pd.crosstab(group, side) for side in sides)]
        if any(((count > 0) & (count < least)).any(axis=None) for count in counts):
            found.add(name)
    return found


def coarsened(findings: Sequence[Finding], least: int, hidden: Collection[str] = ()) -> list[Finding]:
    """Findings of one check as they may be shown, and as they are judged.

    Args:
        findings: With exact figures.
        least: Smallest count that is shown.
        hidden: Families that have a hidden count elsewhere, from `families_with_few`.

    Returns:
        Values rounded, bounds rounded outwards, p-values upwards; in a family of which one member shows no figure,
        more coarsely, with `least` for every support, which says nothing of the hidden one. Their bounds, to two
        decimals, still tell a support to about a tenth: they are what is judged, and stay.
    """
    hidden = {finding.family for finding in findings if finding.basis == "too_few"} - {""} | set(hidden)
    return [_coarsened(finding, finding.family in hidden, least) for finding in findings]


def _coarsened(finding: Finding, in_hidden_family: bool, least: int) -> Finding:
    if finding.value is None or finding.lower is None or finding.upper is None or finding.p_fail is None:
        return finding
    scale = 100 if in_hidden_family else 1000
    shown = replace(
        finding,
        value=round(finding.value * scale) / scale,
        lower=floor(finding.lower * scale) / scale,
        upper=ceil(finding.upper * scale) / scale,
        p_fail=_rounded_up(finding.p_fail),
    )
    if not in_hidden_family or finding.support is None:
        return shown
    needed = None if finding.needed is None else ceil(finding.needed / 10) * 10
    p_fail = next(value for value in P_VALUES if finding.p_fail <= value)
    return replace(shown, support=least, needed=needed, p_fail=p_fail, rounded=True)


def _rounded_up(p_value: float) -> float:
    """To two digits, so that Holm's correction for many findings still has something to correct."""
    if not 0 < p_value < 1:
        return p_value
    digits = 1 - floor(log10(p_value))
    return min(1.0, round(ceil(p_value * 10**digits) / 10**digits, digits))
