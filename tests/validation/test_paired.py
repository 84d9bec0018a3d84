"""A candidate and its champion on the same subjects: against brute force, McNemar's test, and hostile counts."""

import numpy as np
import pytest
from scipy.optimize import brentq, minimize_scalar
from scipy.stats import chi2, norm
from statsmodels.stats.contingency_tables import mcnemar

from validation.paired import PairedGap
from validation.statistics import tango, tango_statistic


def brute_force_statistic(first: int, second: int, total: int, difference: float) -> float:
    """The score with its variance at the most likely share of the second, found by a numerical search."""

    def unlikely(share: float) -> float:
        shares = np.array([share + difference, share, 1 - 2 * share - difference])
        return -float(np.array([first, second, total - first - second]) @ np.log(np.maximum(shares, 1e-300)))

    low, high = max(0.0, -difference), (1 - difference) / 2
    share = minimize_scalar(unlikely, bounds=(low, high), method="bounded", options={"xatol": 1e-13}).x
    return (first - second - total * difference) / np.sqrt(total * (2 * share + difference - difference**2))


@pytest.mark.parametrize("counts", [(12, 2, 50), (3, 9, 40), (7, 7, 30), (1, 4, 200)])
def test_tangos_interval_is_that_of_a_numerical_score_test(counts: tuple[int, int, int]) -> None:
    middle, z = (counts[0] - counts[1]) / counts[2], norm.isf(0.025)
    expected = [
        brentq(lambda d, s=sign: brute_force_statistic(*counts, d) - s * z, *bracket)
        for sign, bracket in ((1, (-0.9, middle)), (-1, (middle, 0.9)))
    ]
    assert tango(*counts, 0.025) == pytest.approx(expected, abs=1e-5)


@pytest.mark.parametrize("counts", [(12, 2), (3, 9), (5, 0), (4, 4)])
def test_the_statistic_of_no_difference_is_mcnemars(counts: tuple[int, int]) -> None:
    table = [[20, counts[0]], [counts[1], 10]]
    expected = mcnemar(table, exact=False, correction=False)
    statistic = tango_statistic(*counts, 30 + sum(counts), 0.0)
    assert statistic**2 == pytest.approx(expected.statistic)
    assert chi2.sf(statistic**2, 1) == pytest.approx(expected.pvalue)


def test_who_is_first_only_changes_the_sign() -> None:
    lower, upper = tango(9, 4, 60, 0.05)
    assert tango(4, 9, 60, 0.05) == pytest.approx((-upper, -lower), abs=1e-9)


@pytest.mark.parametrize("counts", [(0, 0, 1), (0, 0, 50), (1, 0, 1), (50, 0, 50), (0, 50, 50), (10**6, 3, 10**7)])
def test_bounds_exist_at_every_edge_and_hold_the_estimate(counts: tuple[int, int, int]) -> None:
    lower, upper = tango(*counts, 0.025)
    assert -1 <= lower <= (counts[0] - counts[1]) / counts[2] <= upper <= 1
    assert upper > lower


def test_agreeing_on_everybody_still_leaves_doubt_that_falls_with_their_number() -> None:
    bounds = [PairedGap.of(np.ones(n, dtype=bool), np.ones(n, dtype=bool)).interval(0.025)[0] for n in (20, 200, 2000)]
    assert bounds[0] < -0.1 < bounds[1] < -0.01 < bounds[2] < 0


def test_nobody_has_no_interval() -> None:
    none = np.zeros(0, dtype=bool)
    for weight in (None, np.zeros(0)):
        gap = PairedGap.of(none, none, weight)
        assert np.isnan([gap.value, *gap.interval(0.025)]).all()
        assert gap.support == 0


def right(seed: int, num: int = 300) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    champion = rng.random(num) < 0.8
    return np.where(rng.random(num) < 0.1, rng.random(num) < 0.9, champion), champion


def test_equal_weights_give_the_counts_and_others_the_weighted_difference() -> None:
    candidate, champion = right(0)
    plain, equal = PairedGap.of(candidate, champion), PairedGap.of(candidate, champion, np.full(300, 0.3))
    assert (equal.gained, equal.lost, equal.total) == pytest.approx((plain.gained, plain.lost, plain.total))
    weight = np.random.default_rng(1).uniform(0.2, 5, 300)
    weighted = PairedGap.of(candidate, champion, weight, "positives")
    assert weighted.value == pytest.approx(np.average(candidate.astype(float) - champion, weights=weight))
    assert weighted.total <= weight.sum() ** 2 / (weight**2).sum() < 300 == weighted.support
    assert weighted.unit == "positives"


def test_the_number_needed_and_the_level_of_failure_follow_from_the_bounds() -> None:
    gap = PairedGap(10, 22, 400)
    needed = gap.needed(-0.05, 0.025)
    assert needed is not None
    assert gap.scaled(needed / 400).interval(0.025)[0] >= -0.05
    assert gap.scaled((needed - 1) / 400).interval(0.025)[0] < -0.05
    assert gap.p_value_below(0.0) == pytest.approx(norm.cdf(tango_statistic(10, 22, 400, 0.0)), abs=1e-6)
