"""Intervals that cohorts and judge share."""

import numpy as np
from scipy.stats import norm, rankdata


def wilson(successes: float, total: float, alpha: float) -> tuple[float, float]:
    """Score interval of a rate (Wilson, JASA 22, 1927, 209-212).

    Args:
        successes: Count, at most `total`; may be fractional.
        total: Denominator.
        alpha: One-sided, 0 to 0.5.

    Returns:
        Lower and upper bound; (NaN, NaN) where the denominator is 0.

    Example:
        >>> [round(bound, 4) for bound in wilson(8, 10, 0.025)]
        [0.4902, 0.9433]
    """
    if total <= 0:
        return float("nan"), float("nan")
    z2 = float(norm.isf(alpha)) ** 2
    rate = successes / total
    centre = (rate + z2 / (2 * total)) / (1 + z2 / total)
    half = np.sqrt(z2 * (rate * (1 - rate) / total + z2 / (4 * total**2))) / (1 + z2 / total)
    return max(0.0, float(centre - half)), min(1.0, float(centre + half))


def delong(label: np.ndarray, scores: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """AUROCs of several scores of the same subjects, with covariance (DeLong et al., Biometrics 44, 1988, 837-845).

    By mid-ranks, in O(n log n) (Sun and Xu, IEEE SPL 21, 2014, 1389-1393).

    Args:
        label: 1 positive, 0 negative, (N,).
        scores: (K, N), higher means more likely positive; ties count half.

    Returns:
        AUROCs (K,) and covariance (K, K), float64; NaN where a class has no subject (the covariance: fewer than two).
    """
    scores = np.atleast_2d(np.asarray(scores, dtype=float))
    positive = np.asarray(label) == 1
    m, n, k = int(positive.sum()), int((~positive).sum()), len(scores)
    if m == 0 or n == 0:
        return np.full(k, np.nan), np.full((k, k), np.nan)
    all_ranks = np.stack([rankdata(row) for row in scores])
    positive_ranks = np.stack([rankdata(row[positive]) for row in scores])
    negative_ranks = np.stack([rankdata(row[~positive]) for row in scores])
    by_positive = (all_ranks[:, positive] - positive_ranks) / n
    by_negative = 1 - (all_ranks[:, ~positive] - negative_ranks) / m
    if m < 2 or n < 2:
        return by_positive.mean(axis=1), np.full((k, k), np.nan)
    covariance = np.cov(by_positive).reshape(k, k) / m + np.cov(by_negative).reshape(k, k) / n
    return by_positive.mean(axis=1), covariance


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
    return float(1 / (1 + np.exp(half - centre))), float(1 / (1 + np.exp(-half - centre)))


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
