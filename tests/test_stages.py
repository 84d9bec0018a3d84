"""The scripts of the chain one by one, on what a whole run of it left, and what they refuse."""

import json
import math
import shutil
from pathlib import Path

import pandas as pd
import pytest
import torch
import yaml

from cohorts.cohort import Cohort
from cohorts.splits import Split
from lightning_modules.bundle import load_bundle, save_bundle
from scripts.candidate import choose_candidate
from tests.chain import QUICK, ROOT, SMALL, call, findings
from validation.operating_point import choose_threshold


@pytest.mark.slow
def test_held_out_people_and_their_patterns_have_no_influence_on_pretraining(
    whole: tuple[Path, str], tables: Path, tmp_path: Path
) -> None:
    data = Path(shutil.copytree(tables, tmp_path / "data"))
    subjects = pd.read_csv(data / "subjects.csv", dtype={"subject_id": str})
    held_out = set(subjects.loc[subjects["site"] == "west", "subject_id"])
    subjects.loc[subjects["site"] == "west", ["age", "outcome"]] = [99.0, 1]
    subjects.loc[subjects.index[subjects["site"] == "west"][0], "outcome"] = 0
    subjects.to_csv(data / "subjects.csv", index=False)
    imaging = pd.read_parquet(data / "imaging.parquet")
    imaging[~imaging["subject_id"].isin(held_out)].to_parquet(data / "imaging.parquet", index=False)
    code, said = call("pretrain", "--cohort", "synthetic", "--data", data, *QUICK, *SMALL, "--out", tmp_path / "x")
    assert code == 0, said
    weights = "bundle/weights.safetensors"
    assert (tmp_path / "x" / weights).read_bytes() == (whole[0] / "pretrain" / weights).read_bytes()


@pytest.mark.slow
def test_late_fusion_goes_the_same_way(tables: Path, tmp_path: Path) -> None:
    common = ["--cohort", "synthetic", "--data", tables, "--dashboard.mode", "disabled", "--training.num_epochs", "2"]
    code, said = call("pretrain", *common, "--network.fusion", "late", *SMALL, "--out", tmp_path / "pretrain")
    assert code == 0, said
    code, said = call("finetune", *common, "--pretrained", tmp_path / "pretrain", "--out", tmp_path / "finetune")
    assert code == 0, said
    options = json.loads((tmp_path / "finetune" / "bundle" / "bundle.json").read_text())["options"]
    assert options["fusion"] == "late"
    code, said = call("finetune", *common, "--network.width", "16", *SMALL, "--out", tmp_path / "scratch")
    assert code == 0, said
    both = ["--pretrained", tmp_path / "pretrain", "--network.width", "16", "--out", tmp_path / "y"]
    code, said = call("finetune", *common, *both)
    assert code == 2
    assert "give no network options with --pretrained" in said


@pytest.mark.slow
def test_the_scripts_one_by_one_agree_with_the_chain(
    whole: tuple[Path, str], tables: Path, policy: Path, tmp_path: Path
) -> None:
    out, _ = whole
    common = ["--cohort", "synthetic", "--data", tables, "--dashboard.mode", "disabled"]
    made = {name: tmp_path / name for name in ("pretrain", "finetune", "scratch", "pooled", "validate")}
    assert call("pretrain", *common, *QUICK, *SMALL, "--out", made["pretrain"])[0] == 0
    assert call("finetune", *common, *QUICK, "--pretrained", made["pretrain"], "--out", made["finetune"])[0] == 0
    controls = ["--controls", json.dumps({name: str(out / name) for name in ("scratch", "pooled")})]
    judge = ["--model", made["finetune"], "--policy", policy, *controls, "--out", made["validate"]]
    code, said = call("validate", *common, *judge)
    assert code == 0, said
    assert json.loads((made["validate"] / "decision.json").read_text())["findings"] == findings(out)
    registry = tmp_path / "registry"
    assert call("promote", "--decision", made["validate"] / "decision.json", "--registry", registry)[0] == 0
    code, said = call("promote", "--registry", registry, "--verify")
    assert code == 0
    assert "1 entries, every bundle and decision is what it was" in said


