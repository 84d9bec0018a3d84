"""Whatever the spec and the tables: a cohort that is sound, or an InputError."""

import copy
import json
import math
from collections.abc import Callable
from datetime import date, datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, TypeVar

import numpy as np
import pandas as pd
import pytest
import yaml
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from cohorts.cohort import Cohort
from cohorts.errors import InputError
from cohorts.readers import read_cohort
from cohorts.spec import CohortSpec, load_spec, parse_spec
from tests.cohorts.test_modalities_any import MODALITIES, TABLES, write_all
from tests.cohorts.ward import IDS, SIZE, content, make_spec, patients, some_labs

pytestmark = pytest.mark.slow

# The same examples every time, so that nobody meets the failure of another; to search on, drop `derandomize`.
FEW = settings(max_examples=30, deadline=None, derandomize=True)
MANY = settings(max_examples=90, deadline=None, derandomize=True)
Made = TypeVar("Made")


def made_or_refused(make: Callable[[], Made]) -> Made | InputError:
    """What was made, or why it was refused; any other exception is a failure."""
    try:
        return make()
    except InputError as error:
        return error


# Tables -----------------------------------------------------------------------------------------------------------

CELLS = {
    "numbers": st.floats(-1e6, 1e6) | st.none(),
    "any numbers": st.floats() | st.none(),
    "whole": st.integers(-9, 9),
    "codes": st.sampled_from(["a", "b", " a", "A", "", "nan", "yes", None]),
    "texts": st.text(max_size=6),
    "booleans": st.booleans() | st.none(),
    "dates": st.dates(date(1900, 1, 1), date(2100, 1, 1)) | st.none(),
    "moments": st.datetimes(datetime(1900, 1, 1), datetime(2100, 1, 1)),
    "lists": st.lists(st.floats(-9, 9), max_size=2),
    "nothing": st.none(),
}


@st.composite
def tables(draw: st.DrawFn) -> tuple[pd.DataFrame, dict[str, Any], str]:
    """A table of some of the patients and of strangers, the modality that reads it, and how it is stored."""
    columns, modality = {}, {"table": "labs", "numeric": [], "categorical": [], "ordinal": {}}
    size = draw(st.integers(1, 12))
    for name in draw(st.lists(st.sampled_from(["x", "Y", 'a "b"', "order", "é"]), min_size=1, max_size=3, unique=True)):
        cells = CELLS[draw(st.sampled_from(sorted(CELLS)))]
        columns[name] = draw(st.lists(cells, min_size=size, max_size=size))
        kind = draw(st.sampled_from(["numeric", "numeric", "categorical", "ordinal"]))
        if kind == "ordinal":
            modality["ordinal"][name] = ["a", "b", 1]
        else:
            modality[kind].append(name)
    who = st.lists(
        st.integers(0, SIZE + 2), min_size=size, max_size=size, unique=draw(st.sampled_from([True] * 9 + [False]))
    )
    ids = [*IDS, "stranger", "7", " 0008"]
    table = pd.DataFrame({"patient": [ids[number] for number in draw(who)], **columns})
    return table, modality, draw(st.sampled_from(["labs.parquet", "labs.csv"]))


def store(table: pd.DataFrame, file: Path) -> None:
    table.to_csv(file, index=False) if file.suffix == ".csv" else table.to_parquet(file, index=False)


def read_table(table: pd.DataFrame, modality: dict[str, Any], name: str, subjects: pd.DataFrame) -> Cohort:
    with TemporaryDirectory() as folder:
        subjects.to_csv(Path(folder) / "patients.csv", index=False)
        store(table, Path(folder) / name)
        return read_cohort(make_spec({"labs": modality}, {"labs": {"files": name}}), Path(folder))


@MANY
@given(drawn=tables(), seed=st.integers(0, 99))
def test_any_table_gives_a_cohort_whose_invariants_hold_or_an_input_error(
    drawn: tuple[pd.DataFrame, dict[str, Any], str], seed: int
) -> None:
    table, modality, name = drawn
    people = made_or_refused(lambda: read_table(table, modality, name, patients()))
    if isinstance(people, InputError):
        assert all(problem.strip() for problem in people.problems)
        return
    assert people.subject_id.tolist() == sorted(IDS)
    frame = people.features["labs"].frame  # type: ignore[attr-defined]
    np.testing.assert_array_equal(people.presence[:, 1], frame.notna().any(axis=1))
    assert not np.isinf(frame.select_dtypes(float).to_numpy()).any()
    assert not set(people.subject_id[people.presence[:, 1]]) - set(table["patient"])
    shuffled = table.sample(frac=1, random_state=seed)[[*table.columns[::-1]]]
    again = read_table(shuffled, modality, name, patients().sample(frac=1, random_state=seed))
    assert again.fingerprint == people.fingerprint


@FEW
@given(
    values=st.lists(st.none() | st.floats(-1e30, 1e30), min_size=SIZE, max_size=SIZE),
    place=st.integers(0, SIZE - 1),
    other=st.floats(-1e30, 1e30),
)
def test_values_reach_their_subject_and_changing_one_changes_the_fingerprint(
    values: list[float | None], place: int, other: float
) -> None:
    assume(values[place] != other and any(value is not None for value in values[:48]))
    table = pd.DataFrame({"patient": IDS, "x": pd.array(values, dtype="Float64")})
    table = table.sample(frac=1, random_state=place)
    modality = {"table": "labs", "numeric": ["x"]}
    people = read_table(table, modality, "labs.parquet", patients())
    expected = [math.nan if value is None else value for value in values]
    np.testing.assert_array_equal(people.features["labs"].frame["x"], expected)  # type: ignore[attr-defined]
    table.loc[place, "x"] = other
    assert read_table(table, modality, "labs.parquet", patients()).fingerprint != people.fingerprint


