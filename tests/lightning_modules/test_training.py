"""Training: resumes to the same weights, sees only its own subjects, freezes what it should, repeats its numbers."""

import copy
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from cohorts.batches import Batch
from cohorts.cohort import Cohort
from cohorts.datamodule import CohortDataModule
from cohorts.errors import InputError
from cohorts.modalities.tabular import Tabular
from cohorts.preprocessing import Preprocessing
from cohorts.splits import Split
from lightning_modules.bundle import fresh_network
from lightning_modules.config import MaskingOptions, NetworkOptions, TrainingOptions, TransferOptions, check_options
from lightning_modules.finetune import FinetuneModule
from lightning_modules.masking import ModalityMasking
from lightning_modules.network import FusionNetwork
from lightning_modules.pretrain import PretrainModule
from lightning_modules.training import fit

TRAINING = TrainingOptions(num_epochs=5, batch_size=64)
State = dict[str, torch.Tensor]


@pytest.fixture
def train(
    people: Cohort, split: Split, preprocessing: Preprocessing, tmp_path: Path
) -> Callable[..., tuple[State, dict]]:
    """Fine-tune for five epochs; returns weights and metrics."""

    def run(
        cohort: Cohort = people,
        network: FusionNetwork | None = None,
        transfer: TransferOptions = TransferOptions(),
        weights: dict[str, float] | None = None,
        folder: str = "run",
        stop_at: int = -1,
        stop_judging_at: int = -1,
        training: TrainingOptions | None = None,
    ) -> tuple[State, dict]:
        training = training or TRAINING
        network = network or fresh_network(preprocessing, NetworkOptions(num_members=1), seed=0, prevalence=0.4)
        masking = ModalityMasking(MaskingOptions(policy="rate"), cohort.presence[split.rows("sparse_train")])
        module = KilledModule(network, masking, training, transfer)
        module.dies_at, module.dies_judging_at = stop_at, stop_judging_at
        batches = CohortDataModule(
            cohort,
            split,
            preprocessing,
            train_weights=weights or {"sparse_train": 1.0, "rich_train": 0.5},
            tuning_part="sparse_tuning",
            batch_size=training.size_of_batch(0),
            seed=training.seed,
            num_workers=training.num_workers,
            prepared=tmp_path / folder / "batches" if training.batches == "parquet" else None,
        )
        metrics = fit(module, batches, tmp_path / folder, title="test", logger=None)
        return copy.deepcopy(network.state_dict()), metrics

    return run


class Killed(Exception):
    pass


class KilledModule(FinetuneModule):
    """Dies before a step, or before the tuning subjects after one are judged."""

    dies_at = dies_judging_at = -1

    def training_step(self, batch: Batch, batch_index: int) -> torch.Tensor:
        if self.global_step == self.dies_at:
            raise Killed
        return super().training_step(batch, batch_index)

    def on_validation_epoch_end(self) -> None:
        if self.global_step == self.dies_judging_at:
            raise Killed
        super().on_validation_epoch_end()


def equal(a: State, b: State) -> bool:
    return all(torch.equal(a[name], b[name]) for name in a)


@pytest.mark.slow
@pytest.mark.parametrize("step", [3, 13, 31])
def test_a_run_that_was_stopped_anywhere_ends_with_the_same_weights(train: Callable, step: int) -> None:
    expected, expected_metrics = train(folder="whole")
    with pytest.raises(Killed):
        train(folder="stopped", stop_at=step)
    found, metrics = train(folder="stopped")
    assert equal(found, expected)
    assert metrics == expected_metrics


def place(checkpoint: Path) -> tuple[int, int]:
    """Steps that a checkpoint follows, and the batch of its epoch at which the loader stood."""
    saved = torch.load(checkpoint, weights_only=True)
    return saved["global_step"], saved["CohortDataModule"]["batch"]