def test_the_threshold_is_that_of_the_tuning_subjects_and_not_of_the_audited_ones(whole: tuple[Path, str]) -> None:
    judged = whole[0] / "validate"
    kept = json.loads((judged / "operating_point.json").read_text())["threshold"]
    table = pd.read_parquet(judged / "predictions.parquet")
    thresholds = {
        part: choose_threshold(rows["label"].to_numpy(), rows["score"].to_numpy(), 0.9)
        for part, rows in table.groupby("part")
    }
    assert kept == math.floor(thresholds["tuning"] * 1000) / 1000
    assert kept != math.floor(thresholds["held_out"] * 1000) / 1000
    split = pd.read_parquet(whole[0] / "finetune" / "split.parquet").set_index("subject_id")["part"]
    parts = {"tuning": {"sparse_tuning"}, "held_out": {"held_out"}}
    assert {part: set(split[rows["subject_id"]]) for part, rows in table.groupby("part")} == parts


def test_predict_scores_new_people_as_validate_did_and_with_fewer_modalities(
    whole: tuple[Path, str], tables: Path, tmp_path: Path
) -> None:
    out, _ = whole
    new = Path(shutil.copytree(tables, tmp_path / "new"))
    subjects = pd.read_csv(new / "subjects.csv", dtype={"subject_id": str}).drop(columns="outcome").head(200)
    subjects.to_csv(new / "subjects.csv", index=False)
    model = ["--model", out / "registry", "--cohort", "synthetic", "--data", new]
    code, said = call("predict", *model, "--out", tmp_path / "scores.csv")
    assert code == 0, said
    scores = pd.read_csv(tmp_path / "scores.csv", dtype={"subject_id": str})
    assert list(scores.columns) == ["subject_id", "score", "pattern"]
    assert len(scores) == 200
    judged = pd.read_parquet(out / "validate" / "predictions.parquet")
    both = scores.merge(judged[judged["part"] == "held_out"], on="subject_id")  # tuning people: out of the bag there
    assert len(both) > 20
    assert (both["score_x"] - both["score_y"]).abs().max() < 1e-9
    (new / "imaging.parquet").unlink()
    assert call("predict", *model, "--out", tmp_path / "fewer.csv")[0] == 2
    assert call("predict", *model, "--out", tmp_path / "fewer.csv", "--absent", "imaging")[0] == 0
    fewer = pd.read_csv(tmp_path / "fewer.csv", dtype={"subject_id": str})
    assert not fewer["pattern"].str.contains("imaging").any()
    assert fewer["score"].between(0, 1).all()
    code, said = call("predict", *model, "--out", tmp_path / "scores.csv")
    assert code == 2
    assert "already there, and would be overwritten" in said


def test_a_cohort_that_is_not_the_bundles_is_refused(whole: tuple[Path, str], tables: Path, tmp_path: Path) -> None:
    out, _ = whole
    content = yaml.safe_load((ROOT / "cohorts" / "catalog" / "synthetic.yaml").read_text())
    content["modalities"]["ecg"]["numeric"] = ["ecg_1"]
    (tmp_path / "other.yaml").write_text(yaml.safe_dump(content, sort_keys=False))
    data = ["--cohort", tmp_path / "other.yaml", "--data", tables]
    for words in (
        ["validate", *data, "--model", out / "finetune", "--out", tmp_path / "x"],
        ["finetune", *data, "--pretrained", out / "pretrain", "--out", tmp_path / "x"],
        ["predict", *data, "--model", out / "finetune", "--out", tmp_path / "x.csv"],
    ):
        code, said = call(str(words[0]), *words[1:])
        assert code == 2
        assert "modality ecg: the bundle has" in said
        assert "was made for the spec synthetic" in said
    assert not (tmp_path / "x").exists()


def test_a_model_that_was_trained_on_other_subjects_is_an_error_of_integrity(
    whole: tuple[Path, str], tables: Path, policy: Path, tmp_path: Path
) -> None:
    out, _ = whole
    data = Path(shutil.copytree(tables, tmp_path / "data"))
    subjects = pd.read_csv(data / "subjects.csv", dtype={"subject_id": str})
    subjects[subjects["subject_id"] != subjects.loc[subjects["site"] == "north", "subject_id"].iloc[0]].to_csv(
        data / "subjects.csv", index=False
    )
    controls = ["--controls", json.dumps({name: str(out / name) for name in ("scratch", "pooled")})]
    model = ["--model", out / "finetune", "--policy", policy, *controls, "--out", tmp_path / "x"]
    code, said = call("validate", "--cohort", "synthetic", "--data", data, *model)
    assert code == 5, said
    assert "trained and tuned on exactly the subjects of this split: NO" in said
    code, said = call("promote", "--decision", tmp_path / "x" / "decision.json", "--registry", tmp_path / "registry")
    assert code == 5
    assert "refused, ERROR" in said
    assert not (tmp_path / "registry").exists()


