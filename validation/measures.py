"""Measures of risks from how many subjects of each class have which score, of many samples at once.

Each takes scores (K,), strictly rising, and the numbers of positives and of negatives who have them, or the sums of
their weights, (B, K), one row a sample; and gives one value a sample, (B,), NaN where it is undefined.
"""

from collections.abc import Callable

import numpy as np

Measure = Callable[[np.ndarray, np.ndarray, np.ndarray], np.ndarray]


def auroc(score: np.ndarray, positives: np.ndarray, negatives: np.ndarray) -> np.ndarray:
    """Share of pairs of a positive and a negative that are in order; ties count half."""
    below = np.cumsum(negatives, axis=1) - negatives / 2
    return _ratio((positives * below).sum(axis=1), positives.sum(axis=1) * negatives.sum(axis=1))


def auprc(score: np.ndarray, positives: np.ndarray, negatives: np.ndarray) -> np.ndarray:
    """Average precision, as scikit-learn defines it: no interpolation between thresholds."""
    found = positives[:, ::-1].cumsum(axis=1)
    precision = _ratio(found, found + negatives[:, ::-1].cumsum(axis=1), empty=0.0)
    return _ratio((positives[:, ::-1] * precision).sum(axis=1), found[:, -1])


def auprc_lift(score: np.ndarray, positives: np.ndarray, negatives: np.ndarray) -> np.ndarray:
    """Average precision over that of scores that say nothing, which is the prevalence."""
    return _ratio(auprc(score, positives, negatives), prevalence(positives, negatives))


def brier_skill(score: np.ndarray, positives: np.ndarray, negatives: np.ndarray) -> np.ndarray:
    """1 - Brier score over that of the prevalence as everybody's risk."""
    rate = prevalence(positives, negatives)
    loss = positives @ (1 - score) ** 2 + negatives @ score**2
    return 1 - _ratio(loss, (positives.sum(axis=1) + negatives.sum(axis=1)) * rate * (1 - rate))


def prevalence(positives: np.ndarray, negatives: np.ndarray) -> np.ndarray:
    """Share of the positives, (B,)."""
    return _ratio(positives.sum(axis=1), positives.sum(axis=1) + negatives.sum(axis=1))


def _ratio(above: np.ndarray, below: np.ndarray, empty: float = np.nan) -> np.ndarray:
    return np.divide(above, below, out=np.full(np.shape(below), empty), where=below != 0)
