"""From fine-tuning to predictions: what is calibrated, what is said of it, label sets and abstention as columns."""

import json
import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from scipy.special import expit

from cohorts.cohort import Cohort
from cohorts.errors import InputError
from cohorts.splits import Split
from lightning_modules.bundle import load_bundle
from lightning_modules.scoring import score, spread_of
from scripts.command_line import run
from scripts.finetune import finetune
from scripts.predict import predict
from scripts.pretrain import pretrain

QUICK = ["--training.num_epochs", "4", "--training.batch_size", "128", "--dashboard.mode", "disabled"]


@pytest.fixture(scope="module")
def words(tables: Path) -> list[str]:
    return ["--cohort", "synthetic", "--data", str(tables)]


@pytest.fixture(scope="module")
def model(words: list[str], tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("model") / "scratch"
    assert run(finetune, [*words, *QUICK, "--calibration.method", "platt", "--out", str(out)]) == 0
    return out


def test_the_bundle_is_calibrated_on_sparse_subjects_out_of_the_bag_and_metrics_say_so(
    model: Path, people: Cohort, split: Split
) -> None:
    told = json.loads((model / "metrics.json").read_text())["calibration"]
    assert (told["method"], told["by_pattern"]) == ("platt", True)
    assert set(told["before"]) == set(told["after_cross_fitted"]) == {"log_loss", "brier", "slope", "intercept"}
    bundle = load_bundle(model / "bundle")
    assert bundle.calibration.method == "platt"
    assert bundle.provenance["options"]["calibration"] == {"method": "platt", "by_pattern": True}
    tuning = people.take(split.rows("sparse_train", "sparse_tuning"))
    before = score(bundle, tuning, calibrated=False, out_of_bag=True)
    assert told["before"]["brier"] == pytest.approx(np.mean((before - tuning.label) ** 2), abs=1e-6)
    after = score(bundle, tuning, out_of_bag=True)
    assert abs(after.mean() - tuning.label.mean()) < abs(before.mean() - tuning.label.mean()) + 1e-3


@pytest.mark.slow
def test_before_and_after_are_one_line_of_the_terminal_and_pretraining_has_none(
    words: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(finetune, [*words, *QUICK, "--calibration.method", "beta", "--out", str(tmp_path / "model")]) == 0
    said = [line for line in capsys.readouterr().out.splitlines() if "calibration" in line]
    number = r"-?\d+\.\d{3}"
    parts = ", ".join(f"{name} {number} -> {number}" for name in ("log loss", "Brier", "slope", "intercept"))
    assert len(said) == 1
    assert re.fullmatch(f"model: calibration beta by pattern, cross-fitted: {parts}", said[0])
    assert run(pretrain, [*words, *QUICK, "--out", str(tmp_path / "pretrained")]) == 0
    assert "calibration" not in capsys.readouterr().out
    assert "calibration" not in json.loads((tmp_path / "pretrained" / "metrics.json").read_text())
    unfit = ["--model", str(tmp_path / "pretrained"), *words, "--conformal", "0.1", "--out", str(tmp_path / "x.csv")]
    assert run(predict, unfit) == 2
    assert "the bundle holds no nonconformity of tuning subjects" in capsys.readouterr().err
    assert not (tmp_path / "x.csv").exists()


def test_sets_and_abstention_are_columns_that_follow_from_the_scores(
    model: Path, words: list[str], people: Cohort, tmp_path: Path
) -> None:
    plain, more = tmp_path / "plain.csv", tmp_path / "more.csv"
    common = ["--model", str(model), *words]
    assert run(predict, [*common, "--out", str(plain)]) == 0
    assert run(predict, [*common, "--conformal", "0.2", "--abstain_budget", "0.1", "--out", str(more)]) == 0
    found = pd.read_csv(more, dtype={"subject_id": str}, keep_default_na=False)
    assert list(found.columns) == ["subject_id", "score", "pattern", "set", "abstain"]
    pd.testing.assert_frame_equal(
        found[["subject_id", "score", "pattern"]], pd.read_csv(plain, dtype={"subject_id": str})
    )
    assert set(found["set"]) <= {"negative", "positive", "both", "none"}
    assert found["abstain"].sum() == len(people) // 10
    distance = (np.log(found["score"]) - np.log1p(-found["score"])).abs()
    assert distance[found["abstain"]].max() <= distance[~found["abstain"]].min()
    scores, pattern = (found[name].to_numpy() for name in ("score", "pattern"))
    expected = load_bundle(model / "bundle").conformal.sets(scores, pattern, 0.2)
    assert found["set"].tolist() == expected.tolist()


def test_the_spread_is_that_of_the_members_whose_mean_logit_is_the_score(
    model: Path, words: list[str], people: Cohort, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out, bundle = tmp_path / "spread.csv", load_bundle(model / "bundle")
    assert run(predict, ["--model", str(model), *words, "--spread", "--out", str(out)]) == 0
    found = pd.read_csv(out, dtype={"subject_id": str})
    assert list(found.columns) == ["subject_id", "score", "pattern", "spread"]
    inputs = {name: torch.as_tensor(values) for name, values in bundle.preprocessing.transform(people).items()}
    network, presence = bundle.network.double().eval(), torch.as_tensor(people.presence)
    with torch.inference_mode():
        members = network.by_member({name: values.double() for name, values in inputs.items()}, presence)
        torch.testing.assert_close(members.mean(0), network({n: v.double() for n, v in inputs.items()}, presence))
    risks = expit([bundle.calibration(logits.numpy(), found["pattern"].to_numpy()) for logits in members])
    np.testing.assert_allclose(found["spread"], np.std(risks, axis=0, ddof=1), atol=1e-8)
    assert found["spread"].min() > 0
    alone = replace(bundle, options=replace(bundle.options, num_members=1))
    with pytest.raises(InputError, match="spread: the bundle holds a network of one member"):
        spread_of(alone, people)


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        (["--conformal", "0"], "conformal: must be between 0 and 1, exclusive (value: 0.0)"),
        (["--abstain_budget", "1.5"], "abstain_budget: must be between 0 and 1 (value: 1.5)"),
        (["--undecided", "1"], "undecided: must be between 0 and 1, exclusive (value: 1.0)"),
    ],
)
def test_values_that_are_no_shares_are_refused(
    model: Path, words: list[str], wrong: list[str], message: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(predict, ["--model", str(model), *words, *wrong, "--out", str(tmp_path / "x.csv")]) == 2
    assert message in capsys.readouterr().err
    assert not (tmp_path / "x.csv").exists()