@pytest.mark.parametrize(
    ("control", "code", "message"),
    [
        ("finetune", 2, "controls.scratch: is the model itself"),
        ("pretrain", 5, "Controls are the model's network, trained with the model's options: NO"),
    ],
)
def test_what_is_no_control_does_not_serve_as_one(
    whole: tuple[Path, str], tables: Path, policy: Path, tmp_path: Path, control: str, code: int, message: str
) -> None:
    out, _ = whole
    controls = ["--controls", json.dumps({"scratch": str(out / control), "pooled": str(out / "pooled")})]
    words = ["--model", out / "finetune", "--policy", policy, *controls, "--out", tmp_path / "x"]
    found, said = call("validate", "--cohort", "synthetic", "--data", tables, *words)
    assert found == code, said
    assert message in said


def test_a_misspelt_control_is_refused(whole: tuple[Path, str], tables: Path, policy: Path, tmp_path: Path) -> None:
    words = ["--model", whole[0] / "finetune", "--policy", policy, "--out", tmp_path / "x"]
    code, said = call("validate", "--cohort", "synthetic", "--data", tables, *words, "--controls.scrach", "y")
    assert code == 2
    assert "controls.scrach: no check of the policy easy asks for it; it asks for pooled, scratch" in said


def test_validate_without_controls_is_an_error_and_not_a_pass(
    whole: tuple[Path, str], tables: Path, policy: Path, tmp_path: Path
) -> None:
    model = ["--model", whole[0] / "finetune", "--policy", policy, "--out", tmp_path / "x"]
    code, said = call("validate", "--cohort", "synthetic", "--data", tables, *model)
    assert code == 5, said
    assert "model minus scratch: this control was not given to validate" in said


def test_a_control_that_takes_the_models_place_is_its_own_control(
    whole: tuple[Path, str], tables: Path, policy: Path, tmp_path: Path
) -> None:
    out, _ = whole
    controls = ["--controls", json.dumps({name: str(out / name) for name in ("scratch", "pooled")})]
    words = ["--model", out / "scratch", "--policy", policy, *controls, "--out", tmp_path / "x"]
    code, said = call("validate", "--cohort", "synthetic", "--data", tables, *words)
    assert code == 0, said
    decision = json.loads((tmp_path / "x" / "decision.json").read_text())
    gains = {found["scope"]: found["value"] for found in decision["findings"] if found["title"] == "AUROC gain"}
    assert gains["model minus scratch"] == 0
    assert gains["model minus pooled"] != 0


def test_the_workflow_says_by_how_much_the_model_betters_its_controls(whole: tuple[Path, str]) -> None:
    out, said = whole
    found = json.loads((out / "candidate.json").read_text())
    assert found["candidate"] == "finetune"
    num_people = len(pd.read_parquet(out / "finetune" / "split.parquet").query("part == 'sparse_tuning'"))
    for name in ("scratch", "pooled"):
        gain = found["gains"][name]
        assert f"{gain['mean']:+.4f} ± {gain['standard_error']:.4f} over {name}" in said
        assert gain["num_people"] == num_people, "a network of one member was trained on all others"


def test_where_transfer_does_not_help_the_better_control_is_judged(
    whole: tuple[Path, str], people: Cohort, split: Split, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The whole run again, with a model that knows nothing in the place of the fine-tuned one."""
    again = Path(shutil.copytree(whole[0], tmp_path / "again"))
    (again / "candidate.json").unlink()
    shutil.rmtree(again / "finetune")
    bundle = load_bundle(again / "scratch" / "bundle")
    with torch.no_grad():
        for parameter in bundle.network.parameters():
            parameter.zero_()
    if bundle.network.additive is not None:
        bundle.network.additive.inputs_EC.zero_()
        bundle.network.additive.curves_EC.zero_()
    (again / "finetune").mkdir()
    save_bundle(bundle, again / "finetune" / "bundle")
    assert choose_candidate(again, people, split) in ("scratch", "pooled")
    assert "transfer: does not help here, so the control" in capsys.readouterr().out
    assert choose_candidate(again, people, split) == json.loads((again / "candidate.json").read_text())["candidate"]
