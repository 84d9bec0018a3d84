"""The whole chain in real processes: its files, its resume after a kill, its agreement with the scripts."""

import json
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from cohorts.cohort import Cohort
from tests.chain import call, files, findings, run, start


def test_the_chain_writes_exactly_its_files(whole: tuple[Path, str]) -> None:
    out, _ = whole
    stage = {"config.yaml", "stage.json", "metrics.json", "split.parquet"}
    bundle = {"bundle/weights.safetensors", "bundle/bundle.json", "bundle/manifest.json"}
    judged = {
        "predictions.parquet",
        "subsets.parquet",
        "operating_point.json",
        "decision.json",
        "report.html",
        "config.yaml",
        "stage.json",
    }
    expected = {f"{name}/{file}" for name in ("pretrain", "finetune", "scratch", "pooled") for file in stage | bundle}
    expected |= {f"validate/{file}" for file in judged} | {"config.yaml", "stage.json", "summary.json"}
    expected |= {"candidate.json"}
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
    code, said = call("workflow", *words, "--out", out)
    assert code == 0
    assert "already done, nothing to do" in said
    assert {file: (out / file).stat().st_mtime_ns for file in files(out)} == before


def test_the_same_folder_with_other_options_is_refused_with_the_difference(
    whole: tuple[Path, str], words: list[str]
) -> None:
    out, _ = whole
    code, said = call("workflow", *words, "--out", out, "--network.width", "16")
    assert code == 2
    assert "network.width: was 32, now 16" in said


@pytest.mark.slow
def test_the_saved_config_runs_the_same_again(whole: tuple[Path, str], tmp_path: Path) -> None:
    out, _ = whole
    code, said = call("workflow", "--config", out / "config.yaml", "--out", tmp_path / "again")
    assert code == 0, said
    assert findings(tmp_path / "again") == findings(out)
    weights = "finetune/bundle/weights.safetensors"
    assert (tmp_path / "again" / weights).read_bytes() == (out / weights).read_bytes()


@pytest.mark.slow
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


@pytest.mark.slow
def test_a_kill_between_the_last_two_steps_of_a_stage_leaves_nothing_behind(
    whole: tuple[Path, str], words: list[str], tmp_path: Path
) -> None:
    again = Path(shutil.copytree(whole[0], tmp_path / "again"))
    (again / "summary.json").unlink()
    (again / "finetune" / "checkpoints").mkdir()
    shutil.rmtree(again / "validate")
    code, said = call("workflow", *words, "--out", again)
    assert code == 0, said
    assert "finetune: already done" in said
    assert not (again / "finetune" / "checkpoints").exists()
    assert findings(again) == findings(whole[0])


@pytest.mark.slow
def test_an_operating_point_is_never_written_again(whole: tuple[Path, str], words: list[str], tmp_path: Path) -> None:
    again = Path(shutil.copytree(whole[0], tmp_path / "again"))
    (again / "summary.json").unlink()
    (again / "validate" / "decision.json").unlink()
    point = again / "validate" / "operating_point.json"
    point.write_text(json.dumps({**json.loads(point.read_text()), "threshold": 0.123}))
    code, said = call("workflow", *words, "--out", again)
    assert code == 5, said
    assert "The operating point that was fixed before scoring is the one that the tuning subjects give: NO" in said
    assert json.loads(point.read_text())["threshold"] == 0.123


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
        "train/loss",
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
