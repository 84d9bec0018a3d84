"""Quality: identical splits, honest masks, measures with known answers, and runs that go on."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from cohorts.cohort import Cohort
from cohorts.errors import InputError
from cohorts.spec import CohortSpec
from cohorts.splits import Split
from scripts.benchmarks.features import linear_table, masked_copies, tree_table
from scripts.benchmarks.figure import draw
from scripts.benchmarks.measures import average_on_the_logit, measures, paired
from scripts.benchmarks.plans import make_plans, read_people, remove, with_fewer_sparse
from scripts.benchmarks.quality import quality
from scripts.benchmarks.regret import regret

ROOT = Path(__file__).parent.parent
QUICK = ["--training.num_epochs", "1", "--folds", "2"]


def test_measures_of_a_calibrated_score_have_a_slope_of_one_and_of_an_overconfident_one_less() -> None:
    rng = np.random.default_rng(0)
    odds = 1.5 * rng.standard_normal(20_000)
    label = (rng.random(len(odds)) < 1 / (1 + np.exp(-odds))).astype(float)
    found = measures(label, 1 / (1 + np.exp(-odds)))
    assert found["calibration_slope"] == pytest.approx(1, abs=0.06)
    assert measures(label, 1 / (1 + np.exp(-2 * odds)))["calibration_slope"] == pytest.approx(0.5, abs=0.03)
    assert measures(label, 1 / (1 + np.exp(-2 * odds)))["auroc"] == found["auroc"]
    assert measures(label, 1 / (1 + np.exp(-2 * odds)))["log_loss"] > found["log_loss"]


def test_measures_of_a_constant_or_certain_score_are_finite() -> None:
    label = np.array([0.0, 1.0, 1.0, 0.0])
    assert measures(label, np.full(4, 0.5)) == pytest.approx(
        {"auroc": 0.5, "auprc": 0.5, "brier": 0.25, "log_loss": np.log(2), "calibration_slope": 0.0}
    )
    assert all(np.isfinite(value) for value in measures(label, np.array([0.0, 1.0, 0.0, 0.0])).values())


def test_a_paired_interval_is_wider_where_training_sets_overlap() -> None:
    ours, theirs = [0.82, 0.84, 0.83, 0.85], [0.80, 0.81, 0.83, 0.82]
    apart = paired(ours, theirs, 0.0)
    assert apart["mean"] == pytest.approx(0.02)
    assert apart["se"] == pytest.approx(np.std([0.02, 0.03, 0, 0.03], ddof=1) / 2, abs=1e-4)
    assert apart["high"] - apart["low"] == pytest.approx(2 * 3.1824 * apart["se"], abs=2e-3)
    assert paired(ours, theirs, 0.25)["low"] < apart["low"] - 0.005
    assert paired([0.8], [0.7], 0.2) == {"mean": pytest.approx(0.1)}


def test_the_average_of_two_models_is_that_of_their_log_odds() -> None:
    found = average_on_the_logit([np.array([0.5, 0.9]), np.array([0.5, 0.1])])
    np.testing.assert_allclose(found, [0.5, 0.5])


def test_removal_leaves_everybody_something_and_gives_nobody_anything() -> None:
    rng = np.random.default_rng(0)
    presence = rng.random((4000, 5)) < 0.7
    presence[~presence.any(1), 0] = True
    kept = remove(presence, np.full(len(presence), 0.6), rng)
    assert not (kept & ~presence).any()
    assert kept.any(axis=1).all()
    several = presence.sum(1) == 5
    assert kept[several].mean() == pytest.approx(0.4 + 0.6**5 / 5, abs=0.02)


def test_masked_copies_begin_with_the_rows_themselves_and_follow_the_deployment() -> None:
    presence = np.ones((500, 3), dtype=bool)
    copies = masked_copies(presence, np.array([[True, False, True]]), 0)
    assert copies.shape == (2000, 3)
    assert copies[:500].all()
    assert (copies[500:1000] == [True, False, True]).all()
    assert 0.5 < copies[1000:].mean() < 0.75
    assert copies.any(axis=1).all()


@pytest.mark.parametrize("make", [linear_table, tree_table])
def test_a_hidden_modality_is_wholly_hidden_from_a_baseline(make: type, people: Cohort, split: Split) -> None:
    table = make(people, split)
    rows = np.arange(len(people))
    kept = people.presence.copy()
    kept[:, 1] = False
    shown = table.shown(rows, kept)
    hidden = shown[:, table.modality == 1]
    assert np.array_equal(hidden, np.full_like(hidden, table.absent), equal_nan=True)
    unseen = table.shown(rows, people.presence)
    others = table.modality != 1
    assert np.array_equal(shown[:, others], unseen[:, others], equal_nan=True)
    assert (np.nan_to_num(unseen[people.presence[:, 1]][:, ~others]) != 0).any()


def test_plans_hold_out_each_sparse_subject_once_and_score_the_held_out_cohort_too(people: Cohort) -> None:
    plans = make_plans(people, 3, 2, by_site=False)
    assert [plan.seed for plan in plans] == [0, 0, 0, 1, 1, 1]
    tested = np.sort(np.concatenate([plan.tested["test"] for plan in plans[:3]]))
    np.testing.assert_array_equal(tested, np.flatnonzero(people.role == "sparse"))
    for plan in plans:
        np.testing.assert_array_equal(plan.tested["held_out"], np.flatnonzero(people.role == "held_out"))
        masks = plan.kept(people)
        again = plan.kept(people)
        assert all(np.array_equal(masks[key], again[key]) for key in masks)
        assert masks["test", "removed 0.6"].sum() < masks["test", "removed 0.3"].sum() < masks["test", "natural"].sum()


def test_fewer_sparse_subjects_keep_their_shares_and_leave_the_tested_alone(people: Cohort) -> None:
    (plan, *_) = make_plans(people, 2, 1, by_site=False)
    fewer = with_fewer_sparse(plan, people, 50)
    assert len(fewer.split.rows("sparse_train", "sparse_tuning")) == 50
    for part in ("held_out", "rich_train", "rich_tuning"):
        np.testing.assert_array_equal(fewer.split.rows(part), plan.split.rows(part))
    for part in ("sparse_train", "sparse_tuning"):
        rows, before = fewer.split.rows(part), plan.split.rows(part)
        assert set(rows) <= set(before)
        assert people.label[rows].mean() == pytest.approx(people.label[before].mean(), abs=0.1)
    with pytest.raises(InputError, match="num_sparse: must be between 50 and "):
        with_fewer_sparse(plan, people, 49)


def test_by_site_every_deployed_site_is_held_out_and_joined_people_are_sparse(
    people: Cohort, tables: Path, spec: CohortSpec
) -> None:
    assert [plan.name for plan in make_plans(people, 2, 1, by_site=True)] == ["east", "south", "west"]
    joined = read_people("synthetic", None, join_held_out=True)
    assert set(joined.role) == {"rich", "sparse"}


def benchmark(*words: str | Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, str(ROOT / "scripts" / "benchmark.py"), *map(str, words)]
    return subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)


@pytest.fixture
def small(people: Cohort, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("scripts.benchmarks.plans.read_people", lambda *_, **__: people)


@pytest.mark.slow
@pytest.mark.usefixtures("small")
def test_quality_compares_models_on_the_same_splits_and_goes_on_where_it_stopped(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from lightning_modules.config import TrainingOptions

    out = tmp_path / "made" / "quality.json"
    quick = TrainingOptions(num_epochs=1)
    quality("synthetic", out, folds=2, models="attention,logistic,logistic_masked", training=quick)
    text = out.read_text()
    found = json.loads(text)
    (run,) = found["runs"].values()
    assert run["splits"] == ["repeat 0, fold 0", "repeat 0, fold 1"]
    assert run["training"]["num_epochs"] == 1
    assert "--models attention,logistic,logistic_masked" in run["command"]
    models = run["models"]
    assert list(models) == ["attention", "logistic", "logistic_masked"]
    for name, of_model in models.items():
        assert of_model["peak_megabytes"] > 0
        for condition in ("test, natural", "test, removed 0.3", "test, removed 0.6", "held_out, natural"):
            assert 0.3 < of_model[condition]["auroc"]["mean"] < 1
            assert ("attention_minus_this" in of_model[condition]) == (name != "attention")
    difference = models["logistic"]["test, natural"]["attention_minus_this"]["auroc"]["mean"]
    means = [models[name]["test, natural"]["auroc"]["mean"] for name in ("attention", "logistic")]
    assert difference == pytest.approx(means[0] - means[1], abs=2e-4)
    assert str(tmp_path) not in text
    assert out.with_suffix(".svg").read_text().startswith("<svg")

    def refuse(*_: object) -> None:
        raise AssertionError("fitted again")

    monkeypatch.setattr("scripts.benchmarks.networks.fit_network", refuse)
    monkeypatch.setattr("scripts.benchmarks.baselines.fit_baseline", refuse)
    quality("synthetic", out, folds=2, models="attention,logistic,logistic_masked", training=quick)
    assert out.read_text() == text
    with pytest.raises(AssertionError, match="fitted again"):
        quality("synthetic", out, folds=2, models="attention", training=TrainingOptions(num_epochs=2))


@pytest.mark.slow
@pytest.mark.usefixtures("small")
def test_boosters_are_tuned_and_averaged(tmp_path: Path) -> None:
    pytest.importorskip("lightgbm")
    pytest.importorskip("xgboost")
    out = tmp_path / "quality.json"
    quality("synthetic", out, folds=2, only=1, models="random_forest,lightgbm_masked,lightgbm_xgboost,xgboost,lightgbm")
    (run,) = json.loads(out.read_text())["runs"].values()
    scores = {name: run["models"][name]["test, natural"]["log_loss"]["mean"] for name in run["models"]}
    assert scores["lightgbm_xgboost"] <= (scores["lightgbm"] + scores["xgboost"]) / 2 + 1e-4  # log loss is convex
    assert all(value < 0.8 for value in scores.values())
    assert not out.with_suffix(".svg").exists(), "without ours there is nothing to compare with"


@pytest.mark.usefixtures("small")
def test_test_labels_choose_nothing(people: Cohort) -> None:
    from dataclasses import replace

    from scripts.benchmarks.baselines import fit_baseline

    (plan, *_) = make_plans(people, 2, 1, by_site=False)
    rows = plan.tested["test"]
    label = people.label.copy()
    label[rows] = 1 - label[rows]
    kept = people.presence[rows]
    first, setting = fit_baseline("logistic_masked", people, plan.split, 0)
    second, other = fit_baseline("logistic_masked", replace(people, label=label), plan.split, 0)
    assert setting == other
    np.testing.assert_array_equal(first(rows, kept), second(rows, kept))


def test_a_network_is_scored_in_the_order_that_was_asked_for(people: Cohort, split: Split) -> None:
    from lightning_modules.config import TrainingOptions
    from scripts.benchmarks.networks import fit_network

    predict = fit_network("scratch", people, split, TrainingOptions(num_epochs=1))
    rows = split.rows("held_out")[:50]
    kept = remove(people.presence[rows], np.full(50, 0.5), np.random.default_rng(0))
    order = np.random.default_rng(1).permutation(50)
    found = predict(rows, kept)
    np.testing.assert_array_equal(predict(rows[order], kept[order]), found[order])
    assert not np.array_equal(found, predict(rows, people.presence[rows]))


def test_a_figure_draws_intervals_only_of_enough_splits() -> None:
    difference = {"auroc": {"mean": 0.01, "se": 0.01, "low": -0.01, "high": 0.03}}
    conditions = ("test, natural", "test, removed 0.3", "test, removed 0.6")
    found = {condition: {"auroc": {"mean": 0.8}, "attention_minus_this": difference} for condition in conditions}
    models = {"attention": {"test, natural": {"auroc": {"mean": 0.8}}}, "late": found}
    few, enough = (draw({"x": {"models": models, "splits": ["a"] * number}}) for number in (4, 5))
    assert enough.count("LineCollection") == few.count("LineCollection") + 3


def test_without_ours_there_is_no_figure() -> None:
    assert draw({"x": {"models": {"logistic": {"test, natural": {"auroc": {"mean": 0.8}}}}, "splits": ["a"]}}) == ""


def test_what_cannot_be_compared_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"folds: must be at least 2 \(value: 1\)"):
        quality("synthetic", tmp_path / "x.json", folds=1)
    with pytest.raises(InputError, match="models: magic is none of attention"):
        quality("synthetic", tmp_path / "x.json", models="magic")
    with pytest.raises(InputError, match="models: magic is none of"):
        regret(tmp_path / "x.json", models="magic")
    done = benchmark("quality", "--cohort", "synthetic", "--out", tmp_path / "x.json", "--repeats", "0")
    assert done.returncode == 2
    assert "error: repeats: must be at least 1 (value: 0)" in done.stderr
    assert list(tmp_path.iterdir()) == []


def test_an_indicator_that_hardly_varies_is_not_blown_up() -> None:
    from scripts.benchmarks.baselines import Rows, logistic

    rng = np.random.default_rng(0)
    measured = (np.arange(2000) >= 10).astype(float)  # a standard deviation of 0.07
    inputs = np.column_stack([rng.standard_normal(2000), measured])
    model = logistic({"C": 1.0}, Rows(inputs, (inputs[:, 0] > 0).astype(float)), None, 0)
    assert -3 < model[0].transform([[0.0, 0.0]])[0, 1] < 0


def test_the_committed_figures_say_how_they_were_made_and_name_no_place() -> None:
    folder = ROOT / "docs" / "benchmarks"
    for name in ("quality.json", "regret.json"):
        text = (folder / name).read_text()
        assert not any(part.startswith("/") for part in text.split('"')), name
    runs = json.loads((folder / "quality.json").read_text())["runs"]
    assert {"heart_disease, 5-fold", "heart_disease, one site at a time", "physionet2012, 5-fold"} <= set(runs)
    for run in runs.values():
        assert run["command"].startswith("python scripts/benchmark.py quality --cohort ")
        assert {"attention", "logistic", "logistic_masked", "lightgbm"} <= set(run["models"])
        assert {"cores", "torch", "lightgbm", "scikit-learn"} <= set(run["machine"])
    figure = (folder / "quality.svg").read_text()
    assert all(title in figure for title in runs)
