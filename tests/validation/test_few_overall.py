"""Few positives, flagged or unflagged of everybody, and small patterns: they follow from nothing that is shown."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from cohorts.files import canonical_json, digest_of_file, write_whole
from scripts.promoting import told
from scripts.two_decisions import tell_apart
from tests.validation.cases import make_decision, make_evidence, make_held_out, make_policy
from validation.disclosure import families_with_few
from validation.gains import gains_over_others
from validation.gate import evaluate
from validation.ledger import Ledger
from validation.looks import record_outcome
from validation.two_decisions import compare_decisions

INTEGRITY = {"kind": "integrity"}
FIGURES = ("value", "lower", "upper")


def floor(metric: str, kind: str = "floor") -> dict[str, Any]:
    return {"kind": kind, "metric": metric, "floor": 0.05}


def with_positives(num_positives: int, num_subjects: int) -> pd.DataFrame:
    held_out = make_held_out(num_subjects)
    held_out["label"] = (np.arange(num_subjects) < num_positives).astype(int)
    return held_out


def with_flagged(num_flagged: int, num_subjects: int = 400) -> pd.DataFrame:
    """Of whom every third is positive, so that there are enough of either class among all."""
    held_out = make_held_out(num_subjects)
    held_out["label"] = (np.arange(num_subjects) % 3 == 0).astype(int)
    held_out["score"] = np.where(np.arange(num_subjects) < num_flagged, 0.8, 0.1)
    return held_out


def performance_of(held_out: pd.DataFrame) -> dict[str, dict[str, Any]]:
    tables = make_decision(held_out, make_policy(INTEGRITY), "0" * 64)["tables"]
    return {row["metric"]: row for row in tables["performance"]}


def test_the_negatives_of_everybody_do_not_tell_a_few_positives() -> None:
    decision = make_decision(with_positives(5, 305), make_policy(INTEGRITY, floor("specificity")), "0" * 64)
    finding = decision["findings"][1]
    assert (finding["support"], finding["rounded"]) == (11, True)
    assert "at least 11 negatives" in finding["sentence"]
    assert "300" not in json.dumps([decision["findings"], decision["tables"]["performance"]])


@pytest.mark.parametrize("num_flagged", [4, 397])
def test_no_rate_of_everybody_tells_how_few_are_flagged_or_not(num_flagged: int) -> None:
    rows = performance_of(with_flagged(num_flagged))
    assert rows["ppv"]["support"] == ("<11" if num_flagged == 4 else "≥390")
    for metric in ("sensitivity", "specificity", "ppv", "selection_rate"):
        assert {rows[metric][name] for name in FIGURES} == {None}, metric
    assert rows["auroc"]["value"] is not None


@pytest.mark.parametrize("num_flagged", [11, 389, 0, 400])
def test_rates_of_everybody_are_shown_where_nobody_or_enough_are_flagged(num_flagged: int) -> None:
    rows = performance_of(with_flagged(num_flagged))
    assert rows["selection_rate"]["value"] == pytest.approx(num_flagged / 400, abs=6e-4)
    assert rows["ppv"]["support"] == num_flagged


def test_the_flagged_of_everybody_do_not_tell_a_few_who_are_not() -> None:
    finding = evaluate(make_policy(floor("ppv")), make_evidence(with_flagged(397)))[0]
    assert (finding.support, finding.rounded) == (11, True)
    assert "397" not in finding.sentence


def test_the_flagged_of_a_group_do_not_tell_a_few_who_are_not() -> None:
    """Of 43 women, 40 flagged would tell of 3 unflagged."""
    held_out = with_flagged(200)
    women = np.isin(np.arange(400), [*range(40), 397, 398, 399])
    held_out["sensitive.sex"] = np.where(women, "female", "male")
    found = evaluate(make_policy(floor("ppv", "floor_by_group")), make_evidence(held_out))
    assert {(finding.support, finding.rounded) for finding in found if finding.family == "sex"} == {(11, True)}
    assert families_with_few(held_out, 0.3, 11) == {"sex"}


def test_families_with_few_are_those_of_a_count_from_1_to_10() -> None:
    assert families_with_few(with_flagged(150), 0.3, 11) == set()
    for num_flagged, found in {0: False, 1: True, 10: True, 11: False, 389: False, 390: True, 400: False}.items():
        assert ("" in families_with_few(with_flagged(num_flagged), 0.3, 11)) == found, num_flagged
    assert "" in families_with_few(with_positives(10, 400), 0.3, 11)


def test_patterns_are_cut_as_the_check_cuts_them_so_that_no_difference_tells_of_a_few() -> None:
    held_out = make_held_out(860)
    held_out["pattern"] = np.repeat(["labs", "ecg", "ecg+labs", "(none)"], [500, 300, 52, 8])
    policy = make_policy(INTEGRITY, {"kind": "pattern_floor", "floor": 0.6, "least_share": 0.1})
    decision = make_decision(held_out, policy, "0" * 64)
    shown = {row["group"]: row["num_subjects"] for row in decision["tables"]["patterns"]}
    assert shown == {"labs": 500, "ecg": 300, "all other patterns": 60}
    judged = {row["scope"].removeprefix("pattern ") for row in decision["findings"] if row["kind"] == "pattern_floor"}
    assert judged == set(shown)


def test_two_checks_that_cut_patterns_differently_do_not_tell_of_a_few() -> None:
    held_out = make_held_out(860)
    held_out["pattern"] = np.repeat(["labs", "ecg", "ecg+labs", "(none)"], [500, 300, 52, 8])
    cuts = [{"kind": "pattern_floor", "floor": 0.6, "least_share": share} for share in (0.05, 0.1)]
    decision = make_decision(held_out, make_policy(*cuts), "0" * 64)
    assert {finding["support"] for finding in decision["findings"]} == {None, 11}
    assert "ecg+labs" not in {row["group"] for row in decision["tables"]["patterns"]}


@pytest.mark.parametrize("num_positives", [1, 10, 241])
def test_nothing_that_rests_on_both_classes_is_shown_where_one_has_a_few(num_positives: int) -> None:
    held_out = with_positives(num_positives, 251)
    rows = performance_of(held_out)
    for metric in ("auroc", "brier", "observed / expected"):
        assert {rows[metric][name] for name in FIGURES} == {None}, metric
    assert gains_over_others(held_out, 0.025, 11).empty


def test_figures_of_both_classes_are_shown_where_each_has_enough() -> None:
    held_out = with_positives(11, 251)
    rows = performance_of(held_out)
    assert None not in [rows[metric]["value"] for metric in ("auroc", "brier", "observed / expected")]
    assert len(gains_over_others(held_out, 0.025, 11)) == 2


def test_a_decision_on_one_positive_is_recorded_and_told_without_an_auroc(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    held_out, ledger = with_positives(1, 251), Ledger(tmp_path / "registry")
    paths = []
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        held_out.to_parquet(tmp_path / name / "predictions.parquet", index=False)
        digest = digest_of_file(tmp_path / name / "predictions.parquet")
        decision = make_decision(held_out, make_policy(INTEGRITY), name * 64, digest)
        paths.append(tmp_path / name / "decision.json")
        write_whole(paths[-1], canonical_json(decision))
    record_outcome(ledger, held_out="c" * 64, decision=decision)
    (entry,) = ledger.entries()
    assert entry["auroc"] is None
    assert told(entry).endswith("no AUROC")
    tell_apart([str(path) for path in paths])
    assert capsys.readouterr().out.count("no AUROC") == 2
    assert compare_decisions(*paths)["differences"] == []


def test_an_auroc_without_bounds_is_neither_recorded_nor_told(tmp_path: Path) -> None:
    """As in a ledger of before: a value, whose bounds could not be said."""
    decision = make_decision(make_held_out(200), make_policy(INTEGRITY), "a" * 64)
    for row in decision["tables"]["performance"]:
        row["lower"] = row["upper"] = None
    ledger = Ledger(tmp_path / "registry")
    record_outcome(ledger, held_out="c" * 64, decision=decision)
    assert ledger.entries()[0]["auroc"] is None
    assert told(ledger.entries()[0] | {"auroc": {"value": 0.9, "lower": None, "upper": None}}).endswith("no AUROC")


def test_decisions_are_not_compared_by_subject_where_one_flags_a_few(tmp_path: Path) -> None:
    """The rates of one, and their differences, would tell whom the other flags."""
    paths = []
    for name, num_flagged in {"a": 200, "b": 4}.items():
        (tmp_path / name).mkdir()
        held_out = with_flagged(num_flagged)
        held_out.to_parquet(tmp_path / name / "predictions.parquet", index=False)
        digest = digest_of_file(tmp_path / name / "predictions.parquet")
        paths.append(tmp_path / name / "decision.json")
        write_whole(paths[-1], canonical_json(make_decision(held_out, make_policy(INTEGRITY), name * 64, digest)))
    assert compare_decisions(*paths)["differences"] == []
    assert compare_decisions(*reversed(paths))["differences"] == []
