"""Conformal sets and abstention: coverage by simulation, by pattern, and no stored number that is one person's."""

import json

import numpy as np
import pytest
from scipy.special import expit

from lightning_modules.conformal import LEAST_PEOPLE, Conformal, fit_conformal, nearest_to_undecided, quantiles_of


def draw(num_people: int, rng: np.random.Generator, noisy: float = 1.0) -> tuple[np.ndarray, ...]:
    """Scores, labels, weights and patterns; the scores of pattern b are too bold by this factor."""
    pattern = rng.choice(np.array(["a", "b"], dtype=object), num_people)
    truth = rng.normal(0, 1.5, num_people)
    label = (rng.random(num_people) < expit(truth)).astype(float)
    score = expit(truth * np.where(pattern == "b", noisy, 1.0))
    return score, label, np.ones(num_people), pattern


def covered(sets: np.ndarray, label: np.ndarray) -> np.ndarray:
    return np.where(label > 0, np.isin(sets, ["positive", "both"]), np.isin(sets, ["negative", "both"]))


@pytest.mark.parametrize(("num_people", "alpha"), [(130, 0.2), (400, 0.1), (400, 0.3), (2000, 0.05)])
def test_sets_hold_the_true_label_as_often_as_promised_in_each_pattern(num_people: int, alpha: float) -> None:
    rng = np.random.default_rng(0)
    found = []
    for _ in range(150):
        fitted = fit_conformal(*draw(num_people, rng, noisy=3.0))
        score, label, _, pattern = draw(500, rng, noisy=3.0)
        right = covered(fitted.sets(score, pattern, alpha), label)
        found.append([right[pattern == name].mean() for name in ("a", "b")])
    mean, error = np.mean(found, axis=0), np.std(found, axis=0) / np.sqrt(len(found))
    assert (mean > 1 - alpha - 3 * error).all()
    assert (mean < 1 - alpha + 0.02 + LEAST_PEOPLE / (num_people / 2)).all()  # at most a block too wide


@pytest.mark.parametrize("num_people", [100, 200, 1000])
def test_sets_of_a_rare_outcome_whose_nonconformity_has_two_modes_hold_it_too(num_people: int) -> None:
    rng = np.random.default_rng(0)

    def drawn(number: int) -> tuple[np.ndarray, ...]:
        score = rng.beta(10, 60, number)
        return score, (rng.random(number) < score).astype(float), np.ones(number), np.full(number, "all", dtype=object)

    found = []
    for _ in range(150):
        fitted = fit_conformal(*drawn(num_people))
        score, label, _, pattern = drawn(500)
        found.append(covered(fitted.sets(score, pattern, 0.1), label).mean())
    assert np.mean(found) > 0.9 - 3 * np.std(found) / np.sqrt(len(found))


def test_one_quantile_for_everybody_would_fail_the_pattern_that_is_too_bold() -> None:
    rng = np.random.default_rng(0)
    score, label, weight, pattern = draw(4000, rng, noisy=3.0)
    together = fit_conformal(score, label, weight, np.full(4000, "all", dtype=object))
    right = covered(together.sets(score, pattern, 0.2), label)
    apart = covered(fit_conformal(score, label, weight, pattern).sets(score, pattern, 0.2), label)
    assert abs(right[pattern == "a"].mean() - right[pattern == "b"].mean()) > 0.01
    for name in ("a", "b"):
        assert apart[pattern == name].mean() == pytest.approx(0.805, abs=0.015)


def test_a_pattern_with_too_few_people_uses_everybodys_quantile_and_the_fewest_leave_both() -> None:
    rng = np.random.default_rng(0)
    score, label, weight, pattern = draw(300, rng)
    pattern[:40], score[:40] = "few", 0.5
    pattern[40:45] = "fewer"
    fitted = fit_conformal(score, label, weight, pattern)
    assert set(fitted.by_pattern) == {"a", "b", "few"}
    grid = np.linspace(0.01, 0.99, 200)

    def sets(name: str, alpha: float) -> list[str]:
        return fitted.sets(grid, np.full(200, name), alpha).tolist()

    assert sets("fewer", 0.1) == sets("unseen", 0.1) == sets("few", 0.1)
    assert sets("few", 0.2) != sets("unseen", 0.2)
    assert sets("a", 0.1) != sets("unseen", 0.1)
    assert set(sets("unseen", 0.001)) == {"both"}


def test_the_four_sets_are_those_that_a_quantile_leaves() -> None:
    score = np.array([0.05, 0.5, 0.95])
    values = np.repeat([0.1, 0.3, 0.6], 33)
    fitted = Conformal(quantiles_of(values, np.ones(99)))
    pattern = np.full(3, "a")
    assert fitted.sets(score, pattern, 0.1).tolist() == ["negative", "both", "positive"]
    assert fitted.sets(score, pattern, 0.45).tolist() == ["negative", "none", "positive"]


def test_no_stored_number_stands_for_fewer_than_11_people() -> None:
    rng = np.random.default_rng(0)
    values = rng.random(130)
    found = quantiles_of(values, np.ones(130))
    ordered = np.sort(values)
    assert len(found.values) == 11
    expected = [ordered[:20].mean(), *[ordered[k : k + 11].mean() for k in range(20, 130, 11)]]
    np.testing.assert_allclose(found.values, expected, atol=1e-6)
    for stored in found.values:
        assert np.abs(values - stored).min() > 1e-7
    assert quantiles_of(values[:10], np.ones(10)).values == ()
    assert all(level == round(level, 2) for level in found.levels)


def test_levels_are_ranks_among_everybody_and_the_next_person_rounded_down() -> None:
    found = quantiles_of(np.random.default_rng(0).random(110), np.ones(110))
    ranks = np.arange(6, 110, 11)
    np.testing.assert_allclose(found.levels, np.floor(100 * ranks / 111) / 100)


def test_weights_move_quantiles_to_those_who_weigh_more() -> None:
    values = np.r_[np.full(100, 0.2), np.full(100, 0.8)]
    even, heavy = np.ones(200), np.r_[np.full(100, 9.0), np.ones(100)]
    assert quantiles_of(values, even).at(0.7) == pytest.approx(0.8)
    assert quantiles_of(values, heavy).at(0.7) == pytest.approx(0.2)
    assert quantiles_of(values, heavy * 7) == quantiles_of(values, heavy)


def test_nonconformity_is_plain_data_and_comes_back_the_same() -> None:
    fitted = fit_conformal(*draw(300, np.random.default_rng(0)))
    assert Conformal.from_state(json.loads(json.dumps(fitted.state()))) == fitted


def test_who_is_nearest_to_undecided_is_left_to_a_human_within_the_budget() -> None:
    score = np.array([0.9, 0.52, 0.1, 0.45, 1.0, 0.0])
    assert np.flatnonzero(nearest_to_undecided(score, 0.34)).tolist() == [1, 3]
    assert np.flatnonzero(nearest_to_undecided(score, 1 / 6, undecided=0.12)).tolist() == [2]
    assert not nearest_to_undecided(score, 0).any()
    assert nearest_to_undecided(score, 1).all()
    assert nearest_to_undecided(np.full(10, 0.5), 0.3).tolist() == [True] * 3 + [False] * 7


def test_the_budget_is_used_to_the_last_person() -> None:
    for num_people in range(1, 40):
        score = np.random.default_rng(num_people).random(num_people)
        for tenths in range(11):
            assert nearest_to_undecided(score, tenths / 10).sum() == tenths * num_people // 10
