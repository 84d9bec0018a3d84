"""Modality masking: never all, down to one, and from the target's patterns only."""

import numpy as np
import pytest
import torch

from lightning_modules.config import MaskingOptions
from lightning_modules.masking import ModalityMasking

M = 5
TARGET = np.array([[1, 1, 0, 0, 0]] * 60 + [[1, 0, 1, 0, 0]] * 30 + [[1, 1, 1, 1, 1]] * 10, dtype=bool)


def generator() -> torch.Generator:
    return torch.Generator().manual_seed(0)


@pytest.mark.parametrize("policy", ["none", "rate", "empirical"])
@pytest.mark.parametrize("rate", [0.3, 1.0])
def test_masking_hides_only_what_is_there_and_never_all(policy: str, rate: float) -> None:
    presence = torch.rand(4000, M, generator=generator()) < 0.5
    kept = ModalityMasking(MaskingOptions(policy=policy, rate=rate, share=1.0), TARGET)(presence, generator())  # type: ignore[arg-type]
    assert not (kept & ~presence).any()
    assert torch.equal(kept.any(1), presence.any(1)), "who has a modality keeps one; who has none gains none"


@pytest.mark.parametrize("policy", ["rate", "empirical"])
def test_masking_goes_down_to_each_single_modality(policy: str) -> None:
    presence = torch.ones(4000, M, dtype=torch.bool)
    kept = ModalityMasking(MaskingOptions(policy=policy), TARGET)(presence, generator())  # type: ignore[arg-type]
    single = kept[kept.sum(1) == 1]
    assert single.any(0).all()


def test_no_masking_keeps_everything() -> None:
    presence = torch.rand(100, M, generator=generator()) < 0.5
    assert torch.equal(ModalityMasking(MaskingOptions(policy="none"), TARGET)(presence), presence)


def test_a_rate_means_the_share_of_present_modalities_that_are_hidden() -> None:
    presence = torch.ones(20_000, M, dtype=torch.bool)
    options = MaskingOptions(policy="rate", rate=0.3, share=1.0, alone_share=0.0)
    kept = ModalityMasking(options, TARGET)(presence, generator())
    assert 1 - kept.float().mean().item() == pytest.approx(0.3, abs=0.01)


def test_empirical_patterns_are_the_targets_with_their_frequencies() -> None:
    presence = torch.ones(20_000, M, dtype=torch.bool)
    options = MaskingOptions(policy="empirical", share=1.0, alone_share=0.0)
    kept = ModalityMasking(options, TARGET)(presence, generator())
    for pattern, share in (([1, 1, 0, 0, 0], 0.6), ([1, 0, 1, 0, 0], 0.3), ([1, 1, 1, 1, 1], 0.1)):
        found = (kept == torch.tensor(pattern, dtype=torch.bool)).all(1).float().mean().item()
        assert found == pytest.approx(share, abs=0.015)


def test_a_share_of_the_subjects_is_left_alone() -> None:
    presence = torch.ones(20_000, M, dtype=torch.bool)
    options = MaskingOptions(policy="rate", rate=1.0, share=0.25, alone_share=0.0)
    kept = ModalityMasking(options, TARGET)(presence, generator())
    assert kept.all(1).float().mean().item() == pytest.approx(0.75, abs=0.015)


def test_the_same_generator_draws_the_same_masks() -> None:
    presence = torch.ones(50, M, dtype=torch.bool)
    masking = ModalityMasking(MaskingOptions(), TARGET)
    assert torch.equal(masking(presence, generator()), masking(presence, generator()))
