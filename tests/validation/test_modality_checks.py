"""The checks of modalities: what passes, what fails, what cannot be decided, and what no sentence gives away."""

from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
import pytest

from tests.validation.cases import DECLARED, make_policy, with_weights
from tests.validation.subset_cases import MODALITIES, make_people, make_subsets
from validation.checks import Evidence
from validation.estimands import Rate, RateGap
from validation.findings import Finding
from validation.gate import as_data, evaluate, judge_again
from validation.modality_audit import availability_gap
from validation.subsets import Subsets

DEGRADATION = {"kind": "degradation", "margin": 0.1}
SHIFT = {"kind": "pattern_shift", "floor": 0.6}
AVAILABILITY = {"kind": "availability", "margin": 0.1}
PATTERNS = {"kind": "pattern_floor", "floor": 0.6}


def evidence_of(people: pd.DataFrame, **options: Any) -> Evidence:
    return Evidence(people, 0.5, DECLARED, {}, subsets=make_subsets(people), **options)


def found(evidence: Evidence, *checks: dict[str, Any]) -> list[Finding]:
    return evaluate(make_policy(*checks), evidence)


@pytest.fixture(scope="module")
def evidence() -> Evidence:
    return evidence_of(make_people(2000))


# Degradation ------------------------------------------------------------------------------------------------------


def test_each_modality_has_a_finding_and_only_the_strongest_is_missed(evidence: Evidence) -> None:
    of_modality = dict(zip(MODALITIES, found(evidence, DEGRADATION), strict=True))
    assert {name: finding.verdict for name, finding in of_modality.items()} == {
        "ecg": "PASS",
        "labs": "PASS",
        "scan": "FAIL",
    }
    assert "without scan, subjects with all common modalities" in of_modality["scan"].sentence
    assert {finding.threshold for finding in of_modality.values()} == {-0.1}
    stored = as_data(list(of_modality.values()))
    assert judge_again(stored, make_policy(DEGRADATION)) == "FAIL"


def test_without_scores_it_is_an_error_where_there_is_a_model_and_not_applicable_elsewhere(evidence: Evidence) -> None:
    lacking = found(replace(evidence, subsets=None), DEGRADATION, SHIFT)
    assert [finding.verdict for finding in lacking] == ["ERROR", "ERROR"]
    assert "scores under subsets of modalities were not given" in lacking[0].sentence
    theirs = found(replace(evidence, subsets=None, has_model=False), DEGRADATION, SHIFT)
    assert [finding.verdict for finding in theirs] == ["NOT APPLICABLE"] * 2
    assert "its scores without a modality are not known" in theirs[0].sentence


def test_nobody_complete_and_few_of_a_class_cannot_be_decided(evidence: Evidence) -> None:
    nobody = Subsets.of(pd.DataFrame({"subject_id": []}, dtype=object), evidence.held_out)
    for finding in found(replace(evidence, subsets=nobody), DEGRADATION, SHIFT):
        assert finding.verdict == "INSUFFICIENT"
        assert "fewer than 11 subjects with all common modalities" in finding.sentence
    people = make_people(600)
    positives = people.index[people["label"] == 1]
    people.loc[positives[12:], "label"] = 0
    for finding in found(evidence_of(people), DEGRADATION, SHIFT):
        assert (finding.verdict, finding.value) == ("INSUFFICIENT", None)
        assert "fewer than 11 positives" in finding.sentence


@pytest.mark.parametrize("label", [0, 1])
def test_one_label_only_cannot_be_decided(label: int) -> None:
    evidence = evidence_of(make_people(300).assign(label=label))
    assert {finding.verdict for finding in found(evidence, DEGRADATION, SHIFT)} == {"INSUFFICIENT"}


def test_of_a_single_modality_nothing_can_be_removed() -> None:
    people = make_people(600)
    evidence = Evidence(people, 0.5, DECLARED, {}, subsets=make_subsets(people, modalities=("scan",)))
    finding = found(evidence, DEGRADATION)[0]
    assert finding.verdict == "NOT APPLICABLE"
    assert "only scan is common to enough subjects" in finding.sentence


def test_the_number_of_complete_people_does_not_tell_of_a_few_who_are_not() -> None:
    people = make_people(800)
    people["pattern"] = "ecg+labs+scan"
    people.loc[:3, "pattern"] = "labs"
    for finding in found(evidence_of(people), DEGRADATION, SHIFT):
        assert finding.rounded
        assert "at least 780 subjects" in finding.sentence
        assert "796" not in finding.sentence


def test_weights_are_looked_at() -> None:
    people = make_people(2000)
    heavy = people.assign(weight=np.where(people.index % 5 == 0, 20.0, 1.0))
    plain, weighted = (found(evidence_of(p), DEGRADATION, SHIFT, AVAILABILITY) for p in (people, heavy))
    for before, after in zip(plain, weighted, strict=True):
        assert before.support == after.support
        assert (before.lower, before.upper) != (after.lower, after.upper), before.sentence


# Pattern shift ----------------------------------------------------------------------------------------------------


