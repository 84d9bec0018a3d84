"""What may be shown of small groups: no count of people from 1 to 10, and none from which one follows by subtraction.

Groups add up to everybody, so a hidden count could be had from the others. Where one of a family is hidden, another row
is its partner: its counts are lower limits that `cohorts.limits` makes from sums which are known anyway, so that they
say nothing of the hidden count. Figures of rows with limits are made from the limits, or not shown. How many errors a
rate of a large enough group stands for is not hidden: an audit is about that.
"""

from collections.abc import Mapping, Sequence
from math import isfinite
from typing import Any

import pandas as pd

from cohorts.limits import NOTHING, Shown, of_parts, of_sizes
from cohorts.statistics import wilson

COUNTS = ("num_subjects", "num_positives", "num_negatives", "num_present", "num_absent", "support")
PAIRS = (("num_positives", "num_negatives"), ("num_present", "num_absent"))
FIGURES = (
    *("value", "lower", "upper", "share", "mean", "best", "worst", "change", "change_lower", "change_upper"),
    *("gap", "gap_lower", "gap_upper", "treatment", "treatment_lower", "treatment_upper", "availability", "covered"),
)
SUPPORTS = {"sensitivity": "num_positives", "specificity": "num_negatives", "selection_rate": "num_subjects"}
CROSSED = " & "
ALPHA = 0.025  # one-sided, so that intervals are of 95 %
LEAST_OF_A_RATE = 50  # of as many and more, any rate to two decimals may come from any count
Row = Mapping[str, Any]


def suppressed(table: pd.DataFrame, least: int, family: Sequence[str]) -> list[dict[str, Any]]:
    """Rows as plain data that may be shown.

    Args:
        table: With counts (COUNTS) and figures (FIGURES). Rows with a column `metric` repeat the counts of their group.
        least: Smallest count that is shown, such as 11.
        family: Columns whose equal values make rows a family, which adds up; none makes all rows one.

    Returns:
        A hidden count is the text "<11", a lower limit "≥190", one of which nothing may be told "–"; a figure that
        rests on a hidden count is None.
    """
    families: dict[tuple[Any, ...], list[int]] = {}
    records: list[dict[str, Any]] = [
        {str(name): _plain(value) for name, value in row.items()} for row in table.to_dict("records")
    ]
    for position, row in enumerate(records):
        families.setdefault(tuple(row[name] for name in family), []).append(position)
    for positions in families.values():
        rows = [records[position] for position in positions]
        for position, counts in zip(positions, _counts(rows, least), strict=True):
            row = records[position]
            records[position] = {**row, **_figures(row, counts, least), **{n: c for n, c in counts.items() if n in row}}
    return records


