"""What a decision may show of small groups: findings rounded so that no small count follows, and no check passes by it.

Bounds are rounded outwards, so that rounding never lets a check pass. Tables follow `cohorts.disclosure`.
"""

from collections.abc import Sequence
from dataclasses import replace
from math import ceil, floor

from cohorts.disclosure import COUNTS, FIGURES, suppressed
from validation.findings import Finding

__all__ = ["COUNTS", "FIGURES", "coarsened", "suppressed"]

P_VALUES = (0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0)


def coarsened(findings: Sequence[Finding], least: int) -> list[Finding]:
    """Findings of one check as they may be shown, and as they are judged.

    Args:
        findings: With exact figures.
        least: Smallest count that is shown.

    Returns:
        Values rounded, bounds rounded outwards, p-values upwards; in a family of which one member shows no figure,
        more coarsely, with `least` for every support, which says nothing of the hidden one. Their bounds, to two
        decimals, still tell a support to about a tenth: they are what is judged, and stay.
    """
    hidden = {finding.family for finding in findings if finding.basis == "too_few"} - {""}
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
        p_fail=min(1.0, ceil(finding.p_fail * 1e3) / 1e3),
    )
    if not in_hidden_family or finding.support is None:
        return shown
    needed = None if finding.needed is None else ceil(finding.needed / 10) * 10
    p_fail = next(value for value in P_VALUES if finding.p_fail <= value)
    return replace(shown, support=least, needed=needed, p_fail=p_fail, rounded=True)
