"""Cohorts that many tests share: a small synthetic one, and the real ones where they lie."""

import os
from pathlib import Path

import pytest

from cohorts.cohort import Cohort
from cohorts.preprocessing import Preprocessing, fit_preprocessing
from cohorts.readers import read_cohort
from cohorts.spec import CohortSpec, load_spec
from cohorts.splits import Split, make_split
from cohorts.synthetic import write_tables

ROOT = Path(__file__).parent.parent


@pytest.fixture(scope="session")
def real_data() -> Path:
    """Folder of the real cohorts, from RICH2SPARSE_DATA or beside the checkout."""
    folder = Path(os.environ.get("RICH2SPARSE_DATA", ROOT.parent / "shared" / "data"))
    if not folder.is_dir():
        pytest.skip(f"no real cohorts in {folder}; set RICH2SPARSE_DATA to their folder")
    return folder


@pytest.fixture(scope="session")
def heart_data(real_data: Path) -> Path:
    return real_data / "heart_disease"


@pytest.fixture(scope="session")
def heart(heart_data: Path) -> Cohort:
    return read_cohort(load_spec("heart_disease"), heart_data)


@pytest.fixture(scope="session")
def spec() -> CohortSpec:
    return load_spec("synthetic")


@pytest.fixture(scope="session")
def tables(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Tables of 900 synthetic subjects; tests that change them copy them first."""
    folder = tmp_path_factory.mktemp("tables")
    write_tables(folder, num_subjects=900)
    return folder


@pytest.fixture(scope="session")
def people(spec: CohortSpec, tables: Path) -> Cohort:
    return read_cohort(spec, tables)


@pytest.fixture(scope="session")
def split(people: Cohort) -> Split:
    return make_split(people)


@pytest.fixture(scope="session")
def preprocessing(people: Cohort, split: Split) -> Preprocessing:
    return fit_preprocessing(people.take(split.rows("rich_train", "sparse_train")))
