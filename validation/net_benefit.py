"""What acting on a model is worth beside acting on everybody, or on nobody."""

from typing import Literal

import numpy as np

from validation.estimands import Mean


def net_benefit_gain(
    label: np.ndarray,
    score: np.ndarray,
    threshold: float,
    over: Literal["treat_all", "treat_none"],
    weight: np.ndarray | None = None,
) -> Mean:
    """Net benefit of the model minus that of treating all, or none (Vickers and Elkin, Med Decis Making 26, 2006).

    Net benefit counts the share of true positives, minus that of false positives times the odds of the threshold, which
    say how many of them one true positive is worth. It is a mean over subjects, and so is the gain.

    Args:
        label: 1 positive, 0 negative, (N,), N at least 2.
        score: Risks, (N,); at or above the threshold a subject is treated.
        threshold: Above 0 and below 1.
        over: What the model is compared with.
        weight: Survey or sampling weights, (N,); None for equal ones.

    Returns:
        The gain. Its variance is NaN, so that nothing can be decided, where the model treats everybody, or nobody, as
        well: no spread was seen, which does not mean that there is none.

    Raises:
        ValueError: The threshold has no odds.

    Example:
        >>> label, score = np.array([1, 0, 1, 0]), np.array([0.9, 0.6, 0.3, 0.1])
        >>> [net_benefit_gain(label, score, 0.2, over).value for over in ("treat_all", "treat_none")]
        [0.0625, 0.4375]
    """
    if not 0 < threshold < 1:
        raise ValueError(f"threshold: must be above 0 and below 1, or its odds weigh nothing (value: {threshold})")
    treated = (score >= threshold).astype(float)
    worth = np.where(label == 1, 1.0, -threshold / (1 - threshold))
    gain = Mean.over((treated - (over == "treat_all")) * worth, weight)
    return gain if gain.variance > 0 else Mean(gain.mean, float("nan"), gain.subjects)
