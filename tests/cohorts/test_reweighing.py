"""Reweighing: the label becomes independent of the group, and nobody who is not trained on is touched."""

from dataclasses import replace

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression

from cohorts.cohort import Cohort
from cohorts.datamodule import CohortDataModule
from cohorts.preprocessing import Preprocessing
from cohorts.reweighing import independence, reweighed, with_both_labels
from cohorts.splits import Split
from lightning_modules.experts import whom_to_train

WEIGHTS = {"sparse": 1.0, "rich": 0.3}
TRAINED = ("rich_train", "rich_tuning", "sparse_train", "sparse_tuning")


def drawn(num: int = 500) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    draw = np.random.default_rng(0)
    group = draw.choice(["a", "b", "c"], num, p=[0.6, 0.3, 0.1])
    label = (draw.random(num) < np.where(group == "a", 0.2, 0.6)).astype(float)
    return label, group, draw.uniform(0.5, 4, num)


def shares(label: np.ndarray, group: np.ndarray, weight: np.ndarray) -> list[float]:
    return [float(np.average(label[group == name], weights=weight[group == name])) for name in np.unique(group)]


def test_weights_are_those_of_the_example_of_kamiran_and_calders() -> None:
    group = np.array(list("mmmmmfffff"))
    label = np.array([1, 1, 1, 1, 0, 1, 1, 0, 0, 0])
    factor = independence(label, group, np.ones(10))
    assert factor == pytest.approx([0.75] * 4 + [2.0] + [1.5] * 2 + [2 / 3] * 3)


def test_the_weighted_share_of_positives_is_that_of_everybody_in_every_group() -> None:
    label, group, weight = drawn()
    before, after = (shares(label, group, each) for each in (weight, weight * independence(label, group, weight)))
    assert max(before) - min(before) > 0.2
    assert after == pytest.approx([np.average(label, weights=weight)] * 3)


def test_every_group_and_every_label_keeps_the_weight_that_it_has() -> None:
    label, group, weight = drawn()
    new = weight * independence(label, group, weight)
    for part in [*(group == name for name in "abc"), label == 0, label == 1]:
        assert new[part].sum() == pytest.approx(weight[part].sum())


def test_where_label_and_group_are_independent_nothing_changes() -> None:
    label, group = np.tile([0, 1, 1], 20), np.repeat(["a", "b"], 30)
    assert independence(label, group, np.ones(60)) == pytest.approx(1)


def test_a_group_that_lacks_a_label_keeps_its_weights_and_takes_no_part() -> None:
    label, group, weight = drawn()
    more = np.concatenate([group, ["z"] * 50]), np.concatenate([label, np.ones(50)])
    factor = independence(more[1], more[0], np.concatenate([weight, np.full(50, 3.0)]))
    np.testing.assert_array_equal(factor[500:], 1)
    np.testing.assert_allclose(factor[:500], independence(label, group, weight))
    assert with_both_labels(more[1], more[0]).tolist() == ["a", "b", "c"]


def test_a_regression_that_sees_the_group_learns_nothing_of_it() -> None:
    label, group, weight = drawn()
    indicators = (group[:, None] == np.array(["a", "b"])).astype(float)
    before, after = (
        LogisticRegression(C=1e6).fit(indicators, label, sample_weight=each).coef_[0]
        for each in (weight, weight * independence(label, group, weight))
    )
    assert np.abs(before).max() > 1
    assert after == pytest.approx(0, abs=1e-3)


def test_losses_are_weighed_so_for_experts_and_for_batches_rich_replay_included(
    people: Cohort, split: Split, preprocessing: Preprocessing
) -> None:
    own = replace(people, weight=np.random.default_rng(0).uniform(1, 9, len(people)))
    weighed = reweighed(own, split, WEIGHTS, "age")
    trained = whom_to_train(weighed, split, preprocessing, WEIGHTS, num_groups=4, seed=0)
    rows = split.rows(*TRAINED)
    group, label = people.sensitive["age"].to_numpy().astype(str)[rows], people.label[rows]
    assert np.ptp(shares(label, group, trained.rows.weight)) < 1e-9
    data = CohortDataModule(
        weighed,
        split,
        preprocessing,
        train_weights=trained.part_weights,
        tuning_part="sparse_tuning",
        batch_size=100,
        seed=0,
        more={"row": np.arange(len(people))},
    )
    batches = list(data.train_dataloader())
    seen, weight = (np.concatenate([batch[name].numpy() for batch in batches]) for name in ("row", "weight"))
    assert sorted(seen) == sorted(rows)
    of_seen = people.sensitive["age"].to_numpy().astype(str)[seen]
    assert np.ptp(shares(people.label[seen], of_seen, weight)) < 1e-5
    plain = whom_to_train(own, split, preprocessing, WEIGHTS, num_groups=4, seed=0)
    assert np.ptp(shares(label, group, plain.rows.weight)) > 0.02


def test_who_is_not_trained_on_keeps_the_own_weight_and_has_no_influence(people: Cohort, split: Split) -> None:
    weights = {"sparse": 1.0, "rich": 0.0}
    weighed = reweighed(people, split, weights, "sex")
    trained = split.rows("sparse_train", "sparse_tuning")
    others = np.setdiff1d(np.arange(len(people)), trained)
    np.testing.assert_array_equal(weighed.weight[others], people.weight[others])
    assert (weighed.weight[trained] != people.weight[trained]).all()
    label = people.label.copy()
    label[others] = 1 - label[others]
    np.testing.assert_array_equal(reweighed(replace(people, label=label), split, weights, "sex").weight, weighed.weight)
