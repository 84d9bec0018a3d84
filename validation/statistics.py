"""Intervals, as pure functions; `alpha` is one-sided, so alpha = 0.025 gives the usual 95 % interval.

Weights are survey or sampling weights, above 0: how many people of the population a subject stands for. They are not
frequencies: twice the weight is not two subjects, and only the ratios of weights matter. Subjects count as drawn
independently of each other; clusters and strata of a survey are not modelled.
"""

from math import sqrt
from typing import overload

import numpy as np
from scipy.optimize import brentq
from scipy.special import ndtri

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

    Args:
        success: bool (N,), N at least 1.
        weight: Above 0, (N,).

    Example:
        >>> rate, size = weighted_rate(np.array([True, True, False, False]), np.array([2.0, 2.0, 2.0, 2.0]))
        >>> rate, round(size, 9)
        (0.5, 4.0)
    """
    successes, others = weight[success], weight[~success]
    rate, size = rate_of_sums(successes.sum(), others.sum(), (successes**2).sum(), (others**2).sum())
    return float(rate), float(size)


def rate_of_sums(
    successes: np.ndarray, others: np.ndarray, squares: np.ndarray, other_squares: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Weighted rates and their sizes from sums of weights and of their squares, so that rows are summed only once.

    A size is the smaller of Kish's effective size, which is too large where weights go with the successes, and of
    rate (1 - rate) / variance by linearisation (Korn and Graubard, Survey Methodology 24, 1998, 193-201), which is too
    large where few of the large weights were seen. Equal weights give the count.

    Args:
        successes, others: Sums of the weights of those who are a success, and of those who are not; of one shape.
        squares, other_squares: Sums of the squares of the same weights.

    Returns:
        Rates, NaN where there is nobody, and sizes, 0 there.
    """
    total, every = np.asarray(successes + others, dtype=float), np.asarray(squares + other_squares, dtype=float)
    some = total > 0
    rate = np.divide(successes, total, out=np.full_like(total, np.nan), where=some)
    size = np.divide(total**2, every, out=np.zeros_like(total), where=some)
    spread = squares * (1 - rate) ** 2 + other_squares * rate**2
    seen = some & (rate > 0) & (rate < 1)
    linearised = np.divide(rate * (1 - rate) * total**2, spread, out=np.full_like(total, np.inf), where=seen)
    return rate, np.minimum(size, linearised)


@overload
def newcombe(s1: float, n1: float, s2: float, n2: float, alpha: float) -> tuple[float, float]: ...
@overload
def newcombe(
    s1: np.ndarray, n1: np.ndarray, s2: np.ndarray, n2: np.ndarray, alpha: float
) -> tuple[np.ndarray, np.ndarray]: ...
def newcombe(
    s1: float | np.ndarray, n1: float | np.ndarray, s2: float | np.ndarray, n2: float | np.ndarray, alpha: float
) -> tuple[float | np.ndarray, float | np.ndarray]:
    """Interval of the difference of two independent rates, s1/n1 - s2/n2 (Newcombe, Stat Med 17, 1998, method 10).

    Args:
        s1, n1, s2, n2: Successes and denominators; numbers, or arrays of one shape.
        alpha: One-sided, 0 to 0.5.

    Returns:
        Lower and upper bound, numbers for numbers; NaN where a denominator is not above 0.

    Example:
        >>> [round(bound, 4) for bound in newcombe(56, 70, 48, 80, 0.025)]
        [0.0524, 0.3339]
    """
    (l1, u1), (l2, u2) = (wilson(np.asarray(s), np.asarray(n), alpha) for s, n in ((s1, n1), (s2, n2)))
    p1, p2 = (s / np.where(np.asarray(n) > 0, n, np.nan) for s, n in ((s1, n1), (s2, n2)))
    lower = p1 - p2 - np.sqrt((p1 - l1) ** 2 + (u2 - p2) ** 2)
    upper = p1 - p2 + np.sqrt((u1 - p1) ** 2 + (p2 - l2) ** 2)
    return (lower, upper) if np.ndim(lower) else (float(lower), float(upper))


def tango_statistic(only_first: float, only_second: float, total: float, difference: float) -> float:
    """Score statistic of a difference of two rates of the same subjects (Tango, Stat Med 17, 1998, 891-908).

    At a difference of 0 it is the root of McNemar's.

    Args:
        only_first, only_second: How many of the subjects are a success by one only; may be fractional.
        total: All subjects, above 0.
        difference: Rate of the first minus that of the second under the hypothesis, above -1 and below 1.

    Returns:
        Standard normal under the hypothesis, large where the first is better; 0 where nothing speaks against it.

    Example:
        >>> tango_statistic(9, 0, 50, 0.0)
        3.0
    """
    d, n = difference, total
    b = (2 * n - only_first + only_second) * d - only_first - only_second
    share = (sqrt(max(0.0, b * b + 8 * n * only_second * d * (1 - d))) - b) / (4 * n)  # of only_second, most likely
    variance = n * (2 * share + d * (1 - d))
    distance = only_first - only_second - n * d
    return distance / sqrt(variance) if variance > 0 else 0.0


def tango(only_first: float, only_second: float, total: float, alpha: float) -> tuple[float, float]:
    """Interval of the difference of two rates of the same subjects: the differences that a score test does not reject.

    Only subjects on whom the two disagree tell anything of the difference, and there may be none: the interval is then
    not empty, but narrows with their number. Preferred to Newcombe's for pairs, which covers too much where the two
    agree on nearly everybody, as a candidate and its champion do.

    Args:
        only_first, only_second, total: As of `tango_statistic`.
        alpha: One-sided, 0 to 0.5.

    Returns:
        Lower and upper bound of the first minus the second; NaN where there is nobody.

    Example:
        >>> [round(bound, 3) for bound in tango(12, 2, 50, 0.025)]
        [0.061, 0.345]
    """
    if not total > 0:
        return float("nan"), float("nan")
    z = -float(ndtri(alpha))
    middle = (only_first - only_second) / total
    edge = 1 - 1e-12

    def excess(difference: float, sign: int) -> float:
        return sign * tango_statistic(only_first, only_second, total, difference) - z

    lower = -1.0 if excess(-edge, 1) <= 0 else brentq(excess, -edge, middle, args=(1,), xtol=1e-12)
    upper = 1.0 if excess(edge, -1) <= 0 else brentq(excess, middle, edge, args=(-1,), xtol=1e-12)
    return float(lower), float(upper)


def normal_interval(value: float, variance: float, alpha: float) -> tuple[float, float]:
    """Interval from an estimate and its variance, by the normal distribution."""
    half = -ndtri(alpha) * np.sqrt(variance)
    return float(value - half), float(value + half)


def log_interval(ratio: float, log_variance: float, alpha: float) -> tuple[float, float]:
    """Interval of a ratio above 0 from the variance of its logarithm; no bound is above e^700, near where floats end.

    Example:
        >>> [round(bound, 3) for bound in log_interval(1.0, 0.01, 0.025)]
        [0.822, 1.217]
    """
    lower, upper = normal_interval(float(np.log(ratio)), log_variance, alpha)
    return float(np.exp(lower)), float(np.exp(np.minimum(upper, 700.0)))


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
