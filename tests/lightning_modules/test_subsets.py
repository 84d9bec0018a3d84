"""Scores under subsets of modalities, and Shapley values against the definition."""

from collections.abc import Mapping
from dataclasses import replace
from itertools import permutations

import numpy as np
import pytest

from cohorts.cohort import Cohort
from cohorts.preprocessing import Preprocessing
from lightning_modules.bundle import Bundle, fresh_network
from lightning_modules.calibration import Calibration
from lightning_modules.config import NetworkOptions
from lightning_modules.scoring import score
from lightning_modules.shapley import all_subsets, exact_shapley, gain_in_log_loss, shapley, shapley_of_predictions
from lightning_modules.subsets import bundle_scorer, common_modalities, deployed_presence, scores_under, subsets_of


@pytest.mark.parametrize("num_modalities", [1, 2, 3, 6])
def test_up_to_six_modalities_every_subset_but_the_empty_one_is_there_once(num_modalities: int) -> None:
    subsets = subsets_of(num_modalities)
    assert len(subsets) == len(np.unique(subsets, axis=0)) == 2**num_modalities - 1
    assert subsets.any(axis=1).all()
    assert (np.diff(subsets.sum(axis=1)) <= 0).all()


def test_of_more_modalities_the_same_64_are_drawn_with_every_size_among_them() -> None:
    subsets = subsets_of(9)
    np.testing.assert_array_equal(subsets, subsets_of(9))
    assert not np.array_equal(subsets, subsets_of(9, seed=1))
    assert len(subsets) == len(np.unique(subsets, axis=0)) == 64
    sizes = subsets.sum(axis=1).tolist()
    assert (sizes.count(9), sizes.count(8), sizes.count(1)) == (1, 9, 9)
    assert set(sizes) == set(range(1, 10))
    assert len(subsets_of(20, num_sampled=5)) == 41


@pytest.mark.parametrize("num_modalities", [2, 3, 4])
def test_a_draw_of_few_modalities_ends(num_modalities: int) -> None:
    assert len(subsets_of(num_modalities, most_complete=1)) == 2**num_modalities - 1


@pytest.fixture(scope="module")
def bundle(people: Cohort, preprocessing: Preprocessing) -> Bundle:
    options = NetworkOptions(fusion="intermediate")
    network = fresh_network(preprocessing, options, seed=0, prevalence=0.4)
    for parameter in network.parameters():
        parameter.data.add_(0.02)
    calibration = Calibration("platt", (0.8, 0.8, 0.1), {"clinical": (0.5, 0.5, -0.2)})
    return Bundle(network.eval(), options, preprocessing, people.spec, {}, calibration=calibration)


def test_the_whole_subset_gives_the_scores_that_predict_gives(bundle: Bundle, people: Cohort) -> None:
    inputs = bundle.preprocessing.transform(people)
    whole = np.ones((1, len(people.modalities)), dtype=bool)
    found = scores_under(bundle_scorer(bundle), inputs, people.presence, whole)
    group = np.zeros(len(people), dtype=int)
    own = scores_under(bundle_scorer(bundle), inputs, people.presence, whole, group)
    plain = scores_under(
        bundle_scorer(replace(bundle, calibration=Calibration())), inputs, people.presence, whole, group
    )
    np.testing.assert_array_equal(own, plain)
    np.testing.assert_array_equal(found[0], score(bundle, people))


def test_who_shows_the_same_under_several_subsets_is_scored_once(people: Cohort, bundle: Bundle) -> None:
    few = people.take(np.arange(40))
    inputs, subsets, calls = bundle.preprocessing.transform(few), all_subsets(len(people.modalities)), []
    scorer = bundle_scorer(bundle)

    def counted(inputs: Mapping[str, np.ndarray], presence: np.ndarray, group: np.ndarray | None = None) -> np.ndarray:
        calls.append(len(presence))
        return scorer(inputs, presence, group)

    found = scores_under(counted, inputs, few.presence, subsets)
    assert sum(calls) == (2 ** few.presence.sum(axis=1) - 1).sum() < len(subsets) * len(few)
    for number in range(0, len(subsets), 7):
        alone = scores_under(scorer, inputs, few.presence, subsets[[number]])
        np.testing.assert_array_equal(found[number], alone[0])


def test_a_hidden_modality_has_no_influence_and_who_shows_nothing_has_no_score(bundle: Bundle, people: Cohort) -> None:
    few = people.take(np.arange(50))
    inputs = bundle.preprocessing.transform(few)
    subset = np.zeros((1, len(few.modalities)), dtype=bool)
    subset[0, 1] = True
    found = scores_under(bundle_scorer(bundle), inputs, few.presence, subset)[0]
    assert np.array_equal(np.isnan(found), ~few.presence[:, 1])
    spoilt = {name: values if m == 1 else values + 7 for m, (name, values) in enumerate(inputs.items())}
    again = scores_under(bundle_scorer(bundle), spoilt, few.presence, subset)[0]
    np.testing.assert_array_equal(again, found)


