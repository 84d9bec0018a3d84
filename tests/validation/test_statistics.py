"""Intervals against independent oracles: statsmodels, scikit-learn, brute force, and simulated coverage."""

from itertools import product

import numpy as np
import pytest
from scipy.stats import binom, norm
from sklearn.metrics import roc_auc_score
from statsmodels.stats.multitest import multipletests
from statsmodels.stats.proportion import confint_proportions_2indep, proportion_confint

from cohorts.statistics import delong, wilson
from validation.estimands import Auroc, Mean, Rate, RateGap
from validation.statistics import holm, newcombe


@pytest.mark.parametrize(("successes", "total"), [(0, 10), (1, 10), (7, 10), (10, 10), (413, 977), (0, 1)])
def test_wilson_is_statsmodels_wilson(successes: int, total: int) -> None:
    expected = proportion_confint(successes, total, alpha=0.05, method="wilson")
    assert wilson(successes, total, 0.025) == pytest.approx(expected, abs=1e-12)


@pytest.mark.parametrize("counts", [(56, 70, 48, 80), (9, 10, 3, 10), (10, 10, 0, 10), (5, 56, 0, 29)])
def test_newcombe_is_statsmodels_newcomb(counts: tuple[int, int, int, int]) -> None:
    expected = confint_proportions_2indep(*counts, compare="diff", method="newcomb", alpha=0.05)
    assert newcombe(*counts, 0.025) == pytest.approx(expected, abs=1e-12)


def test_arrays_give_what_their_numbers_give() -> None:
    successes, totals = np.array([[0, 3], [7, 10]]), np.array([[10, 0], [10, 10]])
    lower, upper = wilson(successes, totals, 0.05)
    gaps = newcombe(successes, totals, successes[::-1], totals[::-1], 0.05)
    for place in np.ndindex(2, 2):
        counts = float(successes[place]), float(totals[place])
        opposite = float(successes[::-1][place]), float(totals[::-1][place])
        assert (lower[place], upper[place]) == pytest.approx(wilson(*counts, 0.05), nan_ok=True)
        found = (gaps[0][place], gaps[1][place])
        assert found == pytest.approx(newcombe(*counts, *opposite, 0.05), nan_ok=True)
    assert np.isnan(lower[0, 1])
    assert all(type(bound) is float for bound in (*wilson(3, 10, 0.05), *newcombe(3, 10, 4, 10, 0.05)))


def test_an_empty_denominator_has_no_interval() -> None:
    assert all(np.isnan(bound) for bound in (*wilson(0, 0, 0.025), *newcombe(1, 2, 0, 0, 0.025)))


def test_holm_is_statsmodels_holm() -> None:
    p_values = [0.001, 0.04, 0.03, 0.5, 0.012]
    np.testing.assert_allclose(holm(p_values), multipletests(p_values, method="holm")[1])
    assert holm([]) == []


