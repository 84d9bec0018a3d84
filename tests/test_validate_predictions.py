"""Judging predictions that another tool made, from a file."""

import json
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import yaml

from tests.chain import call, findings
from tests.validation.cases import make_held_out, make_policy


@pytest.fixture
def policy_file(tmp_path: Path) -> Path:
    checks: list[dict[str, Any]] = [
        {"kind": "integrity"},
        {"kind": "floor", "metric": "auroc", "floor": 0.7},
        {"kind": "no_negative_transfer", "controls": ["scratch"], "margin": 0.03},
        {"kind": "non_inferiority", "metric": "auroc", "margin": 0.02},
        {"kind": "floor_by_group", "metric": "sensitivity", "floor": 0.6},
    ]
    path = tmp_path / "policy.yaml"
    path.write_text(yaml.safe_dump(make_policy(*checks).model_dump(mode="json")))
    return path


def predictions(num_subjects: int = 1500) -> pd.DataFrame:
    return make_held_out(num_subjects).drop(columns=["part", "control.scratch"])


def judge(folder: Path, policy_file: Path, *words: str) -> tuple[int, str]:
    given = ["--predictions", folder / "given.csv", "--policy", policy_file, "--out", folder / "judged"]
    return call("validate", *given, "--dashboard.mode", "disabled", *words)


def test_predictions_of_another_tool_are_judged_and_what_needs_the_model_is_said_not_to_apply(
    tmp_path: Path, policy_file: Path
) -> None:
    predictions().to_csv(tmp_path / "given.csv", index=False)
    code, said = judge(tmp_path, policy_file, "--threshold", "0.3")
    assert code == 0, said
    assert "whether it saw the held-out subjects, is not known here" in said
    decision = json.loads((tmp_path / "judged" / "decision.json").read_text())
    verdicts = {finding["kind"]: finding["verdict"] for finding in decision["findings"]}
    assert verdicts == {
        "integrity": "PASS",
        "floor": "PASS",
        "no_negative_transfer": "NOT APPLICABLE",
        "non_inferiority": "NOT APPLICABLE",
        "floor_by_group": "PASS",
    }
    assert decision["operating_point"]["rule"] == "fixed before, and given to validate"
    assert decision["modalities"] == ["ecg", "labs"]
    code, said = judge(tmp_path, policy_file, "--threshold", "0.3")
    assert code == 0
    assert "already done" in said


@pytest.mark.slow
def test_a_model_s_own_predictions_get_the_same_findings_without_the_model(
    whole: tuple[Path, str], policy: Path, tmp_path: Path
) -> None:
    pd.read_parquet(whole[0] / "validate" / "predictions.parquet").to_csv(tmp_path / "given.csv", index=False)
    code, said = judge(tmp_path, policy, "--cohort", "synthetic")
    assert code == 0, said
    again = json.loads((tmp_path / "judged" / "decision.json").read_text())["findings"]
    of_numbers = [finding for finding in findings(whole[0]) if finding["kind"] != "integrity"]
    assert [finding for finding in again if finding["kind"] != "integrity"] == of_numbers


def test_groups_that_are_empty_stay_a_group(tmp_path: Path, policy_file: Path) -> None:
    frame = predictions()
    frame.loc[:200, "sensitive.sex"] = None
    frame.to_csv(tmp_path / "given.csv", index=False)
    assert judge(tmp_path, policy_file, "--threshold", "0.3")[0] == 0
    decision = json.loads((tmp_path / "judged" / "decision.json").read_text())
    assert "sex Unknown" in {finding["scope"] for finding in decision["findings"]}


