"""The gate: verdicts from bounds, four of them, fail closed."""

import json
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
import pytest

from tests.validation.cases import CHECKS, make_decision, make_evidence, make_held_out, make_policy
from validation.decision import reasons, worst_group
from validation.findings import Finding
from validation.gate import as_data, evaluate, judge, judge_again, worst


def findings(held_out: pd.DataFrame, *checks: dict[str, Any], threshold: float = 0.3, **facts: bool) -> list[Finding]:
    return evaluate(make_policy(*checks), make_evidence(held_out, threshold, **facts))


def verdicts(found: list[Finding]) -> dict[str, str]:
    return {finding.scope: finding.verdict for finding in found}


FLOOR = {"kind": "floor", "metric": "sensitivity", "floor": 0.7}


@pytest.mark.parametrize(
    ("lower", "p_fail", "verdict"),
    [(0.70, 1.0, "PASS"), (0.6999, 1.0, "INSUFFICIENT"), (0.5, 0.024, "FAIL"), (0.5, 0.026, "INSUFFICIENT")],
)
def test_the_lower_bound_passes_the_upper_bound_fails_and_anything_between_cannot_be_decided(
    lower: float, p_fail: float, verdict: str
) -> None:
    finding = Finding(0, "floor", "x", "y", "bounds", threshold=0.7, value=0.99, lower=lower, upper=1.0, p_fail=p_fail)
    assert judge([finding], 0.025) == [verdict]


@pytest.mark.parametrize("nan", ["lower", "value", "threshold"])
def test_a_nan_never_passes(nan: str) -> None:
    finding = Finding(0, "floor", "x", "y", "bounds", threshold=0.7, value=0.9, lower=0.8, upper=1.0, p_fail=1.0)
    broken = replace(finding, **{nan: float("nan")})
    if nan != "value":
        assert judge([broken], 0.025) != ["PASS"]
    assert judge([replace(broken, lower=float("nan"))], 0.025) == ["INSUFFICIENT"]
    assert judge([replace(finding, p_fail=None)], 0.025) == ["PASS"]
    assert judge([replace(finding, lower=None, p_fail=None)], 0.025) == ["FAIL"], "what is missing fails closed"


def test_failing_over_groups_is_by_holm_and_passing_needs_every_group() -> None:
    base = Finding(
        0, "floor_by_group", "x", "y", "bounds", threshold=0.7, value=0.6, lower=0.5, upper=0.69, p_fail=0.02
    )
    assert judge([base], 0.025) == ["FAIL"]
    assert judge([base, replace(base, p_fail=0.5)], 0.025) == ["INSUFFICIENT", "INSUFFICIENT"]
    assert judge([replace(base, p_fail=0.001), replace(base, p_fail=0.5)], 0.025) == ["FAIL", "INSUFFICIENT"]
    assert worst(["PASS", "PASS", "INSUFFICIENT"]) == "INSUFFICIENT"
    assert worst(["FAIL", "INSUFFICIENT"]) == "FAIL"
    assert worst(["FAIL", "ERROR"]) == "ERROR"


def test_a_good_model_passes_every_check() -> None:
    found = evaluate(make_policy(), make_evidence(make_held_out(6000)))
    assert {finding.verdict for finding in found} == {"PASS"}
    assert {finding.check for finding in found} == set(range(len(CHECKS)))


def test_a_model_without_signal_fails() -> None:
    auroc = findings(make_held_out(4000, separation=0.0), {"kind": "floor", "metric": "auroc", "floor": 0.7})
    assert verdicts(auroc) == {"all held-out subjects": "FAIL"}
    assert "upper bound is under floor 0.70" in auroc[0].sentence


def test_a_high_point_estimate_on_few_subjects_does_not_pass() -> None:
    found = findings(make_held_out(60, separation=2.0), FLOOR, threshold=0.5)[0]
    assert found.value is not None
    assert found.value > 0.75
    assert found.verdict == "INSUFFICIENT"
    assert found.needed is not None
    assert f"about {found.needed} needed" in found.sentence


def test_a_small_group_is_insufficient_and_shows_no_figure() -> None:
    held_out = make_held_out(2000)
    held_out["sensitive.sex"] = "male"
    held_out.loc[:5, "sensitive.sex"] = "female"
    found = findings(held_out, {"kind": "floor_by_group", "metric": "sensitivity", "floor": 0.7})
    women = next(finding for finding in found if finding.scope == "sex female")
    assert women.verdict == "INSUFFICIENT"
    assert (women.value, women.lower, women.upper, women.support, women.p_fail) == (None,) * 5
    assert "fewer than 11 subjects, which cannot support an audit; about" in women.sentence


