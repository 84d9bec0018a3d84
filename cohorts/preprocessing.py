"""Raw values to network inputs, fitted on training subjects only; the fitted state is plain data, fit for JSON.

A numeric column with more than ten distinct values is mapped by ranks to a normal score (rank-Gauss, as scikit-learn's
QuantileTransformer), others to a z-score; a categorical one is one-hot; a column with gaps in training gains an
indicator (1 = measured). Absent is 0 everywhere.
"""

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import pandas as pd
from scipy.stats import norm

from cohorts.cohort import Cohort

MANY_VALUES = 10
LEAST_IN_A_BIN = (
    11  # subjects between two stored quantiles or of a level, so that the state holds nobody's value as such
)
MOST_QUANTILES = 100
OTHER = "(other)"


@dataclass(frozen=True)
class Column:
    """How one raw column becomes inputs.

    Attributes:
        name: Its name.
        quantiles: Values at evenly spaced interior ranks, rising; empty where the column is not mapped by rank.
        centre: Mean in training, where it is mapped to a z-score.
        scale: Standard deviation in training, above 0.
        levels: Levels of a categorical column, each one input; rare ones share the level OTHER.
        has_gaps: Whether training subjects who have the modality lack this value at times, which adds an indicator.
    """

    name: str
    quantiles: tuple[float, ...] = ()
    centre: float = 0.0
    scale: float = 1.0
    levels: tuple[str, ...] = ()
    has_gaps: bool = False

    def transform(self, values: pd.Series) -> np.ndarray:
        """Inputs of this column, float32 (N, width); absent is 0."""
        if self.levels:
            # A level that is not listed, rare or never seen in training, is OTHER where there is such an input.
            known = values.where(values.isin(self.levels) | values.isna(), OTHER)
            inputs = [(known == level).to_numpy(dtype=np.float32) for level in self.levels]
        else:
            raw = values.to_numpy(dtype=float)
            scored = self._rank_gauss(raw) if self.quantiles else np.clip((raw - self.centre) / self.scale, -5, 5)
            inputs = [np.where(np.isnan(raw), 0.0, scored).astype(np.float32)]
        if self.has_gaps:
            inputs.append(values.notna().to_numpy(dtype=np.float32))
        return np.column_stack(inputs)

    def _rank_gauss(self, raw: np.ndarray) -> np.ndarray:
        grid = np.asarray(self.quantiles)
        ranks = (np.arange(len(grid)) + 0.5) / len(grid)
        # Ties: the mean of the lowest and the highest rank of a value.
        low = np.interp(raw, grid, ranks)
        high = 1 - np.interp(-raw, -grid[::-1], ranks)
        return norm.ppf((low + high) / 2)

    @property
    def width(self) -> int:
        """Number of inputs."""
        return (len(self.levels) or 1) + self.has_gaps


@dataclass(frozen=True)
class Preprocessing:
    """The fitted columns of every modality."""

    columns: dict[str, tuple[Column, ...]]

    @property
    def widths(self) -> dict[str, int]:
        """Modality to its number of inputs."""
        return {name: sum(column.width for column in columns) for name, columns in self.columns.items()}

    def transform(self, cohort: Cohort) -> dict[str, np.ndarray]:
        """Inputs of every modality, float32 (N, F); rows of an absent modality are 0."""
        return {
            name: np.column_stack([column.transform(cohort.features[name][column.name]) for column in columns])
            for name, columns in self.columns.items()
        }

    def state(self) -> dict[str, Any]:
        """As plain data."""
        return {name: [asdict(column) for column in columns] for name, columns in self.columns.items()}

    @classmethod
    def from_state(cls, state: dict[str, Any]) -> "Preprocessing":
        """Back from plain data."""
        return cls(
            {
                name: tuple(
                    Column(**{**c, "quantiles": tuple(c["quantiles"]), "levels": tuple(c["levels"])}) for c in cs
                )
                for name, cs in state.items()
            }
        )


def fit_preprocessing(training: Cohort) -> Preprocessing:
    """Fit on training subjects; the caller passes no others.

    Args:
        training: Rich and sparse training subjects together.
    """
    columns = {}
    for index, (name, modality) in enumerate(training.spec.modalities.items()):
        frame = training.features[name][training.presence[:, index]]
        columns[name] = tuple(
            _fit_numeric(frame[column]) if column in modality.numeric else _fit_levels(frame[column])
            for column in modality.columns
        )
    return Preprocessing(columns)


def _fit_numeric(values: pd.Series) -> Column:
    known = values.dropna().to_numpy(dtype=float)
    has_gaps = bool(values.isna().any())
    num_quantiles = min(MOST_QUANTILES, len(known) // LEAST_IN_A_BIN)
    if len(np.unique(known)) > MANY_VALUES and num_quantiles >= MANY_VALUES:
        grid = np.quantile(known, (np.arange(num_quantiles) + 0.5) / num_quantiles)
        return Column(str(values.name), quantiles=tuple(grid.tolist()), has_gaps=has_gaps)
    centre = float(known.mean()) if len(known) else 0.0
    scale = float(known.std()) if len(known) else 0.0
    return Column(str(values.name), centre=centre, scale=scale or 1.0, has_gaps=has_gaps)


def _fit_levels(values: pd.Series) -> Column:
    counts = values.value_counts()
    levels = tuple(sorted(counts.index[counts >= LEAST_IN_A_BIN]))
    if len(levels) < len(counts):
        levels = (*levels, OTHER)
    # A categorical column that is never known still needs one input, which is always 0.
    return Column(str(values.name), levels=levels or ("(none)",), has_gaps=bool(values.isna().any()))
