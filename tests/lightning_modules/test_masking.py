"""Modality masking: never all, down to one, patterns as each policy defines them, and of training people only."""

from dataclasses import replace
from math import comb
from typing import Any

import numpy as np
import pytest
import torch

from cohorts.cohort import Cohort
from cohorts.preprocessing import Preprocessing
from cohorts.splits import Split
from lightning_modules.config import MaskingOptions
from lightning_modules.masking import STRATUM, ModalityMasking, masking_for, strata

M = 5
NAMES = ["a", "b", "c", "d", "e"]
TARGET = np.array([[1, 1, 0, 0, 0]] * 60 + [[1, 0, 1, 0, 0]] * 30 + [[1, 1, 1, 1, 1]] * 10, dtype=bool)
EVERYBODY = torch.ones(20_000, M, dtype=torch.bool)
POLICIES = {
    "none": MaskingOptions("none"),
    "rate": MaskingOptions("rate"),
    "certain rate": MaskingOptions("rate", rate=1.0),
    "rates": MaskingOptions("rate", rates={"a": 0.9, "c": 0.0}),
    "random_rate": MaskingOptions("random_rate", most_rate=1.0),
    "empirical": MaskingOptions("empirical"),
    "table": MaskingOptions("table", patterns={"a+c": 1, "e": 2}),
}
HIDING = [name for name in POLICIES if name != "none"]


def generator() -> torch.Generator:
    return torch.Generator().manual_seed(0)


def kept_by(options: MaskingOptions, presence: torch.Tensor = EVERYBODY, **more: Any) -> torch.Tensor:
    return ModalityMasking(options, TARGET, NAMES)(presence, generator(), **more)


def only(policy: str, **more: Any) -> MaskingOptions:
    """The policy for everybody, and nothing besides."""
    return MaskingOptions(policy=policy, share=1.0, alone_share=0.0, **more)  # type: ignore[arg-type]


def shares(kept: torch.Tensor) -> dict[str, float]:
    """Pattern to the share of the subjects who keep exactly it, rare ones left out."""
    patterns, counts = np.unique(kept.numpy(), axis=0, return_counts=True)
    found = {
        "+".join(np.array(NAMES)[pattern]): count / len(kept) for pattern, count in zip(patterns, counts, strict=True)
    }
    return {pattern: share for pattern, share in found.items() if share > 0.001}


@pytest.mark.parametrize("name", POLICIES)
@pytest.mark.parametrize("share", [0.5, 1.0])
def test_masking_hides_only_what_is_there_and_never_all(name: str, share: float) -> None:
    presence = torch.rand(4000, M, generator=generator()) < 0.5
    kept = kept_by(replace(POLICIES[name], share=share), presence)
    assert kept.dtype == torch.bool
    assert not (kept & ~presence).any()
    assert torch.equal(kept.any(1), presence.any(1)), "who has a modality keeps one; who has none gains none"


@pytest.mark.parametrize("name", HIDING)
def test_masking_goes_down_to_each_single_modality(name: str) -> None:
    kept = kept_by(POLICIES[name])
    assert kept[kept.sum(1) == 1].any(0).all()


def test_no_masking_keeps_everything() -> None:
    presence = torch.rand(100, M, generator=generator()) < 0.5
    assert torch.equal(kept_by(POLICIES["none"], presence), presence)


def test_a_rate_means_the_share_of_present_modalities_that_are_hidden() -> None:
    assert 1 - kept_by(only("rate", rate=0.3)).float().mean().item() == pytest.approx(0.3, abs=0.01)


def test_a_modality_has_the_rate_that_is_stated_for_it_and_the_others_have_the_common_one() -> None:
    hidden = 1 - kept_by(only("rate", rate=0.3, rates={"d": 0.9, "b": 0.0})).float().mean(0)
    torch.testing.assert_close(hidden, torch.tensor([0.3, 0.0, 0.3, 0.9, 0.3]), atol=0.015, rtol=0)


