"""Shapley values of the modalities: how the AUROC above chance is shared out among them."""

from math import comb

import numpy as np
import pandas as pd

from cohorts.statistics import delong
from validation.statistics import normal_interval
from validation.subsets import Subsets

CHANCE = 0.5  # AUROC of who shows nothing


def shapley_weights(subsets: np.ndarray) -> np.ndarray:
    """The linear map from what subsets are worth to Shapley values, by a weighted regression (Kernel SHAP).

    Exact when all 2^M - 1 subsets are there (Charnes et al., 1988; Lundberg and Lee, NeurIPS 2017, theorem 2). Of a
    sample, those of a size share the weight of all of that size, and the values are an approximation. Subsets are
    compared with others of their size only: of all subsets that gives the same, and of a sample, in which modalities
    are not together with every number of others equally often, it keeps out what that number alone does. Either way
    the values add up to what the whole is worth.

    Args:
        subsets: bool (S, M), the whole first, among the others enough to tell the modalities apart, such as all that
            lack one.

    Returns:
        float64 (M, S); no modality is worth 0.

    Example:
        >>> shapley_weights(np.array([[True, True], [True, False], [False, True]])) @ [6.0, 1.0, 3.0]
        array([2., 4.])
    """
    num_modalities, size = subsets.shape[1], subsets.sum(axis=1)
    root, centred = np.zeros(len(subsets)), subsets.astype(float)
    for s in range(1, num_modalities):
        same = size == s
        if same.any():
            root[same] = np.sqrt((num_modalities - 1) / (s * (num_modalities - s)) / same.sum())
            centred[same] -= centred[same].mean(axis=0)
    weights: np.ndarray = np.linalg.pinv(root[:, None] * centred, rcond=1e-10) * root
    weights[:, 0] += 1 / num_modalities  # the whole, to all alike
    return weights


def shapley_values(subsets: Subsets, alpha: float) -> pd.DataFrame:
    """Shapley values of the modalities, of the AUROC minus 0.5, on complete subjects.

    Returns:
        One row a modality: modality, value, lower, upper (DeLong's covariance of all subsets together), exact (False
        where subsets were sampled, whose luck the interval leaves out). The values add up to the AUROC minus 0.5.
    """
    columns = ["modality", "value", "lower", "upper", "exact"]
    if not subsets.modalities:
        return pd.DataFrame(columns=columns)
    areas, covariance = delong(subsets.label, subsets.scores, subsets.weight)
    weights = shapley_weights(subsets.subsets)
    exact = all(
        (subsets.subsets.sum(axis=1) == size).sum() == comb(len(subsets.modalities), size)
        for size in range(1, len(subsets.modalities) + 1)
    )
    rows = []
    for modality, row in zip(subsets.modalities, weights, strict=True):
        value, variance = float(row @ (areas - CHANCE)), max(0.0, float(row @ covariance @ row))
        if variance == 0 and value != 0:  # of scores that are never wrong, say: no spread was seen
            variance = float("nan")
        rows.append((modality, value, *normal_interval(value, variance, alpha), exact))
    return pd.DataFrame(rows, columns=columns)
