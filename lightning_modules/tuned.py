"""Fitting with one setting: every candidate to training people, of which tuning people choose by their log loss.

The chosen one is then fitted to both, as a network with cross-fitting groups is trained on both.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from sklearn.base import clone
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


@dataclass(frozen=True)
class Tuned:
    """A model twice: fitted to training people alone, for the tuning people, and to both, for new people."""

    of_training: Any
    of_both: Any

    def by(self, group: np.ndarray | None) -> Any:
        """The one that scores tuning people, who are given with their groups, or new people, None."""
        return self.of_both if group is None else self.of_training


def fit_tuned(candidates: Sequence[Any], training: Table, tuning: Table, both: Table) -> Tuned:
    """The candidate with the lowest log loss of the tuning people; the first one where there are none."""
    if len(tuning.label) == 0:
        candidates = candidates[:1]
    fitted = [_fitted(model, training) for model in candidates]

    def loss(model: Any) -> float:
        losses = log_losses(model.decision_function(tuning.columns), tuning.label)
        return float(np.average(losses, weights=tuning.weight))

    best = min(fitted, key=loss) if len(fitted) > 1 else fitted[0]
    return Tuned(best, _fitted(clone(best), both))


def _fitted(model: Any, people: Table) -> Any:
    return model.fit(people.columns, people.label, sample_weight=people.relative_weight)
