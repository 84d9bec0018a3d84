"""Weights from the table of predictions through audit and gate to a decision that can be judged again."""

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from fairlearn.metrics import MetricFrame, selection_rate, true_negative_rate, true_positive_rate
from sklearn.metrics import brier_score_loss, roc_auc_score

from cohorts.cohort import Cohort
from cohorts.errors import InputError
from cohorts.files import canonical_json, digest_of_file, digest_of_text
from lightning_modules.manifest import verify_bundle
from tests.validation.cases import (
    Candidate,
    make_decision,
    make_evidence,
    make_held_out,
    make_policy,
    with_weights,
)
from validation.audit import audit
from validation.decision import read_decision
from validation.gate import as_data, evaluate
from validation.holdout import auroc_by, performance
from validation.judging_again import check_against_predictions
from validation.modality_audit import availability
from validation.operating_point import operating_point
from validation.predictions import check_predictions, describe_people, weight_notes
from validation.registry import Registry
from validation.report import render

Make = Callable[..., Candidate]


@pytest.mark.parametrize("bad", [0.0, -1.0, np.nan, np.inf, "many", None])
def test_weights_that_are_not_finite_and_above_zero_are_refused_once(bad: object) -> None:
    held_out = with_weights(make_held_out(50)).astype({"weight": object})
    held_out.loc[:1, "weight"] = bad
    with pytest.raises(InputError, match=r"^predictions: fewer than 11 values of weight are not finite and above 0$"):
        check_predictions(held_out)


def test_people_have_a_weight_only_where_the_spec_names_one(people: Cohort) -> None:
    part = np.full(len(people), "held_out")
    assert "weight" not in describe_people(people, part)
    spec = people.spec.model_copy(update={"weight": "design.w"})
    weighted = replace(people, spec=spec, weight=np.arange(1.0, len(people) + 1))
    assert describe_people(weighted, part)["weight"].tolist() == weighted.weight.tolist()


@pytest.mark.parametrize(
    ("metric", "function"),
    [("sensitivity", true_positive_rate), ("specificity", true_negative_rate), ("selection_rate", selection_rate)],
)
def test_the_audit_is_a_weighted_metric_frame_around_which_our_intervals_lie(metric: str, function: object) -> None:
    held_out = with_weights(make_held_out(500))
    table, plain = audit(held_out, 0.3, 0.025), audit(held_out.drop(columns="weight"), 0.3, 0.025)
    expected = MetricFrame(
        metrics=function,
        y_true=held_out["label"],
        y_pred=held_out["score"] >= 0.3,
        sensitive_features=held_out["sensitive.sex"],
        sample_params={"sample_weight": held_out["weight"]},
    ).by_group
    rows = table[(table["feature"] == "sex") & (table["metric"] == metric)].set_index("group")
    assert rows["value"].to_dict() == pytest.approx(expected.to_dict())
    assert ((rows["lower"] < rows["value"]) & (rows["value"] < rows["upper"])).all()
    counts = ["num_subjects", "num_positives", "num_negatives", "support"]
    pd.testing.assert_frame_equal(table[counts], plain[counts])
    width = (table["upper"] - table["lower"])[table["metric"] == "specificity"]
    assert (width > (plain["upper"] - plain["lower"])[plain["metric"] == "specificity"]).all()


def test_ppv_is_weighted() -> None:
    held_out = with_weights(make_held_out(400))
    table = audit(held_out, 0.3, 0.025).set_index(["feature", "group", "metric"])
    men = held_out[(held_out["sensitive.sex"] == "male") & (held_out["score"] >= 0.3)]
    assert table.loc[("sex", "male", "ppv"), "value"] == pytest.approx(np.average(men["label"], weights=men["weight"]))


