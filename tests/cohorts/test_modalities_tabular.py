"""Tabular modalities: ordinal and derived columns, ranges, codes, missing codes."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from cohorts.cohort import Cohort
from cohorts.errors import InputError
from cohorts.modalities.tabular import fit_tabular
from tests.cohorts.ward import IDS, SIZE, read, some_labs


def read_labs(folder: Path, labs: pd.DataFrame | None = None, **modality: Any) -> Cohort:
    (some_labs() if labs is None else labs).to_csv(folder / "labs.csv", index=False)
    return read(folder, {"labs": {"table": "labs", **modality}}, {"labs": {"files": "labs.csv"}})


def frame_of(people: Cohort) -> pd.DataFrame:
    return people.features["labs"].frame


def staged() -> pd.DataFrame:
    number = np.arange(SIZE)
    stage = np.select([number % 4 == 0, number % 4 == 1, number % 4 == 2], ["I", "II", "III"], "unclear")
    return pd.DataFrame({"patient": IDS, "stage": stage, "grade": 1.0 + number % 3, "hb": 12.0 + number})


def test_ordinal_codes_become_their_position_and_others_are_absent_and_counted(tmp_path: Path) -> None:
    people = read_labs(tmp_path, staged(), ordinal={"stage": ["I", "II", "III"], "grade": [3, 2, 1]}, numeric=["hb"])
    frame = frame_of(people)
    places = {"I": 0.0, "II": 1.0, "III": 2.0}
    np.testing.assert_array_equal(frame["stage"], staged()["stage"].map(places))
    np.testing.assert_array_equal(frame["grade"], 3 - staged()["grade"])
    assert people.notes == ("labs.stage: 15 values are codes that are not declared, and count as absent",)


def test_an_ordinal_input_is_a_step_above_each_code_but_the_last(tmp_path: Path) -> None:
    people = read_labs(tmp_path, staged(), ordinal={"stage": ["I", "II", "III"]}, numeric=["hb"])
    inputs = fit_tabular(people.features["labs"], people.spec.modalities["labs"]).transform(people.features["labs"])
    hb, above_first, above_second, measured = inputs.T
    stage = staged()["stage"]
    np.testing.assert_array_equal(above_first, stage.isin(["II", "III"]))
    np.testing.assert_array_equal(above_second, stage == "III")
    np.testing.assert_array_equal(measured, stage != "unclear")
    assert hb.std() > 0


def test_derived_columns_are_computed_over_all_tables(tmp_path: Path) -> None:
    people = read_labs(
        tmp_path,
        numeric=["per_year", "high"],
        derive={"per_year": "labs.crp / patients.age", "high": "(crp > 100)::INT"},
    )
    labs = some_labs().set_index("patient").reindex(people.subject_id)
    age = people.features["history"].frame["age"].to_numpy()
    np.testing.assert_array_equal(frame_of(people)["per_year"], labs["crp"].to_numpy() / age)
    high = np.where(labs["crp"].isna(), np.nan, labs["crp"] > 100)
    np.testing.assert_array_equal(frame_of(people)["high"], high)


def test_a_derived_category_can_group_codes(tmp_path: Path) -> None:
    people = read_labs(
        tmp_path, categorical=["level"], derive={"level": "CASE WHEN crp > 100 THEN 'high' ELSE 'low' END"}
    )
    assert set(frame_of(people)["level"]) == {"high", "low"}


@pytest.mark.parametrize(
    ("limits", "inside"),
    [([9, 12], lambda hb: (hb >= 9) & (hb <= 12)), ([None, 12], lambda hb: hb <= 12), ([9, None], lambda hb: hb >= 9)],
)
def test_values_outside_of_the_plausible_range_are_absent_and_said(
    tmp_path: Path, limits: list[float | None], inside: Any
) -> None:
    people = read_labs(tmp_path, numeric=["hb", "crp"], ranges={"hb": limits})
    hb = some_labs().set_index("patient").reindex(people.subject_id)["hb"]
    expected = hb.where(inside(hb))
    np.testing.assert_array_equal(frame_of(people)["hb"], expected)
    outside = int(hb.notna().sum() - expected.notna().sum())
    said = "fewer than 11" if outside < 11 else str(outside)
    assert f"labs: values outside of their plausible range count as absent: {said} of hb" in people.notes[0]


def test_undeclared_codes_are_absent_and_said_without_small_counts(tmp_path: Path) -> None:
    labs = some_labs()
    labs.loc[:2, "smoker"] = "Jane"
    people = read_labs(tmp_path, labs, categorical=["smoker"], codes={"smoker": ["yes", "no"]})
    assert set(frame_of(people)["smoker"].dropna()) == {"yes", "no"}
    assert people.notes == ("labs.smoker: fewer than 11 values are codes that are not declared, and count as absent",)


def test_missing_codes_hold_for_their_column_only(tmp_path: Path) -> None:
    labs = some_labs().assign(hb=[-1, 77, *some_labs()["hb"][2:]], crp=[-1, 77, *some_labs()["crp"][2:]])
    people = read_labs(
        tmp_path,
        labs,
        numeric=["hb", "crp"],
        categorical=["smoker"],
        missing_codes={"hb": [-1, 77], "smoker": ["no"]},
    )
    frame = frame_of(people).loc[people.presence[:, 1]]
    assert frame["hb"][:2].isna().all()
    assert frame["crp"][:2].tolist() == [-1, 77]
    assert set(frame["smoker"].dropna()) == {"yes"}


def test_a_text_code_among_numbers_can_be_a_missing_code(tmp_path: Path) -> None:
    labs = some_labs().astype({"hb": object})
    labs.loc[3:5, "hb"] = "haemolysed"
    with pytest.raises(InputError, match=r"column labs.hb: fewer than 11 values are not numbers; list their codes"):
        read_labs(tmp_path, labs, numeric=["hb", "crp"])
    people = read_labs(tmp_path, labs, numeric=["hb", "crp"], missing_codes={"hb": ["haemolysed"]})
    assert frame_of(people)["hb"].notna().sum() == pd.to_numeric(labs["hb"], errors="coerce").notna().sum()


def test_codes_are_the_same_whether_numbers_or_texts(tmp_path: Path) -> None:
    """A gap makes floats of whole numbers: 1.0 must not differ from 1."""
    labs = some_labs().assign(smoker=np.where(some_labs()["smoker"] == "yes", 1.0, 0.0))
    labs.loc[0, "smoker"] = np.nan
    labs.to_parquet(tmp_path / "labs.parquet", index=False)
    people = read(tmp_path, {"labs": {"table": "labs", "categorical": ["smoker"]}}, {"labs": {"files": "labs.parquet"}})
    assert set(frame_of(people)["smoker"].dropna()) == {"0", "1"}


def test_a_column_of_many_rare_codes_is_refused_and_of_many_common_ones_is_not(tmp_path: Path) -> None:
    size = 3000
    patients = pd.DataFrame({"patient": np.arange(size), "site": np.resize(list("abc"), size), "age": 50.0})
    patients = patients.assign(
        sex="F", died=np.arange(size) // 3 % 2, note=np.arange(size) + 0.5, ward=np.arange(size) % 150
    )
    patients.to_csv(tmp_path / "patients.csv", index=False)
    with pytest.raises(InputError, match=r"column extra.note: has 3000 different codes, where 1000 can be told apart"):
        read(tmp_path, {"extra": {"table": "patients", "categorical": ["note"]}})
    people = read(tmp_path, {"extra": {"table": "patients", "categorical": ["ward"]}})
    assert people.features["extra"].frame["ward"].nunique() == 150


def test_a_summary_has_numbers_and_common_levels(tmp_path: Path) -> None:
    people = read_labs(tmp_path, numeric=["hb"], categorical=["smoker"])
    summary = people.features["labs"].summary()
    assert list(summary) == ["hb", "smoker = no", "smoker = yes"]
    known = people.presence[:, 1]
    assert summary.loc[~known].isna().all(axis=None)
    assert set(summary.loc[known, "smoker = yes"]) == {0.0, 1.0}
    assert set(summary.dtypes) == {np.dtype(float)}


def test_a_column_that_does_not_vary_does_not_blow_up_what_does_later(tmp_path: Path) -> None:
    labs = some_labs().assign(hb=0.1)
    people = read_labs(tmp_path, labs, numeric=["hb", "crp"])
    fitted = fit_tabular(people.features["labs"], people.spec.modalities["labs"])
    scores = fitted.columns[0].scored(np.array([0.1, 0.1 + 1e-15, 0.2, np.nan]))
    np.testing.assert_allclose(scores, [0, 0, 0.1, 0], atol=1e-6)
