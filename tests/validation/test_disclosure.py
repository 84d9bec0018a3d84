"""Small groups: hidden, not to be had by subtraction, and never a reason to pass."""

import json
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cohorts.statistics import wilson
from tests.validation.cases import make_decision, make_evidence, make_held_out, make_policy
from validation.decision import too_small
from validation.disclosure import COUNTS, coarsened, suppressed
from validation.findings import Finding
from validation.gate import evaluate
from validation.report import render


def few_women() -> pd.DataFrame:
    held_out = make_held_out(603)
    held_out["sensitive.sex"] = "male"
    held_out.loc[:5, "sensitive.sex"] = "female"
    return held_out


@pytest.fixture(scope="module")
def decision() -> dict[str, Any]:
    return make_decision(few_women(), make_policy(), "0" * 64)


def test_no_count_from_1_to_10_is_in_any_table(decision: dict[str, Any]) -> None:
    for name, rows in decision["tables"].items():
        for row in rows:
            counts = [row[count] for count in COUNTS if count in row]
            assert not [count for count in counts if isinstance(count, int) and 0 < count < 11], f"{name}: {row}"
    women = [row for row in decision["tables"]["groups"] if row["group"] == "female"]
    assert {row["num_subjects"] for row in women} == {"<11"}
    assert {row["value"] for row in women} == {None}


def test_a_hidden_count_cannot_be_had_by_subtraction(decision: dict[str, Any]) -> None:
    """597 men of 603 would tell of 6 women; at least 590 leave anything from 1 to 10."""
    men = [row for row in decision["tables"]["groups"] if row["group"] == "male"]
    assert {row["num_subjects"] for row in men} == {"≥590"}
    total = [row for row in decision["tables"]["people"] if row["feature"] == "all"]
    assert [row["num_subjects"] for row in total] == [603]
    by_sex = [row for row in decision["tables"]["people"] if row["feature"] == "sex"]
    assert not any(isinstance(row["num_subjects"], int) for row in by_sex)
    of_men = [finding for finding in decision["findings"] if finding["scope"].startswith("sex male")]
    assert of_men
    for finding in of_men:
        assert finding["support"] is None or (finding["rounded"] and finding["support"] == 11)
        assert "at least" in finding["sentence"] or finding["support"] is None
    assert "597" not in json.dumps(decision)
    assert "597" not in render(decision)


def test_a_group_with_one_hidden_count_shows_no_rate_at_all() -> None:
    """Several rates of a group, each on enough subjects, still tell its counts together."""
    held_out = make_held_out(603)
    held_out["sensitive.sex"] = "male"
    held_out.loc[:23, "sensitive.sex"] = "female"
    held_out.loc[:23, "label"] = [1] * 8 + [0] * 16
    tables = make_decision(held_out, make_policy(), "0" * 64)["tables"]
    women = [row for row in tables["groups"] if row["group"] == "female"]
    assert {row["num_positives"] for row in women} == {"<11"}
    assert {row["value"] for row in women} == {None}


def test_a_row_whose_negatives_are_hidden_does_not_give_them_away() -> None:
    table = pd.DataFrame({"num_subjects": [100], "num_positives": [94], "num_negatives": [6], "share": [0.94]})
    expected = {"num_subjects": 100, "num_positives": "≥90", "num_negatives": "<11", "share": None}
    assert suppressed(table, 11, ()) == [expected]


def test_families_without_a_small_count_and_zeros_stay_exact() -> None:
    table = pd.DataFrame(
        {"feature": ["a", "a", "b", "b"], "num_subjects": [50, 33, 5, 78], "value": [0.5, np.nan, 0.2, 0.1]}
    )
    rows = suppressed(table, 11, ("feature",))
    assert [row["num_subjects"] for row in rows] == [50, 33, "<11", "≥70"]
    assert [row["value"] for row in rows] == [0.5, None, None, 0.1]
    assert suppressed(pd.DataFrame({"num_subjects": [0, 20]}), 11, ())[0] == {"num_subjects": 0}


def test_a_handful_who_have_a_modality_are_few_and_not_a_percentage() -> None:
    held_out = make_held_out(600)
    held_out["pattern"] = "labs"
    held_out.loc[:3, "pattern"] = "labs+ecg"
    decision = make_decision(held_out, make_policy(), "0" * 64)
    ecg = [row for row in decision["tables"]["availability"] if row["modality"] == "ecg"]
    assert [(row["num_present"], row["value"]) for row in ecg] == [("<11", None)]
    assert ">few<" in render(decision)


@given(st.lists(st.tuples(st.integers(0, 60), st.integers(0, 60)), min_size=1, max_size=6))
def test_no_count_of_a_few_is_exact_and_no_limit_is_wrong(groups: list[tuple[int, int]]) -> None:
    table = pd.DataFrame(groups, columns=["num_positives", "num_negatives"])
    table["num_subjects"] = table.sum(axis=1)
    for seen, true in zip(suppressed(table, 11, ()), table.to_dict("records"), strict=True):
        for name, count in true.items():
            known = seen[name]
            assert known == count if isinstance(known, int) else _allows(known, count), (seen, true)
            assert not (isinstance(known, int) and 0 < known < 11)
        if any(isinstance(seen[name], str) for name in ("num_positives", "num_negatives")):
            assert not (isinstance(seen["num_positives"], int) and seen["num_positives"] > 0)