@pytest.mark.parametrize("most", [0.8, 0.5])
def test_a_random_rate_hides_as_many_as_a_rate_that_each_subject_draws_evenly(most: float) -> None:
    hidden = (~kept_by(only("random_rate", most_rate=most))).sum(1)
    found = torch.bincount(hidden, minlength=M) / len(hidden)
    rate = (np.arange(10_000) + 0.5) / 10_000 * most
    expected = np.array([(comb(M, k) * rate**k * (1 - rate) ** (M - k)).mean() for k in range(M + 1)])
    expected[M - 1] += expected[M]  # of all that would be hidden, one is kept
    np.testing.assert_allclose(found.numpy(), expected[:M], atol=0.015)


def test_empirical_patterns_are_the_targets_with_their_frequencies() -> None:
    assert shares(kept_by(only("empirical"))) == pytest.approx({"a+b": 0.6, "a+c": 0.3, "a+b+c+d+e": 0.1}, abs=0.015)


def test_stated_patterns_are_drawn_in_proportion_to_their_weights() -> None:
    kept = kept_by(only("table", patterns={"e + a": 6, "c": 3, "a+b+d": 1}))
    assert shares(kept) == pytest.approx({"a+e": 0.6, "c": 0.3, "a+b+d": 0.1}, abs=0.015)


def test_a_share_of_the_subjects_is_left_alone() -> None:
    kept = kept_by(MaskingOptions(policy="rate", rate=1.0, share=0.25, alone_share=0.0))
    assert kept.all(1).float().mean().item() == pytest.approx(0.75, abs=0.015)


@pytest.mark.parametrize(("progress", "share"), [(0.0, 0.0), (0.1, 0.12), (0.25, 0.3), (0.5, 0.6), (1.0, 0.6)])
def test_under_a_curriculum_the_share_rises_evenly_to_its_value(progress: float, share: float) -> None:
    options = MaskingOptions(policy="rate", rate=1.0, share=0.6, alone_share=0.0, curriculum=0.5)
    kept = kept_by(options, progress=progress)
    assert 1 - kept.all(1).float().mean().item() == pytest.approx(share, abs=0.015 if share else 0)


def test_single_modalities_are_trained_from_the_start_of_a_curriculum() -> None:
    options = MaskingOptions(policy="rate", alone_share=0.2, curriculum=1.0)
    kept = kept_by(options, progress=0.0)
    assert (kept.sum(1) == 1).float().mean().item() == pytest.approx(0.2, abs=0.015)
    assert set(kept.sum(1).tolist()) == {1, M}


@pytest.mark.parametrize("name", HIDING)
def test_without_a_curriculum_progress_changes_nothing(name: str) -> None:
    assert torch.equal(kept_by(POLICIES[name], progress=0.0), kept_by(POLICIES[name], progress=1.0))


@pytest.mark.parametrize("name", HIDING)
def test_the_same_generator_draws_the_same_masks(name: str) -> None:
    assert torch.equal(kept_by(POLICIES[name]), kept_by(POLICIES[name]))


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU")
@pytest.mark.parametrize("name", HIDING)
def test_a_gpu_draws_the_masks_of_the_cpu(name: str) -> None:
    kept = kept_by(POLICIES[name], EVERYBODY.cuda())
    assert kept.is_cuda
    assert torch.equal(kept.cpu(), kept_by(POLICIES[name]))


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        (MaskingOptions(), "11111 11111 11000 11111 10100 11111 11000 11111"),
        (MaskingOptions(policy="rate"), "11001 11111 11000 11100 11111 11001 00010 00111"),
    ],
)
def test_a_seed_goes_on_drawing_the_masks_that_it_always_drew(options: MaskingOptions, expected: str) -> None:
    kept = ModalityMasking(options, TARGET)(EVERYBODY[:8], generator())
    assert " ".join("".join(map(str, row)) for row in kept.int().tolist()) == expected


def test_names_that_the_cohort_does_not_know_never_reach_a_mask() -> None:
    with pytest.raises(AssertionError):
        ModalityMasking(MaskingOptions(policy="rate", rates={"z": 0.1}), TARGET, NAMES)
    with pytest.raises(AssertionError):
        ModalityMasking(MaskingOptions(policy="table", patterns={"z": 1}), TARGET, NAMES)


# Patterns given covariates


