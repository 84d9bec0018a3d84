"""Whom a stage trains on: presence in the network's order, a sample of very many, and cohorts with few of a class."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from cohorts.cohort import Cohort
from cohorts.datamodule import CohortDataModule
from cohorts.preprocessing import Preprocessing
from cohorts.splits import Split
from lightning_modules import experts
from lightning_modules.additive_fit import fit_additive
from lightning_modules.boosting import fit_boosting
from lightning_modules.config import MaskingOptions, NetworkOptions
from lightning_modules.ensemble import Ensemble, Mixture
from lightning_modules.experts import fit_first, whom_to_train
from lightning_modules.masking import masking_for
from lightning_modules.rows import rows_of
from tests.lightning_modules.expert_cases import LAYOUTS, NEW, G, common, drawn, tensors, training

WEIGHTS = {"sparse": 1.0, "rich": 0.3}


@pytest.fixture
def turned(people: Cohort) -> Cohort:
    """The same people, their modalities in the opposite order."""
    spec = people.spec.model_copy(update={"modalities": dict(reversed(list(people.spec.modalities.items())))})
    return replace(people, spec=spec, features=dict(reversed(list(people.features.items()))))


def test_batches_and_masks_are_in_the_order_of_the_network_whatever_that_of_the_cohort_is(
    people: Cohort, turned: Cohort, split: Split, preprocessing: Preprocessing
) -> None:
    assert (turned.presence != people.presence).any()
    found = []
    for cohort in (people, turned):
        module = CohortDataModule(
            cohort,
            split,
            preprocessing,
            train_weights={"sparse_train": 1.0},
            tuning_part="sparse_tuning",
            batch_size=64,
            seed=0,
        )
        policy, _ = masking_for(MaskingOptions(), cohort, split, preprocessing)
        shown = policy(torch.ones(64, len(people.modalities), dtype=torch.bool), torch.Generator().manual_seed(0))
        trained = whom_to_train(cohort, split, preprocessing, WEIGHTS, num_groups=G, seed=0)
        batch = next(iter(module.val_dataloader()))
        found.append([batch["presence"].numpy(), shown.numpy(), trained.rows.presence, trained.deployed])
    for own, other in zip(*found, strict=True):
        np.testing.assert_array_equal(own, other)


def test_of_very_many_people_those_of_the_stages_own_cohort_stay(
    people: Cohort, split: Split, preprocessing: Preprocessing, monkeypatch: pytest.MonkeyPatch
) -> None:
    everybody = whom_to_train(people, split, preprocessing, WEIGHTS, num_groups=G, seed=0)
    num_own = int(everybody.judged.sum())
    monkeypatch.setattr(experts, "MOST_ROWS", num_own + 50)
    some = whom_to_train(people, split, preprocessing, WEIGHTS, num_groups=G, seed=0)
    assert int(some.judged.sum()) == num_own
    assert len(some.rows) == num_own + 50
    ratios = [each.rows.weight[each.judged].sum() / each.rows.weight.sum() for each in (everybody, some)]
    assert ratios[0] == pytest.approx(ratios[1])
    monkeypatch.setattr(experts, "MOST_ROWS", 40)
    few = whom_to_train(people, split, preprocessing, WEIGHTS, num_groups=G, seed=0)
    assert len(few.rows) == int(few.judged.sum()) == 40


def test_a_class_that_two_groups_hold_alone_and_a_group_without_anybody_end_in_finite_scores() -> None:
    rows = drawn()
    own = training(rows)
    label = np.where(np.isin(own.group, [0, 1]), rows.label, 0.0)
    rows = replace(rows, label=label)
    copies = replace(own.copies, label=np.tile(label, len(own.copies) // len(rows)))
    expert = fit_additive(LAYOUTS, rows, copies, own.group, own.judged, G)
    assert expert(*tensors(rows), NEW, common()).isfinite().all()
    trees = fit_boosting(LAYOUTS, rows, copies, own.group, own.judged & (own.group != 3), G, 0)
    assert trees(*tensors(rows), NEW).isfinite().all()


def test_training_once_more_starts_without_the_mixture_and_the_trees_of_before(
    people: Cohort, split: Split, preprocessing: Preprocessing
) -> None:
    network = Ensemble(preprocessing.layouts, NetworkOptions())
    trained = whom_to_train(people, split, preprocessing, WEIGHTS, num_groups=network.num_groups, seed=0)
    everybody = (trained.rows, trained.copies, trained.group, trained.judged)
    network.boosting = fit_boosting(network.layouts, *everybody, network.num_groups, 0)
    network.mixture = Mixture((0.0, 0.25), (0.5, 0.5))
    fit_first(network, trained)
    assert network.boosting is None
    assert network.mixture == Mixture()


def test_presence_of_names_stands_in_their_order(people: Cohort, turned: Cohort, preprocessing: Preprocessing) -> None:
    np.testing.assert_array_equal(turned.presence_of(people.modalities), people.presence)
    np.testing.assert_array_equal(people.presence_of(["ecg"])[:, 0], people.presence[:, people.modalities.index("ecg")])
    np.testing.assert_array_equal(rows_of(turned, preprocessing).presence, rows_of(people, preprocessing).presence)
