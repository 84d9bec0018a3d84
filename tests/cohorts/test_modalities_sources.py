"""Where tables come from: whatever the format, the same table gives the same cohort."""

import gzip
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.feather
import pytest

from cohorts.cohort import Cohort
from cohorts.errors import InputError
from tests.cohorts.ward import IDS, read, some_labs

LABS = {"table": "labs", "numeric": ["hb", "crp"], "categorical": ["smoker"]}


def as_csv(labs: pd.DataFrame, folder: Path) -> dict[str, Any]:
    labs.to_csv(folder / "labs.csv", index=False)
    return {"files": "labs.csv"}


def as_tsv(labs: pd.DataFrame, folder: Path) -> dict[str, Any]:
    labs.to_csv(folder / "labs.tsv", sep="\t", index=False)
    return {"files": "labs.tsv"}


def as_csv_without_header(labs: pd.DataFrame, folder: Path) -> dict[str, Any]:
    labs.to_csv(folder / "labs.csv", index=False, header=False)
    return {"files": "labs.csv", "header": False, "columns": list(labs)}


def as_gzip(labs: pd.DataFrame, folder: Path) -> dict[str, Any]:
    (folder / "labs.csv.gz").write_bytes(gzip.compress(labs.to_csv(index=False).encode()))
    return {"files": "labs.csv.gz"}


def as_parquet(labs: pd.DataFrame, folder: Path) -> dict[str, Any]:
    labs.to_parquet(folder / "labs.parquet", index=False)
    return {"files": "labs.parquet"}


def as_parquet_folder(labs: pd.DataFrame, folder: Path) -> dict[str, Any]:
    (folder / "labs" / "inner").mkdir(parents=True)
    labs[:10].to_parquet(folder / "labs" / "a.parquet", index=False)
    labs[10:].to_parquet(folder / "labs" / "inner" / "b.parquet", index=False)
    (folder / "labs" / "_SUCCESS").write_text("")
    (folder / "labs" / ".hidden").write_text("not a table")
    return {"files": "labs"}


def as_pattern_of_csv(labs: pd.DataFrame, folder: Path) -> dict[str, Any]:
    labs[:10].to_csv(folder / "labs_1.csv", index=False)
    labs[10:][["smoker", "crp", "hb", "patient"]].to_csv(folder / "labs_2.csv", index=False)  # in another order
    return {"files": "labs_*.csv"}


def as_hive_folder(labs: pd.DataFrame, folder: Path) -> dict[str, Any]:
    for year, part in ((2020, labs[:10]), (2021, labs[10:])):
        (folder / "labs" / f"year={year}").mkdir(parents=True)
        part.to_parquet(folder / "labs" / f"year={year}" / "part.parquet", index=False)
    return {"files": "labs/year=*/part.parquet"}


def as_arrow(labs: pd.DataFrame, folder: Path) -> dict[str, Any]:
    pyarrow.feather.write_feather(pa.Table.from_pandas(labs, preserve_index=False), folder / "labs.arrow")
    return {"files": "labs.arrow"}


def as_dictionaries(labs: pd.DataFrame, folder: Path) -> dict[str, Any]:
    """Codes as Arrow's dictionaries, numbers as 32 bits where that loses nothing."""
    table = pa.Table.from_pandas(labs.assign(smoker=labs["smoker"].astype("category")), preserve_index=False)
    pyarrow.feather.write_feather(table, folder / "labs.feather")
    return {"files": "labs.feather"}


def as_map_of_files(labs: pd.DataFrame, folder: Path) -> dict[str, Any]:
    labs[:10].to_csv(folder / "north.csv", index=False)
    labs[10:].to_parquet(folder / "south.parquet", index=False)
    return {"files": {"north": "north.csv", "south": "south.parquet"}}


