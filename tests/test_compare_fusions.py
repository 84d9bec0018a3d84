"""The script compare_fusions: what it leaves, what it says, that it goes on after a kill, and what it refuses."""

import json
import shutil
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pandas as pd
import pytest

from lightning_modules.config import MaskingOptions, NetworkOptions, TransferOptions
from scripts import comparing
from tests.chain import called

MODELS = ["early", "intermediate", "late", "attention", "early_unmasked"]
SIMPLE = ["logistic", "logistic_masked", "boosting", "boosting_masked"]


@pytest.fixture(scope="module")
def words(tables: Path) -> list[str | Path]:
    stated = ["--availability", '{"imaging": 0.2}']
    return [
        "--cohort",
        "synthetic",
        "--data",
        tables,
        "--training.num_epochs",
        "1",
        "--network.num_members",
        "1",
        *stated,
    ]


@pytest.fixture(scope="module")
def made(words: list[str | Path], tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    out = tmp_path_factory.mktemp("compared") / "out"
    done = called("compare_fusions", *words, "--out", out)
    assert done.returncode == 0, done.stderr
    return out, done.stdout


@pytest.mark.slow
def test_it_leaves_a_page_its_twin_scores_and_a_folder_for_each_network(made: tuple[Path, str]) -> None:
    out, said = made
    files = ["comparison.html", "comparison.json", "config.yaml", "scores", "stage.json"]
    assert sorted(path.name for path in out.iterdir()) == sorted([*MODELS, *files])
    assert sorted(path.stem for path in (out / "scores").iterdir()) == sorted([*MODELS, *SIMPLE])
    html, text = (out / "comparison.html").read_text(), (out / "comparison.json").read_text()
    start = html.index('id="comparison">') + len('id="comparison">')
    assert json.loads(html[start : html.index("</script>", start)]) == json.loads(text)
    assert len(html) < 1_500_000
    lines = said.splitlines()
    assert any(line.startswith("recommended   ") for line in lines)
    assert any(line.startswith("without       ") for line in lines)
    assert lines[-1] == f"page          {out / 'comparison.html'}"


@pytest.mark.slow
def test_every_person_is_scored_at_the_stated_deployment_and_no_id_is_on_the_page(made: tuple[Path, str]) -> None:
    out, _ = made
    found = json.loads((out / "comparison.json").read_text())
    assert next(row for row in found["availability"] if row["modality"] == "imaging")["stated"] == 0.2
    scores = pd.read_parquet(out / "scores" / "attention.parquet")
    deployed = scores[[name for name in scores if name.startswith("deployed.")]]
    assert deployed.shape[1] == 20
    assert deployed.notna().all(axis=None)
    assert (deployed.nunique(axis=1) > 1).any()
    assert set(scores["part"]) == {"tuning", "held_out"}
    html = (out / "comparison.html").read_text()
    assert not any(f">{subject}<" in html or f'"{subject}"' in html for subject in scores["subject_id"])
    assert {row["model"] for row in found["deployed"]} == {*MODELS, *SIMPLE}


@pytest.mark.slow
def test_it_goes_on_where_it_was_and_ends_with_the_same_page(
    made: tuple[Path, str], words: list[str | Path], tmp_path: Path
) -> None:
    out, _ = made
    again = called("compare_fusions", *words, "--out", out)
    assert "already done" in again.stdout
    killed = shutil.copytree(out, tmp_path / "out")
    for name in ("comparison.html", "comparison.json", "scores/late.parquet", "scores/boosting.parquet"):
        (killed / name).unlink()
    shutil.rmtree(killed / "late" / "finetune")
    done = called("compare_fusions", *words, "--out", killed)
    assert done.returncode == 0, done.stderr
    assert "late: scored" in done.stdout
    assert "early: scored" not in done.stdout
    assert (killed / "comparison.json").read_text() == (out / "comparison.json").read_text()


def test_what_cannot_be_compared_is_refused_before_anything_is_written(tables: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    words = ["--cohort", "synthetic", "--data", tables, "--out", out]
    done = called("compare_fusions", *words, "--network.fusion", "late")
    assert done.returncode == 2
    assert "network.fusion: all four are compared" in done.stderr
    done = called("compare_fusions", *words, "--availability", '{"scan": 0.5, "ecg": 1.5}')
    assert done.returncode == 2
    assert "availability.scan: no such modality" in done.stderr
    assert "availability.ecg: must be from 0 to 1 (value: 1.5)" in done.stderr
    assert not out.exists()


def test_help_has_an_example() -> None:
    done = called("compare_fusions", "--help")
    assert done.returncode == 0
    assert "python scripts/compare_fusions.py --cohort heart_disease" in done.stdout


def test_the_plain_mean_is_a_way_of_attention_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pooling: dict[str, str] = {}

    def instead(*, network: NetworkOptions, **_: Any) -> None:
        assert network.problems() == []
        pooling[network.fusion] = network.pooling

    monkeypatch.setattr(comparing, "pretrain", instead)
    monkeypatch.setattr(comparing, "finetune", lambda **_: None)
    stage: Any = SimpleNamespace(folder=tmp_path)
    comparing.train_networks(stage, NetworkOptions(pooling="mean"), MaskingOptions(), TransferOptions())
    assert pooling == {"early": "attention", "intermediate": "attention", "late": "attention", "attention": "mean"}
