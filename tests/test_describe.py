"""The script describe: what it leaves, what it says, and what it refuses."""

import json
import shutil
from pathlib import Path

import pytest
import yaml

from cohorts.spec import CATALOG
from tests.chain import called


def test_it_leaves_a_page_its_twin_and_its_config_and_says_the_gist(tables: Path, tmp_path: Path) -> None:
    out = tmp_path / "described"
    done = called("describe", "--cohort", "synthetic", "--data", tables, "--out", out)
    assert done.returncode == 0, done.stderr
    assert sorted(path.name for path in out.iterdir()) == [
        "config.yaml",
        "description.html",
        "description.json",
        "stage.json",
    ]
    html, text = (out / "description.html").read_text(), (out / "description.json").read_text()
    start = html.index('id="description">') + len('id="description">')
    assert json.loads(html[start : html.index("</script>", start)]) == json.loads(text)
    assert yaml.safe_load((out / "config.yaml").read_text())["cohort"] == "synthetic"
    lines = done.stdout.splitlines()
    assert max(map(len, lines)) < 120
    for start_of_line in ("cohort ", "rich ", "sparse ", "patterns ", "checks ", "strategy ", f"page         {out}"):
        assert any(line.startswith(start_of_line) for line in lines), start_of_line
    again = called("describe", "--config", out / "config.yaml")
    assert again.returncode == 0
    assert "already done" in again.stdout
    assert again.stdout.splitlines()[1:] == lines
    assert (out / "description.json").read_text() == text


def test_errors_of_the_checks_are_said_and_still_make_a_page(tables: Path, tmp_path: Path) -> None:
    data = shutil.copytree(tables, tmp_path / "data")
    spec = yaml.safe_load((CATALOG / "synthetic.yaml").read_text())
    del spec["generator"]
    spec["tables"]["ecg"]["files"] = "leak.csv"
    subjects = (data / "subjects.csv").read_text().splitlines()
    columns = subjects[0].split(",")
    key, outcome = columns.index("subject_id"), columns.index("outcome")
    rows = [line.split(",") for line in subjects[1:]]
    leak = ["subject_id,ecg_1,ecg_2,ecg_3,ecg_4", *[f"{row[key]},{row[outcome]},0.1,0.2,0.3" for row in rows]]
    (data / "leak.csv").write_text("\n".join(leak) + "\n")
    (tmp_path / "spec.yaml").write_text(yaml.safe_dump(spec))
    done = called("describe", "--cohort", tmp_path / "spec.yaml", "--data", data, "--out", tmp_path / "out")
    assert done.returncode == 0, done.stderr
    assert "checks       1 error" in done.stdout
    assert "  error: " in done.stdout
    assert "✖ 1 error" in (tmp_path / "out" / "description.html").read_text()


def test_a_cohort_that_cannot_be_read_is_all_its_problems_and_no_page(tables: Path, tmp_path: Path) -> None:
    data = shutil.copytree(tables, tmp_path / "data")
    (data / "ecg.csv").unlink()
    (data / "labs.csv").unlink()
    done = called("describe", "--cohort", "synthetic", "--data", data, "--out", tmp_path / "made")
    assert done.returncode == 2
    assert "table ecg: no file ecg.csv" in done.stderr
    assert "table labs: no file labs.csv" in done.stderr
    assert "Traceback" not in done.stderr
    assert not (tmp_path / "made").exists()


def test_other_data_in_the_same_folder_are_refused(tables: Path, tmp_path: Path) -> None:
    words = ["--cohort", "synthetic", "--out", tmp_path / "out"]
    assert called("describe", *words, "--data", tables).returncode == 0
    done = called("describe", *words)  # the generator's own, larger, tables
    assert done.returncode == 2
    assert "choose another --out" in done.stderr


def test_help_has_an_example() -> None:
    done = called("describe", "--help")
    assert done.returncode == 0
    assert "python scripts/describe.py --cohort synthetic" in done.stdout


@pytest.mark.slow
@pytest.mark.parametrize("name", ["heart_disease", "nhanes", "physionet2012"])
def test_every_real_cohort_of_the_catalog_can_be_described(name: str, real_data: Path, tmp_path: Path) -> None:
    if not (real_data / name).is_dir():
        pytest.skip(f"no {name} in {real_data}")
    out = tmp_path / "described"
    done = called("describe", "--cohort", name, "--data", real_data / name, "--out", out)
    assert done.returncode == 0, done.stderr
    assert "0 errors" in done.stdout
    assert (out / "description.html").stat().st_size < 1_500_000
    content = json.loads((out / "description.json").read_text())
    assert any("tells the label" in json.dumps(concern) for concern in content["concerns"])