def _allows(shown: str, count: int) -> bool:
    return shown == "–" or (count < 11 if shown.startswith("<") else count >= int(shown.removeprefix("≥")))


@pytest.mark.slow
@pytest.mark.parametrize("name", ["groups", "people", "sites", "availability", "availability_by_group"])
def test_a_decision_is_the_same_whatever_the_hidden_counts_are(name: str) -> None:
    """Women from 1 to 10 among 603, of whom the positives and the ecgs of all are known: the tables are the same."""
    seen = set()
    for number in range(1, 11):
        held_out = make_held_out(603)
        held_out["sensitive.sex"] = "male"
        held_out.loc[held_out.index[:number], "sensitive.sex"] = "female"
        tables = make_decision(held_out, make_policy(), "0" * 64)["tables"]
        counts = [
            {key: value for key, value in row.items() if key in (*COUNTS, "feature", "group", "modality")}
            for row in tables[name]
            if row.get("feature") != "sex & age"
        ]
        seen.add(json.dumps(counts))
    assert len(seen) == 1


def test_flagged_people_who_are_nearly_all_are_hidden_with_their_rates() -> None:
    held_out = make_held_out(603)
    held_out["sensitive.sex"] = "male"
    held_out["sensitive.age"] = "50+"
    held_out["score"] = 0.9
    held_out.loc[:3, "score"] = 0.1
    rows = {
        row["metric"]: row
        for row in make_decision(held_out, make_policy(), "0" * 64)["tables"]["groups"]
        if row["group"] == "male"
    }
    assert rows["ppv"]["support"] == "≥590"
    assert {row["value"] for row in rows.values()} == {None}


def test_the_partner_of_a_hidden_group_shows_an_interval_that_follows_from_its_limit(decision: dict[str, Any]) -> None:
    men = next(r for r in decision["tables"]["groups"] if r["group"] == "male" and r["metric"] == "sensitivity")
    support = int(men["support"].removeprefix("≥"))
    low, high = wilson(men["value"] * support, support, 0.025)
    assert (men["lower"], men["upper"]) == (round(low, 2), round(high, 2))
    selected = [r["value"] for r in decision["tables"]["groups"] if r["metric"] == "selection_rate"]
    assert None in selected


def test_of_crossed_groups_beside_a_hidden_one_only_the_size_of_their_number_is_shown(decision: dict[str, Any]) -> None:
    crossed = [row for row in decision["tables"]["groups"] if row["feature"] in ("sex & age", "age & sex")]
    assert {row["num_subjects"] for row in crossed} == {"<11", "≥100"}


def test_supports_of_everybody_beside_a_hidden_one_are_limits() -> None:
    table = pd.DataFrame({"metric": ["auroc", "sensitivity", "specificity"], "support": [603, 7, 596]})
    assert [row["support"] for row in suppressed(table, 11, ())] == [603, "<11", "≥590"]


def test_bounds_are_rounded_outwards_so_that_rounding_never_passes() -> None:
    finding = Finding(0, "", "x", "y", "bounds", 0.7, value=0.81234, lower=0.69999, upper=0.91111, p_fail=0.02401)
    alone = coarsened([finding], 11)[0]
    assert (alone.value, alone.lower, alone.upper, alone.p_fail) == (0.812, 0.699, 0.912, 0.025)
    hidden = Finding(0, "", "x", "z", "too_few", 0.7, family="sex")
    beside = coarsened([replace(finding, family="sex", support=62, needed=101), hidden], 11)[0]
    assert (beside.value, beside.lower, beside.upper, beside.support, beside.needed) == (0.81, 0.69, 0.92, 11, 110)
    assert beside.p_fail == 0.05


def test_groups_too_small_to_judge_are_listed_once(decision: dict[str, Any]) -> None:
    assert too_small(decision) == ["sex female"]
    assert "Too small to judge:</strong> sex female" in render(decision)


def test_checks_of_everybody_keep_exact_supports() -> None:
    found = evaluate(make_policy(), make_evidence(few_women()))
    assert [finding.support for finding in found if finding.scope == "all held-out subjects"] == [603]


def test_the_negatives_of_one_check_do_not_tell_the_positives_that_another_hides() -> None:
    """Of 40 women, 32 negatives would tell of 8 positives, even where no check looks at positives."""
    held_out = make_held_out(603)
    held_out["sensitive.sex"] = "male"
    held_out.loc[:39, "sensitive.sex"] = "female"
    held_out.loc[:39, "label"] = [1] * 8 + [0] * 32
    specificity = {"kind": "floor_by_group", "metric": "specificity", "floor": 0.7}
    found = evaluate(make_policy(specificity), make_evidence(held_out))
    assert {finding.support for finding in found if finding.family == "sex"} == {11}
    assert all(finding.rounded for finding in found if finding.family == "sex")