def brute_force_delong(label: np.ndarray, scores: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Every pair of a positive and a negative, ties counting half."""
    wins = np.array([[[np.heaviside(p - n, 0.5) for n in s[label == 0]] for p in s[label == 1]] for s in scores])
    by_positive, by_negative = wins.mean(axis=2), wins.mean(axis=1)
    covariance = np.cov(by_positive) / by_positive.shape[1] + np.cov(by_negative) / by_negative.shape[1]
    return wins.mean(axis=(1, 2)), covariance


@pytest.mark.parametrize("decimals", [8, 1])
def test_delong_is_brute_force_and_its_areas_are_scikit_learns(decimals: int) -> None:
    rng = np.random.default_rng(0)
    label = (rng.random(60) < 0.4).astype(int)
    scores = (0.8 * label + rng.standard_normal((3, 60))).round(decimals)
    areas, covariance = delong(label, scores)
    expected_areas, expected_covariance = brute_force_delong(label, scores)
    np.testing.assert_allclose(areas, expected_areas)
    np.testing.assert_allclose(covariance, expected_covariance)
    np.testing.assert_allclose(areas, [roc_auc_score(label, s) for s in scores])


def test_delong_of_one_class_is_undefined() -> None:
    areas, covariance = delong(np.ones(5), np.arange(5.0)[None])
    assert np.isnan(areas).all()
    assert np.isnan(covariance).all()


def test_a_score_that_is_nan_leaves_no_area() -> None:
    areas, covariance = delong(np.array([0, 1, 0, 1]), np.array([[0.1, 0.2, np.nan, 0.4]]))
    assert np.isnan(areas).all()
    assert np.isnan(covariance).all()
    assert np.isnan(Auroc.of(np.array([0, 1, 1]), np.array([0.1, np.nan, 0.3])).interval(0.025)).all()


def test_a_perfect_area_still_has_a_lower_bound_under_one() -> None:
    label = np.array([0] * 20 + [1] * 15)
    lower, upper = Auroc.of(label, label.astype(float)).interval(0.025)
    assert (lower, upper) == pytest.approx(wilson(15, 15, 0.025))
    assert lower < 0.85


def test_a_paired_gain_is_narrower_than_an_unpaired_one_and_zero_against_itself() -> None:
    rng = np.random.default_rng(1)
    label = (rng.random(400) < 0.5).astype(int)
    score = label + rng.standard_normal(400)
    control = score + 0.3 * rng.standard_normal(400)
    gain = Mean.auroc_gain(label, score, control)
    unpaired = Auroc.of(label, score).variance + Auroc.of(label, control).variance
    assert gain.variance < 0.3 * unpaired
    assert Mean.auroc_gain(label, score, score).interval(0.025) == (0.0, 0.0)


@pytest.mark.parametrize("estimand", [Rate(45, 50), RateGap(Rate(18, 20), Rate(80, 100)), Auroc(0.8, 0.03**2, 60, 90)])
def test_the_number_needed_puts_the_lower_bound_at_the_threshold(estimand: Rate | RateGap | Auroc) -> None:
    threshold = estimand.value - 0.05
    needed = estimand.needed(threshold, 0.025)
    assert needed is not None
    assert estimand.scaled(needed / estimand.support).interval(0.025)[0] >= threshold - 1e-6
    assert estimand.scaled((needed - 1) / estimand.support).interval(0.025)[0] < threshold


def test_no_number_helps_an_estimate_at_its_threshold() -> None:
    assert Rate(7, 10).needed(0.7, 0.025) is None


def test_the_p_value_is_where_the_upper_bound_meets_the_threshold() -> None:
    rate = Rate(60, 100)
    p_value = rate.p_value_below(0.7)
    assert rate.interval(p_value)[1] == pytest.approx(0.7, abs=1e-6)
    assert p_value == pytest.approx(norm.cdf((0.6 - 0.7) / np.sqrt(0.7 * 0.3 / 100)), abs=1e-6)
    assert rate.p_value_below(0.5) == 1.0


def coverage(draws: int, estimate: object, truth: float) -> float:
    bounds = np.array([estimate(np.random.default_rng(seed)).interval(0.025) for seed in range(draws)])  # type: ignore[operator]
    return float(((bounds[:, 0] <= truth) & (truth <= bounds[:, 1])).mean())


@pytest.mark.parametrize(("share", "total"), list(product([0.7, 0.9], [50, 200])))
def test_intervals_of_rates_cover_at_their_level(share: float, total: int) -> None:
    """Exactly, over all counts; a discrete rate cannot hit 0.95, and at 0.9 of 50 Wilson's interval covers 0.970."""
    counts = np.arange(total + 1)
    bounds = np.array([Rate(count, total).interval(0.025) for count in counts])
    covers = (bounds[:, 0] <= share) & (share <= bounds[:, 1])
    assert 0.93 <= binom.pmf(counts, total, share)[covers].sum() <= 0.971


def test_intervals_of_gaps_cover_at_their_level() -> None:
    def gap(rng: np.random.Generator) -> RateGap:
        return RateGap(Rate(rng.binomial(60, 0.8), 60), Rate(rng.binomial(300, 0.85), 300))

    assert 0.93 <= coverage(4000, gap, -0.05) <= 0.97


@pytest.mark.parametrize("positives", [50, 200])
def test_intervals_of_areas_cover_at_their_level(positives: int) -> None:
    label = np.array([1] * positives + [0] * 200)

    def area(rng: np.random.Generator) -> Auroc:
        return Auroc.of(label, 1.2 * label + rng.standard_normal(len(label)))

    assert 0.93 <= coverage(1500, area, float(norm.cdf(1.2 / np.sqrt(2)))) <= 0.975


@pytest.mark.parametrize("seed", range(20))
def test_a_perfect_order_of_few_weighted_subjects_is_no_certainty(seed: int) -> None:
    """Sums of weights are not exact: an area of 1 - 1e-16 with a variance of 1e-33 had a lower bound of 1."""
    rng = np.random.default_rng(seed)
    label, weight = np.arange(24) // 12, rng.uniform(0.9, 1.1, 24)
    score = label + rng.random(24) / 2
    perfect = Auroc.of(label, score, weight)
    assert (perfect.value, perfect.variance) == (1, 0)
    assert perfect.interval(0.025)[0] == pytest.approx(wilson(12, 12, 0.025)[0], abs=0.01)
    assert Auroc.of(label, -score, weight).interval(0.025)[1] < 0.3
    assert np.isnan(Mean.auroc_gain(label, score, label + rng.random(24) / 2, weight).variance)
