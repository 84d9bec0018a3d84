"""Intervals, as pure functions; `alpha` is one-sided, so alpha = 0.025 gives the usual 95 % interval.

Weights are survey or sampling weights, above 0: how many people of the population a subject stands for. They are not
frequencies: twice the weight is not two subjects, and only the ratios of weights matter. Subjects count as drawn
independently of each other; clusters and strata of a survey are not modelled.
"""

import numpy as np
from scipy.stats import norm

from cohorts.statistics import wilson


def effective_size(weight: np.ndarray) -> float:
    """How many subjects of equal weight would give a mean as exactly (Kish, Survey Sampling, 1965, section 11.7).

    Args:
        weight: Above 0, (N,).

    Returns:
        From 1 to N; 0.0 of nobody.

    Example:
        >>> effective_size(np.array([1.0, 1.0, 2.0])), effective_size(np.array([]))
        (2.6666666666666665, 0.0)
    """
    return float(weight.sum() ** 2 / (weight**2).sum()) if len(weight) else 0.0


def weighted_rate(success: np.ndarray, weight: np.ndarray) -> tuple[float, float]:
    """Weighted share of successes, and the number of subjects of equal weight that would give it as exactly.

    That number is the smaller of Kish's effective size, which is too large where weights go with the successes, and of
    rate (1 - rate) / variance by linearisation (Korn and Graubard, Survey Methodology 24, 1998, 193-201), which is too
    large where few of the large weights were seen. Equal weights give the count.

    Args:
        success: bool (N,), N at least 1.
        weight: Above 0, (N,).

    Example:
        >>> rate, size = weighted_rate(np.array([True, True, False, False]), np.array([2.0, 2.0, 2.0, 2.0]))
        >>> rate, round(size, 9)
        (0.5, 4.0)
    """
    size, rate = effective_size(weight), float(weight[success].sum() / weight.sum())
    if not 0 < rate < 1:
        return rate, size
    variance = float(((weight / weight.sum()) ** 2 * (success - rate) ** 2).sum())
    return rate, min(size, rate * (1 - rate) / variance)


def newcombe(s1: float, n1: float, s2: float, n2: float, alpha: float) -> tuple[float, float]:
    """Interval of the difference of two independent rates, s1/n1 - s2/n2 (Newcombe, Stat Med 17, 1998, method 10).

    Returns:
        Lower and upper bound; NaN where a denominator is 0.

    Example:
        >>> [round(bound, 4) for bound in newcombe(56, 70, 48, 80, 0.025)]
        [0.0524, 0.3339]
    """
    if n1 <= 0 or n2 <= 0:
        return float("nan"), float("nan")
    (l1, u1), (l2, u2), p1, p2 = wilson(s1, n1, alpha), wilson(s2, n2, alpha), s1 / n1, s2 / n2
    lower = p1 - p2 - np.sqrt((p1 - l1) ** 2 + (u2 - p2) ** 2)
    upper = p1 - p2 + np.sqrt((u1 - p1) ** 2 + (p2 - l2) ** 2)
    return float(lower), float(upper)


def normal_interval(value: float, variance: float, alpha: float) -> tuple[float, float]:
    """Interval from an estimate and its variance, by the normal distribution."""
    half = norm.isf(alpha) * np.sqrt(variance)
    return float(value - half), float(value + half)


def holm(p_values: list[float]) -> list[float]:
    """Adjusted p-values that keep the chance of any false rejection (Holm, Scand J Stat 6, 1979, 65-70).

    Example:
        >>> holm([0.01, 0.04, 0.03])
        [0.03, 0.06, 0.06]
    """
    order = np.argsort(p_values)
    stepped = np.asarray(p_values)[order] * (len(p_values) - np.arange(len(p_values)))
    adjusted = np.empty(len(p_values))
    adjusted[order] = np.minimum(1.0, np.maximum.accumulate(stepped))
    return adjusted.tolist()
