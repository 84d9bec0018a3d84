"""The model beside all others that were scored on the same subjects."""

import pytest
from sklearn.metrics import brier_score_loss, roc_auc_score

from tests.validation.cases import make_held_out
from validation.gains import gains_over_others


def test_gains_are_those_of_scikit_learn_and_above_zero_where_the_model_is_better() -> None:
    held_out = make_held_out(1200).rename(columns={"control.scratch": "baseline.logistic"})
    held_out["champion"] = held_out["score"] * 0.5
    rows = gains_over_others(held_out, 0.025, 11).set_index(["kind", "against", "metric"])
    label, score, other = (held_out[name] for name in ("label", "score", "baseline.logistic"))
    gain = roc_auc_score(label, score) - roc_auc_score(label, other)
    assert rows.loc[("baseline", "logistic", "auroc"), "value"] == pytest.approx(gain)
    better = brier_score_loss(label, held_out["champion"]) - brier_score_loss(label, score)
    assert rows.loc[("champion", "champion", "brier"), "value"] == pytest.approx(better)
    assert better > 0
    assert (rows["lower"] <= rows["value"]).drop(("champion", "champion", "auroc")).all()


def test_without_others_there_are_no_rows() -> None:
    held_out = make_held_out(100).drop(columns="control.scratch")
    assert gains_over_others(held_out, 0.025, 11).empty
