"""Predictions counted once: who has which values, label and flag, and how many they are."""

from collections.abc import Sequence

import pandas as pd

from validation.predictions import WEIGHT, weights_of

UNKNOWN = "Unknown"


def tally(people: pd.DataFrame, threshold: float, columns: Sequence[str]) -> pd.DataFrame:
    """Cells of subjects who have the same values of some columns, the same label, and are both flagged or not.

    All that rates need to know, in as many rows as there are cells, however many subjects.

    Args:
        people: Predictions.
        threshold: A score at or above it is flagged.
        columns: Columns of texts, or of categories; where one is absent, its value is "Unknown".

    Returns:
        The columns as texts, label, flagged (bool) and num, the number of subjects; where they are weighted, also the
        sum of their weights (weight), and of the squares of these (squares).

    Example:
        >>> people = pd.DataFrame({"sex": ["f", "f", None], "label": [1, 1, 0], "score": [0.7, 0.9, 0.1]})
        >>> tally(people, 0.5, ["sex"]).to_dict("list")
        {'sex': ['f', 'Unknown'], 'label': [1, 0], 'flagged': [True, False], 'num': [2, 1]}
    """
    keys = {name: people[name] for name in columns}
    outcome = {"label": people["label"], "flagged": people["score"] >= threshold, "num": 1}
    weight = weights_of(people)
    weights = {} if weight is None else {WEIGHT: weight, "squares": weight**2}
    every = pd.DataFrame({**keys, **outcome, **weights})
    cells = every.groupby([*columns, "label", "flagged"], observed=True, dropna=False).sum().reset_index()
    for name in columns:
        cells[name] = cells[name].astype(object).where(cells[name].notna(), UNKNOWN).astype(str)
    return cells
