"""Numbers and codes, one row a subject.

A numeric column with more than ten distinct values is mapped by ranks to a normal score (rank-Gauss, as scikit-learn's
QuantileTransformer), others to a z-score; an ordinal one to as many steps as it has codes less one, each 1 above its
code; a categorical one is one-hot; a column with gaps in training gains an indicator (1 = measured). Absent is 0.
"""

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import Any, ClassVar

import numpy as np
import pandas as pd
from scipy.special import ndtri

from cohorts.modalities.measurements import text_bytes
from cohorts.modality import TabularModality

MANY_VALUES = 10
LEAST_IN_A_BIN = 11  # people between two stored quantiles or of a level: the state holds nobody's value as such
MOST_QUANTILES = 100
OTHER = "(other)"
MANY_UNSEEN = 0.2  # share of values unlike those of training, from which a new cohort is another one
UNUSED = 1e38  # a scale so large that every input of a plausible size is 0


@dataclass(frozen=True, repr=False)
class Tabular:
    """Columns of a tabular modality.

    Attributes:
        frame: N rows; numeric columns are float64 with NaN where absent, ordinal ones likewise with the position of the
            code, categorical ones hold texts with None where absent.
    """

    frame: pd.DataFrame

    @property
    def present(self) -> np.ndarray:
        return self.frame.notna().any(axis=1).to_numpy(dtype=bool)

    def __len__(self) -> int:
        return len(self.frame)

    def take(self, index: np.ndarray) -> "Tabular":
        return Tabular(self.frame.iloc[index].reset_index(drop=True))

    def content(self) -> Iterator[bytes]:
        for column in self.frame.columns:
            values = self.frame[column]
            yield f"\x1e{column}\x1f".encode()
            if pd.api.types.is_numeric_dtype(values):
                yield np.ascontiguousarray(values.to_numpy(dtype=np.float64)).tobytes()
            else:
                yield text_bytes(values.tolist())

    def summary(self) -> pd.DataFrame:
        columns: dict[str, np.ndarray] = {}
        for name in self.frame.columns:
            values = self.frame[name]
            if pd.api.types.is_numeric_dtype(values):
                columns[str(name)] = values.to_numpy(dtype=float)
                continue
            counts = values.value_counts()
            known = values.notna().to_numpy()
            for level in sorted(counts.index[counts >= LEAST_IN_A_BIN]):
                columns[f"{name} = {level}"] = np.where(known, (values == level).to_numpy(dtype=float), np.nan)
        return pd.DataFrame(columns, index=range(len(self.frame)))


@dataclass(frozen=True)
class Column:
    """How one raw column becomes inputs.

    Attributes:
        name: Its name.
        quantiles: Values at evenly spaced interior ranks, rising; empty where the column is not mapped by rank.
        centre: Mean in training, where it is mapped to a z-score.
        scale: Standard deviation in training, above 0.
        levels: Levels of a categorical column, each one input; rare ones share the level OTHER.
        num_steps: Number of codes of an ordinal column, less one.
        has_gaps: Whether training subjects who have the modality lack this value at times, which adds an indicator.
    """

    name: str
    quantiles: tuple[float, ...] = ()
    centre: float = 0.0
    scale: float = 1.0
    levels: tuple[str, ...] = ()
    num_steps: int = 0
    has_gaps: bool = False

    def transform(self, values: pd.Series) -> np.ndarray:
        """Inputs of this column, float32 (N, width); absent is 0."""
        if self.levels:
            # A level that is not listed, rare or never seen in training, is OTHER where there is such an input.
            known = values.where(values.isin(self.levels) | values.isna(), OTHER)
            inputs = [(known == level).to_numpy(dtype=np.float32) for level in self.levels]
        elif self.num_steps:
            raw = values.to_numpy(dtype=float)
            inputs = [(raw > step).astype(np.float32) for step in range(self.num_steps)]
        else:
            inputs = [self.scored(values.to_numpy(dtype=float))]
        if self.has_gaps:
            inputs.append(values.notna().to_numpy(dtype=np.float32))
        return np.column_stack(inputs)

    def scored(self, raw: np.ndarray) -> np.ndarray:
        """Normal scores or z-scores of numbers, float32; NaN becomes 0."""
        scores = self._rank_gauss(raw) if self.quantiles else np.clip((raw - self.centre) / self.scale, -5, 5)
        return np.where(np.isnan(raw), 0.0, scores).astype(np.float32)

    def _rank_gauss(self, raw: np.ndarray) -> np.ndarray:
        grid = np.asarray(self.quantiles)
        ranks = (np.arange(len(grid)) + 0.5) / len(grid)
        # Ties: the mean of the lowest and the highest rank of a value.
        low = np.interp(raw, grid, ranks)
        high = 1 - np.interp(-raw, -grid[::-1], ranks)
        return ndtri((low + high) / 2)

    @property
    def width(self) -> int:
        """Number of inputs."""
        return (len(self.levels) or self.num_steps or 1) + self.has_gaps


