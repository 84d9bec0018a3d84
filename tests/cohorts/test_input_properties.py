"""Whatever was measured: inputs of events and of tables are those of brute force, finite, and 0 where absent."""

import json
import math
from collections.abc import Callable
from fractions import Fraction
from typing import get_args

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cohorts.modalities.events import SUMMARY, Events, FittedEvents, fit_events
from cohorts.modalities.tabular import FittedTabular, Tabular, fit_tabular
from cohorts.modality import EventsModality, Several, TabularModality

# The same examples every time, so that nobody meets the failure of another; to search on, drop `derandomize`.
FEW = settings(max_examples=30, deadline=None, derandomize=True)
SEVERAL = get_args(Several)

# Events against brute force -----------------------------------------------------------------------------------------

WINDOW = (0.0, 48.0)
VARIABLES = ("hr", "urine", "lactate")


@st.composite
def events(draw: st.DrawFn) -> Events:
    """Of up to five subjects; times in quarters of an hour, both ends of the window included."""
    size = draw(st.integers(1, 5))
    one = st.tuples(st.integers(0, size - 1), st.integers(0, 192), st.integers(0, 2), st.floats(-1e3, 1e3, width=32))
    rows = sorted(
        (s, quarter / 4, v, float(value))
        for s, quarter, v, value in draw(st.lists(one, min_size=draw(st.sampled_from([0, 15])), max_size=30))
    )
    subject, time, variable, value = (np.array([row[part] for row in rows]) for part in range(4))
    start = np.searchsorted(subject, np.arange(size + 1)) if rows else np.zeros(size + 1)
    return Events(start.astype(np.int64), time.astype(float), variable.astype(np.int16), value.astype(float), VARIABLES)


def modality_of(several: str, num_bins: int) -> EventsModality:
    return EventsModality(
        kind="events",
        table="vitals",
        time="hour",
        variable="name",
        value="value",
        variables=list(VARIABLES),
        window=WINDOW,
        num_bins=num_bins,
        several=several,  # type: ignore[arg-type]
        several_by_variable={"lactate": "max"},
    )


JOIN: dict[str, Callable[[list[float]], float]] = {
    "mean": lambda scores: sum(scores) / len(scores),
    "first": lambda scores: scores[0],
    "last": lambda scores: scores[-1],
    "min": min,
    "max": max,
}


def brute_force(events: Events, fitted: FittedEvents, place: int) -> tuple[np.ndarray, np.ndarray]:
    """Summary (V, S) and bins (T, V, 3) of one subject, in plain Python."""
    one = events.take(np.array([place]))
    summary = np.zeros((len(VARIABLES), len(SUMMARY)))
    bins = np.zeros((fitted.num_bins, len(VARIABLES), 3))
    for v, column in enumerate(fitted.columns):
        mine = [(t, x) for t, kind, x in zip(one.time, one.variable, one.value, strict=True) if kind == v]
        score = [float(column.scored(np.array([x]))[0]) for _, x in mine]
        share = [t / 48 for t, _ in mine]
        if mine:
            middle, mean = sum(share) / len(mine), sum(score) / len(mine)
            spread = sum((s - middle) ** 2 for s in share)
            tilt = sum((s - middle) * (y - mean) for s, y in zip(share, score, strict=True))
            slope = max(-5, min(5, tilt / spread)) if spread > 1e-6 else 0
            summary[v] = [mean, min(score), max(score), score[0], score[-1], slope, math.log(1 + len(mine)), 1]
        of_bin = [min(int(Fraction(t) * fitted.num_bins / 48), fitted.num_bins - 1) for t, _ in mine]
        for b in range(fitted.num_bins):
            here = [number for number, which in enumerate(of_bin) if which == b]
            if here and fitted.several[v] == "sum":
                bins[b, v, 0] = column.scored(np.array([sum(mine[number][1] for number in here)]))[0]
            elif here:
                bins[b, v, 0] = JOIN[fitted.several[v]]([score[number] for number in here])
            bins[b, v, 1] = bool(here)
            earlier = [share[number] for number, which in enumerate(of_bin) if which <= b]
            bins[b, v, 2] = max(0, 1 - ((b + 1) / fitted.num_bins - max(earlier))) if earlier else 0
    return summary, bins


@pytest.mark.parametrize("several", SEVERAL)
@FEW
@given(drawn=events(), num_bins=st.sampled_from([1, 2, 3, 5, 7, 24, 49, 96]))
def test_inputs_of_events_are_those_of_brute_force(several: str, drawn: Events, num_bins: int) -> None:
    fitted = fit_events(drawn, modality_of(several, num_bins))
    inputs = fitted.transform(drawn)
    assert inputs.shape == (len(drawn), fitted.num_inputs)
    assert inputs.dtype == np.float32
    for place in range(len(drawn)):
        summary, bins = brute_force(drawn, fitted, place)
        expected = np.concatenate([summary.ravel(), bins.ravel()])
        np.testing.assert_allclose(inputs[place], expected, atol=2e-4)


@FEW
@given(drawn=events(), several=st.sampled_from(SEVERAL), seed=st.integers(0, 9))
def test_inputs_of_events_follow_their_subject_and_are_0_for_who_has_none(
    drawn: Events, several: str, seed: int
) -> None:
    fitted = FittedEvents.from_state(json.loads(json.dumps(fit_events(drawn, modality_of(several, 4)).state())))
    inputs = fitted.transform(drawn)
    assert (inputs[~drawn.present] == 0).all()
    assert np.isfinite(inputs).all()
    index = np.random.default_rng(seed).integers(0, len(drawn), 7)
    np.testing.assert_allclose(fitted.transform(drawn.take(index)), inputs[index], atol=1e-5)
    expected = [
        [
            np.mean(drawn.value[(drawn.subject == s) & (drawn.variable == v)])
            if ((drawn.subject == s) & (drawn.variable == v)).any()
            else np.nan
            for v in range(3)
        ]
        for s in range(len(drawn))
    ]
    np.testing.assert_allclose(drawn.summary().to_numpy(), expected, rtol=1e-9)


# Tabular inputs -----------------------------------------------------------------------------------------------------


@FEW
@given(
    training=st.lists(st.tuples(st.none() | st.floats(-1e38, 1e38), st.sampled_from(["a", "b", None])), max_size=150),
    new=st.lists(
        st.tuples(st.none() | st.floats(-1e38, 1e38), st.text(max_size=3) | st.none()), min_size=1, max_size=9
    ),
    repeats=st.integers(1, 20),
)
def test_tabular_inputs_are_finite_and_0_where_absent(training: list, new: list, repeats: int) -> None:
    modality = TabularModality(table="labs", numeric=["x"], categorical=["c"])
    fitted = fit_tabular(as_tabular(training * repeats), modality)
    fitted = FittedTabular.from_state(json.loads(json.dumps(fitted.state(), allow_nan=False)))
    for rows in (training, new):
        tabular = as_tabular(rows)
        inputs = fitted.transform(tabular)
        assert inputs.shape == (len(rows), fitted.num_inputs)
        assert np.isfinite(inputs).all()
        assert np.abs(inputs).max(initial=0) <= 5
        assert (inputs[~tabular.present] == 0).all()


def as_tabular(rows: list[tuple[float | None, str | None]]) -> Tabular:
    numbers = pd.Series([math.nan if x is None else x for x, _ in rows], dtype=float)
    return Tabular(pd.DataFrame({"x": numbers, "c": pd.Series([c for _, c in rows], dtype=object)}))
