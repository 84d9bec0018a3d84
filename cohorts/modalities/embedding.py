"""Wide numeric vectors, such as omics or embeddings that another model made."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import pandas as pd

from cohorts.modality import EmbeddingModality

MOST_IN_SUMMARY = 50


@dataclass(frozen=True, repr=False)
class Embedding:
    """Vectors of N subjects.

    Attributes:
        values: Float32 (N, F), NaN where absent, never infinite.
    """

    values: np.ndarray

    @property
    def present(self) -> np.ndarray:
        return ~np.isnan(self.values).all(axis=1)

    def __len__(self) -> int:
        return len(self.values)

    def take(self, index: np.ndarray) -> "Embedding":
        return Embedding(self.values[index])

    def content(self) -> Iterator[bytes]:
        yield str(self.values.shape).encode()
        yield np.ascontiguousarray(self.values).tobytes()

    def summary(self) -> pd.DataFrame:
        """The columns of which the most is known, the first of these, and no more than MOST_IN_SUMMARY."""
        gaps = np.isnan(self.values).mean(axis=0)
        chosen = np.sort(np.argsort(gaps, kind="stable")[:MOST_IN_SUMMARY])
        return pd.DataFrame(self.values[:, chosen].astype(float), columns=[f"[{number}]" for number in chosen])


@dataclass(frozen=True)
class FittedEmbedding:
    """Centre and scale of every number; a number that never varied in training becomes 0."""

    centre: tuple[float, ...]
    scale: tuple[float, ...]
    kind: ClassVar[str] = "embedding"

    @property
    def num_inputs(self) -> int:
        return len(self.centre)

    @property
    def layout(self) -> dict[str, int]:
        return {}

    def transform(self, measurements: Embedding) -> np.ndarray:
        centre, scale = np.array(self.centre, dtype=np.float32), np.array(self.scale, dtype=np.float32)
        scores = (measurements.values - centre) / scale
        return np.nan_to_num(np.clip(scores, -5, 5, out=scores), copy=False, nan=0.0)

    def state(self) -> dict[str, Any]:
        return {"centre": list(self.centre), "scale": list(self.scale)}

    @classmethod
    def from_state(cls, state: dict[str, Any]) -> "FittedEmbedding":
        return cls(tuple(state["centre"]), tuple(state["scale"]))


def fit_embedding(training: Embedding, modality: EmbeddingModality) -> FittedEmbedding:
    """Fit on training subjects who have the modality."""
    known = ~np.isnan(training.values)
    count = np.maximum(known.sum(axis=0), 1)
    centre = np.nansum(training.values, axis=0, dtype=float) / count
    spread = np.sqrt(np.nansum((training.values - centre) ** 2, axis=0, dtype=float) / count)
    # Infinite, so that what did not vary becomes 0; JSON has no infinity, hence the largest float32.
    scale = np.where(spread > 1e-12, spread, np.finfo(np.float32).max)
    return FittedEmbedding(tuple(centre.tolist()), tuple(scale.tolist()))