@pytest.fixture(params=["memory", "parquet"])
def long_epochs(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> TrainingOptions:
    """Two epochs of many steps, with a checkpoint after each step; Parquet in several row groups and windows."""
    monkeypatch.setattr("cohorts.streaming.GROUP_BYTES", 4096)
    monkeypatch.setattr("cohorts.batches.WINDOW_BYTES", 4096)
    monkeypatch.setattr("cohorts.streaming.MANY_CHUNKS", 10**6)
    return replace(TRAINING, num_epochs=2, batch_size=24, checkpoint_minutes=0, batches=request.param)


@pytest.mark.slow
def test_a_run_that_was_stopped_inside_an_epoch_goes_on_inside_it_and_ends_the_same(
    train: Callable, long_epochs: TrainingOptions, tmp_path: Path
) -> None:
    expected, expected_metrics = train(training=long_epochs, folder="whole")
    total, num_batches = place(tmp_path / "whole" / "last.ckpt")
    assert total == 2 * num_batches > 30
    steps = [1, 2, num_batches - 1, num_batches, num_batches + 1, num_batches + 7, total - 1]
    for step in steps:  # one run, stopped and started again many times
        with pytest.raises(Killed):
            train(training=long_epochs, folder="stopped", stop_at=step)
        stood = num_batches if step == num_batches else step % num_batches
        assert place(tmp_path / "stopped" / "last.ckpt") == (step, stood)
    found, metrics = train(training=long_epochs, folder="stopped")
    assert equal(found, expected)
    assert metrics == expected_metrics


@pytest.mark.slow
def test_a_run_that_was_stopped_between_an_epoch_and_its_judgement_judges_it(
    train: Callable, long_epochs: TrainingOptions, tmp_path: Path
) -> None:
    expected, expected_metrics = train(training=long_epochs, folder="whole")
    _, num_batches = place(tmp_path / "whole" / "last.ckpt")
    for step in (num_batches, 2 * num_batches):
        with pytest.raises(Killed):
            train(training=long_epochs, folder="stopped", stop_judging_at=step)
        assert place(tmp_path / "stopped" / "last.ckpt") == (step - 1, num_batches - 1)
    found, metrics = train(training=long_epochs, folder="stopped")
    assert equal(found, expected)
    assert metrics == expected_metrics
    best = [torch.load(tmp_path / run / "best.ckpt", weights_only=True)["global_step"] for run in ("whole", "stopped")]
    assert best[0] == best[1]


@pytest.mark.slow
def test_any_number_of_workers_trains_the_same_weights(train: Callable, long_epochs: TrainingOptions) -> None:
    with_workers = replace(long_epochs, num_workers=1)
    expected, _ = train(training=long_epochs, folder="alone")
    assert equal(train(training=with_workers, folder="helped")[0], expected)
    with pytest.raises(Killed):
        train(training=with_workers, folder="stopped", stop_at=5)
    assert equal(train(training=with_workers, folder="stopped")[0], expected)


def test_short_epochs_write_no_checkpoint_inside(train: Callable, tmp_path: Path) -> None:
    with pytest.raises(Killed):
        train(stop_at=13)
    steps, batch = place(tmp_path / "run" / "last.ckpt")
    assert 0 < steps == batch < 13


def test_options_of_batches_and_checkpoints_are_checked() -> None:
    with pytest.raises(InputError) as caught:
        check_options(TrainingOptions(num_workers=-1, checkpoint_minutes=float("nan"), weight_decay=-1.0))
    assert caught.value.problems == [
        "training.weight_decay: must be at least 0 (value: -1.0)",
        "training.num_workers: must be at least 0 (value: -1)",
        "training.checkpoint_minutes: must be at least 0 (value: nan)",
    ]


def test_the_same_seed_gives_the_committed_numbers(train: Callable) -> None:
    """Made by this test's own training; a change of these numbers is a change of the method."""
    _, metrics = train()
    assert metrics["tuning/log_loss"] == pytest.approx(0.528, abs=0.01)
    assert metrics["tuning/auroc"] == pytest.approx(0.841, abs=0.01)


def test_held_out_people_have_no_influence_at_all(train: Callable, people: Cohort, split: Split) -> None:
    held_out = split.rows("held_out")
    label = people.label.copy()
    label[held_out] = 1 - label[held_out]
    ecg = people.features["ecg"].frame.copy()
    ecg.iloc[held_out] = 99.0
    features = {**people.features, "ecg": Tabular(ecg)}
    expected, _ = train(folder="a")
    found, _ = train(cohort=replace(people, label=label, features=features), folder="b")
    assert equal(found, expected)


def test_tuning_labels_choose_the_epoch_and_move_no_weight(
    train: Callable, people: Cohort, split: Split, tmp_path: Path
) -> None:
    tuning = split.rows("sparse_tuning")
    label = people.label.copy()
    label[tuning] = 1 - label[tuning]
    _, metrics = train(folder="a")
    _, flipped = train(cohort=replace(people, label=label), folder="b")
    assert metrics["tuning/log_loss"] != flipped["tuning/log_loss"]
    last = [torch.load(tmp_path / name / "last.ckpt", weights_only=True)["state_dict"] for name in "ab"]
    assert equal(*last)


def test_a_run_that_diverges_is_one_clear_error(train: Callable, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tests.lightning_modules.test_training.TRAINING", replace(TRAINING, learning_rate=1e30))
    with pytest.raises(InputError, match=r"diverged, its weights are not finite; lower training\.learning_rate"):
        train()


@pytest.mark.slow
def test_a_replay_weight_of_zero_leaves_the_rich_cohort_out(train: Callable, people: Cohort, split: Split) -> None:
    rich = split.rows("rich_train")
    label = people.label.copy()
    label[rich] = 1 - label[rich]
    flipped = replace(people, label=label)
    alone = {"sparse_train": 1.0, "rich_train": 0.0}
    assert equal(train(weights=alone, folder="a")[0], train(cohort=flipped, weights=alone, folder="b")[0])
    assert not equal(train(folder="c")[0], train(cohort=flipped, folder="d")[0])


@pytest.mark.parametrize(
    ("transfer", "still"),
    [
        (TransferOptions(freeze="encoders"), ("encoders",)),
        (TransferOptions(freeze="encoders_and_fusion"), ("encoders", "fusion")),
    ],
)
def test_frozen_parts_stay_and_the_others_move(
    train: Callable, preprocessing: Preprocessing, transfer: TransferOptions, still: tuple[str, ...]
) -> None:
    network = fresh_network(preprocessing, NetworkOptions(num_members=1), seed=0, prevalence=0.4)
    before = {name: [p.detach().clone() for p in parameters] for name, parameters in network.parts().items()}
    train(network=network, transfer=transfer)
    for name, parameters in network.parts().items():
        same = all(torch.equal(a, b) for a, b in zip(before[name], parameters, strict=True))
        assert same == (name in still), name


def test_a_network_that_comes_out_of_a_bundle_is_trained_with_dropout_again(
    train: Callable, preprocessing: Preprocessing
) -> None:
    network = fresh_network(preprocessing, NetworkOptions(num_members=1), seed=0, prevalence=0.4)
    assert equal(train(network=network.eval(), folder="a")[0], train(folder="b")[0])


def test_pretraining_judges_every_epoch_under_the_same_masks(
    people: Cohort, split: Split, preprocessing: Preprocessing
) -> None:
    network = fresh_network(preprocessing, NetworkOptions(num_members=1), seed=0, prevalence=0.4)
    masking = ModalityMasking(MaskingOptions(), people.presence[split.rows("sparse_train")])
    module = PretrainModule(network, masking, TRAINING)
    presence = torch.as_tensor(people.presence[split.rows("rich_tuning")])
    first = module.tuning_presence(presence)
    assert torch.equal(first, module.tuning_presence(presence))
    assert not torch.equal(first, presence)


def test_batches_depend_on_seed_and_epoch_alone(people: Cohort, split: Split, preprocessing: Preprocessing) -> None:
    def labels(seed: int, epoch: int) -> np.ndarray:
        module = CohortDataModule(
            people,
            split,
            preprocessing,
            train_weights={"sparse_train": 1.0},
            tuning_part="sparse_tuning",
            batch_size=32,
            seed=seed,
        )
        loader = module.train_dataloader()
        loader.sampler.set_epoch(epoch)  # type: ignore[union-attr]
        return np.concatenate([batch["features"]["demographics"][:, 0].numpy() for batch in loader])

    np.testing.assert_array_equal(labels(0, 1), labels(0, 1))
    assert not np.array_equal(labels(0, 1), labels(0, 2))
    assert not np.array_equal(labels(0, 1), labels(1, 1))
    np.testing.assert_array_equal(np.sort(labels(0, 1)), np.sort(labels(1, 2)))
