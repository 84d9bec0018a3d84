"""What holds for every kind of modality: absence is 0, states are plain data, nobody's inputs depend on others."""

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from cohorts.cohort import Cohort
from cohorts.modalities.embedding import Embedding
from cohorts.modalities.events import Events
from cohorts.modalities.image import Images
from cohorts.modalities.reading import nobody
from cohorts.modalities.tabular import Tabular
from cohorts.modalities.text import Texts
from cohorts.preprocessing import Preprocessing, fit_preprocessing
from cohorts.readers import read_cohort
from cohorts.spec import parse_spec
from tests.cohorts.ward import IDS, SIZE, content, make_spec, patients, read

KINDS = ["tabular", "events", "columns", "lists", "npz", "npy", "array", "png", "text"]
MODALITIES: dict[str, Any] = {
    "tabular": {
        "table": "labs",
        "numeric": ["hb", "ratio"],
        "categorical": ["smoker"],
        "ordinal": {"stage": ["I", "II", "III"]},
        "derive": {"ratio": "crp / hb"},
        "missing_codes": {"hb": [77]},
        "ranges": {"hb": [5, 30]},
    },
    "events": {
        "kind": "events",
        "table": "vitals",
        "time": "hour",
        "variable": "name",
        "value": "value",
        "variables": ["hr", "urine"],
        "window": [0, 48],
        "num_bins": 3,
        "several_by_variable": {"urine": "sum"},
    },
    "columns": {"kind": "embedding", "table": "genes", "column_pattern": "gene_*"},
    "lists": {"kind": "embedding", "table": "notes", "list_column": "vector"},
    "npz": {"kind": "embedding", "file": "scans.npz"},
    "npy": {"kind": "embedding", "table": "patients", "file": "wave.npy", "row_column": "wave_row"},
    "array": {"kind": "image", "file": "slices.npz"},
    "png": {"kind": "image", "table": "patients", "path_column": "path", "size": [8, 8]},
    "text": {"kind": "text", "table": "notes", "column": "note", "num_inputs": 32},
}
TABLES = {name: {"files": f"{name}.parquet"} for name in ("labs", "vitals", "genes", "notes")}


def write_all(folder: Path) -> None:
    """Tables, arrays and images of every kind; of each, every patient lacks another part."""
    random = np.random.default_rng(8)
    number = np.arange(SIZE)
    has = {kind: number % (place + 2) > 0 for place, kind in enumerate(KINDS)}
    labs = pd.DataFrame({"patient": IDS, "hb": 10 + random.normal(size=SIZE), "crp": random.gamma(2, size=SIZE)})
    labs["smoker"] = random.choice(["yes", "no", "at times"], SIZE)
    labs["stage"] = random.choice(["I", "II", "III"], SIZE)
    labs.loc[::5, "hb"] = 77
    labs[has["tabular"]].to_parquet(folder / "labs.parquet")
    vitals = pd.DataFrame({"patient": np.repeat(IDS, 6), "hour": random.uniform(-5, 50, SIZE * 6)})
    vitals["name"] = np.resize(["hr", "hr", "urine"], SIZE * 6)
    vitals["value"] = random.normal(80, 9, SIZE * 6)
    vitals[np.repeat(has["events"], 6)].to_parquet(folder / "vitals.parquet")
    genes = pd.DataFrame(random.normal(size=(SIZE, 4)), columns=[f"gene_{n}" for n in range(4)]).assign(patient=IDS)
    genes[has["columns"]].to_parquet(folder / "genes.parquet")
    vectors = [
        row.tolist() if some else None for row, some in zip(random.normal(size=(SIZE, 3)), has["lists"], strict=True)
    ]
    notes = [f"word{n % 4} and word{n % 7}" if some else "" for n, some in enumerate(has["text"])]
    pd.DataFrame({"patient": IDS, "vector": vectors, "note": notes}).to_parquet(folder / "notes.parquet")
    for name, kind, shape in (("scans.npz", "npz", (2,)), ("slices.npz", "array", (8, 9, 2))):
        values = random.normal(size=(SIZE, *shape))[has[kind]]
        np.savez(folder / name, subject_id=IDS[has[kind]], values=values)
    np.save(folder / "wave.npy", random.normal(size=(SIZE, 3)))
    for place in number:
        Image.fromarray(random.integers(0, 256, (9, 9), dtype=np.uint8)).save(folder / f"{place}.png")
    table = patients().assign(
        wave_row=pd.Series(number, dtype="Int64").where(pd.Series(has["npy"])),
        path=[f"{n}.png" if some else None for n, some in enumerate(has["png"])],
    )
    table.to_csv(folder / "patients.csv", index=False)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("all")
    write_all(folder)
    return folder


@pytest.fixture(scope="module")
def ward(folder: Path) -> Cohort:
    return read(folder, MODALITIES, TABLES)


@pytest.fixture(scope="module")
def fitted(ward: Cohort) -> Preprocessing:
    return fit_preprocessing(ward.take(ward.role != "held_out"))


def test_every_kind_is_present_for_those_who_have_it(ward: Cohort) -> None:
    number = np.arange(SIZE)
    for place, kind in enumerate(KINDS):
        present = ward.presence[:, ward.modalities.index(kind)]
        expected = number % (place + 2) > 0
        if kind == "events":  # some have no value within the window
            assert not (present & ~expected).any()
        else:
            np.testing.assert_array_equal(present, expected, err_msg=kind)