@MANY
@given(
    edits=st.lists(st.tuples(st.integers(0, 900), st.integers(0, 3), st.binary(max_size=3)), min_size=1, max_size=3),
    pieces=st.lists(st.sampled_from([b'"', b",", b"\n", b"\r", b"\0", b"\xff", b";", b"#", b"'", b"\t"]), max_size=3),
)
def test_any_bytes_in_a_csv_give_a_cohort_or_an_input_error(
    edits: list[tuple[int, int, bytes]], pieces: list[bytes]
) -> None:
    whole = some_labs().to_csv(index=False).encode()
    for number, (place, gone, new) in enumerate(edits):
        new = pieces[number] if number < len(pieces) else new
        whole = whole[:place] + new + whole[place + gone :]
    with TemporaryDirectory() as folder:
        patients().to_csv(Path(folder) / "patients.csv", index=False)
        (Path(folder) / "labs.csv").write_bytes(whole)
        modality = {"table": "labs", "numeric": ["hb", "crp"], "categorical": ["smoker"]}
        spec = make_spec({"labs": modality}, {"labs": {"files": "labs.csv"}})
        people = made_or_refused(lambda: read_cohort(spec, Path(folder)))
    assert isinstance(people, InputError) or people.subject_id.tolist() == sorted(IDS)


# Specs ------------------------------------------------------------------------------------------------------------

JUNK = [
    None,
    0,
    -1,
    2.5,
    math.nan,
    math.inf,
    True,
    "",
    " ",
    "x",
    "hb",
    "../x",
    "/x",
    "*",
    "a;b",
    "') OR (1",
    "\0",
    "é" * 300,
]
JUNK += [[], [[]], ["x", "x"], {}, {"x": 1}, {1: 2}, date(2024, 1, 31), 10**30, "patients", [math.nan, 1], ["a", None]]


def places(whole: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """Paths of all parts of a spec."""
    keys = whole.keys() if isinstance(whole, dict) else range(len(whole)) if isinstance(whole, list) else ()
    return [found for key in keys for found in [(*path, key), *places(whole[key], (*path, key))]]


WHOLE = content(
    MODALITIES,
    TABLES,
    label_name="death",
    where="age > 0",
    site="site",
    time="admitted",
    weight="w",
    sensitive_features={
        "sex": {"expression": "sex", "names": {"F": "f", "M": "m"}},
        "age": {"expression": "age", "bands": [50]},
    },
    split={"tuning_fraction": 0.25, "seed": 3},
)
PLACES = places(WHOLE)


@st.composite
def mutated(draw: st.DrawFn) -> dict[str, Any]:
    whole = copy.deepcopy(WHOLE)
    for _ in range(draw(st.sampled_from([1, 1, 2]))):
        path = draw(st.sampled_from(PLACES))
        part = whole
        try:
            for key in path[:-1]:
                part = part[key]
            old = part[path[-1]]
        except (KeyError, IndexError, TypeError):
            continue
        how = draw(st.sampled_from(["drop", "replace", "replace", "rename", "move"]))
        if how == "replace":
            part[path[-1]] = copy.deepcopy(draw(st.sampled_from(JUNK)))
        elif how == "move":
            part[path[-1]] = copy.deepcopy(draw(st.sampled_from([WHOLE["tables"], WHOLE["modalities"]["events"], old])))
        else:
            del part[path[-1]]
            if how == "rename" and isinstance(part, dict):
                part[draw(st.sampled_from(["x", "A", "a b", 1, "kind", "select", ""]))] = old
    return whole


@settings(MANY, max_examples=600)
@given(whole=mutated())
def test_any_mutation_of_a_spec_gives_a_spec_that_survives_json_or_an_input_error(whole: dict[str, Any]) -> None:
    spec = made_or_refused(lambda: parse_spec(whole, "mutated"))
    if isinstance(spec, InputError):
        assert all(problem.startswith("mutated: ") for problem in spec.problems)
        return
    assert len(spec.digest) == 64
    assert CohortSpec.model_validate(json.loads(json.dumps(spec.model_dump(mode="json")))) == spec


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("all")
    write_all(folder)
    return folder


@MANY
@given(whole=mutated())
def test_any_mutated_spec_that_is_one_reads_a_cohort_or_gives_an_input_error(
    folder: Path, whole: dict[str, Any]
) -> None:
    people = made_or_refused(lambda: read_cohort(parse_spec(whole, "mutated"), folder))
    if isinstance(people, InputError):
        return
    assert np.isfinite(people.weight).all()
    assert people.presence.any(axis=1)[people.role != ""].all()


@MANY
@given(
    place=st.integers(0, 900), gone=st.integers(0, 4), new=st.text("[]{}:,&*!|>'\"%@`#-? \t\nabc019.~<=\0é", max_size=4)
)
def test_any_text_of_a_spec_gives_a_spec_or_an_input_error(place: int, gone: int, new: str) -> None:
    text = yaml.safe_dump(content({"labs": {"table": "patients", "numeric": ["day"]}}), sort_keys=False)
    with TemporaryDirectory() as folder:
        file = Path(folder) / "spec.yaml"
        file.write_text(text[:place] + new + text[place + gone :])
        spec = made_or_refused(lambda: load_spec(str(file)))
    assert isinstance(spec, CohortSpec) or not any("\n" in problem for problem in spec.problems)
