"""Texts, as hashed words and runs of words (scikit-learn's HashingVectorizer); nothing of a text is stored."""

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import Any, ClassVar

import numpy as np
import pandas as pd
from sklearn.feature_extraction.text import HashingVectorizer

from cohorts.modalities.measurements import text_bytes
from cohorts.modality import TextModality


@dataclass(frozen=True, repr=False)
class Texts:
    """Texts of N subjects.

    Attributes:
        values: Texts, None where absent, (N,).
    """

    values: np.ndarray

    @property
    def present(self) -> np.ndarray:
        return np.array([value is not None for value in self.values], dtype=bool)

    def __len__(self) -> int:
        return len(self.values)

    def take(self, index: np.ndarray) -> "Texts":
        return Texts(self.values[index])

    def content(self) -> Iterator[bytes]:
        yield text_bytes(self.values.tolist())

    def summary(self) -> pd.DataFrame:
        words = [np.nan if value is None else float(len(value.split())) for value in self.values]
        return pd.DataFrame({"words": words}, dtype=float)


@dataclass(frozen=True)
class FittedTexts:
    """How texts are hashed; nothing is learnt."""

    num_inputs: int
    longest_ngram: int
    kind: ClassVar[str] = "text"

    @property
    def feature_of_input(self) -> np.ndarray:
        return np.arange(self.num_inputs)

    @property
    def layout(self) -> dict[str, int]:
        return {}

    def transform(self, measurements: Texts) -> np.ndarray:
        hashing = HashingVectorizer(n_features=self.num_inputs, ngram_range=(1, self.longest_ngram), dtype=np.float32)
        return hashing.transform(["" if value is None else value for value in measurements.values]).toarray()

    def state(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_state(cls, state: dict[str, Any]) -> "FittedTexts":
        return cls(**state)


def fit_texts(training: Texts, modality: TextModality) -> FittedTexts:
    """What the spec says; the training subjects are not looked at."""
    return FittedTexts(modality.num_inputs, modality.longest_ngram)
