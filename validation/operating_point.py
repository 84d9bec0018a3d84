"""The threshold: chosen on the tuning subjects, written and digested before the held-out cohort is first scored."""

from collections.abc import Callable
from math import ceil, floor, inf, log10
from typing import Any

import numpy as np
import pandas as pd

from cohorts.errors import InputError
from cohorts.files import canonical_json, digest_of_text
from validation.policy import OperatingPoint
from validation.predictions import weights_of

ABOVE_ALL = 1.001  # a threshold that no risk reaches


def choose_threshold(
    label: np.ndarray, score: np.ndarray, sensitivity: float, weight: np.ndarray | None = None
) -> float:
    """The highest threshold at which at least this share of the positives has score >= threshold.

    Args:
        label: 1 positive, 0 negative, (N,).
        score: (N,).
        sensitivity: Above 0, at most 1.
        weight: Survey or sampling weights, above 0, (N,), by which the share is taken; None for equal ones.

    Raises:
        InputError: There is no positive.

    Example:
        >>> choose_threshold(np.array([1, 1, 1, 1, 0]), np.array([0.9, 0.7, 0.4, 0.2, 0.3]), 0.75)
        0.4
    """
    positives = np.flatnonzero(label == 1)
    if len(positives) == 0:
        raise InputError("operating point: no tuning subject is positive, so no sensitivity can be reached")
    highest_first = positives[np.argsort(-score[positives])]
    reached = np.cumsum(np.ones(len(positives)) if weight is None else weight[highest_first])
    needed = sensitivity * reached[-1] - 1e-9 * reached[-1] / len(positives)
    return float(score[highest_first[np.searchsorted(reached, needed)]])


def threshold_of_alerts(score: np.ndarray, share: float, weight: np.ndarray | None = None) -> float:
    """The lowest threshold at which at most this share of the subjects has score >= threshold.

    Args:
        score: (N,), N at least 1.
        share: Above 0, at most 1.
        weight: Survey or sampling weights, above 0, (N,); None for equal ones.

    Returns:
        A score; infinity where so many share the highest one that any threshold flags too many.

    Example:
        >>> threshold_of_alerts(np.array([0.1, 0.2, 0.3, 0.4]), 0.5), threshold_of_alerts(np.array([0.4, 0.4]), 0.5)
        (0.3, inf)
    """
    values, place = np.unique(score, return_inverse=True)
    flagged = np.cumsum(np.bincount(place, weight)[::-1])[::-1]  # with a score of this value or more
    allowed = values[flagged <= share * flagged[0] * (1 + 1e-12)]
    return float(allowed.min()) if len(allowed) else inf


def operating_point(tuning: pd.DataFrame, rule: OperatingPoint) -> dict[str, Any]:
    """Threshold and where it came from, as plain data with its own digest.

    Args:
        tuning: Predictions of the tuning subjects.
        rule: What to reach.
    """
    weight, score = weights_of(tuning), tuning["score"].to_numpy()
    # Rounded in the direction that keeps what the rule asks for, so that the threshold is no subject's own score.
    if rule.rule == "sensitivity":
        threshold = _rounded(choose_threshold(tuning["label"].to_numpy(), score, rule.value, weight), floor)
    elif rule.rule == "alerts":
        threshold = _rounded(min(ABOVE_ALL, threshold_of_alerts(score, rule.value, weight)), ceil)
    else:
        threshold = 1 / (1 + rule.value)
    said = rule.sentence if weight is None or rule.rule == "cost_ratio" else f"{rule.sentence}, by their weights"
    content = {"rule": said, "threshold": threshold}
    return {**content, "digest": digest_of_text(canonical_json(content))}


def given_point(threshold: float) -> dict[str, Any]:
    """A threshold that was fixed elsewhere, in the form of `operating_point`."""
    content = {"rule": "fixed before, and given to validate", "threshold": threshold}
    return {**content, "digest": digest_of_text(canonical_json(content))}


def _rounded(threshold: float, direction: Callable[[float], int]) -> float:
    """To three significant digits, and to no fewer than three decimals."""
    if threshold <= 0:
        return 0.0
    digits = max(3, 2 - floor(log10(threshold)))
    return direction(threshold * 10**digits) / 10**digits
