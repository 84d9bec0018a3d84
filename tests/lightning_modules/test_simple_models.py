"""Simple models: they learn, they read nothing of an absent modality, and masked copies make them robust."""

from dataclasses import replace

import numpy as np
import pytest

from lightning_modules.config import MaskingOptions
from lightning_modules.masking import ModalityMasking
from lightning_modules.simple_models import BASELINES, NAMES, Rows, fit_simple, table_of

MASKING = MaskingOptions(policy="rate", rate=0.5, share=1.0, alone_share=0.0)


def drawn(num: int, seed: int) -> Rows:
    """Two modalities that tell the same latent value; the first does so better."""
    draw = np.random.default_rng(seed)
    latent = draw.normal(size=num)
    inputs = {
        "strong": (latent + 0.3 * draw.normal(size=num))[:, None],
        "weak": (latent + draw.normal(size=num))[:, None],
    }
    label = (draw.random(num) < 1 / (1 + np.exp(-2 * latent))).astype(float)
    return Rows(inputs, np.ones((num, 2), dtype=bool), label, np.ones(num))


def auroc(label: np.ndarray, score: np.ndarray) -> float:
    return float((score[label == 1][:, None] > score[label == 0]).mean())


@pytest.mark.parametrize("name", NAMES)
def test_a_simple_model_learns_and_reads_no_value_of_an_absent_modality(name: str) -> None:
    training, tuning = drawn(800, 0), drawn(200, 1)
    score = fit_simple(name, training, tuning, ModalityMasking(MASKING, training.presence), seed=0)
    held = drawn(400, 2)
    risks = score(held.inputs, held.presence)
    assert ((risks > 0) & (risks < 1)).all()
    assert auroc(held.label, risks) > 0.8
    without = np.tile([False, True], (400, 1))
    spoilt = {**held.inputs, "strong": held.inputs["strong"] * np.nan}
    np.testing.assert_array_equal(score(spoilt, without), score(held.inputs, without))


def test_masked_copies_make_a_logistic_regression_lean_on_what_is_left() -> None:
    training, tuning, held = drawn(2000, 0), drawn(300, 1), drawn(1000, 2)
    masking = ModalityMasking(MASKING, training.presence)
    without = np.tile([False, True], (1000, 1))
    losses = {}
    for name in ("logistic", "logistic_masked"):
        risks = fit_simple(name, training, tuning, masking, seed=0)(held.inputs, without)
        losses[name] = -np.log(np.where(held.label == 1, risks, 1 - risks)).mean()
    assert losses["logistic_masked"] < losses["logistic"] - 0.02


def test_a_table_names_absence_by_zero_and_by_nan() -> None:
    inputs = {"a": np.array([[1.0, 2.0]]), "b": np.array([[3.0]])}
    presence = np.array([[True, False]])
    assert table_of(inputs, presence, "logistic").tolist() == [[1, 2, 0, 1, 0]]
    np.testing.assert_array_equal(table_of(inputs, presence, "boosting"), [[1, 2, np.nan, 1, 0]])


@pytest.mark.parametrize("name", BASELINES[:-1])  # everybody has both modalities, so presence tells nothing
def test_new_people_are_scored_by_a_fit_to_everybody_and_tuning_people_by_one_that_never_saw_them(name: str) -> None:
    training, tuning, held = drawn(300, 0), drawn(200, 1), drawn(100, 2)
    heavier = replace(tuning, weight=tuning.weight * np.where(tuning.label == 1, 1.5, 1.0))
    plain, other = (fit_simple(name, training, each, None, seed=0) for each in (tuning, heavier))
    group = np.zeros(len(held.label), dtype=int)
    of_new, of_tuning = (plain(held.inputs, held.presence, each) for each in (None, group))
    assert not np.array_equal(of_new, of_tuning)
    assert not np.array_equal(other(held.inputs, held.presence, None), of_new)
    np.testing.assert_array_equal(other(held.inputs, held.presence, group), of_tuning)