def as_delta(labs: pd.DataFrame, folder: Path) -> dict[str, Any]:
    """A first version with a wrong row, which the second one has no more."""
    deltalake = pytest.importorskip("deltalake")
    wrong = labs.assign(hb=99.0)
    deltalake.write_deltalake(str(folder / "labs"), pa.Table.from_pandas(wrong[:5], preserve_index=False))
    table = pa.Table.from_pandas(labs, preserve_index=False)
    deltalake.write_deltalake(str(folder / "labs"), table, mode="overwrite")
    return {"files": "labs"}


SOURCES: list[Callable[[pd.DataFrame, Path], dict[str, Any]]] = [
    as_csv,
    as_tsv,
    as_csv_without_header,
    as_gzip,
    as_parquet,
    as_parquet_folder,
    as_pattern_of_csv,
    as_hive_folder,
    as_arrow,
    as_dictionaries,
    as_map_of_files,
    as_delta,
]


@pytest.fixture(scope="module")
def expected(tmp_path_factory: pytest.TempPathFactory) -> Cohort:
    folder = tmp_path_factory.mktemp("expected")
    return read(folder, {"labs": LABS}, {"labs": as_csv(some_labs(), folder)})


def test_the_reader_gives_what_is_in_the_table(expected: Cohort) -> None:
    labs = some_labs().set_index("patient").reindex(expected.subject_id)
    frame = expected.features["labs"].frame
    np.testing.assert_array_equal(frame["hb"], labs["hb"])
    np.testing.assert_array_equal(frame["crp"], labs["crp"])
    assert frame["smoker"].where(frame["smoker"].notna(), None).tolist() == [
        value if isinstance(value, str) else None for value in labs["smoker"]
    ]
    np.testing.assert_array_equal(expected.presence[:, 1], labs["crp"].notna())
    assert expected.subject_id.tolist() == sorted(IDS)


@pytest.mark.parametrize("source", SOURCES)
def test_every_source_gives_the_same_cohort(source: Callable, tmp_path: Path, expected: Cohort) -> None:
    shuffled = some_labs().sample(frac=1, random_state=5)
    people = read(tmp_path, {"labs": LABS}, {"labs": source(shuffled, tmp_path)})
    assert people.fingerprint == expected.fingerprint
    assert people.notes == ()


@pytest.mark.parametrize("source", [source for source in SOURCES if source not in (as_hive_folder,)])
def test_every_source_of_a_wide_table_gives_the_same_vectors(source: Callable, tmp_path: Path) -> None:
    wide = some_labs()[["patient", "hb", "crp"]]
    people = read(
        tmp_path,
        {"labs": {"kind": "embedding", "table": "labs", "column_pattern": "[hc]*"}},
        {"labs": source(wide.assign(smoker="no").sample(frac=1, random_state=6), tmp_path)},
    )
    assert people.spec.is_wide("labs")
    values = wide.set_index("patient").reindex(people.subject_id)[["crp", "hb"]]
    np.testing.assert_array_equal(people.features["labs"].values, values.to_numpy(dtype=np.float32))


def test_a_column_of_the_folder_name_can_be_used(tmp_path: Path) -> None:
    labs = {**as_hive_folder(some_labs(), tmp_path), "where": "year = 2021"}
    people = read(tmp_path, {"labs": LABS}, {"labs": labs})
    present = people.subject_id[people.presence[:, 1]]
    assert present.tolist() == some_labs()["patient"][10:].tolist()


def test_only_rows_for_which_where_holds_are_read(tmp_path: Path) -> None:
    twice = pd.concat([some_labs().assign(visit=1), some_labs().assign(visit=2, crp=0.0)])
    labs = as_parquet(twice, tmp_path)
    with pytest.raises(InputError, match="rows repeat a subject id"):
        read(tmp_path, {"labs": LABS}, {"labs": labs})
    people = read(tmp_path, {"labs": LABS}, {"labs": {**labs, "where": "visit = 2"}})
    assert set(people.features["labs"].frame["crp"].dropna()) == {0.0}


