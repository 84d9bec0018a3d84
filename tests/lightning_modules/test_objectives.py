"""What pretraining minimises: the label under masking, and what the network itself says unmasked."""

import copy
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from torch.nn.functional import binary_cross_entropy_with_logits

from cohorts.cohort import Cohort
from cohorts.datamodule import CohortDataModule
from cohorts.preprocessing import Preprocessing
from cohorts.splits import Split
from lightning_modules.bundle import fresh_network
from lightning_modules.config import MaskingOptions, NetworkOptions, ObjectiveOptions, TrainingOptions, check_options
from lightning_modules.masking import ModalityMasking
from lightning_modules.pretrain import PretrainModule
from lightning_modules.training import fit

State = dict[str, torch.Tensor]
TRAINING = TrainingOptions(num_epochs=2, batch_size=64)
NETWORK = NetworkOptions(num_members=1, dropout=0.0)


@pytest.fixture
def pretrained(people: Cohort, split: Split, preprocessing: Preprocessing, tmp_path: Path) -> Callable[..., State]:
    def run(policy: str, unmasked: float) -> State:
        network = fresh_network(preprocessing, NETWORK, seed=0, prevalence=0.4)
        masking = ModalityMasking(MaskingOptions(policy=policy), people.presence[split.rows("sparse_train")])
        module = PretrainModule(network, masking, TRAINING, ObjectiveOptions(unmasked=unmasked))
        batches = CohortDataModule(
            people,
            split,
            preprocessing,
            train_weights={"rich_train": 1.0},
            tuning_part="rich_tuning",
            batch_size=64,
            seed=0,
        )
        fit(module, batches, tmp_path / f"{policy}{unmasked}", title="test", logger=None)
        return copy.deepcopy(network.state_dict())

    return run


def distance(a: State, b: State) -> float:
    return max(float((a[name] - b[name]).abs().max()) for name in a)


def test_who_is_seen_unmasked_learns_nothing_more(pretrained: Callable[..., State]) -> None:
    assert distance(pretrained("none", 0.0), pretrained("none", 1.0)) < 1e-4


def test_who_is_masked_learns_from_what_is_said_unmasked(pretrained: Callable[..., State]) -> None:
    assert distance(pretrained("rate", 0.0), pretrained("rate", 1.0)) > 1e-3


def test_the_loss_is_the_cross_entropy_with_what_is_said_unmasked_and_teaches_the_masked_alone(
    people: Cohort, split: Split, preprocessing: Preprocessing
) -> None:
    network = fresh_network(preprocessing, NETWORK, seed=0, prevalence=0.4)
    torch.nn.init.normal_(network.members.fusion.head.weight)  # type: ignore[union-attr, arg-type]
    some = people.take(split.rows("rich_train")[:20])
    features = {name: torch.as_tensor(values).float() for name, values in preprocessing.transform(some).items()}
    whole = torch.as_tensor(some.presence)
    masked = whole & (torch.arange(whole.shape[1]) > 1)
    group = torch.full((20,), -1)
    module = PretrainModule(network, ModalityMasking(MaskingOptions(), some.presence), TRAINING, ObjectiveOptions(2.0))
    logits = network.of_members(features, masked, group)
    full = network.of_members(features, whole, group)
    found = module.more_losses(logits, features, whole, group)
    expected = 2 * binary_cross_entropy_with_logits(logits, full.sigmoid().detach(), reduction="none")
    torch.testing.assert_close(found, expected)
    assert (logits - full).abs().max() > 0.01
    taught = torch.autograd.grad(torch.as_tensor(found).sum(), logits)[0]
    torch.testing.assert_close(taught, 2 * (logits.sigmoid() - full.sigmoid()))


def test_a_negative_weight_is_refused() -> None:
    with pytest.raises(ValueError, match=r"objective.unmasked: must be at least 0 \(value: -1.0\)"):
        check_options(ObjectiveOptions(unmasked=-1.0))
