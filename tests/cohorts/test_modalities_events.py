"""Events: what is read of a long table, and for whom."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from cohorts.cohort import Cohort
from cohorts.errors import InputError
from cohorts.modalities.events import SUMMARY, Events, fit_events
from cohorts.modality import EventsModality
from tests.cohorts.ward import IDS, read

VITALS: dict[str, Any] = {
    "kind": "events",
    "table": "vitals",
    "time": "hour",
    "variable": "name",
    "value": "value",
    "variables": ["hr", "urine"],
    "window": [0, 48],
    "num_bins": 4,
}


def some_vitals() -> pd.DataFrame:
    """A heart rate at hours 0, 10, 48 and 60 and a urine output at hour 5 for every second patient."""
    rows = []
    for number, patient in enumerate(IDS):
        if number % 2:
            rows += [(patient, hour, "hr", 60.0 + number + hour) for hour in (0, 10, 48, 60)]
            rows += [(patient, 5, "urine", 100.0 + number)]
    return pd.DataFrame(rows, columns=["patient", "hour", "name", "value"])


def read_vitals(folder: Path, vitals: pd.DataFrame | None = None, **changes: Any) -> Cohort:
    (some_vitals() if vitals is None else vitals).to_parquet(folder / "vitals.parquet", index=False)
    return read(folder, {"vitals": {**VITALS, **changes}}, {"vitals": {"files": "vitals.parquet"}})


def rows_of(people: Cohort, place: int) -> list[tuple[float, str, float]]:
    """Time, variable and value of one patient."""
    one = people.features["vitals"].take(np.array([place]))
    return list(zip(one.time.tolist(), [one.variables[v] for v in one.variable], one.value.tolist(), strict=True))


def test_values_within_the_window_reach_their_subject_in_the_order_of_time(tmp_path: Path) -> None:
    people = read_vitals(tmp_path, some_vitals().sample(frac=1, random_state=1))
    assert rows_of(people, 7) == [(0, "hr", 67), (5, "urine", 107), (10, "hr", 77), (48, "hr", 115)]
    assert rows_of(people, 8) == []
    np.testing.assert_array_equal(people.presence[:, 1], np.arange(len(people)) % 2 == 1)


def test_a_subject_whose_values_all_lie_outside_of_the_window_lacks_the_modality(tmp_path: Path) -> None:
    late = some_vitals()
    late.loc[late["patient"] == IDS[3], "hour"] += 100
    people = read_vitals(tmp_path, late)
    assert not people.presence[3, 1]
    assert people.presence[5, 1]


def test_the_order_of_rows_changes_nothing_even_where_times_and_values_are_equal(tmp_path: Path) -> None:
    vitals = some_vitals().assign(hour=lambda t: t["hour"].where(t["hour"] > 5, 0))
    vitals.loc[vitals["name"] == "urine", "value"] = np.resize([0.0, -0.0], 30)
    vitals = pd.concat([vitals, vitals[::3].assign(value=lambda t: -t["value"])], ignore_index=True)
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    one = read_vitals(tmp_path / "a", vitals)
    other = read_vitals(tmp_path / "b", vitals[::-1])
    assert one.fingerprint == other.fingerprint


def test_variables_can_be_columns(tmp_path: Path) -> None:
    wide = some_vitals().pivot(index=["patient", "hour"], columns="name", values="value").reset_index()
    expected = read_vitals(tmp_path)
    people = read_vitals(tmp_path, wide, variable=None, value=None)
    assert people.fingerprint == expected.fingerprint


def test_time_can_be_an_expression_over_the_subject_table(tmp_path: Path) -> None:
    expected = read_vitals(tmp_path)
    start = pd.to_datetime("2020-01-01") + pd.to_timedelta(np.arange(len(IDS)) * 10, unit="D")
    admitted = dict(zip(IDS, start, strict=True))
    dated = some_vitals()
    dated["charted"] = dated["patient"].map(admitted) + pd.to_timedelta(dated.pop("hour"), unit="h")
    people = read_vitals(tmp_path, dated, time="date_diff('hour', patients.admitted, charted)")
    assert people.fingerprint == expected.fingerprint


def test_ranges_and_missing_codes_are_of_a_variable(tmp_path: Path) -> None:
    people = read_vitals(tmp_path, ranges={"hr": [70, 110]}, missing_codes={"urine": [107]})
    assert rows_of(people, 7) == [(10, "hr", 77)]
    assert any(note.startswith("vitals: values outside") and "of hr (70 to 110)" in note for note in people.notes)


def test_a_text_can_be_a_missing_code_of_a_variable(tmp_path: Path) -> None:
    vitals = some_vitals().astype({"value": str})
    vitals.loc[(vitals["name"] == "urine") & (vitals["patient"] == IDS[7]), "value"] = "spilt"
    with pytest.raises(
        InputError, match=r"column vitals.value: fewer than 11 values are not numbers; list their codes"
    ):
        read_vitals(tmp_path, vitals)
    people = read_vitals(tmp_path, vitals, missing_codes={"urine": ["spilt"]})
    assert rows_of(people, 7) == [(0, "hr", 67), (10, "hr", 77), (48, "hr", 115)]


def test_values_without_a_time_are_left_out_and_said(tmp_path: Path) -> None:
    people = read_vitals(
        tmp_path, some_vitals().assign(hour=lambda t: t["hour"].where(t["name"] == "hr").astype(float))
    )
    assert people.notes == ("vitals: 30 values have no time, and are left out",)
    assert not (people.features["vitals"].variable == 1).any()


def test_a_variable_that_nobody_has_is_said_and_gives_zeros(tmp_path: Path) -> None:
    people = read_vitals(tmp_path, variables=["hr", "urine", "lactate"])
    assert "vitals: nobody has the variable lactate" in people.notes
    fitted = fit_events(people.features["vitals"], people.spec.modalities["vitals"])
    inputs = fitted.transform(people.features["vitals"])
    summary = inputs[:, : 3 * len(SUMMARY)].reshape(-1, 3, len(SUMMARY))
    bins = inputs[:, 3 * len(SUMMARY) :].reshape(-1, 4, 3, 3)
    assert (summary[:, 2] == 0).all()
    assert (bins[:, :, 2] == 0).all()


def test_numbers_of_items_can_name_variables(tmp_path: Path) -> None:
    coded = some_vitals().assign(name=lambda t: t["name"].map({"hr": 220045, "urine": 226559}))
    people = read_vitals(tmp_path, coded, variables=["220045", "226559"])
    assert rows_of(people, 7) == [(0, "220045", 67), (5, "226559", 107), (10, "220045", 77), (48, "220045", 115)]


def test_a_summary_is_the_mean_of_each_variable(tmp_path: Path) -> None:
    summary = read_vitals(tmp_path).features["vitals"].summary()
    assert list(summary) == ["hr (mean)", "urine (mean)"]
    assert summary.loc[7].tolist() == [pytest.approx((67 + 77 + 115) / 3), 107]
    assert summary.loc[8].isna().all()


def test_sums_are_scored_as_sums(tmp_path: Path) -> None:
    """Fitted on the sums of a bin, so that a bin with the average sum has the score 0."""
    vitals = some_vitals()
    twice = pd.concat([vitals, vitals[vitals["name"] == "urine"].assign(hour=6)])
    people = read_vitals(tmp_path, twice, several_by_variable={"urine": "sum"})
    fitted = fit_events(people.features["vitals"], people.spec.modalities["vitals"])
    assert fitted.several == ("mean", "sum")
    assert fitted.columns[1].centre == pytest.approx(2 * (100 + np.arange(1, 60, 2)).mean())


def test_taking_subjects_keeps_their_own_values(tmp_path: Path) -> None:
    events = read_vitals(tmp_path).features["vitals"]
    taken = events.take(np.array([9, 8, 7, 7]))
    assert len(taken) == 4
    np.testing.assert_array_equal(np.diff(taken.start), [4, 0, 4, 4])
    np.testing.assert_array_equal(taken.value[4:8], events.take(np.array([7])).value)
    nobody = events.take(np.array([], dtype=int))
    assert len(nobody) == 0
    assert isinstance(nobody, Events)


def test_a_moment_on_an_edge_belongs_to_the_bin_that_begins_there() -> None:
    window, num_bins = (0.0, 2880.0), 45
    edges = np.arange(num_bins) * 64.0
    modality = EventsModality(**{**VITALS, "variables": ["hr"], "window": window, "num_bins": num_bins})
    start = np.arange(num_bins + 1)
    events = Events(start, edges, np.zeros(num_bins, dtype=np.int16), np.arange(num_bins, dtype=float), ("hr",))
    bins = fit_events(events, modality).transform(events)[:, len(SUMMARY) :].reshape(num_bins, num_bins, 3)
    np.testing.assert_array_equal(bins[:, :, 1], np.eye(num_bins))
