"""A text whose words are measurements: `sleep12 mood7 seen today`."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from cohorts.synthetic.instruments import draw_loading
from cohorts.synthetic.posterior import Evidence, linear_evidence

TOPICS = ("sleep", "mood", "energy", "stress", "appetite", "activity", "contact", "money", "travel", "housing")
FILLERS = ("reports", "seen", "today", "again", "usual", "reviewed")
NOISE = 0.6
STEP = 0.3  # of the quantisation
MIDDLE = 20  # the step at 0; steps run from 0 to twice this


@dataclass(frozen=True)
class TextInstrument:
    """Word j is topic j and the step of w z + noise on a ladder of steps of STEP.

    A step hides where in it the measurement lay, which counts as further noise of variance STEP^2 / 12 (Sheppard 1898):
    the Bayes score is exact up to that.

    Attributes:
        name: Of the modality.
        loading: Of each topic, float64 (J, K).
    """

    name: str
    loading: np.ndarray

    @classmethod
    def make(
        cls, name: str, rng: np.random.Generator, focus: list[int], num_latent: int, size: int
    ) -> "TextInstrument":
        """Draw a truth."""
        return cls(name, draw_loading(rng, size, focus, num_latent))

    @property
    def topics(self) -> list[str]:
        """A word for each measurement."""
        return [TOPICS[number] if number < len(TOPICS) else f"topic{number}x" for number in range(len(self.loading))]

    def write(
        self, folder: Path, subject_id: np.ndarray, rows: np.ndarray, state: np.ndarray, rng: np.random.Generator
    ) -> Evidence:
        """Write NAME.parquet: subject_id, text, with the words in any order among words that say nothing."""
        measured = state[rows] @ self.loading.T + NOISE * rng.standard_normal((len(rows), len(self.loading)))
        level = np.clip(np.rint(measured / STEP).astype(int) + MIDDLE, 0, 2 * MIDDLE)
        ladder = np.array([[f"{topic}{step}" for step in range(2 * MIDDLE + 1)] for topic in self.topics], dtype=object)
        words = ladder[np.arange(len(self.loading)), level]
        fillers = np.array(FILLERS, dtype=object)[rng.integers(len(FILLERS), size=(len(rows), 3))]
        words = rng.permuted(np.concatenate([words, fillers], axis=1), axis=1)
        text = [" ".join(row) for row in words.tolist()]
        frame = pd.DataFrame({"subject_id": subject_id[rows], "text": text})
        frame.to_parquet(folder / f"{self.name}.parquet", index=False)
        noise = np.full(len(self.loading), np.sqrt(NOISE**2 + STEP**2 / 12))
        return Evidence(rows, *linear_evidence((level - MIDDLE) * STEP, self.loading, noise))

    def spec(self) -> tuple[dict[str, Any], dict[str, Any]]:
        """Table and modality."""
        return {self.name: {"files": f"{self.name}.parquet"}}, {"kind": "text", "table": self.name, "column": "text"}
