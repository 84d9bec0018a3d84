"""Wide numeric vectors, such as omics or embeddings that another model made."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import pandas as pd

from cohorts.errors import InputError
from cohorts.modalities.tabular import LEAST_IN_A_BIN, UNUSED
from cohorts.modality import EmbeddingModality

MOST_IN_SUMMARY = 50
COLUMNS_AT_ONCE = 2000


@dataclass(frozen=True, repr=False)
class Embedding:
    """Vectors of N subjects.

    Attributes:
        values: Float32 (N, F), NaN where absent, never infinite.
        columns: Digest of the names of the F numbers, or "" where they have none, or where nobody has any.
    """

    values: np.ndarray
    columns: str = ""

    @property
    def present(self) -> np.ndarray:
        return ~np.isnan(self.values).all(axis=1)

    def __len__(self) -> int:
        return len(self.values)

    def take(self, index: np.ndarray) -> "Embedding":
        return Embedding(self.values[index], self.columns)

    def content(self) -> Iterator[bytes]:
        yield f"{self.values.shape} {self.columns}".encode()
        yield np.ascontiguousarray(self.values).tobytes()

    def summary(self) -> pd.DataFrame:
        """The columns of which the most is known, the first of these, and no more than MOST_IN_SUMMARY."""
        gaps = np.isnan(self.values).mean(axis=0)
        chosen = np.sort(np.argsort(gaps, kind="stable")[:MOST_IN_SUMMARY])
        return pd.DataFrame(self.values[:, chosen].astype(float), columns=[f"[{number}]" for number in chosen])


@dataclass(frozen=True)
class FittedEmbedding:
    """Centre and scale of every number; a number that never varied in training becomes 0.

    `transform` raises an InputError for vectors of another length, or of columns with other names.
    """

    centre: tuple[float, ...]
    scale: tuple[float, ...]
    columns: str = ""
    kind: ClassVar[str] = "embedding"

    @property
    def num_inputs(self) -> int:
        return len(self.centre)

    @property
    def feature_of_input(self) -> np.ndarray:
        return np.arange(self.num_inputs)

    @property
    def layout(self) -> dict[str, int]:
        return {}

    def transform(self, measurements: Embedding) -> np.ndarray:
        values = measurements.values
        if np.isnan(values).all():
            return np.zeros((len(values), self.num_inputs), dtype=np.float32)
        if (values.shape[1], measurements.columns) != (self.num_inputs, self.columns):
            raise InputError(
                f"embedding: has {values.shape[1]} numbers a subject, where the model was fitted on {self.num_inputs}"
                f"{' of other names' if values.shape[1] == self.num_inputs else ''}; give the same columns"
            )
        centre, scale = np.array(self.centre, dtype=np.float32), np.array(self.scale, dtype=np.float32)
        with np.errstate(over="ignore"):
            scores = (values - centre) / scale
        return np.nan_to_num(np.clip(scores, -5, 5, out=scores), copy=False, nan=0.0)

    def state(self) -> dict[str, Any]:
        return {"centre": list(self.centre), "scale": list(self.scale), "columns": self.columns}

    @classmethod
    def from_state(cls, state: dict[str, Any]) -> "FittedEmbedding":
        return cls(tuple(state["centre"]), tuple(state["scale"]), state["columns"])


def fit_embedding(training: Embedding, modality: EmbeddingModality) -> FittedEmbedding:
    """Fit on training subjects who have the modality; what fewer than LEAST_IN_A_BIN of them have becomes 0."""
    centres, scales = [], []
    for start in range(0, training.values.shape[1], COLUMNS_AT_ONCE):
        values = training.values[:, start : start + COLUMNS_AT_ONCE].astype(float)
        count = (~np.isnan(values)).sum(axis=0)
        some = np.maximum(count, 1)
        centre = np.nansum(values, axis=0) / some
        spread = np.sqrt(np.nansum((values - centre) ** 2, axis=0) / some)
        used = (count >= LEAST_IN_A_BIN) & (spread > 1e-12)
        centres.append(np.where(used, centre, 0.0))
        scales.append(np.where(used, spread, UNUSED))
    centre, scale = np.concatenate(centres), np.concatenate(scales)
    return FittedEmbedding(tuple(centre.tolist()), tuple(scale.tolist()), training.columns)
