"""Measures from cells against scikit-learn; the bootstrap from cells against drawing every subject."""

from collections.abc import Callable

import numpy as np
import pytest
from sklearn.metrics import average_precision_score, brier_score_loss, roc_auc_score

from validation.bootstrap import Bootstrapped, observed
from validation.cells import score_cells
from validation.measures import (
    Measure,
    auprc,
    auprc_lift,
    auroc,
    brier_skill,
)

MEASURES: list[Measure] = [auroc, auprc_lift, brier_skill]


def cohort(num: int = 300, decimals: int = 8, seed: int = 0) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Labels, risks away from 0 and 1, and weights."""
    rng = np.random.default_rng(seed)
    risk = 1 / (1 + np.exp(1 - 1.5 * rng.standard_normal(num)))
    return (rng.random(num) < risk).astype(int), risk.round(decimals).clip(0.05, 0.95), rng.uniform(0.2, 5, num)


def expected(measure: Measure, label: np.ndarray, score: np.ndarray, weight: np.ndarray) -> float:
    rate = np.average(label, weights=weight)
    return {
        auroc: lambda: roc_auc_score(label, score, sample_weight=weight),
        auprc: lambda: average_precision_score(label, score, sample_weight=weight),
        auprc_lift: lambda: average_precision_score(label, score, sample_weight=weight) / rate,
        brier_skill: lambda: 1 - brier_score_loss(label, score, sample_weight=weight) / (rate * (1 - rate)),
    }[measure]()


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("decimals", [8, 1])
@pytest.mark.parametrize("measure", [*MEASURES, auprc])
def test_measures_are_those_of_scikit_learn(measure: Measure, decimals: int, weighted: bool) -> None:
    label, score, weight = cohort(decimals=decimals)
    weight = weight if weighted else np.ones(300)
    found = Bootstrapped.of(measure, label, score, weight if weighted else None, num_replicates=20)
    assert found.value == pytest.approx(expected(measure, label, score, weight), abs=1e-9)
    assert found.support == 300


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("measure", [auroc, brier_skill])
def test_bounds_are_those_of_drawing_every_subject(measure: Measure, weighted: bool) -> None:
    label, score, weight = cohort(decimals=2)
    weight = weight if weighted else np.ones(300)
    bounds = Bootstrapped.of(measure, label, score, weight if weighted else None).interval(0.025)
    samples = [
        expected(measure, label[d], score[d], weight[d]) for d in np.random.default_rng(1).integers(0, 300, (300, 300))
    ]
    error = np.std(samples)
    assert bounds == pytest.approx(np.quantile(samples, [0.025, 0.975]), abs=0.4 * error)


@pytest.mark.parametrize("measure", MEASURES)
@pytest.mark.parametrize("weighted", [False, True])
def test_the_order_of_the_rows_changes_nothing(measure: Measure, weighted: bool) -> None:
    label, score, weight = cohort(1500, decimals=3)
    order = np.random.default_rng(2).permutation(1500)
    found = [
        Bootstrapped.of(measure, label[o], score[o], weight[o] if weighted else None, num_replicates=100)
        for o in (np.arange(1500), order)
    ]
    assert found[0].value == found[1].value
    np.testing.assert_array_equal(found[0].replicates, found[1].replicates)


@pytest.mark.parametrize("weighted", [False, True])
def test_cells_of_near_scores_move_no_measure_by_what_a_bound_would_show(weighted: bool) -> None:
    label, score, weight = cohort(40_000)
    given = weight if weighted else None
    every, cells = score_cells(label, score, given, 40_000), score_cells(label, score, given)
    assert every is not None
    assert cells is not None
    assert len(cells.score) <= 1000 < len(every.score)
    for measure in (*MEASURES, auprc):
        exact, near = (measure(each.score, *observed(each))[0] for each in (every, cells))
        assert near == pytest.approx(exact, abs=0.002)


def test_cells_keep_all_subjects_and_their_weights() -> None:
    label, score, weight = cohort(5000, decimals=4)
    cells = score_cells(label, score, weight, most=40)
    assert cells is not None
    assert (np.diff(cells.score) > 0).all()
    for side, members in ((cells.positives, label == 1), (cells.negatives, label == 0)):
        assert side.count.sum() == members.sum()
        assert side.count @ side.weight == pytest.approx(weight[members].sum())


def test_bounds_narrow_with_more_subjects_and_widen_with_the_level_without_a_jump() -> None:
    found = Bootstrapped.of(auroc, *cohort()[:2])
    levels = [0.4, 0.1, 0.025, 0.006, 0.005, 0.004, 1e-4, 1e-9]
    lower, upper = np.array([found.interval(level) for level in levels]).T
    assert (np.diff(lower) < 0).all()
    assert (np.diff(upper) > 0).all()
    assert abs(lower[4] - lower[5]) < 0.01
    wide, narrow = found.interval(0.025), found.scaled(4).interval(0.025)
    assert narrow[1] - narrow[0] == pytest.approx((wide[1] - wide[0]) / 2)
    needed = found.needed(found.value - 0.01, 0.025)
    assert needed is not None
    assert found.scaled(needed / 300).interval(0.025)[0] == pytest.approx(found.value - 0.01, abs=1e-4)
    p_value = found.p_value_below(upper[2])
    assert p_value == pytest.approx(0.025, abs=0.002)


@pytest.mark.parametrize(
    "spoil",
    [
        lambda label, score: (np.ones_like(label), score),
        lambda label, score: (np.zeros_like(label), score),
        lambda label, score: (label, np.where(np.arange(len(label)) == 0, np.nan, score)),
        lambda label, score: (label[:0], score[:0]),
    ],
    ids=["all positive", "none positive", "a score is NaN", "nobody"],
)
def test_what_cannot_be_measured_has_no_bounds(spoil: Callable[..., tuple[np.ndarray, np.ndarray]]) -> None:
    for measure in MEASURES:
        found = Bootstrapped.of(measure, *spoil(*cohort(60)[:2]), num_replicates=50)
        assert np.isnan([found.value, *found.interval(0.025)]).all()
        assert found.p_value_below(0.5) == 1.0
        assert found.needed(0.5, 0.025) is None


def test_scores_that_all_tie_have_no_skill_in_ranking() -> None:
    label, constant = cohort(60)[0], np.full(60, 0.3)
    assert Bootstrapped.of(auroc, label, constant, num_replicates=50).interval(0.025) == (0.5, 0.5)
    assert Bootstrapped.of(auprc_lift, label, constant, num_replicates=50).value == pytest.approx(1)


def test_one_positive_still_gives_bounds_of_a_rank() -> None:
    score = cohort(60)[1]
    lower, upper = Bootstrapped.of(auroc, (np.arange(60) == 7).astype(int), score, num_replicates=200).interval(0.025)
    assert 0 <= lower <= upper <= 1
