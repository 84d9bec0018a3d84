"""Raw values to network inputs, fitted on training subjects only; the fitted state is plain data, fit for JSON."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from cohorts.cohort import Cohort
from cohorts.modalities.embedding import FittedEmbedding, fit_embedding
from cohorts.modalities.events import FittedEvents, fit_events
from cohorts.modalities.image import FittedImages, fit_images
from cohorts.modalities.measurements import Fitted
from cohorts.modalities.tabular import FittedTabular, Tabular, fit_tabular
from cohorts.modalities.text import FittedTexts, fit_texts

FIT: dict[str, Any] = {
    "tabular": fit_tabular,
    "events": fit_events,
    "embedding": fit_embedding,
    "image": fit_images,
    "text": fit_texts,
}
FITTED: dict[str, Any] = {
    fitted.kind: fitted for fitted in (FittedTabular, FittedEvents, FittedEmbedding, FittedImages, FittedTexts)
}


@dataclass(frozen=True)
class Layout:
    """What an encoder needs to know of the inputs of one modality.

    Attributes:
        num_inputs: Width F of the inputs.
        kind: Kind of the modality.
        sizes: Names and sizes of their parts, by kind, such as height and width of an image.
    """

    num_inputs: int
    kind: str = "tabular"
    sizes: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True)
class Preprocessing:
    """What was fitted for each modality."""

    fitted: dict[str, Fitted]

    @property
    def layouts(self) -> dict[str, Layout]:
        """Modality to the layout of its inputs."""
        return {name: Layout(f.num_inputs, f.kind, f.layout) for name, f in self.fitted.items()}

    @property
    def feature_of_input(self) -> dict[str, np.ndarray]:
        """Modality to the number of the raw feature that each of its inputs tells of, int (F,)."""
        return {name: fitted.feature_of_input for name, fitted in self.fitted.items()}

    def transform(self, cohort: Cohort) -> dict[str, np.ndarray]:
        """Inputs of every modality, float32 (N, F); rows of an absent modality are 0."""
        return {name: fitted.transform(cohort.features[name]) for name, fitted in self.fitted.items()}

    def unlike_training(self, cohort: Cohort) -> list[str]:
        """What of new people does not look like the people of training, in sentences: other codes, another range."""
        both = [(name, fitted, cohort.features[name]) for name, fitted in self.fitted.items()]
        return [
            f"{name}.{sentence}; see whether it is coded as it was then"
            for name, fitted, measurements in both
            if isinstance(fitted, FittedTabular) and isinstance(measurements, Tabular)
            for sentence in fitted.unlike_training(measurements)
        ]

    def state(self) -> dict[str, Any]:
        """As plain data."""
        return {name: {"kind": fitted.kind, **fitted.state()} for name, fitted in self.fitted.items()}

    @classmethod
    def from_state(cls, state: dict[str, Any]) -> "Preprocessing":
        """Back from plain data."""
        fitted = {}
        for name, of_modality in state.items():
            rest = {key: value for key, value in of_modality.items() if key != "kind"}
            fitted[name] = FITTED[of_modality["kind"]].from_state(rest)
        return cls(fitted)


def fit_preprocessing(training: Cohort) -> Preprocessing:
    """Fit on training subjects; the caller passes no others.

    Args:
        training: Rich and sparse training subjects together.
    """
    fitted = {}
    for index, (name, modality) in enumerate(training.spec.modalities.items()):
        having = training.features[name].take(np.flatnonzero(training.presence[:, index]))
        fitted[name] = FIT[modality.kind](having, modality)
    return Preprocessing(fitted)
