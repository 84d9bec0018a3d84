"""The chain on other people than the spec's: one site left out, another folder of the same layout, the real cohorts."""

import json
from pathlib import Path

import pandas as pd
import pytest

from tests.chain import run

QUICK = ["--training.num_epochs", "3", "--training.batch_size", "128", "--network.num_members", "1"]


@pytest.fixture(scope="module")
def model(tables: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("trained") / "model"
    code, said = run("finetune", "--cohort", "synthetic", "--data", tables, "--out", out, *QUICK)
    assert code == 0, said
    return out


@pytest.mark.slow
def test_another_folder_of_the_same_layout_can_be_judged_on(model: Path, tables: Path, tmp_path: Path) -> None:
    """The people of the tables again, under other ids, as those of a later year."""
    later = tmp_path / "later"
    later.mkdir()
    for file in tables.iterdir():
        if file.suffix == ".csv" and file.name != "truth.csv":
            table = pd.read_csv(file, dtype={"subject_id": str})
            table.assign(subject_id="later-" + table["subject_id"]).to_csv(later / file.name, index=False)
        elif file.suffix == ".parquet":
            table = pd.read_parquet(file)
            table.assign(subject_id="later-" + table["subject_id"]).to_parquet(later / file.name, index=False)
    words = ["validate", "--cohort", "synthetic", "--data", tables, "--model", model]
    code, said = run(*words, "--held_out_data", later, "--registry", tmp_path / "r", "--out", tmp_path / "judged")
    assert code in (0, 3, 4, 5), said
    decision = json.loads((tmp_path / "judged" / "decision.json").read_text())
    held_out = pd.read_parquet(tmp_path / "judged" / "predictions.parquet").query("part == 'held_out'")
    assert len(held_out) == 900
    assert held_out["subject_id"].str.startswith("later-").all()
    assert any("judged on all people of another data folder" in note for note in decision["notes"])
    integrity = [f for f in decision["findings"] if f["kind"] == "integrity"]
    assert [f["basis"] for f in integrity if "No subject is both" in f["title"]] == ["holds"]
    everybody = [row for row in decision["tables"]["people"] if row["feature"] == "all" and row["part"] == "held_out"]
    assert everybody[0]["num_subjects"] == 900


@pytest.mark.slow
def test_people_of_the_training_cohort_in_another_folder_are_an_error(
    model: Path, tables: Path, tmp_path: Path
) -> None:
    words = ["validate", "--cohort", "synthetic", "--data", tables, "--model", model]
    code, said = run(*words, "--held_out_data", tables, "--out", tmp_path / "judged")
    assert code == 2
    assert "900 subject ids are those of the cohort that was trained on" in said
    assert not (tmp_path / "judged").exists()


@pytest.mark.slow
def test_one_site_can_be_held_out_by_an_option(tables: Path, tmp_path: Path) -> None:
    words = ["--cohort", "synthetic", "--data", tables, *QUICK, "--held_out_site", "east"]
    code, said = run("workflow", *words, "--out", tmp_path / "run")
    assert code in (0, 3, 4), said
    split = pd.read_parquet(tmp_path / "run" / "finetune" / "split.parquet").set_index("subject_id")["part"]
    subjects = pd.read_csv(tables / "subjects.csv", dtype={"subject_id": str}).set_index("subject_id")["site"]
    assert set(subjects[split.index[split == "held_out"]]) == {"east"}
    assert set(subjects[split.index[split.str.startswith("sparse")]]) == {"south", "west"}
    code, said = run("workflow", *words[:-1], "nowhere", "--out", tmp_path / "other")
    assert code == 2
    assert "held_out_site nowhere: nobody in a cohort is there; the sites are east, north, south, west" in said


@pytest.mark.slow
@pytest.mark.parametrize(("name", "num_held_out"), [("physionet2012", 577), ("nhanes", 1693)])
def test_the_real_cohorts_go_through_the_whole_chain(
    name: str, num_held_out: int, real_data: Path, tmp_path: Path
) -> None:
    data = real_data / name
    if not data.is_dir():
        pytest.skip(f"no {name} in {real_data}")
    out = tmp_path / "run"
    code, said = run("workflow", "--cohort", name, "--data", data, "--out", out, *QUICK)
    assert code in (0, 3, 4), said
    summary = json.loads((out / "summary.json").read_text())
    assert summary["auroc"]["support"] == num_held_out
    assert summary["auroc"]["lower"] > 0.6
    assert (out / "validate" / "report.html").stat().st_size < 1_500_000


@pytest.mark.slow
def test_heart_disease_ends_with_a_verdict_and_the_report_says_what_is_true(heart_data: Path, tmp_path: Path) -> None:
    code, said = run("workflow", "--cohort", "heart_disease", "--data", heart_data, "--out", tmp_path / "heart")
    assert code in (3, 4), said
    assert "sex female: fewer than 11 subjects, which cannot support an audit" in said
    html = (tmp_path / "heart" / "validate" / "report.html").read_text()
    assert "sex female: fewer than 11 subjects, which cannot support an audit" in html
    decision = json.loads((tmp_path / "heart" / "validate" / "decision.json").read_text())
    held_out = [row for row in decision["tables"]["people"] if row["part"] == "held_out" and row["feature"] == "all"]
    assert [(row["num_subjects"], row["num_positives"]) for row in held_out] == [(200, 149)]
    women = [row for row in decision["tables"]["groups"] if row["group"] == "female"]
    assert {(row["num_subjects"], row["value"]) for row in women} == {("<11", None)}
    assert {path.name for path in (tmp_path / "heart" / "registry").iterdir()} == {"ledger.jsonl", ".lock"}