def lower_limit(count: int, least: int) -> int:
    """A round number, or 1, that is at least `least` - 2 under a count of at least `least`.

    For counts that are tied to others in more than one way, where no single partner can make up for a hidden one.

    Example:
        >>> lower_limit(194, 11), lower_limit(20, 11), lower_limit(12, 11)
        (180, 10, 1)
    """
    tens = max(1, least - 1)
    return max(1, (count - (tens - 1)) // tens * tens)


def linked(counts: Sequence[int], least: int) -> list[Shown]:
    """Counts that add up and are tied to others besides, of which one is hidden, here or there: all are limits.

    Example:
        >>> linked([150, 60, 7], 11), linked([150, 60], 11)
        (['≥140', '≥50', '<11'], ['≥140', '≥50'])
    """
    return [
        f"≥{lower_limit(shown, least)}" if isinstance(shown, int) and shown else shown
        for shown in of_sizes(counts, least)
    ]


def crossed(counts: Sequence[int], least: int) -> list[Shown]:
    """Counts of a table with two known margins, of which one is hidden: all but their power of ten is hidden."""
    return [f"<{least}" if 0 < c < least else f"≥{10 ** (len(str(c)) - 1)}" if c else 0 for c in counts]


def estimate_of(shown: int | str, least: int) -> float | None:
    """A count as somebody who only sees what is shown would guess it; None where it is hidden.

    Example:
        >>> estimate_of(40, 11), estimate_of("≥180", 11), estimate_of("<11", 11), estimate_of("–", 11)
        (40.0, 193.5, None, None)
    """
    if isinstance(shown, int):
        return float(shown)
    return None if is_secret(shown) else int(shown.removeprefix("≥")) + least + 2.5


def is_limit(*shown: int | str) -> bool:
    """Whether any of these counts is shown as a limit, so that a figure made from them is an approximation."""
    return any(isinstance(count, str) for count in shown)


def is_secret(shown: Any) -> bool:
    """Whether a count is hidden, or may be under the smallest that is shown."""
    return isinstance(shown, str) and (shown.startswith("<") or shown in (NOTHING, "≥1"))


def estimated_share(part: int | str, rest: int | str, least: int) -> dict[str, float | None]:
    """A share and its Wilson interval from two counts as they are shown; None where one is hidden or both are 0.

    Returns:
        value, lower, upper, to two decimals where a count is a limit and to three elsewhere.
    """
    a, b = estimate_of(part, least), estimate_of(rest, least)
    if a is None or b is None or a + b == 0:
        return dict.fromkeys(("value", "lower", "upper"))
    digits = 2 if is_limit(part, rest) else 3
    figures = (a / (a + b), *wilson(a, a + b, ALPHA))
    return {
        name: round(float(figure), digits) for name, figure in zip(("value", "lower", "upper"), figures, strict=True)
    }


def _counts(rows: Sequence[Row], least: int) -> list[dict[str, Shown]]:
    """Counts of a family as they are shown, a map a row; "flagged" besides where there are rates of groups."""
    first = rows[0]
    if "num_subjects" not in first and "num_present" not in first:
        return _of_everybody(rows, least) if "support" in first else [{} for _ in rows]
    by_metric = "metric" in first and "group" in first
    # In the order of names, so that every table with these groups has the same partner.
    keys = {position: str(row["group"]) if "group" in row else "" for position, row in enumerate(rows)}
    order = sorted(keys, key=lambda position: (keys[position], position))
    unique = list({keys[p]: p for p in reversed(order)}.values())[::-1] if by_metric else order
    of_groups = _of_groups([rows[p] for p in unique], _flagged(rows) if by_metric else None, least)
    found = dict(zip(unique, of_groups, strict=True))
    if not by_metric:
        return [found[position] for position in range(len(rows))]
    of_group = {keys[position]: counts for position, counts in found.items()}
    return [
        {**of_group[keys[position]], "support": of_group[keys[position]][SUPPORTS.get(row["metric"], "flagged")]}
        for position, row in enumerate(rows)
    ]


def _flagged(rows: Sequence[Row]) -> dict[str, int]:
    return {str(row["group"]): int(row["support"]) for row in rows if row["metric"] == "ppv"}


def _of_groups(groups: Sequence[Row], flagged: Mapping[str, int] | None, least: int) -> list[dict[str, Shown]]:
    pair = next((names for names in PAIRS if names[0] in groups[0]), None)
    sizes = [
        int(row["num_subjects"] if "num_subjects" in row else sum(row[name] for name in pair or ())) for row in groups
    ]
    columns: dict[str, list[int]] = {"num_subjects": sizes}
    if pair:
        columns |= {name: [int(row[name]) for row in groups] for name in pair}
    if flagged:
        columns["flagged"] = [flagged[str(row["group"])] for row in groups]
        columns["unflagged"] = [size - count for size, count in zip(sizes, columns["flagged"], strict=True)]
    if CROSSED in str(groups[0].get("feature")) and flagged is not None:
        some = any(0 < count < least for counts in columns.values() for count in counts)
        shown = {name: crossed(counts, least) if some else list(counts) for name, counts in columns.items()}
    else:
        shown = {"num_subjects": of_sizes(sizes, least)}
        if pair:
            shown |= dict(zip(pair, of_parts(sizes, columns[pair[0]], least), strict=True))
        if flagged:
            shown["flagged"], shown["unflagged"] = of_parts(sizes, columns["flagged"], least)
    return [{name: counts[number] for name, counts in shown.items()} for number in range(len(groups))]


def _of_everybody(rows: Sequence[Row], least: int) -> list[dict[str, Shown]]:
    """Supports of everybody, of whom the largest says how many they are; a rate rests on who is flagged as well."""
    everybody = max(int(row["support"]) for row in rows)
    found: list[dict[str, Shown]] = []
    flagged: dict[str, Shown] = {}
    for row in rows:
        (support,), (rest,) = of_parts([everybody], [int(row["support"])], least)
        found.append({"support": support})
        if row.get("metric") == "ppv":
            flagged = {"flagged": support, "unflagged": rest}
    return [
        counts | (flagged if row.get("metric") in (*SUPPORTS, "ppv") else {})
        for counts, row in zip(found, rows, strict=True)
    ]


def _figures(row: Row, counts: Mapping[str, Shown], least: int) -> dict[str, Any]:
    names = [name for name in FIGURES if name in row]
    if any(is_secret(count) for count in counts.values()):
        return dict.fromkeys(names)
    digits = 2 if is_limit(*counts.values()) else 3
    exact = {name: _rounded(row[name], digits) for name in names}
    if not is_limit(*counts.values()):
        return exact
    if "metric" in row:
        return _rate(row, counts, least, exact)
    pair = next((each for each in PAIRS if each[0] in counts), None)
    main = "share" if "share" in row else "value" if "value" in row and "num_present" in row else None
    if pair is None or main is None:
        return exact
    is_share = row[main] is not None and abs(row[main] - row[pair[0]] / max(1, row[pair[0]] + row[pair[1]])) < 1e-9
    made = estimated_share(counts[pair[0]], counts[pair[1]], least) if is_share else {}
    return {name: made.get("value" if name == "share" else name) for name in names}


def _rate(row: Row, counts: Mapping[str, Shown], least: int, exact: dict[str, Any]) -> dict[str, Any]:
    """Of a limit: the rate to two decimals where any count could have it, and the interval as if the limit were it."""
    if row["metric"] == "selection_rate" and is_limit(counts.get("flagged", 0)):
        return dict.fromkeys(exact)
    if not isinstance(counts["support"], str) or row.get("value") is None:
        return exact
    least_support = int(counts["support"].removeprefix("≥"))
    errors = row["value"] * row["support"]
    if least_support < LEAST_OF_A_RATE or abs(errors - round(errors)) > 1e-6:  # or weighted
        return dict.fromkeys(exact)
    value = round(row["value"], 2)
    low, high = wilson(value * least_support, least_support, ALPHA)
    return exact | {"value": value, "lower": round(float(low), 2), "upper": round(float(high), 2)}


def _rounded(value: float | None, digits: int) -> float | None:
    return None if value is None else round(value, digits)


def _plain(value: Any) -> Any:
    if isinstance(value, float):
        return float(value) if isfinite(value) else None
    return value.item() if hasattr(value, "item") else value
