"""Weighted estimates against scikit-learn, statsmodels and brute force, against equal weights, and by simulation."""

import numpy as np
import pytest
from scipy.stats import norm
from sklearn.metrics import roc_auc_score
from statsmodels.stats.proportion import confint_proportions_2indep, proportion_confint
from statsmodels.stats.weightstats import DescrStatsW

from cohorts.statistics import delong, mean_and_covariance, wilson
from validation.estimands import Auroc, Estimand, Mean, Rate, RateGap
from validation.operating_point import choose_threshold
from validation.statistics import effective_size, weighted_rate

ALL = np.ones(60, dtype=bool)


@pytest.fixture
def rng() -> np.random.Generator:
    return np.random.default_rng(0)


def sample(rng: np.random.Generator, decimals: int = 8) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Labels (60,), scores (3, 60) and weights (60,)."""
    label = (rng.random(60) < 0.4).astype(int)
    return label, (0.8 * label + rng.standard_normal((3, 60))).round(decimals), rng.uniform(0.2, 5, 60)


@pytest.mark.parametrize("decimals", [8, 1])
def test_weighted_areas_are_scikit_learns(rng: np.random.Generator, decimals: int) -> None:
    label, scores, weight = sample(rng, decimals)
    expected = [roc_auc_score(label, score, sample_weight=weight) for score in scores]
    np.testing.assert_allclose(delong(label, scores, weight)[0], expected)


def test_the_covariance_of_weighted_areas_is_that_of_brute_force_placements(rng: np.random.Generator) -> None:
    label, scores, weight = sample(rng, 1)
    p, n = label == 1, label == 0
    wins = np.array([[[np.heaviside(a - b, 0.5) for b in s[n]] for a in s[p]] for s in scores])
    by_positive = (wins * weight[n]).sum(axis=2) / weight[n].sum()
    by_negative = (wins * weight[p][:, None]).sum(axis=1) / weight[p].sum()
    expected = sum(mean_and_covariance(v, w)[1] for v, w in [(by_positive, weight[p]), (by_negative, weight[n])])
    np.testing.assert_allclose(delong(label, scores, weight)[1], expected)


@pytest.mark.parametrize("size", [1.0, 0.1, 7.0])
def test_equal_weights_give_the_numbers_without_weights(rng: np.random.Generator, size: float) -> None:
    label, scores, _ = sample(rng)
    equal = np.full(60, size)
    for found, expected in zip(delong(label, scores, equal), delong(label, scores), strict=True):
        np.testing.assert_allclose(found, expected, rtol=1e-12)
    pairs: list[tuple[Estimand, Estimand]] = [
        (Rate.of(label == 1, ALL, equal), Rate.of(label == 1, ALL)),
        (Rate.of(ALL, ALL, equal), Rate.of(ALL, ALL)),
        (Auroc.of(label, scores[0], equal), Auroc.of(label, scores[0])),
        (Auroc.of(label, label + 0.0, equal), Auroc.of(label, label + 0.0)),
        (Mean.over(scores[0], equal), Mean.over(scores[0])),
        (Mean.auroc_gain(label, *scores[:2], equal), Mean.auroc_gain(label, *scores[:2])),
    ]
    for weighted, plain in pairs:
        assert weighted.support == plain.support
        assert weighted.value == pytest.approx(plain.value, rel=1e-12)
        assert weighted.interval(0.025) == pytest.approx(plain.interval(0.025), rel=1e-12)


def test_only_the_ratios_of_weights_matter(rng: np.random.Generator) -> None:
    label, scores, weight = sample(rng)
    for factor in (1e-6, 3.0, 1e9):
        rate, area = Rate.of(label == 1, ALL, factor * weight), Auroc.of(label, scores[0], factor * weight)
        assert rate.interval(0.025) == pytest.approx(Rate.of(label == 1, ALL, weight).interval(0.025))
        assert area.interval(0.025) == pytest.approx(Auroc.of(label, scores[0], weight).interval(0.025))


def test_a_weighted_rate_is_statsmodels_wilson_on_the_effective_size(rng: np.random.Generator) -> None:
    label, _, weight = sample(rng)
    rate = Rate.of(label == 1, ALL, weight)
    share = np.average(label, weights=weight)
    kish = weight.sum() ** 2 / (weight**2).sum()
    linearised = (
        share
        * (1 - share)
        / sum((w / weight.sum()) ** 2 * (y - share) ** 2 for w, y in zip(weight, label, strict=True))
    )
    size = min(kish, linearised)
    assert (rate.value, rate.total, rate.support) == pytest.approx((share, size, 60))
    assert rate.interval(0.025) == pytest.approx(proportion_confint(share * size, size, method="wilson"))
    men = np.arange(60) < 25
    gap = RateGap(Rate.of(men & (label == 1), men, weight), Rate.of(~men & (label == 1), ~men, weight))
    counts = gap.group.successes, gap.group.total, gap.complement.successes, gap.complement.total
    assert gap.interval(0.025) == pytest.approx(confint_proportions_2indep(*counts, compare="diff", method="newcomb"))
    assert gap.support == 25


def test_the_size_of_a_rate_is_the_smaller_of_kishs_and_of_what_its_variance_says() -> None:
    weight = np.array([10.0] * 5 + [1.0] * 50)
    light, heavy = np.repeat([False, True], [5, 50]), np.repeat([True, False, True, False], [2, 3, 5, 45])
    assert weighted_rate(np.repeat([True, False], [50, 5]), weight[::-1])[1] <= effective_size(weight)
    assert weighted_rate(heavy, weight)[1] < effective_size(weight) == pytest.approx(100**2 / 550)
    assert weighted_rate(light, np.ones(55))[1] == pytest.approx(55)
    assert weighted_rate(np.ones(55, dtype=bool), weight) == (1.0, effective_size(weight))


def test_a_weighted_mean_is_statsmodels(rng: np.random.Generator) -> None:
    values, weight = rng.standard_normal(60), rng.uniform(0.2, 5, 60)
    assert Mean.over(values, weight).value == pytest.approx(DescrStatsW(values, weights=weight).mean)


@pytest.mark.parametrize("largest", [1.0, 5.0, 40.0])
def test_the_variance_of_a_weighted_mean_is_unbiased_however_large_one_weight(
    rng: np.random.Generator, largest: float
) -> None:
    weight = np.r_[largest, rng.uniform(0.5, 1, 11)]
    found = [Mean.over(values, weight) for values in rng.standard_normal((8000, 12))]
    assert np.mean([mean.variance for mean in found]) == pytest.approx(1 / effective_size(weight), rel=0.06)


def test_a_perfect_weighted_area_has_wilsons_bound_of_the_smaller_effective_size(rng: np.random.Generator) -> None:
    label, _, weight = sample(rng)
    area = Auroc.of(label, label.astype(float), weight)
    size = min(effective_size(weight[label == 1]), effective_size(weight[label == 0]))
    assert area.value == 1.0
    assert area.interval(0.025) == pytest.approx(wilson(size, size, 0.025))
    assert area.scaled(2).interval(0.025) == pytest.approx(wilson(2 * size, 2 * size, 0.025))


def test_a_weighted_gain_against_itself_is_zero_and_two_perfect_scores_cannot_be_told_apart(
    rng: np.random.Generator,
) -> None:
    label, scores, weight = sample(rng)
    assert Mean.auroc_gain(label, scores[0], scores[0], weight).interval(0.025) == pytest.approx((0, 0))
    assert np.isnan(Mean.auroc_gain(label, label + 0.0, 2.0 * label, weight).variance)


def test_the_number_needed_is_of_people_and_grows_with_the_design_effect(rng: np.random.Generator) -> None:
    success, weight = np.arange(400) % 10 > 0, np.tile(np.repeat([1.0, 4.0], 10), 20)
    weighted, plain = Rate.of(success, success | True, weight), Rate.of(success, success | True)
    effect = 400 / effective_size(weight)
    assert weighted.value == pytest.approx(0.9)
    needed = [rate.needed(0.85, 0.025) for rate in (weighted, plain)]
    assert needed[0] == pytest.approx(effect * needed[1], abs=2)  # type: ignore[operator]
    area = Auroc.of((np.arange(400) % 3 > 1).astype(int), rng.standard_normal(400) + np.arange(400) % 3, weight)
    assert (area.support, weighted.scaled(2).support) == (400, 800)


def test_the_threshold_reaches_the_weighted_sensitivity_and_no_higher_one_does(rng: np.random.Generator) -> None:
    label, scores, weight = sample(rng, 1)
    for share in (0.3, 0.5, 0.85, 1.0):
        threshold = choose_threshold(label, scores[0], share, weight)
        reached = {t: weight[(label == 1) & (scores[0] >= t)].sum() / weight[label == 1].sum() for t in scores[0]}
        assert threshold == max(t for t, sensitivity in reached.items() if sensitivity >= share - 1e-9)
    heavy = np.where(scores[0] == scores[0][label == 1].min(), 1e3, 1.0)
    assert choose_threshold(label, scores[0], 0.5, heavy) == scores[0][label == 1].min()


def coverage(estimate: object, truth: float) -> float:
    bounds = np.array([estimate(np.random.default_rng(seed)).interval(0.025) for seed in range(1500)])  # type: ignore[operator]
    return float(((bounds[:, 0] <= truth) & (truth <= bounds[:, 1])).mean())


def drawn(rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Labels, scores and weights of a sample in which a fifth of the population is half, and is harder to tell."""
    minority = np.arange(400) < 200
    label = (rng.random(400) < np.where(minority, 0.5, 0.3)).astype(int)
    return label, label + rng.standard_normal(400) + 0.5 * minority, np.where(minority, 1.0, 4.0)


def test_intervals_of_weighted_areas_cover_the_area_of_the_population() -> None:
    ratio = np.outer([0.2 * 0.5, 0.8 * 0.3], [0.2 * 0.5, 0.8 * 0.7])  # positives by negatives, minority first
    truth = float((ratio * norm.cdf(np.array([[1.0, 1.5], [0.5, 1.0]]) / np.sqrt(2))).sum() / ratio.sum())

    def area(rng: np.random.Generator) -> Auroc:
        return Auroc.of(*drawn(rng))

    assert 0.935 <= coverage(area, truth) <= 0.97


def test_intervals_of_weighted_rates_cover_also_where_weights_go_with_the_score() -> None:
    """Low scores are drawn more often, so false alarms weigh more; Kish's size alone covers 0.86 here."""

    def specificity(rng: np.random.Generator) -> Rate:
        score = rng.standard_normal(1500)
        chance = 0.03 + 0.95 / (1 + np.exp(1.5 * (score - 0.5)))
        chosen = rng.random(1500) < chance
        return Rate.of(score[chosen] < 0.7, np.ones(chosen.sum(), dtype=bool), 1 / chance[chosen])

    assert 0.935 <= coverage(specificity, float(norm.cdf(0.7))) <= 0.97
