"""What all kinds of measurement of the latent state share."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from cohorts.synthetic.posterior import Evidence

KNOWLEDGE = 8.0  # precision per unit of squared loading that a whole wide measurement adds


class Instrument(Protocol):
    """How one modality is measured and written."""

    def write(
        self, folder: Path, subject_id: np.ndarray, rows: np.ndarray, state: np.ndarray, rng: np.random.Generator
    ) -> Evidence:
        """Measure these subjects and write what was measured, in this order.

        Args:
            folder: Existing folder.
            subject_id: Texts, (N,).
            rows: Positions of the subjects who are measured, int (n,).
            state: z of all, float64 (N, K).
            rng: Source of noise.
        """

    def spec(self) -> tuple[dict[str, Any], dict[str, Any]]:
        """What to add to a spec's tables, and its entry among the modalities."""


def draw_loading(rng: np.random.Generator, size: int, focus: Sequence[int], num_latent: int) -> np.ndarray:
    """Weights of measurements on z, float64 (size, K): large on the parts in focus, so that none replaces another."""
    loading = 0.15 * rng.standard_normal((size, num_latent))
    shape = (size, len(focus))
    loading[:, list(focus)] += rng.choice([-1, 1], shape) * rng.uniform(0.4, 1, shape)
    return loading
