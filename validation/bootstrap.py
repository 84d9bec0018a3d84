"""The bootstrap by subject, from cells: its cost depends on their number, and hardly on that of the subjects.

How many of each cell a replicate has is one multinomial draw, which says all that drawing every subject would. Draws
start from a fixed seed and from cells that know no order of rows, so that a second judge finds the very same bounds.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
from scipy.special import ndtri

from validation.cells import MOST, ClassCells, ScoreCells, score_cells
from validation.estimands import Estimand
from validation.measures import Measure

NUM_REPLICATES = 2000
SEED = 20261
TAIL = 10
"""Fewest replicates beyond a bound that is read from them."""
BATCH = 250


@dataclass(frozen=True, eq=False)
class Bootstrapped(Estimand):
    """A measure with its replicates; percentiles (Efron and Tibshirani, An introduction to the bootstrap, 1993, 13.3).

    Bounds at so small a level that fewer than 10 replicates are beyond it lie as far from the estimate as the last that
    can be read, times the ratio of the two normal quantiles.

    Attributes:
        estimate: From all subjects.
        replicates: Sorted, (B,); empty where any is undefined, as nothing can then be decided.
    """

    estimate: float
    replicates: np.ndarray
    subjects: float
    unit: str = "subjects"

    @classmethod
    def of(
        cls,
        measure: Measure,
        label: np.ndarray,
        score: np.ndarray,
        weight: np.ndarray | None = None,
        num_replicates: int = NUM_REPLICATES,
    ) -> "Bootstrapped":
        """A measure of `validation.measures`, from labels, scores, and weights, if any, each (N,)."""
        estimate, samples = replicates(measure, label, score, weight, num_replicates)
        known = np.sort(samples) if np.isfinite(samples).all() else np.empty(0)
        return cls(estimate, known, len(label))

    @property
    def value(self) -> float:
        return self.estimate

    @property
    def support(self) -> float:
        return self.subjects

    def interval(self, alpha: float) -> tuple[float, float]:
        if not len(self.replicates) or np.isnan(self.estimate):
            return float("nan"), float("nan")
        level = max(alpha, min(0.25, TAIL / len(self.replicates)))
        bounds = np.quantile(self.replicates, [level, 1 - level])
        if alpha < level:
            bounds = self.estimate + (bounds - self.estimate) * ndtri(alpha) / ndtri(level)
        return float(bounds[0]), float(bounds[1])

    def scaled(self, factor: float) -> "Bootstrapped":
        nearer = self.estimate + (self.replicates - self.estimate) / np.sqrt(factor)
        return replace(self, replicates=nearer, subjects=self.subjects * factor)


def observed(cells: ScoreCells) -> tuple[np.ndarray, np.ndarray]:
    """Sums of weights of the positives and of the negatives by score, each (1, K)."""
    num = len(cells.score)
    positives, negatives = (side.masses(side.count[None], num) for side in (cells.positives, cells.negatives))
    return positives, negatives


def resampled(cells: ScoreCells, num_replicates: int, seed: int = SEED) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """As `observed`, each (B, K), of as many replicates in batches.

    The number of positives is drawn too: where it is held fixed, bounds of what depends on the prevalence are too
    narrow, unless the cohort was chosen by label. A class is never empty.
    """
    rng = np.random.default_rng(seed)
    total = int(cells.positives.count.sum() + cells.negatives.count.sum())
    share = cells.positives.count.sum() / total
    for start in range(0, num_replicates, BATCH):
        num_positives = np.clip(rng.binomial(total, share, min(BATCH, num_replicates - start)), 1, total - 1)
        positives = _drawn(cells.positives, rng, num_positives, len(cells.score))
        yield positives, _drawn(cells.negatives, rng, total - num_positives, len(cells.score))


def replicates(
    measure: Measure,
    label: np.ndarray,
    score: np.ndarray,
    weight: np.ndarray | None,
    num_replicates: int,
    most: int = MOST,
) -> tuple[float, np.ndarray]:
    """A measure of all subjects, and of as many replicates, from at most `most` cells of scores of each class.

    The replicates are shifted by what the measure of all differs by between their own scores and the cells.

    Returns:
        NaN and replicates of NaN where a class has nobody or a score is NaN.
    """
    every, cells = (score_cells(label, score, weight, each) for each in (len(label), most))
    if every is None or cells is None:
        return float("nan"), np.full(num_replicates, np.nan)
    estimate, near = (float(measure(each.score, *observed(each))[0]) for each in (every, cells))
    samples = [measure(cells.score, *masses) for masses in resampled(cells, num_replicates)]
    return estimate, np.concatenate(samples) + (estimate - near)


def _drawn(side: ClassCells, rng: np.random.Generator, totals: np.ndarray, num_scores: int) -> np.ndarray:
    return side.masses(rng.multinomial(totals, side.count / side.count.sum()), num_scores)
