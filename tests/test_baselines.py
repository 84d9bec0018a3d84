"""Simple models of a case: fitted once, found again, and fitted anew where what they follow from is another."""

from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import pytest

from cohorts.cohort import Cohort
from cohorts.preprocessing import Preprocessing
from cohorts.splits import Split
from lightning_modules.simple_models import BASELINES
from scripts import baselines
from scripts.baselines import SCORES, baseline_scores
from scripts.case import Case

COLUMNS = [f"baseline.{name}" for name in BASELINES]


@pytest.fixture(scope="module")
def case(people: Cohort, split: Split, preprocessing: Preprocessing) -> Case:
    model: Any = SimpleNamespace(preprocessing=preprocessing)
    return Case(people, split, model, Path("bundle"), {})


@pytest.fixture(scope="module")
def fitted(case: Case, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, pd.DataFrame]:
    folder = tmp_path_factory.mktemp("fitted")
    return folder, baseline_scores(case, folder)


def test_everybody_who_is_tuned_on_or_held_out_has_a_risk_by_every_simple_model(
    case: Case, fitted: tuple[Path, pd.DataFrame]
) -> None:
    table = fitted[1]
    assert list(table) == ["subject_id", "part", *COLUMNS]
    tuning, held_out = (table[table["part"] == part] for part in ("tuning", "held_out"))
    assert tuning["subject_id"].tolist() == case.people.subject_id[case.split.rows("sparse_tuning")].tolist()
    assert held_out["subject_id"].tolist() == case.held_out.subject_id.tolist()
    assert table[COLUMNS].gt(0).all(axis=None)
    assert table[COLUMNS].lt(1).all(axis=None)
    assert table[COLUMNS].corr().abs().lt(0.9999).to_numpy()[np.triu_indices(len(COLUMNS), 1)].all()


def test_what_was_fitted_is_found_again_exactly(
    case: Case, fitted: tuple[Path, pd.DataFrame], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    folder, table = fitted
    monkeypatch.setattr(baselines, "_scored", None)
    pd.testing.assert_frame_equal(baseline_scores(case, folder), table)
    assert capsys.readouterr().out == f"baselines: found in {folder / SCORES}\n"
    assert [path.name for path in folder.iterdir()] == [SCORES]


def test_other_people_another_split_and_another_recipe_are_fitted_anew(
    case: Case, fitted: tuple[Path, pd.DataFrame], monkeypatch: pytest.MonkeyPatch
) -> None:
    other = case.people.label.copy()
    other[0] = 1 - other[0]
    fewer = np.where(np.arange(len(case.split.part)) == case.split.rows("held_out")[0], "", case.split.part)
    without = Preprocessing({name: each for name, each in case.model.preprocessing.fitted.items() if name != "ecg"})
    keys = {
        baselines.key_of(each)
        for each in (
            case,
            replace(case, people=replace(case.people, label=other)),
            replace(case, split=Split(case.split.subject_id, fewer)),
            replace(case, model=SimpleNamespace(preprocessing=without)),
            replace(case, elsewhere=case.people.take(case.split.rows("held_out")[1:])),
        )
    }
    monkeypatch.setattr(baselines, "RECIPE", 0)
    assert len(keys | {baselines.key_of(case)}) == 6


def test_scores_of_another_case_are_not_taken_for_these_and_neither_is_rubbish(
    case: Case, fitted: tuple[Path, pd.DataFrame], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    table = fitted[1]
    wrong = table.assign(**dict.fromkeys(COLUMNS, 0.5))
    wrong.attrs = {"key": "0" * 64}
    wrong.to_parquet(tmp_path / SCORES)
    pd.testing.assert_frame_equal(baseline_scores(case, tmp_path), table)
    assert capsys.readouterr().out.startswith("baselines: AUROC of the tuning people logistic 0.")
    (tmp_path / SCORES).write_text("rubbish")
    pd.testing.assert_frame_equal(baseline_scores(case, tmp_path), table)
    pd.testing.assert_frame_equal(pd.read_parquet(tmp_path / SCORES), table)


def test_held_out_labels_change_no_score(case: Case, fitted: tuple[Path, pd.DataFrame], tmp_path: Path) -> None:
    label = case.people.label.copy()
    rows = case.split.rows("held_out")
    label[rows] = 1 - label[rows]
    table = baseline_scores(replace(case, people=replace(case.people, label=label)), tmp_path)
    pd.testing.assert_frame_equal(table, fitted[1])