def test_a_group_without_positives_cannot_be_judged_rather_than_being_zero() -> None:
    held_out = make_held_out(2000)
    held_out.loc[held_out["sensitive.sex"] == "female", "label"] = 0
    found = findings(held_out, {"kind": "floor_by_group", "metric": "sensitivity", "floor": 0.7})
    assert verdicts(found)["sex female"] == "INSUFFICIENT"


def test_a_declared_group_that_is_absent_is_an_error() -> None:
    held_out = make_held_out(500)
    held_out["sensitive.sex"] = "male"
    for kind in ({"kind": "floor_by_group", "floor": 0.5}, {"kind": "gap_by_group", "margin": 0.5}):
        found = findings(held_out, {**kind, "metric": "sensitivity"})
        assert "ERROR" in verdicts(found).values()
        assert any("declared, but there is nobody" in finding.sentence for finding in found)


def test_a_missing_control_is_an_error_and_never_a_pass() -> None:
    held_out = make_held_out(2000).drop(columns="control.scratch")
    found = findings(held_out, {"kind": "no_negative_transfer", "controls": ["scratch"], "margin": 0.4})
    assert verdicts(found) == {"model minus scratch": "ERROR"}


def test_a_broken_fact_is_an_error() -> None:
    found = findings(make_held_out(200), {"kind": "integrity"}, kept=True, leaked=False)
    assert [finding.verdict for finding in found] == ["PASS", "ERROR"]


def test_a_model_worse_than_its_control_fails() -> None:
    held_out = make_held_out(3000)
    held_out["control.scratch"], held_out["score"] = (
        held_out["score"],
        make_held_out(3000, separation=0, seed=1)["score"],
    )
    found = findings(held_out, {"kind": "no_negative_transfer", "controls": ["scratch"], "margin": 0.02})
    assert verdicts(found) == {"model minus scratch": "FAIL"}


def test_a_gap_counts_only_in_the_direction_of_harm() -> None:
    held_out = make_held_out(6000)
    harmed = (held_out["sensitive.sex"] == "female") & (held_out["label"] == 1)
    held_out.loc[harmed, "score"] *= 0.3
    found = verdicts(findings(held_out, {"kind": "gap_by_group", "metric": "sensitivity", "margin": 0.1}))
    assert found["sex female minus others"] == "FAIL"
    assert found["sex male minus others"] == "PASS"


def test_patterns_are_judged_and_rare_ones_do_not_slip_through() -> None:
    held_out = make_held_out(3000)
    rare = held_out.index[:100]
    held_out.loc[rare, "pattern"] = "ecg"
    held_out.loc[rare, "score"] = 1 - held_out.loc[rare, "score"]
    found = verdicts(findings(held_out, {"kind": "pattern_floor", "floor": 0.6}))
    assert found["pattern labs"] == "PASS"
    assert found["pattern all other patterns"] == "FAIL"


def test_equal_groups_are_rarely_failed_and_a_much_worse_group_is_never_passed() -> None:
    """Eight equal groups of about 50 positives: the bound gate fails next to none, where a point gate fails a third."""
    rule = {"kind": "gap_by_group", "metric": "sensitivity", "margin": 0.10}
    policy, rng, failed, point_failed = make_policy(rule), np.random.default_rng(0), 0, 0
    for _ in range(60):
        frame = pd.DataFrame({"label": 1, "score": (rng.random(400) < 0.85).astype(float)})
        frame["sensitive.g"] = [f"g{n % 8}" for n in range(400)]
        evidence = replace(make_evidence(frame, 0.5), declared={"g": [f"g{n}" for n in range(8)]})
        found = evaluate(policy, evidence)
        failed += any(finding.verdict == "FAIL" for finding in found)
        point_failed += any((finding.value or 0) < -0.10 for finding in found)
    assert failed <= 1
    assert point_failed > 10


def test_an_area_on_few_positives_is_insufficient_however_high() -> None:
    held_out = make_held_out(1000, separation=3.0)
    positives = held_out.index[held_out["label"] == 1]
    held_out.loc[positives[2:], "label"] = 0
    auroc = {"kind": "floor", "metric": "auroc", "floor": 0.5}
    gain = {"kind": "no_negative_transfer", "controls": ["scratch"], "margin": 0.4}
    for finding in findings(held_out, auroc, gain):
        assert finding.verdict == "INSUFFICIENT"
        assert "fewer than 11 positives" in finding.sentence


