"""The threshold: chosen on the tuning subjects, written and digested before the held-out cohort is first scored."""

from math import floor
from typing import Any

import numpy as np
import pandas as pd

from cohorts.errors import InputError
from cohorts.files import canonical_json, digest_of_text
from validation.policy import OperatingPoint


def choose_threshold(label: np.ndarray, score: np.ndarray, sensitivity: float) -> float:
    """The highest threshold at which at least this share of the positives has score >= threshold.

    Args:
        label: 1 positive, 0 negative, (N,).
        score: (N,).
        sensitivity: Above 0, at most 1.

    Raises:
        InputError: There is no positive.

    Example:
        >>> choose_threshold(np.array([1, 1, 1, 1, 0]), np.array([0.9, 0.7, 0.4, 0.2, 0.3]), 0.75)
        0.4
    """
    positives = np.sort(score[label == 1])[::-1]
    if len(positives) == 0:
        raise InputError("operating point: no tuning subject is positive, so no sensitivity can be reached")
    return float(positives[int(np.ceil(sensitivity * len(positives) - 1e-9)) - 1])


def operating_point(tuning: pd.DataFrame, rule: OperatingPoint) -> dict[str, Any]:
    """Threshold and where it came from, as plain data with its own digest.

    Args:
        tuning: Predictions of the tuning subjects.
        rule: What to reach.
    """
    threshold = choose_threshold(tuning["label"].to_numpy(), tuning["score"].to_numpy(), rule.value)
    content = {
        "rule": f"highest threshold, to 3 decimals, with {rule.rule} >= {rule.value:g} on the sparse tuning subjects",
        # Rounded down: the sensitivity holds, and the threshold is no subject's own score.
        "threshold": floor(threshold * 1000) / 1000,
    }
    return {**content, "digest": digest_of_text(canonical_json(content))}
