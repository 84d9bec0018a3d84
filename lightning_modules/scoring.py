"""Scores: a pure function of bundle and cohort."""

import copy

import numpy as np
import torch

from cohorts.cohort import Cohort
from cohorts.errors import InputError
from lightning_modules.bundle import Bundle

ROWS_AT_ONCE = 8192


def score(bundle: Bundle, cohort: Cohort) -> np.ndarray:
    """Predicted risk of a positive label.

    Computed in float64 and rounded to 9 decimals, so that a subject's score does not depend on who else is scored.

    Args:
        bundle: Trained model.
        cohort: Subjects with the bundle's modalities, in any pattern, with at least one each.

    Returns:
        float64 (N,), 0 to 1.

    Raises:
        InputError: Some subjects have no modality.
    """
    nobody = int((~cohort.presence.any(axis=1)).sum())
    if nobody:
        raise InputError(f"presence: {nobody} subjects have no modality at all; exclude them with `where`")
    inputs = bundle.preprocessing.transform(cohort)
    presence = cohort.presence[:, [cohort.modalities.index(name) for name in bundle.network.modalities]]
    network = copy.deepcopy(bundle.network).double().eval()
    scores = np.empty(len(cohort))
    with torch.inference_mode():
        for start in range(0, len(cohort), ROWS_AT_ONCE):
            rows = slice(start, start + ROWS_AT_ONCE)
            features = {name: torch.as_tensor(values[rows], dtype=torch.float64) for name, values in inputs.items()}
            logits = network(features, torch.as_tensor(presence[rows]))
            scores[rows] = torch.sigmoid(logits).numpy()
    return scores.round(9)
