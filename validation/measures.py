"""Measures of risks from how many subjects of each class have which score, of many samples at once.

Each takes scores (K,), strictly rising, and the numbers of positives and of negatives who have them, or the sums of
their weights, (B, K), one row a sample; and gives one value a sample, (B,), NaN where it is undefined.
"""

from collections.abc import Callable

import numpy as np
from scipy.special import expit, logit, xlogy

SMALLEST = 1e-6
"""Risks count as at least this far from 0 and 1 where their logarithm is taken."""
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


def log_loss_skill(score: np.ndarray, positives: np.ndarray, negatives: np.ndarray) -> np.ndarray:
    """1 - log loss over that of the prevalence as everybody's risk."""
    risk, rate = np.clip(score, SMALLEST, 1 - SMALLEST), prevalence(positives, negatives)
    loss = -(positives @ np.log(risk) + negatives @ np.log1p(-risk))
    entropy = -xlogy(rate, rate) - xlogy(1 - rate, 1 - rate)
    return 1 - _ratio(loss, (positives.sum(axis=1) + negatives.sum(axis=1)) * entropy)


def calibration_slope(score: np.ndarray, positives: np.ndarray, negatives: np.ndarray) -> np.ndarray:
    """Slope of a logistic regression of the label on the logit of the risk (Cox, Biometrika 45, 1958, 562-565).

    By Newton's method, all samples together; NaN where it finds no end, as where the scores separate the classes. It is
    best at 1, not where it is largest: see `inverse_calibration_slope`.
    """
    odds = logit(np.clip(score, SMALLEST, 1 - SMALLEST))
    powers = np.stack([np.ones_like(odds), odds, odds**2])
    both, of_positives = positives + negatives, positives @ powers[:2].T
    intercept, slope = np.zeros(len(both)), np.ones(len(both))
    with np.errstate(all="ignore"):
        for _ in range(25):
            risk = expit(intercept[:, None] + slope[:, None] * odds)
            gradient = of_positives - (both * risk) @ powers[:2].T
            h0, h1, h2 = ((both * risk * (1 - risk)) @ powers.T).T
            determinant = h0 * h2 - h1**2
            steps = (h2 * gradient[:, 0] - h1 * gradient[:, 1], h0 * gradient[:, 1] - h1 * gradient[:, 0])
            intercept, slope = intercept + steps[0] / determinant, slope + steps[1] / determinant
            ended = np.abs(steps[1] / determinant) < 1e-9 * (1 + np.abs(slope))
            if ended.all():
                break
    return np.where(ended, slope, np.nan)


def inverse_calibration_slope(score: np.ndarray, positives: np.ndarray, negatives: np.ndarray) -> np.ndarray:
    """1 over the slope: that both reach a floor such as 0.8 says that the slope is within 0.8 and 1.25."""
    return _ratio(np.ones(len(positives)), calibration_slope(score, positives, negatives))


def prevalence(positives: np.ndarray, negatives: np.ndarray) -> np.ndarray:
    """Share of the positives, (B,)."""
    return _ratio(positives.sum(axis=1), positives.sum(axis=1) + negatives.sum(axis=1))


def _ratio(above: np.ndarray, below: np.ndarray, empty: float = np.nan) -> np.ndarray:
    return np.divide(above, below, out=np.full(np.shape(below), empty), where=below != 0)