def by_definition(values: np.ndarray, num_modalities: int) -> np.ndarray:
    """Mean gain over all orders."""
    total = np.zeros((num_modalities, *values.shape[1:]))
    orders = list(permutations(range(num_modalities)))
    for order in orders:
        before = 0
        for m in order:
            total[m] += values[before + 2**m] - values[before]
            before += 2**m
    return total / len(orders)


@pytest.mark.parametrize("num_modalities", [1, 3, 5])
def test_exact_shapley_values_are_the_mean_gain_over_all_orders(num_modalities: int) -> None:
    values = np.random.default_rng(0).normal(size=(2**num_modalities, 4))
    np.testing.assert_allclose(exact_shapley(values), by_definition(values, num_modalities), atol=1e-12)


@pytest.mark.parametrize("num_modalities", [4, 10, 11, 13])
def test_shapley_values_add_up_to_what_everything_gives_over_nothing(num_modalities: int) -> None:
    weight = np.random.default_rng(1).normal(size=(num_modalities, 3))

    def value(subsets: np.ndarray) -> np.ndarray:
        return np.tanh(subsets @ weight) * subsets[:, :1]

    found = shapley(value, num_modalities)
    ends = value(np.array([[False] * num_modalities, [True] * num_modalities]))
    np.testing.assert_allclose(found.sum(axis=0), ends[1] - ends[0], atol=1e-12)


def test_drawn_shapley_values_are_near_the_exact_ones() -> None:
    weight = np.linspace(0, 1, 11)

    def value(subsets: np.ndarray) -> np.ndarray:
        return np.sqrt(subsets @ weight)

    exact = exact_shapley(value(all_subsets(11)))
    found = shapley(value, 11)
    assert np.abs(found - exact).max() < 0.05
    assert np.corrcoef(found, exact)[0, 1] > 0.99


def test_shapley_values_of_people_add_up_and_are_zero_for_what_they_lack(bundle: Bundle, people: Cohort) -> None:
    few = people.take(np.arange(40))
    inputs, scorer = bundle.preprocessing.transform(few), bundle_scorer(bundle)
    nothing, whole = 0.4, score(bundle, few).clip(1e-9, 1 - 1e-9)

    def scores(subsets: np.ndarray) -> np.ndarray:
        return scores_under(scorer, inputs, few.presence, subsets)

    num = len(few.modalities)
    of_logit = shapley_of_predictions(scorer, inputs, few.presence, nothing=nothing)
    np.testing.assert_allclose(
        of_logit.sum(axis=0), np.log(whole / (1 - whole)) - np.log(nothing / (1 - nothing)), atol=1e-6
    )
    assert (of_logit.T[~few.presence] == 0).all()
    assert (of_logit.T[few.presence] != 0).any()
    of_loss = shapley(lambda subsets: gain_in_log_loss(scores(subsets), few.label, nothing), num)
    loss = -np.log(np.where(few.label == 1, whole, 1 - whole))
    before = -np.log(np.where(few.label == 1, nothing, 1 - nothing))
    np.testing.assert_allclose(of_loss.sum(axis=0), before - loss, atol=1e-9)


def test_a_deployment_hides_as_much_as_it_says_and_leaves_everybody_something() -> None:
    presence = np.random.default_rng(5).random((4000, 3)) < 0.8
    presence[~presence.any(axis=1), 0] = True
    shown = deployed_presence(presence, np.array([1.0, 0.5, 0.1]), num_draws=4)
    assert shown.shape == (4, 4000, 3)
    assert not (shown & ~presence).any()
    assert shown.any(axis=-1).all()
    np.testing.assert_array_equal(shown[..., 0], np.broadcast_to(presence[:, 0], (4, 4000)))
    safe = presence[:, 0] & presence[:, 1]  # whom no draw can leave with nothing
    assert shown[:, safe, 1].mean() == pytest.approx(0.5, abs=0.02)
    assert (deployed_presence(presence, np.zeros(3), num_draws=1).sum(axis=-1) == 1).all()


def test_common_modalities_are_those_that_enough_people_of_both_classes_have_together() -> None:
    presence, label = np.ones((200, 3), dtype=bool), np.arange(200) % 2
    assert common_modalities(presence, label).tolist() == [True, True, True]
    presence[21:, 1] = False  # 11 negatives and 10 positives have it
    assert common_modalities(presence, label).tolist() == [True, False, True]
    presence[21, 1] = True
    assert common_modalities(presence, label).tolist() == [True, True, True]
    crowd, labels = np.tile(presence, (10, 1)), np.tile(label, 10)
    crowd[190:, 1] = False  # fewer than a tenth
    assert common_modalities(crowd, labels).tolist() == [True, False, True]
    assert not common_modalities(presence[:20], label[:20]).any()
