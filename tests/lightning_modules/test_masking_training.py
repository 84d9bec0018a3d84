"""Masking in training: what a step hides, what tuning subjects show, and a curriculum that goes on after a kill."""

import copy
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from cohorts.batches import Batch
from cohorts.cohort import Cohort
from cohorts.datamodule import CohortDataModule
from cohorts.preprocessing import Preprocessing
from cohorts.splits import Split
from lightning_modules.bundle import fresh_network
from lightning_modules.config import MaskingOptions, NetworkOptions, ObjectiveOptions, TrainingOptions, TransferOptions
from lightning_modules.ensemble import Ensemble
from lightning_modules.finetune import FinetuneModule
from lightning_modules.masking import STRATUM, masking_for
from lightning_modules.module import FusionModule
from lightning_modules.pretrain import PretrainModule
from lightning_modules.training import fit
from scripts.dashboard import DashboardOptions
from scripts.finetune import finetune
from scripts.pretrain import pretrain

TRAINING = TrainingOptions(num_epochs=3, batch_size=64)


class Killed(Exception):
    pass


class Finetune(FinetuneModule):
    """Dies before a step."""

    dies_at = -1

    def training_step(self, batch: Batch, batch_index: int) -> torch.Tensor:
        if self.global_step == self.dies_at:
            raise Killed
        return super().training_step(batch, batch_index)


class Seen:
    """What a network and a masking were given, and what the masking kept."""

    def __init__(self, network: Ensemble, module: FusionModule) -> None:
        self.steps: list[tuple[dict[str, torch.Tensor], torch.Tensor]] = []
        self.tuning: list[tuple[dict[str, torch.Tensor], torch.Tensor]] = []
        self.progress: list[float] = []
        self.strata: list[torch.Tensor | None] = []
        masking, members_alone = module.masking, network.members_alone

        def seeing(features: dict[str, torch.Tensor], presence_BM: torch.Tensor) -> torch.Tensor:
            (self.steps if network.training else self.tuning).append((features, presence_BM))
            return members_alone(features, presence_BM)

        network.members_alone = seeing  # type: ignore[method-assign]

        def call(presence: torch.Tensor, generator: Any = None, **more: Any) -> torch.Tensor:
            self.strata.append(more.get("stratum_B"))
            if generator is None:  # a training step
                self.progress.append(more["progress"])
            return masking(presence, generator, **more)

        call.of_features = masking.of_features  # type: ignore[attr-defined]
        module.masking = call  # type: ignore[assignment]


@pytest.fixture
def train(
    people: Cohort, split: Split, preprocessing: Preprocessing, tmp_path: Path
) -> Callable[..., tuple[dict[str, torch.Tensor], Seen]]:
    """Train for three epochs; returns weights, and what was seen."""

    def run(
        options: MaskingOptions,
        *,
        regime: str = "finetune",
        folder: str = "run",
        stop_at: int = -1,
        batches: str = "memory",
    ) -> tuple[dict[str, torch.Tensor], Seen]:
        network = fresh_network(preprocessing, NetworkOptions(num_members=1), seed=0, prevalence=0.4)
        masking, more = masking_for(options, people, split, preprocessing)
        module: FusionModule = PretrainModule(network, masking, TRAINING, ObjectiveOptions(unmasked=0.0))
        if regime == "finetune":
            module = Finetune(network, masking, TRAINING, TransferOptions())
            module.dies_at = stop_at
        seen = Seen(network, module)
        data = CohortDataModule(
            people,
            split,
            preprocessing,
            train_weights={"rich_train": 1.0} if regime == "pretrain" else {"sparse_train": 1.0, "rich_train": 1.0},
            tuning_part="rich_tuning" if regime == "pretrain" else "sparse_tuning",
            batch_size=TRAINING.size_of_batch(0),
            seed=0,
            more=more,
            prepared=tmp_path / folder / "batches" if batches == "parquet" else None,
        )
        fit(module, data, tmp_path / folder, title="test", logger=None)
        return copy.deepcopy(network.state_dict()), seen

    return run


