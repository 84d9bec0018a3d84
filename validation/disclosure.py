"""What may be shown of small groups: no count from 1 to 10, none from which one follows, no rate that rests on one.

A table of groups adds up, so a hidden count could be had by subtraction. Where one of a family is hidden, the other
counts of that family are therefore rounded to tens. Bounds and values are kept to three decimals, bounds outwards, so
that rounding never lets a check pass and exact fractions cannot be read back.
"""

from collections.abc import Sequence
from dataclasses import replace
from math import ceil, floor, isfinite
from typing import Any

import pandas as pd

from validation.findings import Finding

COUNTS = ("num_subjects", "num_positives", "num_negatives", "num_present", "num_absent", "support")
FIGURES = ("value", "lower", "upper", "share")


def suppressed(table: pd.DataFrame, least: int, family: Sequence[str]) -> list[dict[str, Any]]:
    """Rows as plain data that may be shown.

    Args:
        table: With counts (COUNTS) and figures (FIGURES).
        least: Smallest count that is shown, such as 11.
        family: Columns whose equal values make rows a family, which adds up; none makes all rows one.

    Returns:
        A hidden count is the text "<11", a rounded one "≈190"; a figure that rests on a hidden count is None.
    """
    if table.empty:
        return []
    counts = [name for name in COUNTS if name in table]
    small = (table[counts] > 0) & (table[counts] < least)
    keys = [table[name] for name in family] or [pd.Series(0, table.index)]
    in_family = small.any(axis=1).groupby(keys).transform("any").tolist()
    rests_on = [name for name in counts if "support" not in counts or name in ("num_subjects", "support")]
    hide = small[rests_on].any(axis=1).tolist()
    rows = []
    for position, row in enumerate(table.to_dict("records")):
        shown = {str(k): None if hide[position] and k in FIGURES else _plain(v) for k, v in row.items()}
        if in_family[position]:
            shown |= {name: _rounded(int(row[name]), least) for name in counts}
        rows.append(shown)
    return rows


def _rounded(count: int, least: int) -> int | str:
    if count == 0:
        return 0
    tens = max(1, least - 1)
    return f"<{least}" if count < least else f"≈{round(count / tens) * tens}"


def _plain(value: Any) -> Any:
    if isinstance(value, float):
        return round(value, 3) if isfinite(value) else None
    return value.item() if hasattr(value, "item") else value


def outwards(finding: Finding) -> Finding:
    """A finding whose value is rounded, its bounds outwards and its p-value upwards."""
    if finding.value is None or finding.lower is None or finding.upper is None or finding.p_fail is None:
        return finding
    return replace(
        finding,
        value=round(finding.value, 3),
        lower=floor(finding.lower * 1000) / 1000,
        upper=ceil(finding.upper * 1000) / 1000,
        p_fail=ceil(finding.p_fail * 1e5) / 1e5,
    )


def round_supports(findings: Sequence[Finding], least: int) -> list[Finding]:
    """Findings of one check, the supports of a family rounded where one of it shows no figure."""
    hidden = {finding.family for finding in findings if finding.basis == "too_few"} - {""}
    tens = max(1, least - 1)
    return [
        replace(finding, support=round(finding.support / tens) * tens, rounded=True)
        if finding.family in hidden and finding.support is not None
        else finding
        for finding in findings
    ]
