"""People as arrays: what a model that is fitted all at once sees of them."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from cohorts.cohort import Cohort
from cohorts.preprocessing import Preprocessing


@dataclass(frozen=True)
class Rows:
    """People with their inputs.

    Attributes:
        inputs: Modality to inputs, float (N, F); 0 where absent.
        presence: bool (N, M), its columns in the order of the inputs.
        label: 1 positive, 0 negative, (N,).
        weight: Of a person's loss, (N,).
    """

    inputs: Mapping[str, np.ndarray]
    presence: np.ndarray
    label: np.ndarray
    weight: np.ndarray

    def __len__(self) -> int:
        return len(self.label)

    def take(self, index: np.ndarray) -> "Rows":
        """The people at these positions, int (n,), or of this selection, bool (N,)."""
        inputs = {name: values[index] for name, values in self.inputs.items()}
        return Rows(inputs, self.presence[index], self.label[index], self.weight[index])

    def with_more(self, others: "Rows") -> "Rows":
        """These people and others, who must have the same inputs."""
        inputs = {name: np.concatenate([values, others.inputs[name]]) for name, values in self.inputs.items()}
        pairs = [(getattr(self, name), getattr(others, name)) for name in ("presence", "label", "weight")]
        return Rows(inputs, *map(np.concatenate, pairs))


def rows_of(people: Cohort, preprocessing: Preprocessing) -> Rows:
    """The people of a cohort, with their own weights."""
    presence = people.presence_of(preprocessing.fitted)
    return Rows(preprocessing.transform(people), presence, people.label, people.weight)


def log_losses(logits: np.ndarray, label: np.ndarray) -> np.ndarray:
    """Log loss of each person, (N,)."""
    return np.logaddexp(0, np.where(label == 1, -logits, logits))
