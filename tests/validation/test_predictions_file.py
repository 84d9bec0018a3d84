"""Files of predictions that are not as they should be: each is refused by what is wrong with it."""

import gzip
import re
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from cohorts.errors import InputError
from tests.validation.cases import make_held_out
from validation.predictions_file import read_predictions


def assert_refused(file: Path, *messages: str) -> None:
    with pytest.raises(InputError) as caught:
        read_predictions(file)
    for message in messages:
        assert message in str(caught.value)


def as_csv(folder: Path, frame: pd.DataFrame, **options: Any) -> Path:
    frame.to_csv(folder / "given.csv", index=False, **options)
    return folder / "given.csv"


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        ("Part", "part"),
        ("part ", "part"),
        ("Sensitive.sex", "sensitive.sex"),
        (" sensitive.Sex", "sensitive.Sex"),
        ("Champion", "champion"),
        ("Score", "score"),
        ("WEIGHT", "weight"),
        ("Control.scratch", "control.scratch"),
    ],
)
@pytest.mark.parametrize("ending", [".csv", ".parquet"])
def test_a_name_that_is_nearly_a_known_one_is_refused_and_not_left_out(
    tmp_path: Path, name: str, meant: str, ending: str
) -> None:
    frame, file = make_held_out(20).drop(columns="part").assign(**{name: 1}), tmp_path / f"given{ending}"
    if ending == ".csv":
        frame.to_csv(file, index=False)
    else:
        frame.to_parquet(file)
    assert_refused(file, f"given{ending}: column `{name}` is none that is known; if {meant} is meant")


def test_columns_of_other_names_are_left_out(tmp_path: Path) -> None:
    file = as_csv(tmp_path, make_held_out(20).assign(sex="f", Age=3, **{"": 1, "scores": 2}))
    assert set(read_predictions(file)) == set(make_held_out(20))


@pytest.mark.parametrize("name", ["score", "part", "sensitive.sex"])
def test_a_column_that_is_there_twice_is_refused(tmp_path: Path, name: str) -> None:
    frame = make_held_out(20)
    assert_refused(
        as_csv(tmp_path, pd.concat([frame, frame[[name]]], axis=1)), f"2 columns are called {name}; give one"
    )


@pytest.mark.parametrize(("separator", "word"), [(";", "semicolons"), ("\t", "tabs")])
def test_another_separator_is_named(tmp_path: Path, separator: str, word: str) -> None:
    assert_refused(as_csv(tmp_path, make_held_out(20), sep=separator), f"separated by {word}; separate them by commas")


@pytest.mark.parametrize("rows", ["all", "the first"])
def test_rows_longer_than_the_header_are_refused(tmp_path: Path, rows: str) -> None:
    file = as_csv(tmp_path, make_held_out(20))
    header, *lines = file.read_text().splitlines()
    longer = [line + ",1" if rows == "all" or line == lines[0] else line for line in lines]
    file.write_text("\n".join([header, *longer]))
    assert_refused(file, "its rows have more values than its header has names; name every column")


@pytest.mark.parametrize(
    ("column", "message"),
    [
        ("label", "label must be 0 or 1 in every row"),
        ("score", "fewer than 11 values of score are not between 0 and 1"),
        ("weight", "fewer than 11 values of weight are not finite and above 0"),
    ],
)
def test_a_number_of_four_hundred_digits_is_refused(tmp_path: Path, column: str, message: str) -> None:
    frame = make_held_out(20).assign(weight=1).astype({column: object})
    frame.loc[3, column] = "1" * 400
    frame.loc[4, column] = 1
    assert_refused(as_csv(tmp_path, frame), message)


@pytest.mark.parametrize("name", ["given.csv.zip", "given.csv.gz", "given.csv.bz2", "given.csv.xz", "given.csv.tar"])
def test_a_packed_file_that_is_none_is_refused(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_bytes(b"subject_id,label,score\n")
    assert_refused(tmp_path / name, "cannot be read as Parquet or CSV")


def test_a_packed_file_that_was_cut_off_is_refused(tmp_path: Path) -> None:
    packed = gzip.compress(make_held_out(50).to_csv(index=False).encode())
    (tmp_path / "given.csv.gz").write_bytes(packed[:-20])
    assert_refused(tmp_path / "given.csv.gz", "cannot be read as Parquet or CSV")


@pytest.mark.parametrize(
    ("column", "values", "kind"),
    [
        ("label", pd.to_datetime(["2020-01-01"] * 20), "Timestamp"),
        ("score", pd.to_timedelta([1] * 20), "Timedelta"),
        ("score", [b"0.5"] * 20, "bytes"),
        ("sensitive.sex", [b"\xff"] * 20, "bytes"),
        ("sensitive.sex", [["a", "b"]] * 20, "ndarray"),
        ("site", [{"a": 1}] * 20, "dict"),
    ],
)
def test_values_that_are_neither_texts_nor_numbers_are_refused_by_their_type(
    tmp_path: Path, column: str, values: Any, kind: str
) -> None:
    make_held_out(20).assign(**{column: values}).to_parquet(tmp_path / "given.parquet")
    assert_refused(tmp_path / "given.parquet", f"{column} must hold texts or numbers, not {kind}")


def test_categories_numbers_and_absent_values_are_groups(tmp_path: Path) -> None:
    frame = make_held_out(4).assign(**{"sensitive.sex": pd.Categorical(["f", "m", None, "m"]), "sensitive.age": 3})
    frame.to_parquet(tmp_path / "given.parquet")
    found = read_predictions(tmp_path / "given.parquet")
    assert found["sensitive.sex"].tolist() == ["f", "m", "Unknown", "m"]
    assert found["sensitive.age"].tolist() == ["3"] * 4


def test_scores_that_are_no_numbers_are_told_from_those_outside(tmp_path: Path) -> None:
    frame = make_held_out(20).astype({"score": object})
    frame.loc[:4, "score"] = ["high", None, "", 1.5, -1]
    assert_refused(
        as_csv(tmp_path, frame),
        "fewer than 11 values of score are empty or no numbers",
        "fewer than 11 values of score are not between",
    )


@pytest.mark.parametrize("kind", ["by label", "one heavy", "a group of nothing"])
def test_weights_beside_which_the_others_vanish_are_refused(tmp_path: Path, kind: str) -> None:
    frame = make_held_out(60)
    weights = {
        "by label": np.where(frame["label"] == 1, 1e300, 1e-300),
        "one heavy": np.where(frame.index == 7, 1e12, 1.0),
        "a group of nothing": np.where(frame["sensitive.sex"] == "female", 1e-200, 1.0),
    }
    file = as_csv(tmp_path, frame.assign(weight=weights[kind]))
    assert_refused(file, "the largest weight is more than 1e+09 times the smallest")


def test_every_message_names_the_file_or_the_predictions_and_no_person(tmp_path: Path) -> None:
    frame = make_held_out(20).assign(weight=0, score=2.0, label=3)
    with pytest.raises(InputError) as caught:
        read_predictions(as_csv(tmp_path, frame))
    assert len(caught.value.problems) == 3
    assert all(re.match("predictions", problem) for problem in caught.value.problems)
    assert "patient" not in str(caught.value)
