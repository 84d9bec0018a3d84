"""Intervals that cohorts and judge share; `alpha` is one-sided, so alpha = 0.025 gives the usual 95 % interval."""

from typing import overload

import numpy as np
from scipy.special import expit, ndtri
from scipy.stats import norm

ROUNDING = 1e-9
"""Least difference, of shares of a weight, that is no rounding."""


def mean_and_covariance(values: np.ndarray, weight: np.ndarray | None = None) -> tuple[np.ndarray, np.ndarray]:
    """Means over subjects, and the covariance of these means.

    With weights by linearisation (Binder, Int Stat Rev 51, 1983, 279-292), which allows for weights that go with the
    values. It is scaled to be unbiased where they do not, however large a single weight; equal weights give the usual
    covariance. Where the effective size is small, it is still a matter of luck.

    Args:
        values: (K, N), N at least 1.
        weight: Of the subjects, (N,); None for equal ones.

    Returns:
        Means (K,) and covariance (K, K), float64; the covariance of a single subject is NaN, and so it is where
        one has all but a few hundred-thousandths of the weight.
    """
    k, n = values.shape
    mean = np.average(values, axis=1, weights=weight)
    if n < 2:
        return mean, np.full((k, k), np.nan)
    if weight is None:
        return mean, np.cov(values).reshape(k, k) / n
    share = weight / weight.sum()
    squares, cubes = (share**2).sum(), (share**3).sum()
    spread = 1 - 2 * cubes / squares + squares
    if spread < ROUNDING:
        return mean, np.full((k, k), np.nan)
    deviation = (values - mean[:, None]) * share
    return mean, deviation @ deviation.T / spread


@overload
def wilson(successes: float, total: float, alpha: float) -> tuple[float, float]: ...
@overload
def wilson(successes: np.ndarray, total: np.ndarray, alpha: float) -> tuple[np.ndarray, np.ndarray]: ...
def wilson(
    successes: float | np.ndarray, total: float | np.ndarray, alpha: float
) -> tuple[float | np.ndarray, float | np.ndarray]:
    """Score interval of a rate (Wilson, JASA 22, 1927, 209-212).

    Args:
        successes: Count, at most `total`; may be fractional. A number, or an array of any shape.
        total: Denominator, likewise.
        alpha: One-sided, 0 to 0.5.

    Returns:
        Lower and upper bound, numbers for numbers; NaN where the denominator is not above 0.

    Example:
        >>> [round(bound, 4) for bound in wilson(8, 10, 0.025)]
        [0.4902, 0.9433]
    """
    z2 = float(ndtri(alpha)) ** 2
    num = np.where(np.asarray(total) > 0, total, np.nan)
    rate = successes / num
    centre = (rate + z2 / (2 * num)) / (1 + z2 / num)
    half = np.sqrt(z2 * (rate * (1 - rate) / num + z2 / (4 * num**2))) / (1 + z2 / num)
    lower, upper = np.maximum(0.0, centre - half), np.minimum(1.0, centre + half)
    return (lower, upper) if np.ndim(lower) else (float(lower), float(upper))


def delong(label: np.ndarray, scores: np.ndarray, weight: np.ndarray | None = None) -> tuple[np.ndarray, np.ndarray]:
    """AUROCs of several scores of the same subjects, with covariance (DeLong et al., Biometrics 44, 1988, 837-845).

    From each subject's placement: the share of the other class, by weight, that it is on the right side of. By sorting,
    in O(n log n) (after Sun and Xu, IEEE SPL 21, 2014, 1389-1393).

    Args:
        label: 1 positive, 0 negative, (N,).
        scores: (K, N), higher means more likely positive; ties count half.
        weight: Of the subjects, (N,); None for equal ones.

    Returns:
        AUROCs (K,) and covariance (K, K), float64; NaN where a class has no subject (the covariance: fewer than two),
        and all of them where any score is NaN. An area within 1e-9 of 0 or 1 is exactly that, without variance: sums
        of weights are not exact, and a variance that is their rounding would pass for certainty.
    """
    scores = np.atleast_2d(np.asarray(scores, dtype=float))
    positive = np.asarray(label) == 1
    k = len(scores)
    if positive.all() or not positive.any() or np.isnan(scores).any():
        return np.full(k, np.nan), np.full((k, k), np.nan)
    of_positives, of_negatives = (None, None) if weight is None else (weight[positive], weight[~positive])
    placements = np.stack([_placements(row, positive, weight) for row in scores])
    areas, over_positives = mean_and_covariance(placements[:, positive], of_positives)
    covariance = over_positives + mean_and_covariance(placements[:, ~positive], of_negatives)[1]
    perfect = np.minimum(areas, 1 - areas) < ROUNDING
    covariance[perfect[:, None] | perfect] *= 0  # one of a single subject stays NaN
    return np.where(perfect, np.round(areas), areas), covariance


def _placements(score: np.ndarray, positive: np.ndarray, weight: np.ndarray | None) -> np.ndarray:
    """Share of the other class, by weight, that each subject is on the right side of; those equal to it count half."""
    order = np.argsort(score)
    ranked, of_positives = score[order], positive[order]
    every = np.ones(len(score)) if weight is None else weight[order]
    start = np.flatnonzero(np.r_[True, ranked[1:] != ranked[:-1]])
    tied = np.diff(np.r_[start, len(score)])
    placement = np.empty(len(score))
    for members, others in ((of_positives, ~of_positives), (~of_positives, of_positives)):
        mass = np.add.reduceat(every * others, start)
        share = np.repeat((np.cumsum(mass) - mass / 2) / mass.sum(), tied)
        placement[order[members]] = share[members]
    placement[~positive] = 1 - placement[~positive]
    return placement


def logit_interval(value: float, variance: float, alpha: float) -> tuple[float, float]:
    """Interval of a share from its estimate and variance, on the logit scale, so that it stays within 0 and 1.

    An estimate of exactly 0 or 1 has no logit and gives (NaN, NaN).

    Example:
        >>> [round(bound, 3) for bound in logit_interval(0.8, 0.04**2, 0.025)]
        [0.71, 0.867]
    """
    if not 0 < value < 1 or not np.isfinite(variance):
        return float("nan"), float("nan")
    centre = np.log(value / (1 - value))
    half = norm.isf(alpha) * np.sqrt(variance) / (value * (1 - value))
    return float(expit(centre - half)), float(expit(centre + half))


def auroc_interval(label: np.ndarray, score: np.ndarray, alpha: float = 0.025) -> tuple[float, float, float]:
    """AUROC with its interval, by DeLong on the logit scale; where it is exactly 0 or 1, by Wilson on the rarer class.

    Args:
        label: 1 positive, 0 negative, (N,).
        score: (N,), higher means more likely positive.
        alpha: One-sided, 0 to 0.5.

    Returns:
        Estimate, lower and upper bound; NaN where a class has no subject.

    Example:
        >>> [round(x, 3) for x in auroc_interval(np.array([0, 0, 1, 1, 0, 1]), np.array([1, 2, 3, 4, 3, 2]))]
        [0.778, 0.249, 0.974]
    """
    values, covariance = delong(label, score[None])
    value = float(values[0])
    if value in (0.0, 1.0):
        rarer = float(min((label == 1).sum(), (label == 0).sum()))
        return value, *wilson(value * rarer, rarer, alpha)
    return value, *logit_interval(value, float(covariance[0, 0]), alpha)
