"""Factors: what present modalities say of absent ones is what the normal distribution says."""

import numpy as np
import torch
from scipy.special import expit
from sklearn.metrics import roc_auc_score

from cohorts.preprocessing import Layout
from lightning_modules.additive_fit import fit_additive
from lightning_modules.ensemble import NOBODY
from lightning_modules.factors import LEAST_PEOPLE, NUM_FACTORS, Factors
from lightning_modules.rows import Rows
from tests.lightning_modules.expert_cases import G, common, tensors, training

MODALITY = np.array([0, 0, 0, 1, 1, 2, 2, 2, 2])
RNG = np.random.default_rng(0)
LOADINGS = RNG.normal(size=(9, 3))


def people(num: int, seed: int = 1) -> tuple[np.ndarray, np.ndarray]:
    """Columns with three common factors and noise, and who has which modality, never none."""
    rng = np.random.default_rng(seed)
    columns = 1.0 + rng.normal(size=(num, 3)) @ LOADINGS.T + 0.7 * rng.normal(size=(num, 9))
    presence = rng.random((num, 3)) < 0.6
    presence[~presence.any(axis=1), 0] = True
    return columns, presence


def expected(columns: np.ndarray, presence: np.ndarray, mean: np.ndarray, covariance: np.ndarray) -> np.ndarray:
    """The conditional means of a normal distribution, person by person."""
    found = columns.copy()
    for row, has in enumerate(presence):
        known = has[MODALITY]
        weights = np.linalg.solve(covariance[np.ix_(known, known)], columns[row, known] - mean[known])
        found[row, ~known] = mean[~known] + covariance[np.ix_(~known, known)] @ weights
    return found


def filled(factors: Factors, columns: np.ndarray, presence: np.ndarray) -> np.ndarray:
    return factors(torch.as_tensor(columns), torch.as_tensor(presence)).numpy()


def test_what_is_expected_is_the_conditional_mean_of_a_normal_distribution() -> None:
    columns, presence = people(50)
    noise = np.zeros((9, 9))
    factors = Factors(MODALITY.tolist(), 3).double()
    factors.mean_C += torch.as_tensor(RNG.normal(size=9))
    factors.loadings_CK[:, :3] = torch.as_tensor(LOADINGS)
    for m in range(3):
        own = np.flatnonzero(np.equal(MODALITY, m))
        root = RNG.normal(size=(len(own), len(own)))
        noise[np.ix_(own, own)] = root @ root.T + 0.1 * np.eye(len(own))
        scores = np.linalg.solve(noise[np.ix_(own, own)], factors.loadings_CK[own].numpy())
        factors.scores_CK[own] = torch.as_tensor(scores)
        factors.precision_MKK[m] = factors.loadings_CK[own].T @ torch.as_tensor(scores)
    covariance = LOADINGS @ LOADINGS.T + noise
    mean = factors.mean_C.numpy()
    np.testing.assert_allclose(filled(factors, columns, presence), expected(columns, presence, mean, covariance))


def test_fitted_to_people_with_gaps_it_expects_what_the_truth_does() -> None:
    columns, presence = people(4000)
    lacking = np.where(presence[:, MODALITY], columns, 0.0)
    factors = Factors(MODALITY.tolist(), 3).fit(lacking, presence)
    new, has = people(1000, seed=2)
    truth = expected(new, has, np.ones(9), LOADINGS @ LOADINGS.T + 0.49 * np.eye(9))
    found, absent = filled(factors, new, has), ~has[:, MODALITY]
    assert np.abs(found - truth)[absent].mean() < 0.15 * np.abs(truth - 1)[absent].mean()
    np.testing.assert_array_equal(found[~absent], new[~absent])


def test_columns_of_absent_modalities_are_not_read() -> None:
    columns, presence = people(400)
    factors = Factors(MODALITY.tolist(), 3).fit(np.where(presence[:, MODALITY], columns, 0.0), presence)
    junk = np.where(presence[:, MODALITY], columns, np.nan)
    np.testing.assert_array_equal(filled(factors, junk, presence), filled(factors, columns, presence))


def test_what_has_nothing_in_common_or_too_few_people_tells_nothing() -> None:
    rng = np.random.default_rng(3)
    columns, presence = rng.normal(size=(3000, 9)), rng.random((3000, 3)) < 0.7
    presence[:, 2] = np.arange(3000) < LEAST_PEOPLE - 1
    factors = Factors(MODALITY.tolist(), 3).fit(np.where(presence[:, MODALITY], columns, 0.0), presence)
    absent = ~presence[:, MODALITY]
    assert np.abs(filled(factors, columns, presence))[absent].max() < 0.4, "means of 0, and chance"
    assert not factors.loadings_CK[MODALITY == 2].any()
    assert factors.loadings_CK.shape == (9, NUM_FACTORS)


def test_who_lacks_what_matters_is_scored_by_what_goes_with_it() -> None:
    layouts = {"a": Layout(2), "b": Layout(2)}

    def drawn(num: int, seed: int) -> Rows:
        rng = np.random.default_rng(seed)
        b = rng.normal(size=(num, 2))
        inputs = {"a": (b + 0.5 * rng.normal(size=(num, 2))).astype(np.float32), "b": b.astype(np.float32)}
        label = (rng.random(num) < expit(3 * b[:, 0])).astype(int)
        return Rows(inputs, np.ones((num, 2), bool), label, np.ones(num))

    own, new = training(drawn(2000, 0)), drawn(2000, 1)
    expert = fit_additive(layouts, own.rows, own.rows, own.group, own.judged, G)
    assert expert.inputs_EC[:, :2].abs().max() < 0.3 * expert.inputs_EC[:, 2].min(), "a tells nothing more than b"
    features, presence = tensors(new)
    presence[:, 1] = False
    logits_GB = expert(features, presence, torch.full((2000,), NOBODY), common(2000))
    assert roc_auc_score(new.label, logits_GB.mean(0).numpy()) > 0.75
