"""Measurements over time: several variables at irregular times, level and trend driven by the latent state."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from cohorts.synthetic.instruments import draw_loading
from cohorts.synthetic.posterior import Evidence

NOISE = 1.2


@dataclass(frozen=True)
class EventsInstrument:
    """y = (w + s g) z + drift s + noise at time s T, shown as centre + scale y.

    Attributes:
        name: Of the modality.
        level: w of each variable, float64 (V, K).
        trend: g, float64 (V, K).
        drift: float64 (V,).
        centre: Of what is shown, float64 (V,).
        scale: float64 (V,).
        window: T, in units of the time column.
        time_column: Its name.
        num_events: Values of a variable and subject, on average.
        absent: Share of variables that are absent at random.
    """

    name: str
    level: np.ndarray
    trend: np.ndarray
    drift: np.ndarray
    centre: np.ndarray
    scale: np.ndarray
    window: float
    time_column: str
    num_events: int
    absent: float

    @classmethod
    def make(
        cls,
        name: str,
        rng: np.random.Generator,
        focus: list[int],
        num_latent: int,
        size: int,
        *,
        window: float,
        time_column: str,
        num_events: int,
        absent: float,
    ) -> "EventsInstrument":
        """Draw a truth."""
        level, trend = (draw_loading(rng, size, focus, num_latent) for _ in range(2))
        drift, centre, scale = rng.normal(0, 0.5, size), rng.uniform(20, 120, size), rng.uniform(3, 15, size)
        return cls(name, level, trend, drift, centre, scale, window, time_column, num_events, absent)

    def write(
        self, folder: Path, subject_id: np.ndarray, rows: np.ndarray, state: np.ndarray, rng: np.random.Generator
    ) -> Evidence:
        """Write NAME.parquet: subject_id, time, variable, value, ordered by none of them."""
        size = (len(rows), len(self.drift))
        count = rng.poisson(self.num_events, size) * (rng.random(size) >= self.absent)
        count[count.sum(axis=1) == 0, 0] = 1  # a modality without any value would be absent
        member, variable = np.divmod(np.repeat(np.arange(count.size), count.ravel()), size[1])
        order = rng.permutation(len(member))
        member, variable = member[order], variable[order]
        share = rng.random(len(member))
        z = state[rows]
        level, trend = (z @ self.level.T)[member, variable], (z @ self.trend.T)[member, variable]
        value = level + share * trend + NOISE * rng.standard_normal(len(member))
        frame = pd.DataFrame(
            {
                "subject_id": subject_id[rows][member],
                self.time_column: self.window * share,
                "variable": np.array(self.variables, dtype=object)[variable],
                "value": self.centre[variable] + self.scale[variable] * (value + self.drift[variable] * share),
            }
        )
        frame.to_parquet(folder / f"{self.name}.parquet", index=False)
        return Evidence(rows, *self._evidence(member * size[1] + variable, share, value, size))

    def _evidence(
        self, cell: np.ndarray, share: np.ndarray, value: np.ndarray, size: tuple[int, int]
    ) -> tuple[np.ndarray, np.ndarray]:
        """All values of one subject and variable come down to five sums: of 1, s, s^2, y and s y."""

        def total(weights: np.ndarray | None = None) -> np.ndarray:
            return np.bincount(cell, weights, minlength=size[0] * size[1]).reshape(size)

        w, g = self.level, self.trend
        ww, gg, wg = (a[:, :, None] * b[:, None, :] for a, b in ((w, w), (g, g), (w, g)))
        outer = np.concatenate([ww, wg + wg.transpose(0, 2, 1), gg]).reshape(3 * size[1], -1)
        sums = np.concatenate([total(), total(share), total(share**2)], axis=1)
        precision = (sums @ outer).reshape(size[0], w.shape[1], w.shape[1])
        return precision / NOISE**2, (total(value) @ w + total(share * value) @ g) / NOISE**2

    @property
    def variables(self) -> list[str]:
        """Names of the variables."""
        return [f"{self.name}_{number + 1}" for number in range(len(self.drift))]

    def spec(self) -> tuple[dict[str, Any], dict[str, Any]]:
        """Table and modality."""
        return {self.name: {"files": f"{self.name}.parquet"}}, {
            "kind": "events",
            "table": self.name,
            "time": self.time_column,
            "variable": "variable",
            "value": "value",
            "variables": self.variables,
            "window": [0, self.window],
        }
