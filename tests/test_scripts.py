"""The scripts as a person meets them: help, wrong flags, bad input, configs."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from tests.chain import called

ROOT = Path(__file__).parent.parent
NAMES = ["describe", "pretrain", "finetune", "validate", "promote", "export", "predict", "workflow", "synthesize"]


def run(name: str, *words: str | Path, cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, str(ROOT / "scripts" / f"{name}.py"), *map(str, words)]
    return subprocess.run(command, capture_output=True, text=True, cwd=cwd, timeout=300, check=False)


def assert_bad_input(done: subprocess.CompletedProcess[str], *messages: str) -> None:
    assert done.returncode == 2, done.stderr
    assert "Traceback" not in done.stderr
    for message in messages:
        assert message in " ".join(done.stderr.split()), done.stderr


@pytest.mark.parametrize("name", NAMES)
def test_help_has_an_example_and_a_sentence_for_every_option(name: str) -> None:
    done = run(name, "--help")
    assert done.returncode == 0
    assert f"python scripts/{name}.py --" in done.stdout
    assert "--print_config" in done.stdout
    assert "(required, type" not in done.stdout.split("example:")[1]


@pytest.mark.parametrize("name", NAMES)
def test_help_answers_at_once_as_it_imports_nothing_heavy(name: str) -> None:
    command = [sys.executable, "-X", "importtime", str(ROOT / "scripts" / f"{name}.py"), "--help"]
    told = subprocess.run(command, capture_output=True, text=True, timeout=300, check=True).stderr
    imported = {line.rsplit("|", 1)[-1].strip() for line in told.splitlines()}
    assert "jsonargparse" in imported
    assert not imported & {"torch", "numpy", "pandas", "duckdb", "sklearn", "pydantic", "wandb", "matplotlib"}


@pytest.mark.parametrize("name", NAMES)
def test_installed_commands_are_the_scripts(name: str) -> None:
    command = Path(sys.executable).parent / f"r2s-{name}"
    if not command.exists():
        pytest.skip("the project is not installed in this environment; make test installs it")
    assert (
        subprocess.run([command, "--help"], capture_output=True, text=True, check=True).stdout
        == run(name, "--help").stdout
    )


@pytest.mark.parametrize("name", NAMES)
def test_a_wrong_flag_is_one_clear_error(name: str) -> None:
    assert_bad_input(run(name, "--no_such_flag", "3"), "error:")


def test_a_wrong_option_is_named(tmp_path: Path) -> None:
    done = run("pretrain", "--cohort", "synthetic", "--out", tmp_path / "x", "--network.fusion", "hybrid")
    assert_bad_input(done, "network.fusion", "hybrid")
    done = run(
        "pretrain", "--cohort", "synthetic", "--out", tmp_path / "x", "--network.num_heads", "5", "--masking.rate", "2"
    )
    assert_bad_input(done, "5 does not divide 32", "masking.rate: must be between 0 and 1 (value: 2.0)")
    assert not (tmp_path / "x").exists()


def test_print_config_is_read_again_by_config(tmp_path: Path) -> None:
    words = [
        "--cohort",
        "synthetic",
        "--out",
        tmp_path / "x",
        "--network.width",
        "16",
        "--training.learning_rate",
        "1e-3",
    ]
    printed = run("pretrain", *words, "--print_config").stdout
    (tmp_path / "c.yaml").write_text(printed)
    assert run("pretrain", "--config", tmp_path / "c.yaml", "--print_config").stdout == printed
    assert yaml.safe_load(printed)["network"]["width"] == 16


@pytest.mark.parametrize(
    ("name", "words", "message"),
    [
        ("pretrain", ["--cohort", "hart"], "cohort hart: no such file, nor one of those that ship"),
        ("pretrain", ["--cohort", "heart_disease"], "say with --data DIR where the tables of heart_disease lie"),
        ("pretrain", ["--cohort", "heart_disease", "--data", "nowhere"], "data nowhere: is not a folder"),
        ("finetune", ["--cohort", "synthetic", "--pretrained", "nowhere"], "bundle nowhere: no such folder"),
        (
            "finetune",
            ["--cohort", "synthetic", "--transfer.freeze", "encoders"],
            "would freeze random weights; give --pretrained",
        ),
        ("validate", ["--cohort", "synthetic", "--model", "nowhere"], "bundle nowhere: no such folder"),
        ("validate", ["--cohort", "synthetic", "--model", "x", "--policy", "lenient"], "policy lenient: no such file"),
        ("workflow", ["--cohort", "synthetic", "--policy", "lenient"], "policy lenient: no such file"),
        (
            "workflow",
            ["--cohort", "synthetic", "--training.num_epochs", "0"],
            "training.num_epochs: must be at least 1",
        ),
    ],
)
def test_bad_input_is_one_error_and_leaves_nothing(name: str, words: list[str], message: str, tmp_path: Path) -> None:
    done = called(name, *words, "--out", "made", cwd=tmp_path)
    assert_bad_input(done, message)
    assert list(tmp_path.iterdir()) == []


def test_a_place_that_cannot_be_written_is_one_error(tables: Path) -> None:
    words = ["--cohort", "synthetic", "--data", tables, "--out", "/proc/made/here"]
    assert_bad_input(called("pretrain", *words), "error: /proc/made")


@pytest.mark.slow
def test_who_stops_reading_does_not_stop_the_work(tables: Path, tmp_path: Path) -> None:
    words = (
        f"--cohort synthetic --data {tables} --training.num_epochs 1 --dashboard.mode disabled --out {tmp_path / 'x'}"
    )
    command = f"{sys.executable} {ROOT / 'scripts' / 'pretrain.py'} {words} | true; exit ${{PIPESTATUS[0]}}"
    done = subprocess.run(["bash", "-c", command], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "x" / "bundle").is_dir()


def test_broken_tables_are_reported_together_and_leave_nothing(tables: Path, tmp_path: Path) -> None:
    data = shutil.copytree(tables, tmp_path / "data")
    (data / "ecg.csv").unlink()
    (data / "labs.csv").unlink()
    done = called("workflow", "--cohort", "synthetic", "--data", data, "--out", tmp_path / "made")
    assert_bad_input(done, "table ecg: no file ecg.csv", "table labs: no file labs.csv")
    assert not (tmp_path / "made").exists()


def test_a_folder_that_holds_something_else_is_not_touched(tables: Path, tmp_path: Path) -> None:
    out = tmp_path / "mine"
    out.mkdir()
    (out / "thesis.txt").write_text("precious")
    done = called("pretrain", "--cohort", "synthetic", "--data", tables, "--out", out)
    assert_bad_input(done, "holds something that is not a run of this script")
    assert os.listdir(out) == ["thesis.txt"]