def test_progress_is_the_share_of_the_steps_that_lie_behind(train: Callable) -> None:
    _, seen = train(MaskingOptions("rate"))
    total = len(seen.progress)
    np.testing.assert_allclose(seen.progress, np.arange(total) / total)


@pytest.mark.parametrize("batches", ["memory", "parquet"])
def test_a_run_that_was_stopped_goes_on_with_curriculum_strata_and_features(train: Callable, batches: str) -> None:
    options = MaskingOptions(curriculum=0.8, given=("age",), feature_rate=0.2)
    expected, whole = train(options, folder="whole", batches=batches)
    with pytest.raises(Killed):
        train(options, folder="stopped", stop_at=11, batches=batches)
    found, rest = train(options, folder="stopped", batches=batches)
    assert rest.progress == whole.progress[-len(rest.progress) :]
    assert 0 < len(rest.progress) < len(whole.progress)
    assert all(torch.equal(found[name], expected[name]) for name in expected)


def test_a_curriculum_starts_with_people_as_they_are(train: Callable, people: Cohort, split: Split) -> None:
    _, seen = train(MaskingOptions("rate", rate=1.0, share=1.0, alone_share=0.0, curriculum=1.0), regime="pretrain")
    assert people.presence[split.rows("rich_train")].all()
    whole = [presence.all(1).float().mean().item() for _, presence in seen.steps]
    assert whole[0] == 1
    third = len(whole) // 3
    assert np.mean(whole[:third]) > 0.75 > 0.25 > np.mean(whole[-third:])
    assert all((presence.sum(1) == 1).all() for _, presence in seen.tuning), (
        "tuning subjects are judged at the end's share"
    )


def test_a_training_step_hides_features_and_tuning_subjects_show_them_all(
    train: Callable, people: Cohort, split: Split, preprocessing: Preprocessing
) -> None:
    _, seen = train(MaskingOptions("none", feature_rate=1.0))
    tuning = people.take(split.rows("sparse_tuning"))
    expected = preprocessing.transform(tuning)
    for features, presence in seen.tuning:
        np.testing.assert_array_equal(presence.numpy(), tuning.presence)
        for name in people.modalities:
            np.testing.assert_array_equal(features[name].numpy(), expected[name])
    for features, presence in seen.steps:
        for m, name in enumerate(people.modalities):
            feature = preprocessing.feature_of_input[name]
            shown = np.stack([(features[name].numpy()[:, feature == g] != 0).any(1) for g in range(max(feature) + 1)])
            assert (shown.sum(axis=0) <= presence[:, m].numpy()).all(), "one feature of each present modality is left"
            assert shown.any()


@pytest.mark.parametrize("regime", ["pretrain", "finetune"])
def test_strata_reach_the_masking_in_training_and_in_tuning(
    train: Callable, people: Cohort, split: Split, preprocessing: Preprocessing, regime: str
) -> None:
    options = MaskingOptions(given=("age",))
    _, seen = train(options, regime=regime)
    stratum = masking_for(options, people, split, preprocessing)[1][STRATUM]
    assert all(given is not None for given in seen.strata)
    trained = split.rows("rich_train", *(["sparse_train"] if regime == "finetune" else []))
    first_epoch = torch.cat(seen.strata[: -(-len(trained) // TRAINING.batch_size)])
    np.testing.assert_array_equal(np.sort(first_epoch.numpy()), np.sort(stratum[trained]))
    if regime == "pretrain":
        np.testing.assert_array_equal(seen.strata[-1].numpy(), stratum[split.rows("rich_tuning")])


@pytest.mark.slow
@pytest.mark.parametrize("script", [pretrain, finetune])
def test_the_batches_of_a_script_carry_strata(script: Callable[..., None], tables: Path, tmp_path: Path) -> None:
    weights = []
    for given in ((), ("age",)):
        script(
            cohort="synthetic",
            data=tables,
            out=tmp_path / f"given_{len(given)}",
            masking=MaskingOptions(given=given),
            training=TrainingOptions(num_epochs=1),
            dashboard=DashboardOptions(mode="disabled"),
        )
        weights.append((tmp_path / f"given_{len(given)}" / "bundle" / "weights.safetensors").read_bytes())
    assert weights[0] != weights[1], "without strata, patterns are those of everybody"