@dataclass(frozen=True)
class FittedTabular:
    """The fitted columns of a tabular modality."""

    columns: tuple[Column, ...]
    kind: ClassVar[str] = "tabular"

    @property
    def num_inputs(self) -> int:
        return sum(column.width for column in self.columns)

    @property
    def feature_of_input(self) -> np.ndarray:
        return np.repeat(np.arange(len(self.columns)), [column.width for column in self.columns])

    @property
    def layout(self) -> dict[str, int]:
        return {}

    def transform(self, measurements: Tabular) -> np.ndarray:
        return np.column_stack([column.transform(measurements.frame[column.name]) for column in self.columns])

    def unlike_training(self, measurements: Tabular) -> list[str]:
        """Columns whose values are not those of training, in words; a handful of values says nothing."""
        found = []
        for column in self.columns:
            known = measurements.frame[column.name].dropna()
            if len(known) < LEAST_IN_A_BIN:
                continue
            if column.levels:
                share = 1 - known.isin(column.levels).mean()
                if share > (MANY_UNSEEN if OTHER in column.levels else 0):
                    found.append(f"{column.name}: {share:.0%} of its codes were rare or unknown in training")
            elif column.quantiles:
                share = 1 - known.between(column.quantiles[0], column.quantiles[-1]).mean()
                if share > MANY_UNSEEN:
                    found.append(f"{column.name}: {share:.0%} of its values lie outside of nearly all in training")
        return found

    def state(self) -> dict[str, Any]:
        return {"columns": [asdict(column) for column in self.columns]}

    @classmethod
    def from_state(cls, state: dict[str, Any]) -> "FittedTabular":
        return cls(tuple(column_from_state(column) for column in state["columns"]))


def column_from_state(state: dict[str, Any]) -> Column:
    """A column back from plain data."""
    return Column(**{**state, "quantiles": tuple(state["quantiles"]), "levels": tuple(state["levels"])})


def fit_tabular(training: Tabular, modality: TabularModality) -> FittedTabular:
    """Fit on training subjects who have the modality."""
    columns = []
    for name in modality.columns:
        values = training.frame[name]
        has_gaps = bool(values.isna().any())
        if name in modality.numeric:
            known = values.dropna().to_numpy(dtype=float)
            columns.append(fit_numbers(name, known, num_people=len(known), has_gaps=has_gaps))
        elif name in modality.ordinal:
            columns.append(Column(name, num_steps=len(modality.ordinal[name]) - 1, has_gaps=has_gaps))
        else:
            columns.append(_fit_levels(values, has_gaps))
    return FittedTabular(tuple(columns))


def fit_numbers(name: str, known: np.ndarray, *, num_people: int, has_gaps: bool) -> Column:
    """Fit a numeric column to its known values, (n,), which come from `num_people` people.

    Where those are fewer than LEAST_IN_A_BIN, their mean and spread would tell their values, and the input is 0.
    """
    if num_people < LEAST_IN_A_BIN:
        return Column(name, scale=UNUSED, has_gaps=has_gaps)
    num_quantiles = min(MOST_QUANTILES, num_people // LEAST_IN_A_BIN)
    if num_quantiles >= MANY_VALUES and len(np.unique(known)) > MANY_VALUES:
        grid = np.quantile(known, (np.arange(num_quantiles) + 0.5) / num_quantiles)
        return Column(name, quantiles=tuple(grid.tolist()), has_gaps=has_gaps)
    centre, scale = float(known.mean()), float(known.std())
    scale = scale if scale > 1e-9 * abs(centre) else 1.0  # what does not vary may seem to, by rounding
    return Column(name, centre=centre, scale=scale, has_gaps=has_gaps)


def _fit_levels(values: pd.Series, has_gaps: bool) -> Column:
    counts = values.value_counts()
    levels = tuple(sorted(counts.index[counts >= LEAST_IN_A_BIN]))
    if len(levels) < len(counts):
        levels = (*levels, OTHER)
    # A categorical column that is never known still needs one input, which is always 0.
    return Column(str(values.name), levels=levels or ("(none)",), has_gaps=has_gaps)
