"""The threshold: chosen on the tuning subjects, written and digested before the held-out cohort is first scored."""

from math import floor
from typing import Any

import numpy as np
import pandas as pd

from cohorts.errors import InputError
from cohorts.files import canonical_json, digest_of_text
from validation.policy import OperatingPoint
from validation.predictions import weights_of


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


def operating_point(tuning: pd.DataFrame, rule: OperatingPoint) -> dict[str, Any]:
    """Threshold and where it came from, as plain data with its own digest.

    Args:
        tuning: Predictions of the tuning subjects.
        rule: What to reach.
    """
    weight = weights_of(tuning)
    threshold = choose_threshold(tuning["label"].to_numpy(), tuning["score"].to_numpy(), rule.value, weight)
    name = rule.rule if weight is None else f"weighted {rule.rule}"
    content = {
        "rule": f"highest threshold, to 3 decimals, with {name} >= {rule.value:g} on the sparse tuning subjects",
        # Rounded down: the sensitivity holds, and the threshold is no subject's own score.
        "threshold": floor(threshold * 1000) / 1000,
    }
    return {**content, "digest": digest_of_text(canonical_json(content))}
