"""Simple models that a fusion must beat: logistic regression and boosted trees on all inputs side by side.

Both are told which modalities are present, by indicators and by NaN. Either can be trained on masked copies too, which
gives a simple model most of the robustness that modality masking gives a network.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import log_loss
from threadpoolctl import threadpool_limits

from lightning_modules.masking import ModalityMasking
from lightning_modules.rows import Rows
from lightning_modules.subsets import Scorer

KINDS = ("logistic", "boosting")
MASKED = "_masked"
NAMES = tuple(f"{kind}{copies}" for kind in KINDS for copies in ("", MASKED))
NUM_COPIES = 2
NUM_THREADS = 1


def fit_simple(name: str, training: Rows, tuning: Rows, masking: ModalityMasking, *, seed: int) -> Scorer:
    """Fit a simple model; its one setting is the one with the lowest log loss of the tuning people.

    Args:
        name: One of NAMES; those that end in `_masked` are trained on the people and on masked copies of them.
        training: Rich and sparse people.
        tuning: Sparse people.
        masking: What a copy hides.
        seed: Of masking and trees.

    Returns:
        From inputs and presence to risks.
    """
    kind = name.removesuffix(MASKED)
    copies = [training.presence]
    if name.endswith(MASKED):
        generator = torch.Generator().manual_seed(seed)
        whole = torch.as_tensor(training.presence)
        copies += [masking(whole, generator).numpy() for _ in range(NUM_COPIES)]
    table = np.concatenate([table_of(training.inputs, presence, kind) for presence in copies])
    label, weight = np.tile(training.label, len(copies)), np.tile(training.weight, len(copies))
    held = table_of(tuning.inputs, tuning.presence, kind)
    with threadpool_limits(NUM_THREADS):
        fitted = [model.fit(table, label, sample_weight=weight) for model in _candidates(kind, seed)]
        losses = [
            log_loss(tuning.label, model.predict_proba(held)[:, 1], sample_weight=tuning.weight) for model in fitted
        ]
    best = fitted[int(np.argmin(losses))]

    def score(inputs: Mapping[str, np.ndarray], presence: np.ndarray, _: np.ndarray | None = None) -> np.ndarray:
        with threadpool_limits(NUM_THREADS):
            risks: np.ndarray = best.predict_proba(table_of(inputs, presence, kind))[:, 1].astype(float)
        return risks

    return score


def table_of(inputs: Mapping[str, np.ndarray], presence: np.ndarray, kind: str) -> np.ndarray:
    """All inputs and presence, float (N, F + M); inputs of an absent modality are 0 (logistic) or NaN (boosting)."""
    absent = 0.0 if kind == "logistic" else np.nan
    blocks = [np.where(presence[:, [m]], values, absent) for m, values in enumerate(inputs.values())]
    return np.hstack([*blocks, presence.astype(float)])


def _candidates(kind: str, seed: int) -> list[Any]:
    if kind == "logistic":
        return [LogisticRegression(C=c, max_iter=2000) for c in (0.003, 0.03, 0.3)]
    return [
        HistGradientBoostingClassifier(
            learning_rate=0.05, max_iter=rounds, max_leaf_nodes=leaves, early_stopping=False, random_state=seed
        )
        for rounds, leaves in ((60, 4), (150, 4), (100, 15))
    ]