@pytest.mark.parametrize(
    ("change", "words", "message"),
    [
        ({"drop": "score"}, (), "no column score; it must have subject_id, label and score"),
        ({"score": 1.2}, (), "1500 values of score are not between 0 and 1"),
        ({"label": "yes"}, (), "label must be 0 or 1 in every row"),
        ({}, (), "nobody is in the part tuning, on whom policy test would choose the operating point"),
        ({"part": "tuning"}, (), "nobody is in the part held_out, so there is nobody to judge on"),
        ({}, ("--threshold", "1.5"), r"threshold: must be from 0 to 1, as a risk is (value: 1.5)"),
        ({"champion": 0.5}, ("--threshold", "0.3"), "a column champion and --champion_threshold, its operating point"),
        ({"drop": "sensitive.sex"}, ("--threshold", "0.3", "--cohort", "heart_disease"), "no column sensitive.sex"),
        ({}, ("--model", "x"), "give --model or --predictions, not both"),
        ({}, ("--data", "x"), "--data does not belong to --predictions"),
    ],
)
def test_what_cannot_be_judged_is_refused_by_name(
    tmp_path: Path, policy_file: Path, change: dict[str, Any], words: tuple[str, ...], message: str
) -> None:
    frame = predictions()
    dropped = change.pop("drop", None)
    frame.assign(**change).drop(columns=dropped or []).to_csv(tmp_path / "given.csv", index=False)
    code, said = judge(tmp_path, policy_file, *words)
    assert (code, message in said) == (2, True), said
    assert not (tmp_path / "judged").exists()


def test_a_file_that_is_none_is_refused(tmp_path: Path, policy_file: Path) -> None:
    code, said = judge(tmp_path, policy_file)
    assert code == 2
    assert "no such file; give a .parquet or .csv" in said
    (tmp_path / "given.parquet").write_bytes(b"no parquet")
    code, said = call("validate", "--predictions", tmp_path / "given.parquet", "--out", tmp_path / "judged")
    assert code == 2
    assert "cannot be read as Parquet or CSV" in said


def test_a_policy_explains_itself_and_writes_nothing(tmp_path: Path, policy_file: Path) -> None:
    code, said = call("validate", "--policy", "strict", "--explain")
    assert code == 0
    assert "1. Nothing was changed since it was recorded" in said


def test_two_decisions_are_put_beside_each_other(tmp_path: Path, policy_file: Path) -> None:
    frame = predictions()
    for name, scores in {"a": frame["score"], "b": frame["score"] ** 4}.items():
        frame.assign(score=scores).to_csv(tmp_path / "given.csv", index=False)
        judge(tmp_path, policy_file, "--threshold", "0.3", "--out", str(tmp_path / name))
    code, said = call("validate", "--compare", tmp_path / "a" / "decision.json", tmp_path / "b" / "decision.json")
    assert code == 0, said
    assert "Sensitivity  sex female       -0." in said
    assert "PASS -> FAIL: Sensitivity, sex female" in said
    assert call("validate", "--compare", tmp_path / "a", tmp_path / "b") == (0, said), "folders do as well"
    code, said = call("validate", "--compare", tmp_path / "a" / "decision.json")
    assert code == 2
    assert "give two decisions" in said


def test_three_columns_are_enough_to_be_judged(tmp_path: Path) -> None:
    predictions()[["subject_id", "label", "score"]].to_csv(tmp_path / "given.csv", index=False)
    policy = tmp_path / "policy.yaml"
    checks: list[dict[str, Any]] = [{"kind": "integrity"}, {"kind": "floor", "metric": "auroc", "floor": 0.7}]
    policy.write_text(yaml.safe_dump(make_policy(*checks).model_dump(mode="json")))
    code, said = judge(tmp_path, policy, "--threshold", "0.3")
    assert code == 0, said


def test_an_operating_point_that_was_changed_in_between_is_an_error(tmp_path: Path, policy_file: Path) -> None:
    predictions().to_csv(tmp_path / "given.csv", index=False)
    assert judge(tmp_path, policy_file, "--threshold", "0.3")[0] == 0
    (tmp_path / "judged" / "decision.json").unlink()
    point = tmp_path / "judged" / "operating_point.json"
    point.write_text(point.read_text().replace("0.3", "0.1"))
    code, said = judge(tmp_path, policy_file, "--threshold", "0.3")
    assert code == 5, said
