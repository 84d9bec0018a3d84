"""Values over time, irregular: kept as they are, and joined into bins and summaries for a network.

Inputs of a subject are, for each of V variables, a summary of its whole window (SUMMARY), then, for each of T bins and
V variables, three numbers: the joined value, whether there was one, and how fresh the last one is at the end of the bin
(1 = just measured, 0 = a whole window ago, or never). Values are normal scores; what is absent is 0.
"""

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import Any, ClassVar

import numpy as np
import pandas as pd

from cohorts.modalities.measurements import text_bytes
from cohorts.modalities.tabular import Column, column_from_state, fit_numbers
from cohorts.modality import EventsModality

SUMMARY = ("mean", "lowest", "highest", "first", "last", "slope", "log_count", "measured")
CHANNELS = 3
MOST_OF_ONE = 20


@dataclass(frozen=True, repr=False)
class Events:
    """Values of N subjects, one after the other, each subject's in the order of time.

    Attributes:
        start: Position of each subject's first value, int64 (N + 1,); the last one is the number of values E.
        time: On each subject's own clock, float64 (E,).
        variable: Position in `variables`, int16 (E,).
        value: float64 (E,), finite.
        variables: Names.
    """

    start: np.ndarray
    time: np.ndarray
    variable: np.ndarray
    value: np.ndarray
    variables: tuple[str, ...]

    @property
    def present(self) -> np.ndarray:
        return np.diff(self.start) > 0

    def __len__(self) -> int:
        return len(self.start) - 1

    @property
    def subject(self) -> np.ndarray:
        """Row of the subject whose value it is, int64 (E,)."""
        return np.repeat(np.arange(len(self)), np.diff(self.start))

    def take(self, index: np.ndarray) -> "Events":
        lengths = np.diff(self.start)[index]
        start = np.concatenate([[0], np.cumsum(lengths)])
        chosen = np.repeat(self.start[:-1][index] - start[:-1], lengths) + np.arange(start[-1])
        return Events(start, self.time[chosen], self.variable[chosen], self.value[chosen], self.variables)

    def content(self) -> Iterator[bytes]:
        yield text_bytes(self.variables)
        for part in (self.start, self.time, self.variable, self.value):
            yield np.ascontiguousarray(part).tobytes()

    def summary(self) -> pd.DataFrame:
        cell = self.subject * len(self.variables) + self.variable
        size = len(self) * len(self.variables)
        count = np.bincount(cell, minlength=size)
        total = np.bincount(cell, weights=self.value, minlength=size)
        mean = np.divide(total, count, out=np.full(size, np.nan), where=count > 0)
        return pd.DataFrame(mean.reshape(len(self), -1), columns=[f"{name} (mean)" for name in self.variables])


@dataclass(frozen=True)
class FittedEvents:
    """Window, bins, and how the values of each variable become normal scores."""

    columns: tuple[Column, ...]
    window: tuple[float, float]
    num_bins: int
    several: tuple[str, ...]
    kind: ClassVar[str] = "events"

    @property
    def num_inputs(self) -> int:
        return len(self.columns) * (len(SUMMARY) + self.num_bins * CHANNELS)

    @property
    def feature_of_input(self) -> np.ndarray:
        variables = np.arange(len(self.columns))
        in_bins = np.tile(np.repeat(variables, CHANNELS), self.num_bins)
        return np.concatenate([np.repeat(variables, len(SUMMARY)), in_bins])

    @property
    def layout(self) -> dict[str, int]:
        return {"num_variables": len(self.columns), "num_bins": self.num_bins}

    def transform(self, measurements: Events) -> np.ndarray:
        V = len(self.columns)
        score = np.empty(len(measurements.value), dtype=np.float32)
        for number, column in enumerate(self.columns):
            rows = measurements.variable == number
            score[rows] = column.scored(measurements.value[rows])
        size = len(measurements)
        summary = _summaries(measurements, score, V, self.window).reshape(size, V * len(SUMMARY))
        bins = _bins(measurements, score, self.columns, self.several, self.window, self.num_bins)
        return np.concatenate([summary, bins.reshape(size, self.num_bins * V * CHANNELS)], axis=1)

    def state(self) -> dict[str, Any]:
        return {**asdict(self), "columns": [asdict(column) for column in self.columns]}

    @classmethod
    def from_state(cls, state: dict[str, Any]) -> "FittedEvents":
        columns = tuple(column_from_state(column) for column in state["columns"])
        return cls(columns, tuple(state["window"]), state["num_bins"], tuple(state["several"]))


def fit_events(training: Events, modality: EventsModality) -> FittedEvents:
    """Fit on training subjects who have the modality; where a variable is summed, on its sums.

    Of each subject, at most MOST_OF_ONE values are looked at, so that no quantile is that of a few who have the most.
    """
    subject, columns = training.subject, []
    several = tuple(modality.several_by_variable.get(name, modality.several) for name in modality.variables)
    bin_ = _bin_of(training.time, modality.window, modality.num_bins)
    for number, (name, how) in enumerate(zip(modality.variables, several, strict=True)):
        rows = training.variable == number
        values, owner = training.value[rows], subject[rows]
        if how == "sum":
            cells, cell = np.unique(owner * modality.num_bins + bin_[rows], return_inverse=True)
            values, owner = np.bincount(cell, weights=values), cells // modality.num_bins
        values = values[_some_of_each(owner)]
        columns.append(fit_numbers(name, values, num_people=len(np.unique(owner)), has_gaps=True))
    return FittedEvents(tuple(columns), modality.window, modality.num_bins, several)


