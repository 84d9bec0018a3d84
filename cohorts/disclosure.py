"""What may be shown of small groups: no count of people from 1 to 10, and none from which one follows by subtraction.

Groups add up to everybody, so a hidden count could be had from the others. Where one of a family is hidden, the others
of that family are shown as lower limits, low enough to leave the hidden one anywhere from 1 to 10, and figures of the
family are kept to two decimals, or made from the limits. All others are kept to three. How many errors a rate of a
large enough group stands for is not hidden: an audit is about that.
"""

from collections.abc import Sequence
from math import isfinite
from typing import Any

import pandas as pd

COUNTS = ("num_subjects", "num_positives", "num_negatives", "num_present", "num_absent", "support")
FIGURES = ("value", "lower", "upper", "share")


def suppressed(table: pd.DataFrame, least: int, family: Sequence[str]) -> list[dict[str, Any]]:
    """Rows as plain data that may be shown.

    Args:
        table: With counts (COUNTS) and figures (FIGURES).
        least: Smallest count that is shown, such as 11.
        family: Columns whose equal values make rows a family, which adds up; none makes all rows one.

    Returns:
        A hidden count is the text "<11", a lower limit "≥190"; a figure that rests on a hidden count is None.
    """
    if table.empty:
        return []
    counts = [name for name in COUNTS if name in table]
    small = (table[counts] > 0) & (table[counts] < least)
    keys = [table[name] for name in family] or [pd.Series(0, table.index)]
    in_family = small.any(axis=1).groupby(keys).transform("any").tolist()
    # Together, several rates of a group tell its counts, so a group with a hidden count shows none of them.
    hide = small.any(axis=1).tolist()
    if "group" in table and "metric" in table:
        hide = (
            pd.Series(hide)
            .groupby([table["group"].to_numpy(), *[k.to_numpy() for k in keys]])
            .transform("any")
            .tolist()
        )
    rows = []
    for position, row in enumerate(table.to_dict("records")):
        digits = 2 if in_family[position] else 3
        shown = {str(k): None if hide[position] and k in FIGURES else _plain(v, digits) for k, v in row.items()}
        if in_family[position]:
            shown |= {name: _limit(int(row[name]), least) for name in counts}
        rows.append(shown)
    return rows


def lower_limit(count: int, least: int) -> int:
    """A round number, or 1, that is at least `least` - 2 under a count of at least `least`.

    Example:
        >>> lower_limit(194, 11), lower_limit(20, 11), lower_limit(12, 11)
        (180, 10, 1)
    """
    tens = max(1, least - 1)
    return max(1, (count - (tens - 1)) // tens * tens)


def estimate_of(shown: int | str, least: int) -> float | None:
    """A count as somebody who only sees what is shown would guess it; None where it is hidden.

    Example:
        >>> estimate_of(40, 11), estimate_of("≥180", 11), estimate_of("<11", 11)
        (40.0, 193.5, None)
    """
    if isinstance(shown, int):
        return float(shown)
    return None if shown.startswith("<") else int(shown.removeprefix("≥")) + least + 2.5


def is_limit(*shown: int | str) -> bool:
    """Whether any of these counts is shown as a limit, so that a figure made from them is an approximation."""
    return any(isinstance(count, str) for count in shown)


def _limit(count: int, least: int) -> int | str:
    if count == 0:
        return 0
    return f"<{least}" if count < least else f"≥{lower_limit(count, least)}"


def _plain(value: Any, digits: int) -> Any:
    if isinstance(value, float):
        return round(value, digits) if isfinite(value) else None
    return value.item() if hasattr(value, "item") else value