def test_where_holds_for_a_wide_table_too(tmp_path: Path) -> None:
    twice = pd.concat([some_labs().assign(visit=1), some_labs().assign(visit=2, crp=0.0)])
    labs = {**as_parquet(twice, tmp_path), "where": "visit = 2"}
    people = read(tmp_path, {"labs": {"kind": "embedding", "table": "labs", "column_pattern": "crp"}}, {"labs": labs})
    present = people.presence[:, 1]
    assert set(people.features["labs"].values[present, 0]) == {0.0}
    assert present.sum() == len(some_labs())


def test_missing_codes_of_a_table_are_absent_in_every_column(tmp_path: Path, expected: Cohort) -> None:
    some_labs().to_csv(tmp_path / "labs.csv", index=False, na_rep="not done")
    labs = {"files": "labs.csv", "missing_codes": ["not done"]}
    assert read(tmp_path, {"labs": LABS}, {"labs": labs}).fingerprint == expected.fingerprint


def test_file_and_row_columns_are_made_and_a_name_that_is_taken_is_refused(tmp_path: Path) -> None:
    labs = some_labs()
    labs[:10].to_csv(tmp_path / "n.csv", index=False)
    labs[10:].to_csv(tmp_path / "s.csv", index=False)
    table = {"files": {"north": "n.csv", "south": "s.csv"}, "file_column": "unit", "row_column": "line"}
    made = {"labs": {"table": "labs", "numeric": ["line"], "categorical": ["unit"]}}
    frame = read(tmp_path, made, {"labs": table}).features["labs"].frame.dropna()
    assert frame["unit"].tolist() == ["north"] * 10 + ["south"] * (len(labs) - 10)
    assert frame["line"].tolist() == [*range(10), *range(len(labs) - 10)]
    with pytest.raises(InputError, match="has a column hb already; name another"):
        read(tmp_path, {"labs": LABS}, {"labs": {**table, "row_column": "HB"}})


def test_lines_that_begin_with_a_number_sign_are_no_comments(tmp_path: Path) -> None:
    labs = some_labs().replace({"smoker": {"yes": "#yes"}})[["smoker", "patient", "hb", "crp"]]
    people = read(tmp_path, {"labs": LABS}, {"labs": as_csv(labs, tmp_path)})
    assert people.presence[:, 1].sum() == len(labs)


def test_a_folder_whose_name_holds_signs_of_patterns_works(tmp_path: Path, expected: Cohort) -> None:
    folder = tmp_path / 'ward [2024], "it\'s"'
    folder.mkdir()
    assert read(folder, {"labs": LABS}, {"labs": as_csv(some_labs(), folder)}).fingerprint == expected.fingerprint


def test_expressions_cannot_read_or_write_files_nor_see_python(tmp_path: Path) -> None:
    labs = as_csv(some_labs(), tmp_path)
    (tmp_path / "other.csv").write_text("a\n1\n")
    for where in (
        f"(SELECT count(*) FROM read_csv('{tmp_path}/other.csv')) > 0",
        f"hb > 0; COPY patients TO '{tmp_path}/copy.csv'",
        "(SELECT count(*) FROM spec) > 0",
        "hb > 0; SET enable_external_access = true",
    ):
        for more in ({"where": where}, {"site": where}):
            with pytest.raises(
                InputError, match=r"uses SUBQUERY|Permission Error|one SQL expression|does not exist|syntax error"
            ):
                read(tmp_path, {"labs": LABS}, {"labs": labs}, **more)
        with pytest.raises(
            InputError, match=r"uses SUBQUERY|Permission Error|one SQL expression|does not exist|syntax error"
        ):
            read(tmp_path, {"labs": LABS}, {"labs": {**labs, "where": where}})
    assert {file.name for file in tmp_path.iterdir()} == {"labs.csv", "other.csv", "patients.csv"}
