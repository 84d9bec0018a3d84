"""The bootstrap by group against fairlearn's MetricFrame: its values, its bounds, and where there is nobody."""

from functools import partial

import numpy as np
import pytest
from fairlearn.metrics import MetricFrame, selection_rate, true_negative_rate, true_positive_rate
from sklearn.metrics import precision_score, roc_auc_score

from validation.bootstrap_by_group import bounds_by_group

METRICS = {
    "sensitivity": true_positive_rate,
    "specificity": true_negative_rate,
    "ppv": partial(precision_score, zero_division=np.nan),
    "selection_rate": selection_rate,
}


def cohort(num: int, num_groups: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    label = (rng.random(num) < 0.5).astype(int)
    score = 1 / (1 + np.exp(1 - 2 * label - rng.standard_normal(num)))
    return label, score, rng.integers(0, num_groups, num)


@pytest.mark.slow
def test_values_and_bounds_are_those_of_a_metric_frame() -> None:
    label, score, group = cohort(4000, 2)
    metrics = {name: lambda y, s, of=of: of(y, np.asarray(s) >= 0.4) for name, of in METRICS.items()}
    frame = MetricFrame(
        metrics={**metrics, "auroc": roc_auc_score},
        y_true=label,
        y_pred=score,
        sensitive_features=group,
        n_boot=100,
        ci_quantiles=[0.025, 0.975],
        random_state=0,
    )
    found = bounds_by_group(label, score, group, 0.4).set_index(["group", "metric"])
    values, lower, upper = (part.stack() for part in (frame.by_group, *frame.by_group_ci))
    np.testing.assert_allclose(found["value"].reindex(values.index), values, atol=1e-12)
    assert np.abs(found["lower"].reindex(values.index) - lower).max() < 0.012
    assert np.abs(found["upper"].reindex(values.index) - upper).max() < 0.012


def test_twenty_five_cells_of_scores_are_enough_for_the_bounds_of_an_area(monkeypatch: pytest.MonkeyPatch) -> None:
    label, score, group = cohort(4000, 2)
    few = bounds_by_group(label, score, group, 0.4)
    monkeypatch.setattr("validation.bootstrap_by_group.CELLS_A_GROUP", 4000)
    many = bounds_by_group(label, score, group, 0.4)
    assert np.abs(few[["value", "lower", "upper"]] - many[["value", "lower", "upper"]]).max(axis=None) < 0.002


def test_a_group_without_positives_has_no_sensitivity_and_no_area() -> None:
    label, score, group = cohort(400, 3)
    found = bounds_by_group(np.where(group == 1, 0, label), score, group, 0.4, num_replicates=100)
    figures = found[found["group"] == 1].set_index("metric")[["value", "lower", "upper"]]
    assert figures.loc[["sensitivity", "auroc"]].isna().all(axis=None)
    assert figures.loc[["specificity", "selection_rate"]].notna().all(axis=None)
    assert found[found["group"] != 1].notna().all(axis=None)


@pytest.mark.parametrize("num_groups", [1, 200])
def test_one_group_and_two_hundred_have_a_row_a_metric_each(num_groups: int) -> None:
    label, score, _ = cohort(6000, 1)
    found = bounds_by_group(label, score, np.arange(6000) % num_groups, 0.4, num_replicates=100)
    assert len(found) == 5 * num_groups
    assert ((found["lower"] <= found["value"]) & (found["value"] <= found["upper"])).mean() > 0.99


def test_ties_everywhere_give_an_area_of_a_half_and_rates_without_spread() -> None:
    label, _, group = cohort(300, 2)
    found = bounds_by_group(label, np.full(300, 0.5), group, 0.4, num_replicates=100).set_index("metric")
    assert (found.loc["auroc", ["value", "lower", "upper"]] == 0.5).all(axis=None)
    assert (found.loc["sensitivity", ["value", "lower", "upper"]] == 1).all(axis=None)