def test_performance_is_scikit_learns_with_these_weights() -> None:
    held_out = with_weights(make_held_out(600))
    table = performance(held_out, 0.3, 0.025, 11).set_index("metric")
    label, score, weight = held_out["label"], held_out["score"], held_out["weight"]
    assert table.loc["auroc", "value"] == pytest.approx(roc_auc_score(label, score, sample_weight=weight))
    assert table.loc["brier", "value"] == pytest.approx(brier_score_loss(label, score, sample_weight=weight))
    ratio = np.average(label, weights=weight) / np.average(score, weights=weight)
    assert table.loc["observed / expected", "value"] == pytest.approx(ratio)
    assert table.loc[["auroc", "brier", "observed / expected"], "support"].tolist() == [600] * 3
    by_site = auroc_by(held_out, held_out["site"], 0.025).set_index("group")
    east = held_out[held_out["site"] == "east"]
    expected = roc_auc_score(east["label"], east["score"], sample_weight=east["weight"])
    assert by_site.loc["east", "value"] == pytest.approx(expected)
    assert by_site.loc["east", "num_subjects"] == len(east)


def test_shares_who_have_a_modality_are_weighted_and_their_counts_are_people() -> None:
    people = pd.DataFrame({"pattern": ["ecg", "labs", "ecg+labs"], "part": "x", "weight": [1.0, 2.0, 5.0]})
    rows = availability(people, ["ecg"], "part", 0.025)
    assert rows[["value", "num_present", "num_absent"]].to_numpy().tolist() == [[pytest.approx(6 / 8), 2, 1]]


def test_the_operating_point_is_that_of_the_weighted_tuning_subjects() -> None:
    tuning = with_weights(make_held_out(300))
    heavy = tuning.assign(weight=np.where(tuning["score"] > 0.7, 50.0, 1.0))
    rule = make_policy().operating_point
    plain = operating_point(tuning.drop(columns="weight"), rule)
    assert operating_point(heavy, rule)["threshold"] >= 0.7 > plain["threshold"]
    assert operating_point(heavy, rule)["rule"].endswith("tuning subjects, by their weights")
    equal = operating_point(tuning.assign(weight=0.3), rule)
    assert equal["threshold"] == plain["threshold"]


def test_equal_weights_give_the_findings_without_weights() -> None:
    for num_subjects in (200, 3000):
        held_out = make_held_out(num_subjects)
        plain = evaluate(make_policy(), make_evidence(held_out))
        assert as_data(evaluate(make_policy(), make_evidence(held_out.assign(weight=0.1)))) == as_data(plain)


def test_every_check_looks_at_the_weights() -> None:
    held_out = make_held_out(3000)
    plain = evaluate(make_policy(), make_evidence(held_out))
    held_out["weight"] = np.where(held_out.index % 5 == 0, 10.0, 1.0)
    weighted = evaluate(make_policy(), make_evidence(held_out))
    for before, after in zip(plain, weighted, strict=True):
        assert after.support == before.support
        if before.kind != "integrity":
            assert (after.lower, after.upper) != (before.lower, before.upper), before.sentence


def test_a_group_is_too_small_by_its_people_and_not_by_its_effective_size() -> None:
    """A rate has an interval at any effective size; what must be hidden is few people."""
    held_out = make_held_out(2000)
    held_out["weight"] = np.where(held_out.groupby("sensitive.sex").cumcount() < 6, 1e3, 1.0)
    checks = [{"kind": "floor_by_group", "floor": 0.7}, {"kind": "gap_by_group", "margin": 0.15}]
    found = evaluate(make_policy(*({**check, "metric": "sensitivity"} for check in checks)), make_evidence(held_out))
    of_sex = [finding for finding in found if finding.family == "sex"]
    assert [finding.basis for finding in of_sex] == ["bounds"] * 4
    assert all(finding.upper - finding.lower > 0.3 for finding in of_sex)  # type: ignore[operator]


def test_weights_of_any_size_can_be_judged() -> None:
    held_out = with_weights(make_held_out(600))
    huge = held_out.assign(weight=held_out["weight"] * 1e250)
    expected = as_data(evaluate(make_policy(), make_evidence(held_out)))
    assert as_data(evaluate(make_policy(), make_evidence(huge))) == expected


