"""The whole chain in real processes: its files, its resume after a kill, its agreement with the scripts."""

import json
import math
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pandas as pd
import pytest
import yaml

from cohorts.cohort import Cohort
from validation.operating_point import choose_threshold

ROOT = Path(__file__).parent.parent
QUICK = ["--training.num_epochs", "6", "--training.batch_size", "128"]
SMALL = ["--network.num_members", "1"]  # real people below are trained on by the default ensemble


def start(name: str, *words: str | Path) -> subprocess.Popen[str]:
    command = [sys.executable, str(ROOT / "scripts" / f"{name}.py"), *map(str, words)]
    return subprocess.Popen(
        command,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        # Whoever runs the tests in the background has SIGINT ignored, and children inherit that.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )


def run(name: str, *words: str | Path) -> tuple[int, str]:
    process = start(name, *words)
    out, err = process.communicate(timeout=600)
    assert "Traceback" not in err, err
    return process.returncode, out + err


@pytest.fixture(scope="module")
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


@pytest.fixture(scope="module")
def words(tables: Path, policy: Path) -> list[str]:
    return ["--cohort", "synthetic", "--data", str(tables), "--policy", str(policy), *QUICK, *SMALL]


@pytest.fixture(scope="module")
def whole(words: list[str], tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """Folder and output of one run that nobody disturbed."""
    out = tmp_path_factory.mktemp("whole") / "run"
    code, said = run("workflow", *words, "--out", out)
    assert code == 0, said
    return out, said


def findings(out: Path) -> list[dict]:
    return json.loads((out / "validate" / "decision.json").read_text())["findings"]


def files(folder: Path) -> set[str]:
    return {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}


def test_the_chain_writes_exactly_its_files(whole: tuple[Path, str]) -> None:
    out, _ = whole
    stage = {"config.yaml", "stage.json", "metrics.json", "split.parquet"}
    bundle = {"bundle/weights.safetensors", "bundle/bundle.json", "bundle/manifest.json"}
    judged = {
        "predictions.parquet",
        "operating_point.json",
        "decision.json",
        "report.html",
        "config.yaml",
        "stage.json",
    }
    expected = {f"{name}/{file}" for name in ("pretrain", "finetune", "scratch", "pooled") for file in stage | bundle}
    expected |= {f"validate/{file}" for file in judged} | {"config.yaml", "stage.json", "summary.json"}
    found = {file for file in files(out) if not file.startswith(("wandb/", "registry/"))}
    assert found == expected


def test_the_summary_says_what_a_person_wants_to_know(whole: tuple[Path, str]) -> None:
    out, said = whole
    for part in (
        "verdict      PASS",
        "AUROC        0.",
        "held-out subjects",
        "worst group",
        "report       ",
        "wandb leet",
    ):
        assert part in said
    assert f"{out}/finetune/bundle, champion of {out}/registry" in said


def test_a_second_call_does_nothing_but_say_so(whole: tuple[Path, str], words: list[str]) -> None:
    out, _ = whole
    before = {file: (out / file).stat().st_mtime_ns for file in files(out)}
    code, said = run("workflow", *words, "--out", out)
    assert code == 0
    assert "already done, nothing to do" in said
    assert {file: (out / file).stat().st_mtime_ns for file in files(out)} == before


def test_the_same_folder_with_other_options_is_refused_with_the_difference(
    whole: tuple[Path, str], words: list[str]
) -> None:
    out, _ = whole
    code, said = run("workflow", *words, "--out", out, "--network.width", "16")
    assert code == 2
    assert "network.width: was 32, now 16" in said


@pytest.mark.slow
def test_the_saved_config_runs_the_same_again(whole: tuple[Path, str], tmp_path: Path) -> None:
    out, _ = whole
    code, said = run("workflow", "--config", out / "config.yaml", "--out", tmp_path / "again")
    assert code == 0, said
    assert findings(tmp_path / "again") == findings(out)
    weights = "finetune/bundle/weights.safetensors"
    assert (tmp_path / "again" / weights).read_bytes() == (out / weights).read_bytes()


@pytest.mark.parametrize("stage", ["pretrain", "finetune"])
def test_a_kill_in_the_middle_of_a_stage_and_the_same_command_reach_the_same_verdict(
    whole: tuple[Path, str], words: list[str], tmp_path: Path, stage: str
) -> None:
    out, killed = whole[0], tmp_path / "killed"
    process = start("workflow", *words, "--out", killed)
    checkpoint = killed / stage / "checkpoints" / "last.ckpt"
    until = time.monotonic() + 120
    while not checkpoint.exists() and process.poll() is None and time.monotonic() < until:
        time.sleep(0.01)
    assert checkpoint.exists()
    process.send_signal(signal.SIGKILL)
    process.communicate()
    assert not (killed / stage / "bundle").exists(), "the kill came too late to test anything"
    code, said = run("workflow", *words, "--out", killed)
    assert code == 0, said
    assert findings(killed) == findings(out)
    weights = "finetune/bundle/weights.safetensors"
    assert (killed / weights).read_bytes() == (out / weights).read_bytes()


def test_a_kill_between_the_last_two_steps_of_a_stage_leaves_nothing_behind(
    whole: tuple[Path, str], words: list[str], tmp_path: Path
) -> None:
    again = Path(shutil.copytree(whole[0], tmp_path / "again"))
    (again / "summary.json").unlink()
    (again / "finetune" / "checkpoints").mkdir()
    shutil.rmtree(again / "validate")
    code, said = run("workflow", *words, "--out", again)
    assert code == 0, said
    assert "finetune: already done" in said
    assert not (again / "finetune" / "checkpoints").exists()
    assert findings(again) == findings(whole[0])


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
    code, said = run("pretrain", "--cohort", "synthetic", "--data", data, *QUICK, *SMALL, "--out", tmp_path / "x")
    assert code == 0, said
    weights = "bundle/weights.safetensors"
    assert (tmp_path / "x" / weights).read_bytes() == (whole[0] / "pretrain" / weights).read_bytes()


@pytest.mark.slow
def test_late_fusion_goes_the_same_way(tables: Path, tmp_path: Path) -> None:
    common = ["--cohort", "synthetic", "--data", tables, "--dashboard.mode", "disabled", "--training.num_epochs", "2"]
    code, said = run("pretrain", *common, "--network.fusion", "late", "--out", tmp_path / "pretrain")
    assert code == 0, said
    code, said = run("finetune", *common, "--pretrained", tmp_path / "pretrain", "--out", tmp_path / "finetune")
    assert code == 0, said
    options = json.loads((tmp_path / "finetune" / "bundle" / "bundle.json").read_text())["options"]
    assert options["fusion"] == "late"
    code, said = run("finetune", *common, "--network.width", "16", "--out", tmp_path / "scratch")
    assert code == 0, said
    both = ["--pretrained", tmp_path / "pretrain", "--network.width", "16", "--out", tmp_path / "y"]
    code, said = run("finetune", *common, *both)
    assert code == 2
    assert "give no network options with --pretrained" in said


def test_the_scripts_one_by_one_agree_with_the_chain(
    whole: tuple[Path, str], tables: Path, policy: Path, tmp_path: Path
) -> None:
    out, _ = whole
    common = ["--cohort", "synthetic", "--data", tables, "--dashboard.mode", "disabled"]
    made = {name: tmp_path / name for name in ("pretrain", "finetune", "scratch", "pooled", "validate")}
    assert run("pretrain", *common, *QUICK, *SMALL, "--out", made["pretrain"])[0] == 0
    assert run("finetune", *common, *QUICK, "--pretrained", made["pretrain"], "--out", made["finetune"])[0] == 0
    controls = ["--controls", json.dumps({name: str(out / name) for name in ("scratch", "pooled")})]
    judge = ["--model", made["finetune"], "--policy", policy, *controls, "--out", made["validate"]]
    code, said = run("validate", *common, *judge)
    assert code == 0, said
    assert json.loads((made["validate"] / "decision.json").read_text())["findings"] == findings(out)
    registry = tmp_path / "registry"
    assert run("promote", "--decision", made["validate"] / "decision.json", "--registry", registry)[0] == 0
    code, said = run("promote", "--registry", registry, "--verify")
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


def test_an_operating_point_is_never_written_again(whole: tuple[Path, str], words: list[str], tmp_path: Path) -> None:
    again = Path(shutil.copytree(whole[0], tmp_path / "again"))
    (again / "summary.json").unlink()
    (again / "validate" / "decision.json").unlink()
    point = again / "validate" / "operating_point.json"
    point.write_text(json.dumps({**json.loads(point.read_text()), "threshold": 0.123}))
    code, said = run("workflow", *words, "--out", again)
    assert code == 5, said
    assert "The operating point that was fixed before scoring is the one that the tuning subjects give: NO" in said
    assert json.loads(point.read_text())["threshold"] == 0.123


def test_predict_scores_new_people_as_validate_did_and_with_fewer_modalities(
    whole: tuple[Path, str], tables: Path, tmp_path: Path
) -> None:
    out, _ = whole
    new = Path(shutil.copytree(tables, tmp_path / "new"))
    subjects = pd.read_csv(new / "subjects.csv", dtype={"subject_id": str}).drop(columns="outcome").head(200)
    subjects.to_csv(new / "subjects.csv", index=False)
    model = ["--model", out / "registry", "--cohort", "synthetic", "--data", new]
    code, said = run("predict", *model, "--out", tmp_path / "scores.csv")
    assert code == 0, said
    scores = pd.read_csv(tmp_path / "scores.csv", dtype={"subject_id": str})
    assert list(scores.columns) == ["subject_id", "score", "pattern"]
    assert len(scores) == 200
    judged = pd.read_parquet(out / "validate" / "predictions.parquet")
    both = scores.merge(judged[judged["part"] == "held_out"], on="subject_id")  # tuning people: out of the bag there
    assert len(both) > 20
    assert (both["score_x"] - both["score_y"]).abs().max() < 1e-9
    (new / "imaging.parquet").unlink()
    assert run("predict", *model, "--out", tmp_path / "fewer.csv")[0] == 2
    assert run("predict", *model, "--out", tmp_path / "fewer.csv", "--absent", "imaging")[0] == 0
    fewer = pd.read_csv(tmp_path / "fewer.csv", dtype={"subject_id": str})
    assert not fewer["pattern"].str.contains("imaging").any()
    assert fewer["score"].between(0, 1).all()
    code, said = run("predict", *model, "--out", tmp_path / "scores.csv")
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
        code, said = run(str(words[0]), *words[1:])
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
    code, said = run("validate", "--cohort", "synthetic", "--data", data, *model)
    assert code == 5, said
    assert "trained and tuned on exactly the subjects of this split: NO" in said
    code, said = run("promote", "--decision", tmp_path / "x" / "decision.json", "--registry", tmp_path / "registry")
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
    found, said = run("validate", "--cohort", "synthetic", "--data", tables, *words)
    assert found == code, said
    assert message in said


def test_a_misspelt_control_is_refused(whole: tuple[Path, str], tables: Path, policy: Path, tmp_path: Path) -> None:
    words = ["--model", whole[0] / "finetune", "--policy", policy, "--out", tmp_path / "x"]
    code, said = run("validate", "--cohort", "synthetic", "--data", tables, *words, "--controls.scrach", "y")
    assert code == 2
    assert "controls.scrach: no check of the policy easy asks for it; it asks for pooled, scratch" in said


@pytest.mark.slow
def test_an_interrupted_run_says_so_and_goes_on(words: list[str], whole: tuple[Path, str], tmp_path: Path) -> None:
    process = start("workflow", *words, "--out", tmp_path / "run")
    checkpoint = tmp_path / "run" / "pretrain" / "checkpoints" / "last.ckpt"
    while not checkpoint.exists() and process.poll() is None:
        time.sleep(0.01)
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=60)
    assert process.returncode == 130
    assert "interrupted; the same command goes on from here" in err
    assert "Traceback" not in err
    code, said = run("workflow", *words, "--out", tmp_path / "run")
    assert code == 0, said
    assert findings(tmp_path / "run") == findings(whole[0])


def test_validate_without_controls_is_an_error_and_not_a_pass(
    whole: tuple[Path, str], tables: Path, policy: Path, tmp_path: Path
) -> None:
    model = ["--model", whole[0] / "finetune", "--policy", policy, "--out", tmp_path / "x"]
    code, said = run("validate", "--cohort", "synthetic", "--data", tables, *model)
    assert code == 5, said
    assert "model minus scratch: this control was not given to validate" in said


# Dashboards and privacy -------------------------------------------------------------------------------------------


def test_all_stages_are_offline_runs_of_one_group(whole: tuple[Path, str]) -> None:
    out, _ = whole
    runs = sorted((out / "wandb").glob("offline-run-*"))
    assert len(runs) == 5
    leet = Path(sys.executable).parent / "wandb"
    summaries = {}
    for folder in runs:
        file = next(folder.glob("*.wandb"))
        done = subprocess.run(
            [leet, "leet", "inspect", "--summary", "--json", file], capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stderr
        summaries[folder.name.split("-")[3]] = json.loads(done.stdout)
        assert b"synthetic" in file.read_bytes()
        assert str(out.name).encode() in file.read_bytes()
    assert set(summaries) == {"pretrain", "finetune", "scratch", "pooled", "validate"}
    text = json.dumps(summaries)
    for expected in (
        "tuning/log_loss",
        "tuning/auroc",
        "tuning_log_loss_by_pattern/",
        "train/log_loss",
        "verdict",
        "held_out/auroc",
    ):
        assert expected in text, expected


def test_no_subject_id_and_no_path_of_the_machine_leaves_in_what_is_shown(
    whole: tuple[Path, str], people: Cohort
) -> None:
    out, said = whole
    shown = [out / "validate" / name for name in ("decision.json", "report.html")]
    shown += [
        path for path in (out / "wandb").rglob("*") if path.is_file() and path.suffix in (".wandb", ".json", ".html")
    ]
    ids = [f'"{subject}"'.encode() for subject in people.subject_id]
    for path in shown:
        content = path.read_bytes()
        assert not any(subject in content for subject in ids), path.name
    assert not any(subject in said for subject in people.subject_id)
    host = subprocess.run(["hostname"], capture_output=True, text=True, check=False).stdout.strip()
    for path in (out / "wandb").rglob("*.wandb"):
        if len(host) > 4:
            assert host.encode() not in path.read_bytes()


# Real people ------------------------------------------------------------------------------------------------------


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
    assert not (tmp_path / "heart" / "registry").exists()
