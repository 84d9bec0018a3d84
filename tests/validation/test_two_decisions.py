"""Two decisions beside each other."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sklearn.metrics import brier_score_loss, roc_auc_score

from cohorts.errors import InputError
from cohorts.files import canonical_json, digest_of_file, write_whole
from tests.validation.cases import make_decision, make_held_out, make_policy
from validation.two_decisions import compare_decisions


def judged(folder: Path, held_out: Any, name: str) -> Path:
    (folder / name).mkdir()
    table = folder / name / "predictions.parquet"
    held_out.to_parquet(table, index=False)
    decision = make_decision(held_out, make_policy(), name * 64, digest_of_file(table))
    write_whole(folder / name / "decision.json", canonical_json(decision))
    return folder / name / "decision.json"


@pytest.fixture
def two(tmp_path: Path) -> tuple[Any, Any, Path, Path]:
    held_out = make_held_out(2000)
    other = held_out.assign(score=held_out["control.scratch"]).sample(frac=1, random_state=0)
    return held_out, other.sort_index(), judged(tmp_path, held_out, "a"), judged(tmp_path, other, "b")


def test_differences_are_second_minus_first_and_paired(two: tuple[Any, Any, Path, Path]) -> None:
    first, second, a, b = two
    found = compare_decisions(a, b)
    rows = {(row["metric"], row["scope"]): row for row in found["differences"]}
    label = first["label"]
    expected = {
        "AUROC": roc_auc_score(label, second["score"]) - roc_auc_score(label, first["score"]),
        "Brier score": brier_score_loss(label, second["score"]) - brier_score_loss(label, first["score"]),
        "Sensitivity": float(
            np.mean((second["score"] >= 0.3)[label == 1]) - np.mean((first["score"] >= 0.3)[label == 1])
        ),
    }
    for metric, value in expected.items():
        row = rows[metric, "all"]
        assert row["value"] == pytest.approx(value, abs=1e-4)
        assert row["lower"] < row["value"] < row["upper"]
    assert ("AUROC", "sex female") in rows
    assert found["unpaired"] is None
    assert {row["first"] for row in found["verdicts"]} == {"PASS"}


def test_other_way_round_is_the_negative(two: tuple[Any, Any, Path, Path]) -> None:
    _, _, a, b = two
    there, back = compare_decisions(a, b)["differences"], compare_decisions(b, a)["differences"]
    assert [row["value"] for row in there] == [-row["value"] for row in back]


def test_a_group_of_a_feature_with_a_hidden_count_has_no_figure(tmp_path: Path) -> None:
    held_out = make_held_out(1000)
    held_out.loc[:4, "sensitive.sex"] = "other"
    a, b = judged(tmp_path, held_out, "a"), judged(tmp_path, held_out, "b")
    scopes = {row["scope"] for row in compare_decisions(a, b)["differences"]}
    assert scopes == {"all", "age <50", "age 50+"}


def test_different_subjects_and_lost_predictions_are_said(tmp_path: Path) -> None:
    a, b = judged(tmp_path, make_held_out(900), "a"), judged(tmp_path, make_held_out(901), "b")
    found = compare_decisions(a, b)
    assert found["differences"] == []
    assert "different held-out subjects" in found["unpaired"]
    a.with_name("predictions.parquet").unlink()
    assert "not beside its decision" in compare_decisions(a, b)["unpaired"]


def test_what_is_no_decision_is_refused(tmp_path: Path) -> None:
    (tmp_path / "x.json").write_text("{}")
    with pytest.raises(InputError, match="is not a decision"):
        compare_decisions(tmp_path / "x.json", tmp_path / "x.json")