@pytest.mark.parametrize("kind", KINDS)
def test_inputs_are_finite_of_the_right_width_and_0_where_absent(
    kind: str, ward: Cohort, fitted: Preprocessing
) -> None:
    inputs = fitted.transform(ward)[kind]
    present = ward.presence[:, ward.modalities.index(kind)]
    assert inputs.dtype == np.float32
    assert inputs.shape == (SIZE, fitted.layouts[kind].num_inputs)
    assert np.isfinite(inputs).all()
    assert (inputs[~present] == 0).all()
    assert np.abs(inputs[present]).sum(axis=1).min() > 0


@pytest.mark.parametrize("kind", KINDS)
def test_a_fitted_state_survives_json(kind: str, ward: Cohort, fitted: Preprocessing) -> None:
    state = json.loads(json.dumps(fitted.state(), allow_nan=False))
    again = Preprocessing.from_state(state)
    assert again.fitted[kind] == fitted.fitted[kind]
    assert again.layouts == fitted.layouts
    np.testing.assert_array_equal(again.transform(ward)[kind], fitted.transform(ward)[kind])


@pytest.mark.parametrize("kind", KINDS)
def test_the_inputs_of_a_subject_do_not_depend_on_others(kind: str, ward: Cohort, fitted: Preprocessing) -> None:
    inputs = fitted.fitted[kind].transform(ward.features[kind])
    order = np.random.default_rng(1).permutation(SIZE)
    permuted = fitted.fitted[kind].transform(ward.features[kind].take(order))
    np.testing.assert_allclose(permuted, inputs[order], atol=1e-6)
    for row in (0, 7, 11):
        alone = fitted.fitted[kind].transform(ward.features[kind].take(np.array([row])))
        np.testing.assert_allclose(alone[0], inputs[row], atol=1e-6)


@pytest.mark.parametrize("kind", KINDS)
def test_a_modality_that_nobody_here_has_needs_no_files_and_gives_zeros(
    kind: str, folder: Path, tmp_path: Path, fitted: Preprocessing
) -> None:
    for file in folder.iterdir():
        shutil.copy(file, tmp_path)
    table = pd.read_csv(tmp_path / "patients.csv", dtype={"patient": str}).drop(columns=["died", "site"])
    gone = {"npz": "scans.npz", "npy": "wave.npy", "array": "slices.npz", "events": "vitals.parquet"}
    gone |= {"tabular": "labs.parquet", "columns": "genes.parquet"}
    if kind in gone:
        (tmp_path / gone[kind]).unlink()
    columns = {"png": ["path"], "npy": ["wave_row"]}.get(kind, [])
    table.drop(columns=columns).to_csv(tmp_path / "patients.csv", index=False)
    new = read_cohort(make_spec(MODALITIES, TABLES), tmp_path, labelled=False, absent=frozenset({kind}))
    assert not new.presence[:, new.modalities.index(kind)].any()
    inputs = fitted.transform(new)
    assert inputs[kind].shape == (SIZE, fitted.layouts[kind].num_inputs)
    assert (inputs[kind] == 0).all()
    assert all(np.abs(values).sum() > 0 for name, values in inputs.items() if name != kind)


def unlike(kind: str, measurements: Any) -> Any:
    """The same measurements, with values that training never saw."""
    if kind == "tabular":
        frame = measurements.frame.copy()
        frame["hb"] *= -1e37
        frame["ratio"] = frame["ratio"].where(frame["ratio"].isna(), 1e38)
        frame["smoker"] = frame["smoker"].map({"yes": "never heard of", "no": "", "at times": "no"})
        return Tabular(frame)
    if kind == "events":
        m = measurements
        return Events(m.start, m.time, m.variable, m.value * -1e36, m.variables)
    if kind in ("columns", "lists", "npz", "npy"):
        return Embedding(measurements.values * np.float32(-1e37), measurements.columns)
    if kind in ("array", "png"):
        return Images(measurements.pixels * np.float32(1e37), measurements.present)
    return Texts(
        np.array([None if text is None else "\x00 \u2202ß " * 50 for text in measurements.values], dtype=object)
    )


@pytest.mark.parametrize("kind", KINDS)
def test_values_unlike_those_of_training_stay_finite(kind: str, ward: Cohort, fitted: Preprocessing) -> None:
    strange = unlike(kind, ward.features[kind])
    inputs = fitted.fitted[kind].transform(strange)
    assert np.isfinite(inputs).all()
    assert np.abs(inputs).max() <= 11
    assert (inputs[~strange.present] == 0).all()


@pytest.mark.parametrize("kind", KINDS)
def test_presence_content_and_summary_follow_the_subjects(kind: str, ward: Cohort) -> None:
    measurements = ward.features[kind]
    some = np.array([7, 11, 13])
    taken = measurements.take(some)
    assert len(taken) == 3
    np.testing.assert_array_equal(taken.present, measurements.present[some])
    summary = measurements.summary()
    assert len(summary) == SIZE
    assert set(summary.dtypes) == {np.dtype(float)}
    assert summary[~measurements.present].isna().all(axis=None)
    assert b"".join(measurements.take(np.arange(SIZE)).content()) == b"".join(measurements.content())
    assert b"".join(taken.content()) != b"".join(measurements.take(some[::-1]).content())


@pytest.mark.parametrize("kind", KINDS)
def test_nobody_has_a_modality_that_is_said_to_be_absent(kind: str, ward: Cohort) -> None:
    none = nobody(ward.spec.modalities[kind], 3)
    assert len(none) == 3
    assert not none.present.any()
    assert not none.take(np.array([0, 2])).present.any()


def test_a_spec_of_every_kind_survives_json(ward: Cohort) -> None:
    dumped = json.loads(json.dumps(ward.spec.model_dump(mode="json")))
    assert parse_spec(dumped, "again") == ward.spec
    assert parse_spec(content(MODALITIES, TABLES), "again").digest == ward.spec.digest