def test_two_perfect_models_that_differ_cannot_be_told_apart_for_certain() -> None:
    held_out = make_held_out(200)
    held_out["score"] = 0.2 + 0.6 * held_out["label"]
    held_out["control.scratch"] = 0.1 + 0.8 * held_out["label"]
    found = findings(held_out, {"kind": "no_negative_transfer", "controls": ["scratch"], "margin": 0.0})
    assert [finding.verdict for finding in found] == ["INSUFFICIENT"]


def test_a_check_with_nothing_to_look_at_is_an_error() -> None:
    evidence = replace(make_evidence(make_held_out(6000)), declared={})
    found = evaluate(make_policy({"kind": "floor_by_group", "metric": "sensitivity", "floor": 0.5}), evidence)
    assert [finding.verdict for finding in found] == ["ERROR"]
    assert worst([finding.verdict for finding in found]) == judge_again(
        as_data(found), make_policy({"kind": "floor_by_group", "metric": "sensitivity", "floor": 0.5})
    )


@pytest.mark.parametrize(
    "forgery",
    [
        {"threshold": -9.0},
        {"basis": "holds"},
        {"check": 99},
        {"check": -1},
        {"kind": "integrity", "basis": "holds"},
    ],
)
def test_stored_findings_that_the_policy_does_not_ask_for_are_an_error(forgery: dict) -> None:
    policy = make_policy()
    stored = as_data(evaluate(policy, make_evidence(make_held_out(6000, separation=0.0))))
    assert judge_again(stored, policy) == "FAIL"
    forged = [finding if finding["verdict"] == "PASS" else {**finding, **forgery} for finding in stored]
    assert judge_again(forged, policy) == "ERROR"


def test_the_stored_numbers_give_the_same_verdict_again() -> None:
    for held_out in (make_held_out(6000), make_held_out(200), make_held_out(3000, separation=0.1)):
        policy = make_policy()
        found = evaluate(policy, make_evidence(held_out))
        stored = json.loads(json.dumps(as_data(found)))
        assert judge_again(stored, policy) == worst([finding.verdict for finding in found])


def test_a_stored_check_without_findings_is_an_error() -> None:
    policy = make_policy()
    stored = as_data(evaluate(policy, make_evidence(make_held_out(6000))))
    assert judge_again([finding for finding in stored if finding["check"] != 2], policy) == "ERROR"


# Decision ---------------------------------------------------------------------------------------------------------


def test_a_decision_shows_no_subject() -> None:
    assert "patient-" not in json.dumps(make_decision(make_held_out(600), make_policy(), "0" * 64))


def test_reasons_start_with_the_gravest_and_the_worst_group_is_named() -> None:
    held_out = make_held_out(6000)
    harmed = (held_out["sensitive.sex"] == "female") & (held_out["label"] == 1)
    held_out.loc[harmed, "score"] *= 0.3
    decision = make_decision(held_out, make_policy(), "0" * 64)
    assert decision["verdict"] == "FAIL"
    said = reasons(decision)
    assert said[0].startswith("FAIL: ")
    assert worst_group(decision)["scope"] == "sex female minus others"  # type: ignore[index]


def test_what_is_far_under_its_threshold_fails_among_many_findings() -> None:
    """Holm multiplies a p-value by the number of findings, so that one which is rounded up too far could never fail."""
    held_out = make_held_out(4000)
    names = [f"g{number:02d}" for number in range(60)]
    held_out["sensitive.sex"] = np.random.default_rng(0).choice(names, len(held_out))
    held_out["sensitive.age"] = "all"
    harmed = (held_out["sensitive.sex"] == "g00") & (held_out["label"] == 1)
    held_out.loc[harmed, "score"] = 0.01
    evidence = replace(make_evidence(held_out), declared={"sex": names})
    found = evaluate(make_policy({"kind": "gap_by_group", "metric": "sensitivity", "margin": 0.2}), evidence)
    assert verdicts(found)["sex g00 minus others"] == "FAIL"


def test_nothing_measured_is_no_pass() -> None:
    policy = make_policy({"kind": "integrity"})
    found = as_data(evaluate(policy, make_evidence(make_held_out(50))))
    assert [finding["verdict"] for finding in found] == ["PASS"]
    assert judge_again(found, policy) == "ERROR"
