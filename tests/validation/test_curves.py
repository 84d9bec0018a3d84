"""Curves over thresholds and scores, against brute force and statsmodels, and what they hide."""

import json

import numpy as np
import pandas as pd
import pytest
import statsmodels.api as sm

from cohorts.statistics import mean_and_covariance
from tests.validation.cases import DECLARED, make_decision, make_held_out, make_policy, with_weights
from validation.audit import METRICS, rate_at
from validation.calibration_curves import bins, calibration, logistic
from validation.curves import net_benefit_curve, rates_by_threshold, threshold_grid
from validation.predictions import weights_of
from validation.ratio import Ratio

ALPHA = 0.025


@pytest.mark.parametrize("weighted", [False, True])
def test_rates_at_every_threshold_are_those_of_the_audit(weighted: bool) -> None:
    held_out = with_weights(make_held_out(1500)) if weighted else make_held_out(1500)
    for row in rates_by_threshold(held_out, 0.3, ALPHA, DECLARED, 11):
        feature, group = row["feature"], row["group"]
        people = held_out if feature == "all" else held_out[held_out[f"sensitive.{feature}"] == group]
        for position, threshold in enumerate(row["threshold"]):
            shown = [row[name][position] for name in ("value", "lower", "upper")]
            if shown[1] is not None:
                expected = rate_at(row["metric"], people, threshold)
                assert shown == pytest.approx([expected.value, *expected.interval(ALPHA)], abs=0.00501)


def test_every_group_has_every_metric_and_the_operating_point_is_among_the_thresholds() -> None:
    rows = rates_by_threshold(make_held_out(1500), 0.3, ALPHA, DECLARED, 11)
    assert sorted(row["metric"] for row in rows) == sorted(list(METRICS) * 5)
    at_point = [row["value"][row["threshold"].index(0.3)] for row in rows]
    assert None not in at_point


def test_thresholds_stay_between_0_and_1_wherever_the_operating_point_is() -> None:
    for point in (0.0, 0.001, 0.5, 0.999, 1.0):
        grid = threshold_grid(point)
        assert grid == sorted(grid)
        assert all(0 < threshold < 1 or threshold == point for threshold in grid)


def test_a_group_with_a_hidden_count_shows_no_rate_at_any_threshold_and_the_others_no_bounds() -> None:
    held_out = make_held_out(1500)
    held_out["sensitive.sex"] = "male"
    held_out.loc[:6, "sensitive.sex"] = "female"
    rows = {(r["group"], r["metric"]): r for r in rates_by_threshold(held_out, 0.3, ALPHA, DECLARED, 11)}
    for metric in METRICS:
        assert set(rows["female", metric]["value"]) == {None}
        assert set(rows["male", metric]["lower"]) == {None}
    assert 0 < rows["male", "sensitivity"]["value"][10] < 1


def test_where_a_handful_is_flagged_the_threshold_shows_nothing() -> None:
    held_out = make_held_out(1500)
    held_out["score"] = np.where(np.arange(1500) < 5, 0.9, 0.2)
    rows = [r for r in rates_by_threshold(held_out, 0.3, ALPHA, {}, 11) if r["feature"] == "all"]
    for row in rows:
        over_all = [value for threshold, value in zip(row["threshold"], row["value"], strict=True) if threshold > 0.2]
        assert set(over_all) == {None}
    benefit = net_benefit_curve(held_out, ALPHA, 11)
    assert {row["value"] for row in benefit if row["threshold"] > 0.2} == {None}


def test_a_declared_group_without_anybody_shows_nothing() -> None:
    rows = rates_by_threshold(make_held_out(800), 0.3, ALPHA, {"sex": ["female", "male", "other"]}, 11)
    others = [row for row in rows if row["group"] == "other"]
    assert len(others) == len(METRICS)
    assert {value for row in others for value in row["value"]} == {None}


@pytest.mark.parametrize("weighted", [False, True])
def test_net_benefit_and_its_bounds_are_those_of_the_mean_over_subjects(weighted: bool) -> None:
    held_out = with_weights(make_held_out(700)) if weighted else make_held_out(700)
    label, score, weight = held_out["label"], held_out["score"], weights_of(held_out)
    for row in net_benefit_curve(held_out, ALPHA, 11):
        odds = row["threshold"] / (1 - row["threshold"])
        gains = np.where(label == 1, 1, -odds)
        values = np.stack([gains * (score >= row["threshold"]), gains])
        mean, covariance = mean_and_covariance(values, weight)
        if row["value"] is not None:
            half = 1.959964 * covariance[0, 0] ** 0.5
            expected = [mean[0], mean[0] - half, mean[0] + half, mean[1]]
            assert [row[k] for k in ("value", "lower", "upper", "treat_all")] == pytest.approx(expected, abs=0.000501)


