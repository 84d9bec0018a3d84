"""Policies and operating points: what is refused, what is chosen."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import yaml

from cohorts.errors import InputError
from tests.validation.cases import make_held_out, make_policy
from validation.operating_point import choose_threshold, operating_point, threshold_of_alerts
from validation.policy import OperatingPoint, load_policy
from validation.predictions import check_predictions


def test_the_shipped_policy_says_that_its_numbers_are_placeholders() -> None:
    policy = load_policy("screening")
    assert policy.owner.startswith("PLACEHOLDER")
    assert policy.intended_use.startswith("PLACEHOLDER")


@pytest.mark.parametrize(
    ("rule", "message"),
    [
        ({"kind": "flor"}, "checks.0: is of kind 'flor', where there are"),
        ({"kind": "floor", "metric": "auroc", "floor": 1.2}, r"floor: must be less than 1 for auroc \(value: 1.2\)"),
        ({"kind": "floor", "metric": "auroc", "flor": 0.5}, "flor: is not a field"),
        ({"kind": "no_negative_transfer", "controls": [], "margin": 0.1}, "controls: List should have at least 1"),
        ({"kind": "gap_by_group", "metric": "selection_rate", "margin": 0.1}, "metric: Input should be"),
    ],
)
def test_a_broken_rule_is_refused_by_name(rule: dict, message: str) -> None:
    with pytest.raises(InputError, match=message):
        make_policy(rule)


def test_an_unknown_policy_lists_the_shipped_ones() -> None:
    with pytest.raises(InputError, match="nor one of those that ship: screening, strict"):
        load_policy("lenient")


@pytest.mark.parametrize("sensitivity", [0.5, 0.85, 0.9, 1.0])
def test_the_threshold_is_the_highest_that_reaches_the_sensitivity(sensitivity: float) -> None:
    rng = np.random.default_rng(0)
    label, score = (rng.random(300) < 0.4).astype(int), rng.random(300).round(2)
    threshold = choose_threshold(label, score, sensitivity)
    assert (score >= threshold)[label == 1].mean() >= sensitivity
    assert (score > threshold)[label == 1].mean() < sensitivity


def test_an_operating_point_has_a_digest_of_its_content() -> None:
    tuning = make_held_out(300)
    rule = make_policy().operating_point
    first, second = operating_point(tuning, rule), operating_point(tuning.assign(score=tuning["score"] / 2), rule)
    assert set(first) == {"rule", "threshold", "digest"}, "counts of the tuning subjects may be small"
    assert first["threshold"] not in set(tuning["score"]), "a threshold is nobody's own score"
    positives = tuning["label"] == 1
    assert (tuning["score"][positives] >= first["threshold"]).mean() >= rule.value
    assert first["digest"] != second["digest"]
    assert first == operating_point(tuning, rule)


@pytest.mark.parametrize("share", [0.05, 0.2, 0.5, 1.0])
def test_a_budget_of_alerts_is_kept_and_used(share: float) -> None:
    score = np.random.default_rng(1).random(400).round(2)
    threshold = threshold_of_alerts(score, share)
    assert (score >= threshold).mean() <= share
    assert (score >= threshold - 0.01 - 1e-9).mean() > share or threshold == score.min()
    tuning = make_held_out(400).assign(score=score)
    point = operating_point(tuning, OperatingPoint(rule="alerts", value=share))
    assert (score >= point["threshold"]).mean() <= share


def test_a_budget_that_ties_break_flags_nobody_rather_than_too_many() -> None:
    point = operating_point(make_held_out(40).assign(score=1.0), OperatingPoint(rule="alerts", value=0.5))
    assert point["threshold"] > 1


def test_a_cost_ratio_is_a_risk_whatever_the_tuning_subjects_are() -> None:
    point = operating_point(make_held_out(40), OperatingPoint(rule="cost_ratio", value=9))
    assert point["threshold"] == pytest.approx(0.1)
    assert "as bad as 9 false alarms" in point["rule"]


def test_a_threshold_of_a_rare_outcome_keeps_three_digits() -> None:
    tuning = make_held_out(400)
    point = operating_point(tuning.assign(score=tuning["score"] / 1000), OperatingPoint(value=0.85))
    flagged = tuning["score"] / 1000 >= point["threshold"]
    assert 0.85 <= flagged[tuning["label"] == 1].mean() < 0.9


@pytest.mark.parametrize("rule", ["sensitivity", "alerts"])
def test_a_share_above_one_is_refused(rule: str) -> None:
    with pytest.raises(InputError, match=f"must be at most 1 for the rule {rule} .value: 2"):
        make_policy(operating_point={"rule": rule, "value": 2})


def test_a_policy_explains_each_of_its_checks_in_a_sentence() -> None:
    said = make_policy().explained()
    assert said[3].startswith("operating point: highest threshold with sensitivity >= 0.85 on the sparse tuning")
    assert [line.split(".")[0] for line in said[4:]] == ["1", "2", "3", "4", "5", "6"]
    assert "lower bound must reach -0.15" in said[8]


def test_no_positive_gives_no_operating_point() -> None:
    with pytest.raises(InputError, match="no tuning subject is positive"):
        choose_threshold(np.zeros(5), np.arange(5.0), 0.8)


@pytest.mark.parametrize(
    ("column", "value", "message"),
    [
        ("score", float("nan"), "fewer than 11 values of score are empty or no numbers"),
        ("score", 1.5, "fewer than 11 values of score are not between 0 and 1"),
        ("control.scratch", -0.1, r"fewer than 11 values of control\.scratch are not between 0 and 1"),
        ("label", 2, "label must be 0 or 1 in every row"),
        ("part", "training", "part `training` is neither of tuning, held_out"),
        ("subject_id", "patient-00001", "fewer than 11 rows repeat a subject"),
    ],
)
def test_a_broken_table_of_predictions_is_refused(column: str, value: object, message: str) -> None:
    frame = make_held_out(50)
    frame[column] = frame[column].astype(object) if isinstance(value, str) else frame[column]
    frame.loc[7, column] = value
    with pytest.raises(InputError, match=message):
        check_predictions(frame)


def test_missing_columns_are_all_named() -> None:
    with pytest.raises(InputError) as caught:
        check_predictions(pd.DataFrame({"subject_id": ["a"], "label": [1]}))
    assert [problem.split(";")[0] for problem in caught.value.problems] == [
        f"predictions: no column {name}" for name in ("part", "site", "score", "pattern")
    ]


@pytest.mark.parametrize(
    ("checks", "message"),
    [
        ([{"kind": "floor", "metric": "auroc", "floor": 0.7}], "there must be {kind: integrity} among them"),
        ([{"kind": "integrity"}, {"kind": "integrity"}], "number 2 is the same as an earlier one"),
    ],
)
def test_a_policy_must_ask_for_integrity_and_nothing_twice(tmp_path: Path, checks: list, message: str) -> None:
    path = tmp_path / "policy.yaml"
    path.write_text(yaml.safe_dump(make_policy(*checks).model_dump(mode="json")))
    with pytest.raises(InputError, match=message):
        load_policy(str(path))


def test_a_wrong_metric_is_said_once() -> None:
    with pytest.raises(InputError) as caught:
        make_policy({"kind": "floor", "metric": "acuracy", "floor": 0.7})
    places = [problem.split(": ")[1] for problem in caught.value.problems]
    assert places == sorted(set(places))
    assert not any("literal" in place for place in places)