@pytest.mark.parametrize("heavy", [0, 1])
def test_an_area_that_few_large_weights_decide_is_not_judged(heavy: int) -> None:
    held_out = make_held_out(3000)
    few = (held_out["label"] == heavy) & (held_out.groupby("label").cumcount() < 8)
    held_out["weight"] = np.where(few, 1e6, 1.0)
    found = evaluate(make_policy({"kind": "floor", "metric": "auroc", "floor": 0.7}), make_evidence(held_out))[0]
    assert (found.verdict, found.value) == ("INSUFFICIENT", None)
    assert f"fewer than 11 effective {['negatives', 'positives'][heavy]}" in found.sentence


def test_decision_and_report_say_once_that_estimates_are_weighted_and_how() -> None:
    decision = make_decision(with_weights(make_held_out(600)), make_policy(), "0" * 64)
    note = decision["notes"][-1]
    assert note.startswith("estimates are weighted by `design.w`; the held-out cohort's effective sample size is ")
    assert "clusters and strata are not modelled" in note
    assert render(decision).count("estimates are weighted") == 3, "in the text, as a limitation, and in the JSON twin"
    assert "weighted" not in canonical_json(make_decision(make_held_out(600), make_policy(), "0" * 64))


def test_no_figure_of_a_handful_is_in_the_note() -> None:
    held_out = pd.DataFrame({"weight": [1.0, 2.0, 3.0]})
    assert "effective" not in weight_notes(held_out, "w", 11)[0]
    assert "effective sample size is 3 (design effect 1.17)" in weight_notes(held_out, "w", 3)[0]


# Promotion --------------------------------------------------------------------------------------------------------


@pytest.fixture
def registry(tmp_path: Path) -> Registry:
    return Registry(tmp_path / "registry", verify_bundle)


def change_weights(candidate: Candidate, change: Callable[[pd.DataFrame], pd.DataFrame]) -> None:
    """Change the table of predictions, and put a fitting digest into a decision whose own digest fits as well."""
    file = candidate.decision.with_name("predictions.parquet")
    change(pd.read_parquet(file)).to_parquet(file, index=False)
    decision = json.loads(candidate.decision.read_text())
    decision["predictions"]["digest"] = digest_of_file(file)
    body = {key: value for key, value in decision.items() if key != "digest"}
    forged = {**body, "digest": digest_of_text(canonical_json(body))}
    candidate.decision.write_text(canonical_json(forged))
    candidate.decision.with_name("report.html").write_text(render(forged))


def test_a_weighted_decision_is_judged_again_with_its_weights_and_promoted(registry: Registry, candidate: Make) -> None:
    first = candidate(weighted=True, num_subjects=4000)
    decision = read_decision(first.decision)
    assert decision["verdict"] == "PASS"
    assert check_against_predictions(decision, first.decision.with_name("predictions.parquet")) == []
    assert registry.promote(first.decision, first.bundle) == registry.champion() == registry.verify()[-1]


def test_changed_weights_are_noticed_by_digest_and_by_what_follows_from_them(
    registry: Registry, candidate: Make
) -> None:
    first, second = candidate(weighted=True), candidate("second", weighted=True)
    file = first.decision.with_name("predictions.parquet")
    heavier = pd.read_parquet(file).eval("weight = weight + 3 * label * score")
    heavier.to_parquet(file, index=False)
    with pytest.raises(InputError, match="are not those that were judged"):
        registry.promote(first.decision, first.bundle)
    change_weights(second, lambda table: table.eval("weight = weight + 3 * label * score * (part == 'held_out')"))
    with pytest.raises(InputError, match="its findings do not follow from its predictions"):
        registry.promote(second.decision, second.bundle)


def test_weights_that_were_taken_away_or_added_are_noticed(registry: Registry, candidate: Make) -> None:
    first, second = candidate(weighted=True), candidate("second")
    change_weights(first, lambda table: table.drop(columns="weight"))
    change_weights(second, lambda table: table.assign(weight=1.0))
    for changed in (first, second):
        with pytest.raises(InputError, match="says otherwise than its predictions whether subjects are weighted"):
            registry.promote(changed.decision, changed.bundle)