def test_each_named_missingness_has_a_finding_against_the_floor(evidence: Evidence) -> None:
    every = found(evidence, SHIFT)
    assert [f.scope.split(",")[0] for f in every] == [
        "as held out",
        "everything present",
        "completely at random",
        "reversed",
    ]
    assert {finding.verdict for finding in every} == {"PASS"}
    high = found(evidence, {**SHIFT, "floor": 0.9, "missingness": ["everything present", "reversed"]})
    assert [finding.verdict for finding in high] == ["PASS", "FAIL"]


# Availability -----------------------------------------------------------------------------------------------------


def test_a_group_that_has_a_modality_less_often_fails_and_the_others_pass(evidence: Evidence) -> None:
    findings = {(f.title, f.scope): f for f in found(evidence, AVAILABILITY)}
    assert len(findings) == len(MODALITIES) * 4
    women = findings[("Availability gap of scan", "sex female minus others")]
    assert women.verdict == "FAIL"
    assert women.value == pytest.approx(-0.3, abs=0.05)
    assert findings[("Availability gap of scan", "sex male minus others")].verdict == "PASS"
    assert {f.verdict for f in findings.values() if f.title == "Availability gap of labs"} == {"PASS"}


def test_the_gap_is_that_of_two_weighted_rates() -> None:
    people = with_weights(make_people(500))
    has = people["pattern"].str.contains("scan").to_numpy()
    member = (people["sensitive.sex"] == "female").to_numpy()
    gap = availability_gap(has, member, people["weight"].to_numpy(), 11)
    shares = [np.average(has[side], weights=people["weight"][side]) for side in (member, ~member)]
    assert gap.value == pytest.approx(shares[0] - shares[1])


def test_a_hidden_count_changes_nothing_and_bounds_hold_whatever_it_is() -> None:
    member = np.arange(200) < 100
    seen, low, high = set(), [], []
    for hidden in range(1, 11):
        has = (np.arange(200) < 100 - hidden) | (np.arange(200) >= 150)
        gap = availability_gap(has, member, None, 11)
        seen.add((gap.value, *gap.interval(0.025), gap.needed(0.2, 0.025), gap.p_value_below(0.9)))
        exact = RateGap(Rate(100 - hidden, 100), Rate(50, 100)).interval(0.025)
        low, high = [*low, exact[0]], [*high, exact[1]]
    assert len(seen) == 1
    assert next(iter(seen))[1:3] == pytest.approx((min(low), max(high)))


def test_who_nearly_all_have_a_modality_pass_without_their_number_being_told() -> None:
    people = make_people(600)
    people["pattern"] = "ecg+labs+scan"
    for few in (2, 7):
        held_out = people.assign(pattern=np.where(people.index < few, "labs", people["pattern"]))
        findings = found(Evidence(held_out, 0.5, DECLARED, {}), AVAILABILITY)
        assert {finding.verdict for finding in findings} == {"PASS"}
        assert {f.support for f in findings if f.title == "Availability gap of scan"} == {11}


def test_a_small_group_is_said_once_and_an_absent_one_is_an_error() -> None:
    people = make_people(600)
    people["sensitive.sex"] = np.where(people.index < 6, "female", "male")
    people["sensitive.age"] = "50+"
    findings = found(Evidence(people, 0.5, DECLARED, {}), AVAILABILITY)
    assert [(f.verdict, f.scope) for f in findings] == [
        ("ERROR", "age <50 minus others"),
        ("INSUFFICIENT", "age 50+ minus others"),
        ("INSUFFICIENT", "sex female minus others"),
        ("INSUFFICIENT", "sex male minus others"),
    ]
    assert "fewer than 11 others" in findings[3].sentence


def test_no_group_at_all_is_an_error() -> None:
    evidence = Evidence(make_people(100), 0.5, {}, {})
    assert [finding.verdict for finding in found(evidence, AVAILABILITY)] == ["ERROR"]


# Patterns that were not given -------------------------------------------------------------------------------------


@pytest.mark.parametrize("pattern", ["not given", "Unknown"])
def test_of_patterns_that_were_not_given_nothing_passes(pattern: str) -> None:
    evidence = Evidence(make_people(600).assign(pattern=pattern), 0.5, DECLARED, {}, has_model=False)
    findings = found(evidence, AVAILABILITY, PATTERNS)
    assert [(f.verdict, f.title) for f in findings] == [
        ("NOT APPLICABLE", "Availability gap"),
        ("NOT APPLICABLE", "AUROC"),
    ]
    assert all("patterns of present modalities were not given" in finding.sentence for finding in findings)
    stored = as_data(findings)
    assert judge_again(stored, make_policy(AVAILABILITY, PATTERNS)) == judge_again(
        stored[:1], make_policy(AVAILABILITY)
    )


def test_an_unknown_pattern_is_no_modality() -> None:
    people = make_people(600)
    people.loc[:99, "pattern"] = "Unknown"
    titles = {f.title for f in found(Evidence(people, 0.5, DECLARED, {}, has_model=False), AVAILABILITY)}
    assert titles == {f"Availability gap of {name}" for name in MODALITIES}
