"""Every kind of modality, from its files to a network that has learnt from it alone."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from sklearn.metrics import log_loss, roc_auc_score

from cohorts.cohort import Cohort
from cohorts.datamodule import CohortDataModule
from cohorts.preprocessing import fit_preprocessing
from cohorts.readers import read_cohort
from cohorts.spec import load_spec
from cohorts.splits import make_split
from cohorts.synthetic.design import AbsenceDesign, SizeDesign, SyntheticDesign
from cohorts.synthetic.tables import write_cohort
from lightning_modules.bundle import Bundle, fresh_network, load_bundle, save_bundle
from lightning_modules.config import MaskingOptions, NetworkOptions, TrainingOptions
from lightning_modules.experts import fit_first, whom_to_train
from lightning_modules.masking import ModalityMasking
from lightning_modules.module import GROUP
from lightning_modules.pretrain import PretrainModule
from lightning_modules.scoring import score
from lightning_modules.training import fit

pytestmark = pytest.mark.slow
KINDS = ["tabular", "events", "embedding", "image", "text"]
TRAINING = TrainingOptions(num_epochs=12, patience=12)


@pytest.fixture(scope="module")
def five_kinds(tmp_path_factory: pytest.TempPathFactory) -> Cohort:
    folder = tmp_path_factory.mktemp("five") / "cohort"
    design = SyntheticDesign(num_subjects=2400, modalities={f"of_{kind}": kind for kind in KINDS}, signal=3.0)
    folder.mkdir()
    write_cohort(folder, design, AbsenceDesign(), SizeDesign(embedding_width=300, image_size=12))
    return read_cohort(load_spec(str(folder / "cohort.yaml")), folder)


@pytest.fixture(scope="module")
def trained(five_kinds: Cohort, tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    split = make_split(five_kinds)
    preprocessing = fit_preprocessing(five_kinds.take(split.rows("rich_train", "sparse_train")))
    network = fresh_network(preprocessing, NetworkOptions(), seed=0, prevalence=0.3)
    masking = ModalityMasking(MaskingOptions(policy="rate", rate=0.5, alone_share=0.3), five_kinds.presence)
    whom = whom_to_train(five_kinds, split, preprocessing, {"rich": 1.0}, num_groups=4, seed=0)
    fit_first(network, whom)
    batches = CohortDataModule(
        five_kinds,
        split,
        preprocessing,
        train_weights=whom.part_weights,
        tuning_part="rich_tuning",
        batch_size=64,
        seed=0,
        more={GROUP: whom.group_of_all},
    )
    fit(PretrainModule(network, masking, TRAINING), batches, tmp_path_factory.mktemp("fit"), title="five", logger=None)
    folder = tmp_path_factory.mktemp("bundle") / "bundle"
    save_bundle(Bundle(network, NetworkOptions(), preprocessing, five_kinds.spec, {}), folder)
    return load_bundle(folder)  # what was saved must be enough to score every kind


@pytest.mark.parametrize("kind", KINDS)
def test_each_kind_alone_predicts_better_than_chance(five_kinds: Cohort, trained: Bundle, kind: str) -> None:
    held_out = five_kinds.take(five_kinds.role == "held_out")
    has = held_out.take(held_out.presence[:, held_out.modalities.index(f"of_{kind}")])
    alone = np.zeros_like(has.presence)
    alone[:, has.modalities.index(f"of_{kind}")] = True
    only = replace(has)
    object.__setattr__(only, "presence", alone)  # the cached presence: all else counts as absent
    assert roc_auc_score(has.label, score(trained, only)) > 0.55


def test_more_modalities_predict_better_than_one(five_kinds: Cohort, trained: Bundle) -> None:
    held_out = five_kinds.take(five_kinds.role == "held_out")
    complete = held_out.take(held_out.presence.all(axis=1))
    alone = replace(complete)
    only_first = np.zeros_like(complete.presence)
    only_first[:, 0] = True
    object.__setattr__(alone, "presence", only_first)
    assert log_loss(complete.label, score(trained, complete)) < log_loss(complete.label, score(trained, alone))


def test_what_is_absent_has_no_influence_whatever_its_kind(five_kinds: Cohort, trained: Bundle) -> None:
    """A modality that a subject lacks is given the values of somebody who has it: nothing changes."""
    people = five_kinds.take(five_kinds.role == "held_out")
    expected = score(trained, people)
    for m, name in enumerate(people.modalities):
        has = np.flatnonzero(people.presence[:, m])
        source = np.where(people.presence[:, m], np.arange(len(people)), has[0])
        spoiled = replace(people, features={**people.features, name: people.features[name].take(source)})
        object.__setattr__(spoiled, "presence", people.presence)
        np.testing.assert_array_equal(score(trained, spoiled), expected)


def test_weights_move_what_is_learnt(five_kinds: Cohort, tmp_path: Path) -> None:
    """Where only positives weigh anything, everybody's risk rises."""
    split = make_split(five_kinds)
    preprocessing = fit_preprocessing(five_kinds.take(split.rows("rich_train", "sparse_train")))
    means = {}
    for name, weight in {
        "equal": np.ones(len(five_kinds)),
        "heavy": np.where(five_kinds.label == 1, 50.0, 1.0),
    }.items():
        cohort = replace(five_kinds, weight=weight)
        network = fresh_network(preprocessing, NetworkOptions(num_members=1), seed=0, prevalence=0.3)
        module = PretrainModule(network, ModalityMasking(MaskingOptions(), cohort.presence), TRAINING)
        module.options = replace(TRAINING, num_epochs=2)
        batches = CohortDataModule(
            cohort,
            split,
            preprocessing,
            train_weights={"rich_train": 1.0},
            tuning_part="rich_tuning",
            batch_size=64,
            seed=0,
        )
        fit(module, batches, tmp_path / name, title=name, logger=None)
        means[name] = score(
            Bundle(network, NetworkOptions(num_members=1), preprocessing, cohort.spec, {}), cohort
        ).mean()
    assert means["heavy"] > means["equal"] + 0.3
