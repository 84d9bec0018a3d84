"""Predictions counted once: who has which values, and how many they are."""

from collections.abc import Sequence

import numpy as np
import pandas as pd

from validation.estimands import Rate
from validation.predictions import UNKNOWN, WEIGHT, weights_of
from validation.statistics import rate_of_sums


def tally(people: pd.DataFrame, columns: Sequence[str]) -> pd.DataFrame:
    """Cells of subjects who have the same values of some columns: all that rates need to know, in a few rows.

    Args:
        people: Predictions, or a table like them.
        columns: Of texts, categories, integers or booleans; a text that is absent becomes "Unknown".

    Returns:
        The columns, in the order of their values, and num, the number of subjects; where they are weighted, also the
        sum of their weights (weight), and of the squares of these (squares).

    Example:
        >>> people = pd.DataFrame({"sex": ["f", "f", None], "label": [1, 1, 0]})
        >>> tally(people, ["sex", "label"]).to_dict("list")
        {'sex': ['f', 'Unknown'], 'label': [1, 0], 'num': [2, 1]}
    """
    weight = weights_of(people)
    weights = {} if weight is None else {WEIGHT: weight, "squares": weight**2}
    every = people[list(columns)].assign(num=1, **weights)
    cells = every.groupby(list(columns), observed=True, dropna=False).sum().reset_index()
    for name in columns:
        if cells[name].dtype.kind not in "biu":
            cells[name] = cells[name].astype(object).where(cells[name].notna(), UNKNOWN).astype(str)
    return cells


def share_of(cells: pd.DataFrame, success: np.ndarray) -> Rate:
    """Share of the subjects in some cells who are a success, as `Rate.of` has it of the subjects themselves.

    Args:
        cells: From `tally`, at least one.
        success: bool, of each cell.
    """
    people = cells["num"].to_numpy()
    if WEIGHT not in cells:
        return Rate(int(people[success].sum()), int(people.sum()))
    sums = [cells[name].to_numpy()[part].sum() for name in (WEIGHT, "squares") for part in (success, ~success)]
    rate, size = map(float, rate_of_sums(*sums))
    return Rate(rate * size, size, people=int(people.sum()))
