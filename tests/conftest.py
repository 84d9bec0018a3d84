"""Cohorts that many tests share: a small synthetic one, and the real ones where they lie."""

import os
from pathlib import Path

import pytest
import yaml

from cohorts.cohort import Cohort
from cohorts.preprocessing import Preprocessing, fit_preprocessing
from cohorts.readers import read_cohort
from cohorts.spec import CohortSpec, load_spec
from cohorts.splits import Split, make_split
from cohorts.synthetic import write_tables
from tests.chain import QUICK, SMALL, run

ROOT = Path(__file__).parent.parent


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Files that hold a slow test come first, so that no worker is left alone with one at the end."""
    slow = {item.path for item in items if item.get_closest_marker("slow")}
    items.sort(key=lambda item: item.path not in slow)


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


@pytest.fixture(scope="session")
def policy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A policy that a small synthetic cohort can pass."""
    content = {
        "name": "easy",
        "owner": "tests",
        "intended_use": "tests",
        "operating_point": {"value": 0.9},
        "checks": [
            {"kind": "integrity"},
            {"kind": "floor", "metric": "auroc", "floor": 0.6},
            {"kind": "no_negative_transfer", "controls": ["scratch", "pooled"], "margin": 0.2},
        ],
    }
    path = tmp_path_factory.mktemp("policy") / "easy.yaml"
    path.write_text(yaml.safe_dump(content))
    return path


@pytest.fixture(scope="session")
def words(tables: Path, policy: Path) -> list[str]:
    return ["--cohort", "synthetic", "--data", str(tables), "--policy", str(policy), *QUICK, *SMALL]


@pytest.fixture(scope="session")
def whole(words: list[str], tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """Folder and output of one run that nobody disturbed."""
    out = tmp_path_factory.mktemp("whole") / "run"
    code, said = run("workflow", *words, "--out", out)
    assert code == 0, said
    return out, said