@pytest.mark.parametrize("weighted", [False, True])
def test_slope_and_intercept_are_those_of_statsmodels(weighted: bool) -> None:
    held_out = with_weights(make_held_out(1200)) if weighted else make_held_out(1200)
    label, weight = held_out["label"].to_numpy(), weights_of(held_out)
    odds = np.log(held_out["score"] / (1 - held_out["score"])).to_numpy()
    row = calibration(held_out, ALPHA, {}, 11)[0]
    family, one = sm.families.Binomial(), np.ones(len(odds))
    sloped = sm.GLM(label, np.stack([odds, one]).T, family, var_weights=weight).fit()
    held = sm.GLM(label, one, family, offset=odds, var_weights=weight).fit()
    for name, fit in (("slope", sloped), ("intercept", held)):
        assert row[name] == pytest.approx(fit.params[0], abs=0.000501)


def test_the_covariance_of_the_slope_is_whites() -> None:
    held_out = make_held_out(900)
    odds = np.log(held_out["score"] / (1 - held_out["score"])).to_numpy()
    columns = np.stack([odds, np.ones(900)])
    expected = sm.GLM(held_out["label"], columns.T, sm.families.Binomial()).fit(cov_type="HC0").cov_params()
    nothing = np.zeros(900)
    _, covariance = logistic(columns, held_out["label"].to_numpy(), np.ones(900), nothing, np.array([1.0, 0.0]))
    np.testing.assert_allclose(covariance, expected, rtol=1e-5)


def test_separated_classes_have_no_slope() -> None:
    held_out = make_held_out(600)
    held_out["score"] = np.where(held_out["label"] == 1, 0.9, 0.1)
    row = calibration(held_out, ALPHA, {}, 11)[0]
    assert (row["slope"], row["slope_lower"]) == (None, None)
    assert row["value"] is not None


def test_observed_over_expected_covers_the_truth_at_its_level() -> None:
    rng = np.random.default_rng(0)
    covered = 0
    for _ in range(400):
        risk = rng.beta(2, 5, 400)
        lower, upper = Ratio.observed_expected((rng.random(400) < risk).astype(int), risk).interval(ALPHA)
        covered += lower <= 1 <= upper
    assert 0.92 <= covered / 400 <= 0.98


def test_every_bin_has_enough_of_both_classes_and_together_they_are_everybody() -> None:
    held_out = make_held_out(500).sort_values("score")
    label, score = held_out["label"].to_numpy(), held_out["score"].to_numpy()
    points = bins(label, score, None, ALPHA, 11)
    assert 2 <= len(points) <= 10
    assert [point["score"] for point in points] == sorted(point["score"] for point in points)
    assert bins(label[:15], score[:15], None, ALPHA, 11) == []


def test_a_group_with_under_100_events_has_a_ratio_and_no_curve() -> None:
    held_out = make_held_out(2000)
    held_out.loc[held_out.index[150:], "sensitive.sex"] = "male"
    rows = {row["group"]: row for row in calibration(held_out, ALPHA, DECLARED, 11)}
    assert rows["female"]["num_positives"] < 100
    assert rows["female"]["value"] is not None
    assert (rows["female"]["slope"], rows["female"]["bins"]) == (None, [])
    assert rows["male"]["slope"] is not None


def test_a_hidden_group_shows_no_ratio_and_its_partner_no_curve() -> None:
    held_out = make_held_out(1500)
    held_out["sensitive.sex"] = "male"
    held_out.loc[:6, "sensitive.sex"] = "female"
    rows = {row["group"]: row for row in calibration(held_out, ALPHA, DECLARED, 11)}
    assert (rows["female"]["num_subjects"], rows["female"]["value"]) == ("<11", None)
    assert rows["male"]["bins"] == []


@pytest.mark.parametrize("change", [{}, {"sensitive.sex": "male"}, {"label": 1}])
def test_a_decision_carries_the_curves_as_plain_data(change: dict) -> None:
    tables = make_decision(make_held_out(700).assign(**change), make_policy(), "0" * 64)["tables"]
    assert len(tables["decision_curve"]) == 60
    json.dumps(tables, allow_nan=False)


def test_curves_without_sensitive_features_are_of_everybody() -> None:
    held_out = make_held_out(700).drop(columns=["sensitive.sex", "sensitive.age"])
    assert {row["feature"] for row in rates_by_threshold(held_out, 0.3, ALPHA, {}, 11)} == {"all"}
    assert isinstance(pd.DataFrame(calibration(held_out, ALPHA, {}, 11)), pd.DataFrame)
