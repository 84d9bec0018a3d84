"""Shapley values of modalities: exact against the definition, near it from a sample, and adding up."""

from itertools import combinations, permutations

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import roc_auc_score

from tests.validation.cases import with_weights
from tests.validation.subset_cases import MODALITIES, make_people, make_subsets, make_table
from validation.shapley import shapley_values, shapley_weights
from validation.subsets import Subsets

ALPHA = 0.025


def every_subset(num_modalities: int) -> np.ndarray:
    sized = [s for size in range(num_modalities, 0, -1) for s in combinations(range(num_modalities), size)]
    return np.array([[m in subset for m in range(num_modalities)] for subset in sized])


def by_definition(subsets: np.ndarray, worth: np.ndarray) -> np.ndarray:
    """Mean gain over all orders in which modalities come in."""
    value = {frozenset(np.flatnonzero(s)): w for s, w in zip(subsets, worth, strict=True)} | {frozenset(): 0.0}
    orders = list(permutations(range(subsets.shape[1])))
    total = np.zeros(subsets.shape[1])
    for order in orders:
        for place, m in enumerate(order):
            total[m] += value[frozenset(order[: place + 1])] - value[frozenset(order[:place])]
    return total / len(orders)


@pytest.mark.parametrize("num_modalities", [1, 2, 3, 5, 6])
def test_of_all_subsets_the_regression_is_the_mean_gain_over_all_orders(num_modalities: int) -> None:
    subsets = every_subset(num_modalities)
    worth = np.random.default_rng(num_modalities).normal(size=len(subsets))
    np.testing.assert_allclose(shapley_weights(subsets) @ worth, by_definition(subsets, worth), atol=1e-10)


def test_of_a_sample_they_add_up_are_symmetric_and_near_the_exact_ones() -> None:
    rng, everything = np.random.default_rng(0), every_subset(8)
    strength = np.array([0, 1, 1, 2, 3, 4, 5, 6]) / 20
    size = everything.sum(axis=1)
    middle = rng.permutation(np.flatnonzero((size > 1) & (size < 7)))[:60]
    kept = np.concatenate([np.flatnonzero(size >= 7), np.sort(middle), np.flatnonzero(size == 1)])
    worth = np.sqrt(everything @ strength)
    found = shapley_weights(everything[kept]) @ worth[kept]
    exact = shapley_weights(everything) @ worth
    assert found.sum() == pytest.approx(worth[0])
    assert np.abs(found - exact).max() < 0.02
    additive = everything @ strength
    np.testing.assert_allclose(shapley_weights(everything[kept]) @ additive[kept], strength, atol=1e-10)


@pytest.mark.parametrize("weighted", [False, True])
def test_values_add_up_to_the_area_above_chance_and_follow_the_definition(weighted: bool) -> None:
    people = with_weights(make_people()) if weighted else make_people()
    table, subsets = make_table(people), make_subsets(people)
    found = shapley_values(subsets, ALPHA)
    complete = people.set_index("subject_id").loc[table["subject_id"]]
    weight = complete["weight"] if weighted else None
    worth = [roc_auc_score(complete["label"], table[n], sample_weight=weight) - 0.5 for n in subsets.names]
    np.testing.assert_allclose(found["value"], by_definition(subsets.subsets, np.array(worth)), atol=1e-12)
    assert found["value"].sum() == pytest.approx(worth[0])
    assert found["modality"].tolist() == list(MODALITIES)
    assert found["value"].is_monotonic_increasing, "ecg, labs, scan"
    assert found["exact"].all()
    assert ((found["lower"] < found["value"]) & (found["value"] < found["upper"])).all()


def test_modalities_with_the_same_scores_have_the_same_value() -> None:
    people = make_people()
    table = make_table(people)
    table["labs"], table["labs+scan"] = table["ecg"], table["ecg+scan"]
    value = shapley_values(Subsets.of(table, people), ALPHA).set_index("modality")["value"]
    assert value["ecg"] == pytest.approx(value["labs"])
    assert value["ecg"] != pytest.approx(value["scan"])


def test_the_order_of_the_rows_does_not_matter() -> None:
    people = make_people()
    shuffled = Subsets.of(make_table(people).sample(frac=1, random_state=3), people)
    pd.testing.assert_frame_equal(shapley_values(shuffled, ALPHA), shapley_values(make_subsets(people), ALPHA))


def test_intervals_cover_as_often_as_they_say() -> None:
    """Against the mean of sixty samples, which is nearly the truth."""
    found = pd.concat(
        [shapley_values(make_subsets(make_people(seed=s), seed=s), ALPHA).assign(seed=s) for s in range(60)]
    )
    truth = found.groupby("modality")["value"].transform("mean")
    covered = (found["lower"] <= truth) & (truth <= found["upper"])
    assert 0.88 <= covered.mean() <= 0.995


def test_a_sample_of_subsets_is_said_to_be_no_exact_table() -> None:
    people = make_people()
    table = make_table(people).drop(columns="ecg")
    found = shapley_values(Subsets.of(table, people), ALPHA)
    assert not found["exact"].any()
    assert found["value"].notna().all()


def test_a_single_modality_has_all_and_a_perfect_one_no_interval() -> None:
    people = make_people()
    single = shapley_values(make_subsets(people, modalities=("scan",)), ALPHA)
    area = by_area(people)
    assert single["value"].tolist() == [pytest.approx(area - 0.5)]
    table = make_table(people, modalities=("scan",))
    label = people.set_index("subject_id").loc[table["subject_id"], "label"].to_numpy()
    perfect = shapley_values(Subsets.of(table.assign(scan=0.1 + 0.8 * label), people), ALPHA)
    assert perfect["value"].tolist() == [0.5]
    assert perfect[["lower", "upper"]].isna().all(axis=None)


def by_area(people: pd.DataFrame) -> float:
    table = make_table(people, modalities=("scan",))
    return float(roc_auc_score(people.set_index("subject_id").loc[table["subject_id"], "label"], table["scan"]))


def test_nobody_complete_gives_no_row() -> None:
    nobody = Subsets.of(pd.DataFrame({"subject_id": []}, dtype=object), make_people())
    assert shapley_values(nobody, ALPHA).empty