def test_a_subject_of_a_stratum_draws_a_pattern_of_that_stratum_and_stratum_0_one_of_everybody() -> None:
    stratum = np.array([2, 1, 1] * 30 + [0] * 10)  # of TARGET's people, with frequencies unlike those of everybody
    masking = ModalityMasking(only("empirical"), TARGET, NAMES, target_stratum=stratum)
    for number, of in ((0, TARGET), (1, TARGET[stratum == 1]), (2, TARGET[stratum == 2])):
        kept = masking(EVERYBODY, generator(), stratum_B=torch.full((len(EVERYBODY),), number))
        assert shares(kept) == pytest.approx(shares(torch.as_tensor(of)), abs=0.015)
    third = ModalityMasking(only("empirical"), TARGET, NAMES, target_stratum=np.repeat([1, 2, 3], [60, 30, 10]))
    mixed = third(EVERYBODY[:3], generator(), stratum_B=torch.tensor([3, 1, 2]))
    assert mixed.tolist() == [TARGET[-1].tolist(), TARGET[0].tolist(), TARGET[60].tolist()]


def test_subjects_with_the_same_values_share_a_stratum_where_enough_of_them_are_sparse(
    people: Cohort, split: Split
) -> None:
    sparse, given = split.rows("sparse_train"), ["site", "age"]
    values = list(zip(people.site, people.sensitive["age"], strict=True))
    few = [values[row] for row in sparse]
    found = strata(people, sparse, given)
    assert len(found) == len(people)
    number_of: dict[tuple[str, str], set[int]] = {}
    for value, number in zip(values, found, strict=True):
        number_of.setdefault(value, set()).add(int(number))
    assert all(len(numbers) == 1 for numbers in number_of.values())
    of_own = [min(numbers) for value, numbers in number_of.items() if few.count(value) >= 11]
    others = [min(numbers) for value, numbers in number_of.items() if few.count(value) < 11]
    assert sorted(of_own) == list(range(1, len(of_own) + 1))
    assert of_own, "some values are frequent"
    assert others
    assert set(others) == {0}


def test_ten_sparse_training_subjects_are_too_few_for_a_stratum_and_eleven_are_enough(
    people: Cohort, split: Split
) -> None:
    sparse = split.rows("sparse_train")
    sex = people.sensitive["sex"].to_numpy()
    first, second = (sparse[sex[sparse] == value] for value in sorted(set(sex[sparse]))[:2])
    found = strata(people, np.concatenate([first[:10], second[:11]]), ["sex"])
    assert set(found[first]) == {0}
    assert set(found[second]) == {1}


def test_whoever_is_at_a_site_without_sparse_subjects_draws_from_everybody(people: Cohort, split: Split) -> None:
    sparse = split.rows("sparse_train")
    elsewhere = ~np.isin(people.site, people.site[sparse])
    assert elsewhere.any(), "the rich site is another one"
    assert not strata(people, sparse, ["site"])[elsewhere].any()


def test_batches_carry_strata_where_patterns_are_given_covariates_and_nothing_elsewhere(
    people: Cohort, split: Split, preprocessing: Preprocessing
) -> None:
    more = masking_for(MaskingOptions(given=("age",)), people, split, preprocessing)[1]
    np.testing.assert_array_equal(more[STRATUM], strata(people, split.rows("sparse_train"), ["age"]))
    assert masking_for(MaskingOptions(), people, split, preprocessing)[1] == {}


@pytest.mark.parametrize("given", [(), ("age",)])
def test_patterns_come_from_sparse_training_subjects_with_the_same_values_and_nobody_else(
    people: Cohort, split: Split, preprocessing: Preprocessing, given: tuple[str, ...]
) -> None:
    masking, more = masking_for(only("empirical", given=given), people, split, preprocessing)
    sparse = split.rows("sparse_train")
    stratum = more.get(STRATUM, np.zeros(len(people), dtype=int))
    for number in np.unique(stratum):
        whole = torch.ones(20_000, len(people.modalities), dtype=torch.bool)
        of_batch = torch.full((len(whole),), int(number)) if given else None
        kept = masking(whole, generator(), stratum_B=of_batch)
        own = people.presence[sparse][stratum[sparse] == number] if number else people.presence[sparse]
        assert {tuple(row) for row in kept.tolist()} <= {tuple(row) for row in own.tolist()}
        np.testing.assert_allclose(kept.float().mean(0).numpy(), own.mean(axis=0), atol=0.015)
