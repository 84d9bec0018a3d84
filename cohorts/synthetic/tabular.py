"""A tabular measurement: numbers with gaps, and two codes that say how to read them."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from cohorts.synthetic.instruments import draw_loading
from cohorts.synthetic.posterior import Evidence, linear_evidence

ASSAYS = ("A", "B", "C")
QUALITY = {"poor": 1.6, "fair": 1.0, "good": 0.7}  # multiples of the noise, lowest quality first
NOISE = 0.6


@dataclass(frozen=True)
class TabularInstrument:
    """x = W z + offset(assay) + s(quality) noise; the first half of the columns is shown as exp(x).

    Attributes:
        name: Of the modality.
        loading: W, float64 (F, K).
        offset: Of each assay, float64 (3, F).
        gaps: Share of numbers that are absent at random.
    """

    name: str
    loading: np.ndarray
    offset: np.ndarray
    gaps: float

    @classmethod
    def make(
        cls, name: str, rng: np.random.Generator, focus: list[int], num_latent: int, size: int, gaps: float
    ) -> "TabularInstrument":
        """Draw a truth."""
        offset = np.zeros((len(ASSAYS), size))
        offset[1:, :2] = rng.choice([-1, 1], (2, 2))[:, : offset.shape[1]] * rng.uniform(0.5, 1, (2, 2))[:, :size]
        return cls(name, draw_loading(rng, size, focus, num_latent), offset, gaps)

    def write(
        self, folder: Path, subject_id: np.ndarray, rows: np.ndarray, state: np.ndarray, rng: np.random.Generator
    ) -> Evidence:
        """Write NAME.parquet: subject_id, NAME_1, ..., NAME_assay, NAME_quality."""
        assay, quality = rng.integers(len(ASSAYS), size=len(rows)), rng.integers(len(QUALITY), size=len(rows))
        noise = NOISE * np.array(list(QUALITY.values()))[quality, None] * np.ones(len(self.loading))
        centred = state[rows] @ self.loading.T + noise * rng.standard_normal(noise.shape)
        centred[rng.random(noise.shape) < self.gaps] = np.nan
        shown = centred + self.offset[assay]
        half = len(self.loading) // 2
        shown[:, :half] = np.exp(shown[:, :half])
        frame = pd.DataFrame(shown, columns=self.columns)
        frame.insert(0, "subject_id", subject_id[rows])
        frame[f"{self.name}_assay"] = np.array(ASSAYS)[assay]
        frame[f"{self.name}_quality"] = np.array(list(QUALITY))[quality]
        frame.to_parquet(folder / f"{self.name}.parquet", index=False)
        return Evidence(rows, *linear_evidence(centred, self.loading, noise))

    @property
    def columns(self) -> list[str]:
        """Names of the numeric columns."""
        return [f"{self.name}_{number + 1}" for number in range(len(self.loading))]

    def spec(self) -> tuple[dict[str, Any], dict[str, Any]]:
        """Table and modality."""
        return {self.name: {"files": f"{self.name}.parquet"}}, {
            "kind": "tabular",
            "table": self.name,
            "numeric": self.columns,
            "categorical": [f"{self.name}_assay"],
            "ordinal": {f"{self.name}_quality": list(QUALITY)},
        }
