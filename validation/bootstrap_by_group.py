"""The bootstrap of fairlearn's metrics by group, from counts: for cohorts of any size and as many replicates as needed.

How many of a group are positive or not, and flagged or not, is all that rates need: a replicate of all groups is one
multinomial draw, as if the rows had been drawn. An AUROC is drawn group by group, from cells of scores.
"""

import numpy as np
import pandas as pd

from validation.bootstrap import NUM_REPLICATES, SEED, replicates
from validation.measures import auroc

CELLS_A_GROUP = 25
# Numbers of negatives unflagged, negatives flagged, positives unflagged and positives flagged: successes and the base.
RATES = {
    "sensitivity": ([0, 0, 0, 1], [0, 0, 1, 1]),
    "specificity": ([1, 0, 0, 0], [1, 1, 0, 0]),
    "ppv": ([0, 0, 0, 1], [0, 1, 0, 1]),
    "selection_rate": ([0, 1, 0, 1], [1, 1, 1, 1]),
}


def bounds_by_group(
    label: np.ndarray,
    score: np.ndarray,
    group: np.ndarray,
    threshold: float,
    alpha: float = 0.025,
    num_replicates: int = NUM_REPLICATES,
) -> pd.DataFrame:
    """Percentile bounds of the rates at a threshold, and of the AUROC, of every group.

    Args:
        label: 1 positive, 0 negative, (N,).
        score: (N,); at or above the threshold a subject is flagged.
        group: Group, or intersection, of each subject, (N,).
        threshold: Operating point.
        alpha: One-sided level of the bounds.
        num_replicates: Replicates.

    Returns:
        One row a group and metric: group, metric, value, lower, upper; NaN where a group has no denominator, and where
        some replicate has none.
    """
    codes, names = pd.factorize(group, sort=True)
    cell = 4 * codes + 2 * (label == 1) + (score >= threshold)
    counts = np.bincount(cell, minlength=4 * len(names))
    drawn = np.random.default_rng(SEED).multinomial(len(label), counts / len(label), num_replicates)
    frames = []
    for metric, (success, base) in RATES.items():
        values, samples = (_rates(numbers.reshape(-1, len(names), 4), success, base) for numbers in (counts, drawn))
        frames.append(_bounds(names, metric, values[0], samples, alpha))
    order = np.argsort(codes, kind="stable")
    members = np.split(order, np.cumsum(np.bincount(codes, minlength=len(names)))[:-1])
    areas = [replicates(auroc, label[m], score[m], None, num_replicates, CELLS_A_GROUP) for m in members]
    found = np.array([area for area, _ in areas]), np.stack([samples for _, samples in areas], axis=1)
    return pd.concat([*frames, _bounds(names, "auroc", *found, alpha)], ignore_index=True)


def _rates(counts: np.ndarray, success: list[int], base: list[int]) -> np.ndarray:
    above, below = counts @ np.array(success), counts @ np.array(base)
    return np.divide(above, below, out=np.full(below.shape, np.nan), where=below > 0)


def _bounds(names: np.ndarray, metric: str, values: np.ndarray, samples: np.ndarray, alpha: float) -> pd.DataFrame:
    lower, upper = np.quantile(samples, [alpha, 1 - alpha], axis=0)
    return pd.DataFrame({"group": names, "metric": metric, "value": values, "lower": lower, "upper": upper})
