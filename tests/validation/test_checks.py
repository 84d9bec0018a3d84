"""Checks of performance, calibration, net benefit and of the model against others."""

from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import average_precision_score, brier_score_loss

from tests.validation.cases import make_evidence, make_held_out, make_policy
from validation.checks import Evidence
from validation.findings import Finding
from validation.gate import as_data, evaluate, judge_again


def findings(evidence: Evidence, **check: Any) -> list[Finding]:
    return evaluate(make_policy(check), evidence)


def verdicts(found: list[Finding]) -> dict[str, str]:
    return {f"{finding.title}, {finding.scope}": finding.verdict for finding in found}


def calibrated(num_subjects: int = 4000, seed: int = 0) -> pd.DataFrame:
    """Held-out predictions whose labels are drawn from the scores."""
    held_out = make_held_out(num_subjects, seed=seed)
    label = (np.random.default_rng(seed).random(num_subjects) < held_out["score"]).astype(int)
    return held_out.assign(label=label)


@pytest.mark.parametrize("metric", ["auprc_lift", "brier_skill"])
def test_skill_is_that_of_scikit_learn_over_the_prevalence(metric: str) -> None:
    held_out = make_held_out(1500)
    label, score = held_out["label"], held_out["score"]
    expected = {
        "auprc_lift": average_precision_score(label, score) / label.mean(),
        "brier_skill": 1 - brier_score_loss(label, score) / (label.mean() * (1 - label.mean())),
    }[metric]
    found = findings(make_evidence(held_out), kind="floor", metric=metric, floor=0.1)[0]
    assert found.value == pytest.approx(expected, abs=5.1e-4)
    assert found.lower is not None
    assert found.lower < found.value
    assert found.verdict == "PASS"


def test_the_judge_finds_the_same_bounds_in_any_order_of_rows() -> None:
    held_out = make_held_out(800)
    check = {"kind": "floor", "metric": "brier_skill", "floor": 0.2}
    shuffled = held_out.sample(frac=1, random_state=1).reset_index(drop=True)
    assert findings(make_evidence(held_out), **check) == findings(make_evidence(shuffled), **check)


def test_scores_that_say_nothing_have_no_skill() -> None:
    held_out = make_held_out(2000).assign(score=0.4)
    found = findings(make_evidence(held_out), kind="floor", metric="brier_skill", floor=0.05)
    assert found[0].verdict == "FAIL"


def test_net_benefit_is_over_treating_all_and_over_treating_nobody() -> None:
    held_out = calibrated()
    found = verdicts(findings(make_evidence(held_out), kind="net_benefit"))
    assert found == {
        "Net benefit, model minus treating all": "PASS",
        "Net benefit, model minus treating nobody": "PASS",
    }
    noise = held_out.assign(score=np.random.default_rng(1).random(len(held_out)))
    worse = verdicts(findings(make_evidence(noise, threshold=0.9), kind="net_benefit"))
    assert worse["Net benefit, model minus treating nobody"] == "FAIL"


@pytest.mark.parametrize("threshold", [0.0, 1.0])
def test_an_operating_point_without_odds_has_no_net_benefit(threshold: float) -> None:
    found = findings(make_evidence(calibrated(200), threshold=threshold), kind="net_benefit")
    assert [finding.verdict for finding in found] == ["ERROR"]


def test_calibration_passes_where_risks_are_right_and_fails_in_the_direction_in_which_they_are_wrong() -> None:
    held_out = calibrated()
    right = verdicts(findings(make_evidence(held_out), kind="calibration", tolerance=0.85))
    assert set(right.values()) == {"PASS"}
    high = held_out.assign(score=np.sqrt(held_out["score"]))
    wrong = verdicts(findings(make_evidence(high), kind="calibration", tolerance=0.85))
    assert wrong["Observed / expected, all held-out subjects"] == "FAIL"
    assert wrong["Expected / observed, all held-out subjects"] == "PASS"


