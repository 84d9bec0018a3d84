"""Raw columns to numbers and codes: missing codes, plausible ranges, and what is neither."""

import re
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pandas as pd

from cohorts.limits import SMALLEST_SHOWN, in_words

Limits = tuple[float | None, float | None]
LARGEST = 1e38  # what a float32 can hold, and more than anything that is measured


def as_text(value: Any) -> str | None:
    """A value as text: 3.0 becomes "3"; absent becomes None."""
    if value is None or value is pd.NaT or (isinstance(value, float) and np.isnan(value)) or value is pd.NA:
        return None
    if isinstance(value, float | np.floating) and float(value).is_integer():
        return str(int(value))
    return str(value)


def as_code(value: Any) -> str | None:
    """A value as the code that a spec would write, however the file that it comes from was read.

    A column of numbers gives 7, and one that holds a text somewhere gives "7.0" or "07": all are the code "7".

    Example:
        >>> as_code(3.0), as_code("3.0"), as_code("03"), as_code("a"), as_code(float("nan"))
        ('3', '3', '3', 'a', None)
        >>> as_code(pd.Timestamp("2024-01-05")), as_code("1.50")
        ('2024-01-05', '1.5')
    """
    text = as_text(value)
    if text is None:
        return None
    text = re.sub(r"(?<=\d)( 00:00:00|(?<=:\d\d):00)$", "", text)  # midnight of a date, or no seconds of a time
    if re.fullmatch(r"[-+]?\d+(\.0*)?", text):
        return str(int(text.split(".")[0]))
    if re.fullmatch(r"[-+]?\d*\.\d+", text):
        return str(float(text))
    return text


def as_codes(values: pd.Series) -> pd.Series:
    """A column as codes, None where absent."""
    return _by_distinct(values, as_code)


def as_texts(values: pd.Series) -> pd.Series:
    """A column as texts, None where absent."""
    return _by_distinct(values, as_text)


def _by_distinct(values: pd.Series, change: Callable[[Any], str | None]) -> pd.Series:
    position, distinct = pd.factorize(values)
    changed = np.array([*[change(value) for value in distinct], None], dtype=object)  # the position of absent is -1
    return pd.Series(changed[position], index=values.index, dtype=object)


def without(values: pd.Series, missing: Sequence[Any]) -> pd.Series:
    """A column in which these codes are absent."""
    return values.mask(as_codes(values).isin({as_code(code) for code in missing})) if missing else values


def as_numbers(what: str, values: pd.Series, problem: Callable[[str], None]) -> pd.Series:
    """A column as float64, NaN where absent; texts, dates and infinities are problems."""
    if pd.api.types.is_datetime64_any_dtype(values) or pd.api.types.is_timedelta64_dtype(values):
        problem(f"column {what}: holds dates or times, where numbers are needed; derive a number from it")
        return pd.Series(np.nan, values.index)
    numbers = pd.to_numeric(values, errors="coerce").astype(float) + 0.0  # a -0 is a 0
    texts = values[numbers.isna() & values.notna()]
    if len(texts):
        common = texts.astype(str).value_counts()
        example = f", most often `{common.index[0]}`" if common.iloc[0] >= SMALLEST_SHOWN else ""
        problem(f"column {what}: {in_words(len(texts))} values are not numbers{example}; {_way_out(texts.astype(str))}")
    infinite = int((numbers.abs() > LARGEST).sum())
    if infinite:
        problem(
            f"column {what}: {in_words(infinite)} values are infinite or beyond {LARGEST:g}, where numbers "
            "must be finite; mend the table"
        )
    return numbers


def _way_out(texts: pd.Series) -> str:
    if texts.str.fullmatch(r"\s*[-+]?\d[\d.]*,\d+\s*").mean() > 0.5:
        return "for decimal commas, set `decimal: ','` at its table"
    if texts.str.fullmatch(r"\s*[-+]?\d[\d.,]*\s*[^\d\s.,]+").mean() > 0.5:
        return "where a unit stands behind each number, `derive` the number without it"
    return "list their codes under `missing_codes`, or make the column categorical"


def within(what: str, values: np.ndarray, limits: Limits | None, outside: list[str]) -> np.ndarray:
    """Numbers, NaN where they lie outside a plausible range; how many do is added to `outside`, in words."""
    if limits is None:
        return values
    low, high = (-np.inf if limits[0] is None else limits[0], np.inf if limits[1] is None else limits[1])
    wrong = (values < low) | (values > high)
    if wrong.any():
        outside.append(f"{in_words(int(wrong.sum()))} of {what} ({low:g} to {high:g})")
    return np.where(wrong, np.nan, values)
