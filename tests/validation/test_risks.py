"""Observed over expected, and net benefit: against brute force, statsmodels and the bootstrap."""

import numpy as np
import pytest
from statsmodels.stats.weightstats import ztost

from validation.estimands import Mean
from validation.net_benefit import net_benefit_gain
from validation.ratio import Ratio


def cohort(num: int = 500, seed: int = 0) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Labels, risks that are a little too low, and weights."""
    rng = np.random.default_rng(seed)
    risk = 1 / (1 + np.exp(1 - rng.standard_normal(num)))
    return (rng.random(num) < risk).astype(int), 0.9 * risk, rng.uniform(0.2, 5, num)


@pytest.mark.parametrize("weighted", [False, True])
def test_bounds_of_a_ratio_are_those_of_the_bootstrap(weighted: bool) -> None:
    label, score, weight = cohort()
    weight = weight if weighted else np.ones(500)
    ratio = Ratio.observed_expected(label, score, weight if weighted else None)
    assert ratio.value == pytest.approx((weight * label).sum() / (weight * score).sum())
    drawn = np.random.default_rng(1).integers(0, 500, (4000, 500))
    samples = (weight * label)[drawn].sum(axis=1) / (weight * score)[drawn].sum(axis=1)
    assert ratio.interval(0.025) == pytest.approx(np.quantile(samples, [0.025, 0.975]), abs=0.012)


@pytest.mark.parametrize("weighted", [False, True])
def test_only_the_ratios_of_weights_matter_to_a_ratio(weighted: bool) -> None:
    label, score, weight = cohort()
    weight = weight if weighted else np.ones(500)
    expected = Ratio.observed_expected(label, score, weight).interval(0.025)
    assert Ratio.observed_expected(label, score, 7 * weight).interval(0.025) == pytest.approx(expected)
    if not weighted:
        assert Ratio.observed_expected(label, score).interval(0.025) == pytest.approx(expected)


def test_the_inverse_has_the_inverse_bounds() -> None:
    ratio = Ratio.observed_expected(*cohort()[:2])
    lower, upper = ratio.interval(0.025)
    assert ratio.inverse.interval(0.025) == pytest.approx((1 / upper, 1 / lower))


@pytest.mark.parametrize("num", [60, 90, 150, 400])
def test_both_floors_are_two_one_sided_tests_of_equivalence(num: int) -> None:
    """Of statsmodels, on the logarithm: one value a subject whose mean and spread are those of the ratio's."""
    label, score, _ = cohort(num)
    ratio = Ratio.observed_expected(label, score)
    influence = label / label.mean() - score / score.mean() + np.log(ratio.value)
    p_value = ztost(influence, np.log(0.8), np.log(1.25))[0]
    passed = all(each.interval(0.025)[0] >= 0.8 for each in (ratio, ratio.inverse))
    assert passed == (p_value <= 0.025)
    assert (ztost(influence, np.log(0.8), np.log(1.25))[0] <= 0.025) == (num == 400)


def test_a_ratio_that_says_nothing_has_no_bounds() -> None:
    label, score, _ = cohort(20)
    for found in (
        Ratio.observed_expected(np.zeros(20), score),
        Ratio.observed_expected(label, np.zeros(20)),
        Ratio.observed_expected(label, label.astype(float)),
        Ratio.observed_expected(label, np.where(np.arange(20) == 3, np.nan, score)),
    ):
        assert np.isnan(found.interval(0.025)).all()
        assert np.isnan(found.inverse.interval(0.025)).all()
        assert found.needed(0.8, 0.025) is None
        assert found.p_value_below(0.8) == 1.0


def brute_force_net_benefit(label: np.ndarray, treated: np.ndarray, threshold: float, weight: np.ndarray) -> float:
    total, odds = weight.sum(), threshold / (1 - threshold)
    true, false = weight[treated & (label == 1)].sum(), weight[treated & (label == 0)].sum()
    return float(true / total - false / total * odds)


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("threshold", [0.1, 0.3])
def test_a_gain_of_net_benefit_is_brute_force_and_its_bounds_are_the_bootstraps(
    threshold: float, weighted: bool
) -> None:
    label, score, weight = cohort()
    weight = weight if weighted else np.ones(500)
    drawn, all_of_them = np.random.default_rng(2).integers(0, 500, (3000, 500)), np.ones(500, dtype=bool)
    for over, treated in (("treat_all", all_of_them), ("treat_none", ~all_of_them)):
        gain = net_benefit_gain(label, score, threshold, over, weight if weighted else None)  # type: ignore[arg-type]
        benefits = [brute_force_net_benefit(label, t, threshold, weight) for t in (score >= threshold, treated)]
        assert gain.value == pytest.approx(benefits[0] - benefits[1])
        samples = [
            brute_force_net_benefit(label[d], score[d] >= threshold, threshold, weight[d])
            - brute_force_net_benefit(label[d], treated[d], threshold, weight[d])
            for d in drawn
        ]
        assert gain.interval(0.025) == pytest.approx(np.quantile(samples, [0.025, 0.975]), abs=0.006)


def test_a_model_that_does_as_everybody_or_nobody_cannot_be_told_apart() -> None:
    label, score, _ = cohort(50)
    assert np.isnan(net_benefit_gain(label, np.zeros(50), 0.2, "treat_none").interval(0.025)).all()
    assert np.isnan(net_benefit_gain(label, np.ones(50), 0.2, "treat_all").interval(0.025)).all()
    assert isinstance(net_benefit_gain(label, score, 0.2, "treat_all"), Mean)


@pytest.mark.parametrize("threshold", [0.0, 1.0, float("nan")])
def test_a_threshold_without_odds_is_refused(threshold: float) -> None:
    with pytest.raises(ValueError, match="threshold: must be above 0 and below 1"):
        net_benefit_gain(*cohort(20)[:2], threshold, "treat_none")
