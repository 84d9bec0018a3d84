"""Embeddings: columns by a pattern, a list column, and NumPy files."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from cohorts.cohort import Cohort
from cohorts.errors import InputError
from cohorts.modalities.embedding import Embedding, FittedEmbedding, fit_embedding
from tests.cohorts.ward import IDS, SIZE, patients, read

HAVING = np.array([n for n in range(SIZE) if n % 4])
VALUES = np.random.default_rng(2).normal(size=(SIZE, 5)).astype(np.float32)
VALUES[3, 2] = np.nan


def genes() -> pd.DataFrame:
    columns = {f"gene_{number}": VALUES[HAVING, number] for number in range(5)}
    return pd.DataFrame({"patient": IDS[HAVING], **columns})


def read_genes(folder: Path, table: pd.DataFrame | None = None, pattern: str = "gene_*") -> Cohort:
    (genes() if table is None else table).to_parquet(folder / "genes.parquet", index=False)
    modality = {"kind": "embedding", "table": "genes", "column_pattern": pattern}
    return read(folder, {"genes": modality}, {"genes": {"files": "genes.parquet"}})


def read_array(folder: Path, **modality: Any) -> Cohort:
    return read(folder, {"genes": {"kind": "embedding", **modality}})


def assert_holds_the_values(people: Cohort) -> None:
    expected = np.full_like(VALUES, np.nan)
    expected[HAVING] = VALUES[HAVING]
    np.testing.assert_array_equal(people.features["genes"].values, expected)
    assert people.features["genes"].values.dtype == np.float32
    np.testing.assert_array_equal(np.flatnonzero(people.presence[:, 1]), HAVING)


def test_columns_by_a_pattern_reach_their_subject(tmp_path: Path) -> None:
    assert_holds_the_values(read_genes(tmp_path, genes().sample(frac=1, random_state=3)))


def test_the_order_of_the_columns_changes_nothing_and_their_names_do(tmp_path: Path) -> None:
    for name in ("a", "b", "c"):
        (tmp_path / name).mkdir()
    expected = read_genes(tmp_path / "a")
    assert read_genes(tmp_path / "b", genes()[genes().columns[::-1]]).fingerprint == expected.fingerprint
    renamed = genes().rename(columns={"gene_4": "gene_5"})
    assert read_genes(tmp_path / "c", renamed).fingerprint != expected.fingerprint


def test_a_pattern_can_choose_columns_of_the_subject_table(tmp_path: Path) -> None:
    both = patients().merge(genes(), how="left").assign(gene_text="x", gene_list="[1]")
    both.to_csv(tmp_path / "patients.csv", index=False)
    people = read(tmp_path, {"genes": {"kind": "embedding", "table": "patients", "column_pattern": "gene_[0-9]"}})
    np.testing.assert_allclose(people.features["genes"].values[HAVING], VALUES[HAVING], rtol=1e-6)
    with pytest.raises(InputError, match="2 columns of table patients that fit gene_\\* are not numeric, among them"):
        read(tmp_path, {"genes": {"kind": "embedding", "table": "patients", "column_pattern": "gene_*"}})


@pytest.mark.parametrize("pattern", ["*", "[ad]*"])
def test_a_pattern_that_takes_the_label_or_the_columns_of_another_modality_is_refused(
    pattern: str, tmp_path: Path
) -> None:
    with pytest.raises(InputError, match="fits died, which is in the label"):
        read(tmp_path, {"all": {"kind": "embedding", "table": "patients", "column_pattern": pattern}})
    with pytest.raises(InputError, match="fits age, which is in the label or in another modality"):
        read(tmp_path, {"all": {"kind": "embedding", "table": "patients", "column_pattern": "ag?"}})


def test_a_pattern_that_fits_nothing_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no column of table genes fits protein_"):
        read_genes(tmp_path, pattern="protein_*")


def test_integers_decimals_and_empty_columns_become_numbers(tmp_path: Path) -> None:
    table = genes().assign(gene_0=np.arange(len(HAVING)), gene_1=None)
    table["gene_2"] = pd.array(np.arange(len(HAVING)) * 2**40, dtype="UInt64")
    values = read_genes(tmp_path, table).features["genes"].values[HAVING]
    np.testing.assert_array_equal(values[:, 0], np.arange(len(HAVING)))
    assert np.isnan(values[:, 1]).all()
    np.testing.assert_array_equal(values[:, 2], (np.arange(len(HAVING)) * 2.0**40).astype(np.float32))


def test_a_list_column_reaches_its_subject_and_its_nulls_are_absent(tmp_path: Path) -> None:
    lists = [[None if np.isnan(value) else float(value) for value in row] for row in VALUES[HAVING]]
    table = pd.DataFrame({"patient": IDS[HAVING], "vector": lists})
    extra = pd.DataFrame({"patient": IDS[:1], "vector": [None]})
    pd.concat([table, extra]).sample(frac=1, random_state=1).to_parquet(tmp_path / "notes.parquet", index=False)
    modality = {"kind": "embedding", "table": "notes", "list_column": "vector"}
    assert_holds_the_values(read(tmp_path, {"genes": modality}, {"notes": {"files": "notes.parquet"}}))


@pytest.mark.parametrize("kind", [str, bytes])
def test_an_npz_reaches_its_subjects_by_their_ids(kind: type, tmp_path: Path) -> None:
    order = np.random.default_rng(4).permutation(HAVING)
    ids = np.array([*IDS[order], "stranger"]).astype("U" if kind is str else "S")
    np.savez(tmp_path / "genes.npz", subject_id=ids, values=np.vstack([VALUES[order], np.ones((1, 5))]))
    people = read_array(tmp_path, file="genes.npz")
    assert_holds_the_values(people)
    assert people.notes == ("modality genes: fewer than 11 rows belong to nobody, and are left out",)


def test_an_npy_reaches_its_subjects_by_the_rows_that_a_table_names(tmp_path: Path) -> None:
    order = np.random.default_rng(5).permutation(HAVING)
    np.save(tmp_path / "genes.npy", VALUES[order])
    rows = pd.DataFrame({"patient": IDS[order], "line": np.arange(len(order))}).sample(frac=1, random_state=2)
    patients().merge(rows, how="left").to_csv(tmp_path / "patients.csv", index=False)
    assert_holds_the_values(read_array(tmp_path, file="genes.npy", table="patients", row_column="line"))


@pytest.mark.parametrize("row", [-1, 60, 0.5, 1e30, "third"])
def test_a_row_that_the_array_does_not_have_is_refused(row: Any, tmp_path: Path) -> None:
    np.save(tmp_path / "genes.npy", VALUES)
    patients().assign(line=[row, *range(1, SIZE)]).to_csv(tmp_path / "patients.csv", index=False)
    with pytest.raises(
        InputError, match=r"fewer than 11 values of patients.line are no row of genes.npy, which has 60"
    ):
        read_array(tmp_path, file="genes.npy", table="patients", row_column="line")


def test_infinite_values_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="modality genes: fewer than 11 values are infinite"):
        read_genes(tmp_path, genes().assign(gene_0=[np.inf, -1e300, *range(len(HAVING) - 2)]))


def test_scores_are_those_of_a_standard_scaler_without_the_absent() -> None:
    fitted = fit_embedding(Embedding(VALUES), None)  # type: ignore[arg-type]
    expected = (VALUES - np.nanmean(VALUES, axis=0)) / np.nanstd(VALUES, axis=0)
    np.testing.assert_allclose(fitted.transform(Embedding(VALUES)), np.nan_to_num(expected), atol=1e-5)


def test_what_did_not_vary_in_training_says_nothing_later() -> None:
    training = np.full((20, 2), 1e6 + 0.1, dtype=np.float32)
    training[:, 1] = np.arange(20)
    fitted = fit_embedding(Embedding(training), None)  # type: ignore[arg-type]
    new = np.array([[1e6 + 5, 3e38], [np.nan, -3e38]], dtype=np.float32)
    np.testing.assert_allclose(fitted.transform(Embedding(new)), [[0, 5], [0, -5]], atol=1e-30)


def test_other_columns_than_those_of_training_are_refused(tmp_path: Path) -> None:
    for name in ("a", "b", "c"):
        (tmp_path / name).mkdir()
    embedding = read_genes(tmp_path / "a").features["genes"]
    fitted = FittedEmbedding.from_state(fit_embedding(embedding, None).state())  # type: ignore[arg-type]
    fewer = read_genes(tmp_path / "b", genes().drop(columns="gene_4")).features["genes"]
    with pytest.raises(InputError, match="has 4 numbers a subject, where the model was fitted on 5; give the same"):
        fitted.transform(fewer)
    renamed = read_genes(tmp_path / "c", genes().rename(columns={"gene_4": "gene_5"})).features["genes"]
    with pytest.raises(InputError, match="fitted on 5 of other names"):
        fitted.transform(renamed)


def test_a_summary_shows_at_most_fifty_of_the_fullest_columns() -> None:
    values = np.ones((4, 80), dtype=np.float32)
    values[:2, :10] = np.nan
    summary = Embedding(values).summary()
    assert list(summary) == [f"[{number}]" for number in range(10, 60)]
