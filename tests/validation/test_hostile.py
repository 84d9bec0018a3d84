"""Tables of predictions that nobody would wish for: a decision comes of each, and no PASS that nothing supports."""

import json
from typing import Any

import numpy as np
import pandas as pd
import pytest

from cohorts.files import canonical_json
from tests.validation.cases import DECLARED, make_held_out, make_policy
from validation.checks import Evidence
from validation.decision import decide
from validation.gate import evaluate
from validation.policy import load_policy
from validation.report import render

GROUP_CHECKS = (
    {"kind": "floor_by_group", "metric": "sensitivity", "floor": 0.5},
    {"kind": "gap_by_group", "metric": "specificity", "margin": 0.3},
)


def decided(held_out: pd.DataFrame, *checks: dict[str, Any], declared: dict[str, list[str]] | None = None) -> dict:
    """A decision, read again from its JSON, and a report that could be rendered from it."""
    evidence = Evidence(held_out, 0.3, DECLARED if declared is None else declared, {"all is as it was": True})
    people = held_out.drop(columns=["score", "control.scratch"])
    described = ["name", "title", "source", "licence", "leakage_notes", "label", "label_name"]
    record = {
        "model": {"digest": "0" * 64, "path": None},
        "cohort": {
            **dict.fromkeys([*described, "spec", "fingerprint", "split"], "test"),
            "weight": None,
        },
        "controls": {},
        "champion": None,
        "operating_point": {"threshold": 0.3, "rule": "test", "digest": "0" * 64},
        "predictions": {"digest": "0" * 64},
        "looks": {"number": None, "budget": None, "earlier": []},
        "notes": [],
        "provenance": {"command": "test", "versions": {}, "training": {}},
    }
    policy = make_policy(*checks) if checks else load_policy("strict")
    decision = decide(policy, evidence, people, ["labs", "ecg"], record)
    text = canonical_json(decision)
    assert "NaN" not in text
    assert len(render(decision)) > 1000
    return dict(json.loads(text))


def verdict_of(decision: dict, kind: str) -> set[str]:
    return {finding["verdict"] for finding in decision["findings"] if finding["kind"] == kind}


@pytest.mark.parametrize("label", [0, 1])
def test_one_label_only_decides_nothing(label: int) -> None:
    decision = decided(make_held_out(300).assign(label=label))
    assert decision["verdict"] != "PASS"
    assert verdict_of(decision, "calibration") == {"INSUFFICIENT"}
    assert not {f["verdict"] for f in decision["findings"] if f["title"] == "AUROC"} & {"PASS", "FAIL"}


def test_scores_that_are_all_the_same_rank_nobody() -> None:
    decision = decided(make_held_out(2000).assign(score=0.4))
    aurocs = [f for f in decision["findings"] if f["title"] == "AUROC" and f["kind"] == "floor"]
    assert aurocs[0]["value"] == 0.5
    assert aurocs[0]["verdict"] != "PASS"
    assert decision["verdict"] == "ERROR", "its baselines were not scored"


def test_two_hundred_groups_are_each_judged() -> None:
    held_out = make_held_out(6000).drop(columns="sensitive.age")
    names = [f"g{number:03d}" for number in range(200)]
    held_out["sensitive.sex"] = np.random.default_rng(0).choice(names, len(held_out))
    decision = decided(held_out, *GROUP_CHECKS, declared={"sex": names})
    judged = {f["scope"] for f in decision["findings"] if f["kind"] == "floor_by_group"}
    assert judged == {f"sex {name}" for name in names}


def test_one_group_has_nobody_to_be_compared_with() -> None:
    decision = decided(make_held_out(900).assign(**{"sensitive.sex": "all"}), *GROUP_CHECKS, declared={"sex": ["all"]})
    assert verdict_of(decision, "floor_by_group") == {"PASS"}
    assert verdict_of(decision, "gap_by_group") == {"INSUFFICIENT"}


def test_no_sensitive_feature_is_no_fairness() -> None:
    held_out = make_held_out(900).drop(columns=["sensitive.sex", "sensitive.age"])
    assert decided(held_out, *GROUP_CHECKS, declared={})["verdict"] == "ERROR"


def test_a_group_without_positives_is_never_served_well() -> None:
    held_out = make_held_out(900)
    held_out.loc[held_out["sensitive.sex"] == "female", "label"] = 0
    found = [f for f in decided(held_out, *GROUP_CHECKS)["findings"] if f["scope"] == "sex female"]
    assert [f["verdict"] for f in found] == ["INSUFFICIENT"]


@pytest.mark.parametrize("name", ["<script>alert(1)</script>", "</script>", 'a"b', "a&b", "x" * 2000, "ÄÖ ü\n\t", "+"])
def test_a_group_may_have_any_name(name: str) -> None:
    held_out = make_held_out(600)
    held_out["sensitive.sex"] = np.where(held_out["sensitive.sex"] == "female", name, "male")
    decision = decided(held_out, *GROUP_CHECKS, declared={"sex": [name, "male"]})
    assert f"sex {name}" in {f["scope"] for f in decision["findings"]}
    assert "<script>alert" not in render(decision)


def test_a_subject_alone_is_shown_nowhere() -> None:
    decision = decided(make_held_out(1), *GROUP_CHECKS, {"kind": "floor", "metric": "auroc", "floor": 0.6})
    assert decision["verdict"] in ("ERROR", "INSUFFICIENT")
    assert "patient-00000" not in json.dumps(decision)


def test_findings_do_not_depend_on_the_order_of_rows() -> None:
    held_out = make_held_out(1000)
    shuffled = held_out.sample(frac=1, random_state=3).reset_index(drop=True)
    first, second = (
        evaluate(load_policy("strict"), Evidence(t, 0.3, DECLARED, {"x": True})) for t in (held_out, shuffled)
    )
    assert [f.verdict for f in first] == [f.verdict for f in second]
    assert [f.lower for f in first] == pytest.approx([f.lower for f in second], nan_ok=True)


@pytest.mark.parametrize("heavy", [1e3, 1e6, 9e8])
def test_a_weight_that_is_nearly_all_of_the_weight_decides_nothing(heavy: float) -> None:
    held_out = make_held_out(300).assign(weight=1.0)
    held_out.loc[7, "weight"] = heavy
    of_all = [f for f in decided(held_out)["findings"] if f["scope"] == "all held-out subjects"]
    judged = {f["title"]: f["verdict"] for f in of_all if f["kind"] in ("floor", "calibration")}
    both_classes = {judged[title] for title in ("AUROC", "Observed / expected", "Expected / observed")}
    assert both_classes == {"INSUFFICIENT"}
