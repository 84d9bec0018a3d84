"""Every folder of tests/broken, as a user gives it to a command: one clear error, or none where it does no harm."""

import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml

from cohorts.cohort import Cohort
from cohorts.preprocessing import fit_preprocessing
from cohorts.readers import read_cohort
from cohorts.spec import load_spec
from cohorts.splits import make_split
from scripts.command_line import BAD_INPUT, run
from scripts.pretrain import pretrain
from tests.broken.builders import BUILDERS

ROOT = Path(__file__).parents[2]
BROKEN = ROOT / "tests" / "broken"
CASES = {file.parent.name: yaml.safe_load(file.read_text()) for file in sorted(BROKEN.glob("*/case.yaml"))}
HARMLESS = [name for name, case in CASES.items() if case.get("works")]
HARMFUL = [name for name in CASES if name not in HARMLESS]
AS_PROCESS = ["broken_utf8", "key_given_twice", "pickled_array"]


def lay_out(name: str, place: Path) -> tuple[Path, Path]:
    """The spec and the tables of a case: those of `base`, with what the case changes."""
    folder, data = BROKEN / name, place / "data"
    shutil.copytree(BROKEN / "base", data)
    shutil.copytree(folder, data, dirs_exist_ok=True)
    case = CASES[name]
    (data / "case.yaml").unlink()
    (data / "spec.yaml").rename(place / "spec.yaml")
    if "spec" in case:
        whole = merged(yaml.safe_load((place / "spec.yaml").read_text()), case["spec"])
        (place / "spec.yaml").write_text(yaml.safe_dump(whole, sort_keys=False, allow_unicode=True))
    if "build" in case:
        BUILDERS[case["build"]](data)
    return place / "spec.yaml", data


def merged(whole: Any, patch: Any) -> Any:
    """A JSON merge patch (RFC 7396): null takes a field away."""
    if not isinstance(whole, dict) or not isinstance(patch, dict):
        return patch
    changed = {key: merged(whole.get(key, {}), value) for key, value in patch.items() if value is not None}
    return {key: changed.get(key, value) for key, value in whole.items() if patch.get(key, value) is not None} | changed


def files_below(place: Path) -> dict[str, bytes]:
    return {str(file.relative_to(place)): file.read_bytes() for file in place.rglob("*") if file.is_file()}


def assert_clear_error(name: str, error: str) -> None:
    lines = error.splitlines()
    assert lines, "nothing was said"
    assert all(line.startswith("error: ") for line in lines), error
    for sentence in CASES[name]["says"]:
        assert any(sentence in line for line in lines), error
    assert not re.search(r"\b[0pP]?2[01]\d{3,4}\b(?!-)", error), "a subject id is shown"
    assert "Surname" not in error, "a row is shown"
    assert "PRIVATE" not in error, "a value is shown"


@pytest.mark.parametrize("name", HARMFUL)
def test_a_broken_input_is_one_clear_error(
    name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    if "delta" in name:
        pytest.importorskip("deltalake")
    spec, data = lay_out(name, tmp_path)
    monkeypatch.chdir(tmp_path)
    before = files_below(tmp_path)
    code = run(pretrain, ["--cohort", str(spec), "--data", str(data), "--out", str(tmp_path / "out")])
    said = capsys.readouterr()
    assert code == BAD_INPUT, said.err
    assert_clear_error(name, said.err)
    assert said.out == ""
    assert files_below(tmp_path) == before, "something was written"


@pytest.mark.slow
@pytest.mark.parametrize("name", AS_PROCESS)
def test_a_broken_input_ends_the_process_with_2_and_no_traceback(name: str, tmp_path: Path) -> None:
    spec, data = lay_out(name, tmp_path)
    before = files_below(tmp_path)
    words = ["--cohort", str(spec), "--data", str(data), "--out", str(tmp_path / "out")]
    command = [sys.executable, str(ROOT / "scripts" / "pretrain.py"), *words]
    done = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path, timeout=300, check=False)
    assert done.returncode == BAD_INPUT
    assert_clear_error(name, done.stderr)
    assert files_below(tmp_path) == before, "something was written"


@pytest.fixture(scope="module")
def base() -> Cohort:
    return read_cohort(load_spec(str(BROKEN / "base" / "spec.yaml")), BROKEN / "base")


@pytest.mark.parametrize("name", HARMLESS)
def test_what_looks_broken_and_does_no_harm_works(name: str, tmp_path: Path, base: Cohort) -> None:
    case = CASES[name]
    spec, data = lay_out(name, tmp_path)
    people = read_cohort(load_spec(str(spec)), data)
    assert len(people) == len(base)
    for sentence in case["says"]:
        assert any(sentence in note for note in people.notes), people.notes
    if case.get("same"):
        assert people.fingerprint == base.fingerprint
    elif not case["says"]:
        np.testing.assert_array_equal(people.presence[:, :3], base.presence)
    inputs = fit_preprocessing(people.take(make_split(people).rows("rich_train", "sparse_train"))).transform(people)
    assert all(np.isfinite(values).all() for values in inputs.values())


def test_the_base_of_all_cases_is_a_cohort_that_works(base: Cohort) -> None:
    assert len(base) == 100
    assert base.notes == ()


def test_there_are_many_cases_and_every_builder_and_folder_is_used() -> None:
    assert len(HARMFUL) >= 60
    assert {case["build"] for case in CASES.values() if "build" in case} == set(BUILDERS)
    folders = {folder.name for folder in BROKEN.iterdir() if folder.is_dir() and not folder.name.startswith("_")}
    assert folders == {*CASES, "base"}