def test_calibration_by_group_finds_the_group_whose_risks_are_too_low() -> None:
    held_out = calibrated(8000)
    women = held_out["sensitive.sex"] == "female"
    held_out.loc[women, "score"] *= 0.5
    found = verdicts(findings(make_evidence(held_out), kind="calibration", tolerance=0.8, by_group=True))
    assert found["Expected / observed, sex female"] == "FAIL"
    assert found["Expected / observed, sex male"] == "PASS"


def test_a_group_without_events_has_no_calibration() -> None:
    held_out = calibrated(1000)
    held_out.loc[held_out["sensitive.sex"] == "female", "label"] = 0
    found = verdicts(findings(make_evidence(held_out), kind="calibration", tolerance=0.8, by_group=True))
    assert found["Observed / expected, sex female"] == "INSUFFICIENT"


def with_champion(held_out: pd.DataFrame, champion: np.ndarray, threshold: float = 0.3) -> Evidence:
    return replace(make_evidence(held_out.assign(champion=champion)), champion_threshold=threshold)


@pytest.mark.parametrize("metric", ["auroc", "sensitivity", "specificity"])
def test_a_model_is_not_inferior_to_itself_and_is_to_a_better_champion(metric: str) -> None:
    held_out = make_held_out(3000, separation=1.0)
    same = findings(with_champion(held_out, held_out["score"].to_numpy()), **inferiority(metric))
    assert {finding.verdict for finding in same} == {"PASS"}
    better = np.clip(held_out["score"] + 0.3 * (2 * held_out["label"] - 1), 0, 1).to_numpy()
    worse = findings(with_champion(held_out, better), **inferiority(metric))
    assert {finding.verdict for finding in worse} == {"FAIL"}


def inferiority(metric: str) -> dict[str, Any]:
    return {"kind": "non_inferiority", "metric": metric, "margin": 0.02}


def test_non_inferiority_by_group_names_the_group_that_pays() -> None:
    held_out = make_held_out(6000)
    champion = held_out["score"].to_numpy()
    women = held_out["sensitive.sex"] == "female"
    worse = held_out.assign(score=held_out["score"].where(~women, held_out["score"] * 0.6))
    found = verdicts(findings(with_champion(worse, champion), **inferiority("sensitivity"), by_group=True))
    assert found["Sensitivity gain, sex female, model minus champion"] == "FAIL"
    assert found["Sensitivity gain, sex male, model minus champion"] == "PASS"


def test_no_champion_is_said_and_counts_neither_way() -> None:
    policy = make_policy(inferiority("auroc"), {"kind": "floor", "metric": "auroc", "floor": 0.7})
    found = evaluate(policy, make_evidence(make_held_out(2000)))
    assert found[0].verdict == "NOT APPLICABLE"
    assert found[0].sentence.endswith("not applicable, as there is no champion to compare with")
    assert judge_again(as_data(found), policy) == "PASS"
    alone = make_policy(inferiority("auroc"))
    assert judge_again(as_data(found[:1]), alone) == "ERROR", "a model that nothing was asked of does not pass"


def test_a_finding_that_must_apply_cannot_be_said_not_to() -> None:
    policy = make_policy({"kind": "floor", "metric": "auroc", "floor": 0.7}, inferiority("auroc"))
    found = as_data(evaluate(policy, make_evidence(make_held_out(2000))))
    found[0]["basis"] = "not_applicable"
    assert judge_again(found, policy) == "ERROR"


def test_a_baseline_that_was_not_trained_is_an_error_and_of_another_tools_predictions_not_applicable() -> None:
    check = {"kind": "simple_baselines", "baselines": ["logistic", "late_fusion"], "margin": 0.02}
    held_out = make_held_out(2000)
    held_out["baseline.logistic"] = held_out["control.scratch"]
    found = findings(make_evidence(held_out), **check)
    assert [finding.verdict for finding in found] == ["PASS", "ERROR"]
    elsewhere = findings(replace(make_evidence(held_out), has_model=False), **check)
    assert [finding.verdict for finding in elsewhere] == ["PASS", "NOT APPLICABLE"]
    assert "predictions of another tool, without a column baseline.late_fusion" in elsewhere[1].sentence
