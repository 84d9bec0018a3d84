"""Scores as cells: all that a measure of risks needs to know of its subjects, in no order and of no great number."""

from dataclasses import dataclass

import numpy as np

MOST = 500
"""Cells of scores that each class is cut into at most."""
LEVELS = 5
"""Of weights, within a cell of scores."""


@dataclass(frozen=True)
class ClassCells:
    """The subjects of one class, those of about equal score and weight together.

    Attributes:
        place: Which score they have, int (C,), not falling.
        count: How many there are, at least 1, int (C,).
        weight: Mean weight of one of them, (C,); 1 where none are given.
    """

    place: np.ndarray
    count: np.ndarray
    weight: np.ndarray

    def masses(self, drawn: np.ndarray, num_scores: int) -> np.ndarray:
        """Sums of weights by score, (B, K), of B draws of so many subjects of each cell, (B, C)."""
        start = np.flatnonzero(np.r_[True, self.place[1:] != self.place[:-1]])
        masses = np.zeros((len(drawn), num_scores))
        masses[:, self.place[start]] = np.add.reduceat(drawn * self.weight, start, axis=1)
        return masses


@dataclass(frozen=True)
class ScoreCells:
    """Scores, lowest first, (K,), and the subjects of each class who have them.

    Attributes:
        score: Strictly rising; the mean of a cell.
        positives, negatives: Cells of a class, at least one.
    """

    score: np.ndarray
    positives: ClassCells
    negatives: ClassCells


def score_cells(
    label: np.ndarray, score: np.ndarray, weight: np.ndarray | None = None, most: int = MOST
) -> ScoreCells | None:
    """Subjects in cells of equal scores, or of near ones where a class has more than `most` distinct scores.

    A cell then has about 1 / `most` of a class at most, unless they tie, so that taking its subjects for tied moves an
    AUROC by less than 1 / `most`, and an average precision likewise. The cells do not depend on the order of the rows.

    Args:
        label: 1 positive, 0 negative, (N,).
        score: (N,).
        weight: Above 0, (N,); None for equal ones. Cells are then cut by weight too, into at most `LEVELS`.
        most: Cells of scores that each class is cut into at most.

    Returns:
        None where a class has nobody or a score is NaN, as nothing can be measured.
    """
    classes = [np.asarray(label) == 1, np.asarray(label) != 1]
    if not all(members.any() for members in classes) or np.isnan(score).any():
        return None
    parts = [_sorted(score[members], None if weight is None else weight[members]) for members in classes]
    edges = np.union1d(*(_edges(values, most) for values, _ in parts))
    levels = np.zeros(1) if weight is None else _edges(np.sort(weight), LEVELS)
    places = [np.searchsorted(edges, values, "right") - 1 for values, _ in parts]
    num = np.bincount(np.concatenate(places))
    total = np.bincount(np.concatenate(places), np.concatenate([values for values, _ in parts]))
    cells = [_cells(place, part[1], levels) for place, part in zip(places, parts, strict=True)]
    return ScoreCells(total / num, *cells)


def _sorted(score: np.ndarray, weight: np.ndarray | None) -> tuple[np.ndarray, np.ndarray | None]:
    """In an order of their own, so that no sum depends on that of the rows."""
    if weight is None:
        return np.sort(score), None
    order = np.lexsort((weight, score))
    return score[order], weight[order]


def _edges(values: np.ndarray, most: int) -> np.ndarray:
    """Lower edges of cells of sorted values: all that are distinct, or at most `most` quantiles of them."""
    distinct = values[np.r_[True, np.diff(values) > 0]]
    return distinct if len(distinct) <= most else np.unique(values[np.arange(most) * len(values) // most])


def _cells(place: np.ndarray, weight: np.ndarray | None, levels: np.ndarray) -> ClassCells:
    level = 0 if weight is None else np.searchsorted(levels, weight, "right") - 1
    cell = place * len(levels) + level
    count = np.bincount(cell)
    total = np.bincount(cell, weight)
    (some,) = count.nonzero()
    return ClassCells(some // len(levels), count[some], total[some] / count[some])