def _some_of_each(owner: np.ndarray) -> np.ndarray:
    """MOST_OF_ONE of each owner's rows at most, evenly spaced; owners rise. Bool (n,)."""
    _, first, count = np.unique(owner, return_index=True, return_counts=True)
    place, total = np.arange(len(owner)) - np.repeat(first, count), np.repeat(count, count)
    return (total <= MOST_OF_ONE) | ((place + 1) * MOST_OF_ONE // total > place * MOST_OF_ONE // total)


def _bin_of(time: np.ndarray, window: tuple[float, float], num_bins: int) -> np.ndarray:
    # Multiplied before it is divided, so that whole hours on an edge are not rounded into the bin before.
    place = (time - window[0]) * num_bins / (window[1] - window[0]) + 1e-9
    return np.minimum(place.astype(np.int64), num_bins - 1)  # the end belongs to the last bin


def _bins(
    events: Events,
    score: np.ndarray,
    columns: tuple[Column, ...],
    several: tuple[str, ...],
    window: tuple[float, float],
    T: int,
) -> np.ndarray:
    """Float32 (N, T, V, CHANNELS)."""
    N, V = len(events), len(columns)
    share = (events.time - window[0]) / (window[1] - window[0])
    cell = (events.subject * T + _bin_of(events.time, window, T)) * V + events.variable
    joined = np.zeros(N * T * V, dtype=np.float32)
    for how in sorted(set(several)):
        of_this = np.array([name == how for name in several])[events.variable]
        cells, raw = cell[of_this], score[of_this]
        if how == "sum":  # sums are scored as sums of values, not of scores
            joined += _scored_sums(events, cells, of_this, columns, several, N * T * V, V)
        else:
            _join(joined, cells, raw, how)
    observed = np.zeros(N * T * V, dtype=np.float32)
    observed[cell] = 1
    latest = np.full(N * T * V, -np.inf, dtype=np.float32)
    latest[cell] = share  # in the order of time, so the last one stays
    latest = np.maximum.accumulate(latest.reshape(N, T, V), axis=1)
    end = (np.arange(1, T + 1, dtype=np.float32) / T)[None, :, None]
    fresh = np.maximum(1 - (end - latest), 0.0)
    return np.stack([joined.reshape(N, T, V), observed.reshape(N, T, V), fresh], axis=-1)


def _join(joined: np.ndarray, cells: np.ndarray, values: np.ndarray, how: str) -> None:
    if how == "mean":
        count = np.bincount(cells, minlength=len(joined))
        total = np.bincount(cells, weights=values, minlength=len(joined))
        np.divide(total, count, out=joined, where=count > 0, casting="unsafe")
    elif how == "last":
        joined[cells] = values
    elif how == "first":
        joined[cells[::-1]] = values[::-1]
    else:
        extreme = np.full(len(joined), np.inf if how == "min" else -np.inf, dtype=np.float32)
        (np.minimum if how == "min" else np.maximum).at(extreme, cells, values)
        joined[cells] = extreme[cells]


def _scored_sums(
    events: Events,
    cells: np.ndarray,
    chosen: np.ndarray,
    columns: tuple[Column, ...],
    several: tuple[str, ...],
    size: int,
    V: int,
) -> np.ndarray:
    total = np.bincount(cells, weights=events.value[chosen], minlength=size)
    scored = np.zeros(size, dtype=np.float32)
    seen = np.unique(cells)
    for number in [v for v in range(V) if several[v] == "sum"]:
        mine = seen[seen % V == number]
        scored[mine] = columns[number].scored(total[mine])
    return scored


def _summaries(events: Events, score: np.ndarray, V: int, window: tuple[float, float]) -> np.ndarray:
    """Float32 (N, V, len(SUMMARY))."""
    N = len(events)
    cell = events.subject * V + events.variable
    size = N * V
    share = (events.time - window[0]) / (window[1] - window[0])
    count = np.bincount(cell, minlength=size)
    some = np.maximum(count, 1)
    mean = np.bincount(cell, weights=score, minlength=size) / some
    middle = np.bincount(cell, weights=share, minlength=size) / some
    apart = share - middle[cell]
    spread = np.bincount(cell, weights=apart**2, minlength=size)
    product = np.bincount(cell, weights=apart * score, minlength=size)
    slope = np.divide(product, spread, out=np.zeros(size), where=spread > 1e-6)
    parts = [np.zeros(size, dtype=np.float32) for _ in range(4)]
    for part, how in zip(parts, ("min", "max", "first", "last"), strict=True):
        _join(part, cell, score, how)
    stacked = np.stack([mean, *parts, np.clip(slope, -5, 5), np.log1p(count), count > 0], axis=-1)
    return stacked.astype(np.float32).reshape(N, V, len(SUMMARY))
