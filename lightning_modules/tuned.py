"""Fitting with one setting: every candidate to training people, of which tuning people choose by their log loss."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from sklearn.linear_model import LogisticRegression

from lightning_modules.rows import log_losses

PENALTIES = (0.003, 0.03, 0.3)  # scikit-learn's C, of which a smaller one draws more towards 0


@dataclass(frozen=True)
class Table:
    """Columns of some people, float (N, F), with their labels and the weights of their losses, (N,)."""

    columns: np.ndarray
    label: np.ndarray
    weight: np.ndarray

    @property
    def relative_weight(self) -> np.ndarray:
        """Weights relative to their mean, so that a penalty means the same whatever weights stand for, (N,)."""
        return self.weight / self.weight.mean()


def ridges() -> list[LogisticRegression]:
    """Ridge logistic regression under each penalty."""
    return [LogisticRegression(C=penalty, max_iter=2000) for penalty in PENALTIES]


def fit_tuned(candidates: Sequence[Any], training: Table, tuning: Table) -> Any:
    """The candidate with the lowest log loss of the tuning people, fitted; the first one where there are none."""
    if len(tuning.label) == 0:
        candidates = candidates[:1]
    fitted = [
        model.fit(training.columns, training.label, sample_weight=training.relative_weight) for model in candidates
    ]
    if len(fitted) == 1:
        return fitted[0]
    losses = [
        np.average(log_losses(model.decision_function(tuning.columns), tuning.label), weights=tuning.weight)
        for model in fitted
    ]
    return fitted[int(np.argmin(losses))]
