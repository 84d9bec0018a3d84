"""One modality at a time: what is absent is not read, the best one is found, and late fusion is what it is made of."""

from dataclasses import replace

import numpy as np
import pytest
from scipy.special import expit, logit
from scipy.stats import rankdata
from sklearn.linear_model import LogisticRegression

from lightning_modules.modality_models import PULL, combination, fit_best_modality, fit_late_fusion
from lightning_modules.rows import Rows, log_losses
from lightning_modules.simple_models import OF_MODALITIES, PRESENCE, fit_simple
from lightning_modules.subsets import Scorer

NAMES = (*OF_MODALITIES, PRESENCE)


def drawn(num: int, seed: int, *, noise: tuple[float, ...] = (0.3, 1.0, 1.0), absent: float = 0.3) -> Rows:
    """Modalities of two inputs each that tell one latent value; each is absent for some, never all of them."""
    draw = np.random.default_rng(seed)
    latent, presence = draw.normal(size=num), draw.random((num, len(noise))) >= absent
    presence[~presence.any(axis=1)] = True
    inputs = {
        f"m{m}": np.column_stack([latent + spread * draw.normal(size=num), draw.normal(size=num)])
        for m, spread in enumerate(noise)
    }
    label = (draw.random(num) < expit(2 * latent)).astype(float)
    return Rows(inputs, presence, label, np.ones(num))


def shown(rows: Rows, *modalities: int) -> np.ndarray:
    presence = np.zeros_like(rows.presence)
    presence[:, list(modalities)] = True
    return presence


def loss(rows: Rows, risks: np.ndarray) -> float:
    return float(log_losses(logit(risks), rows.label).mean())


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("filling", [np.nan, 1e6])
def test_the_values_of_an_absent_modality_change_neither_fit_nor_score(name: str, filling: float) -> None:
    def spoilt(rows: Rows) -> Rows:
        where = zip(rows.inputs.items(), rows.presence.T, strict=True)
        return replace(rows, inputs={key: np.where(has[:, None], each, filling) for (key, each), has in where})

    training, tuning, held = drawn(600, 0), drawn(200, 1), drawn(200, 2)
    plain = fit_simple(name, training, tuning, None, seed=0)
    other = fit_simple(name, spoilt(training), spoilt(tuning), None, seed=0)
    risks = plain(held.inputs, held.presence, None)
    assert ((risks > 0) & (risks < 1)).all()
    np.testing.assert_array_equal(other(spoilt(held).inputs, held.presence, None), risks)


def test_presence_alone_reads_no_value_and_learns_what_absence_tells() -> None:
    training, held = drawn(2000, 0), drawn(1000, 1)
    presence = training.presence.copy()
    presence[:, 1] = np.where(training.label == 1, True, presence[:, 1])
    training = replace(training, presence=presence)
    score = fit_simple(PRESENCE, training, training, None, seed=0)
    np.testing.assert_array_equal(
        score({name: values * np.nan for name, values in held.inputs.items()}, held.presence, None),
        score(held.inputs, held.presence, None),
    )
    assert score(held.inputs, shown(held, 0, 1), None)[0] > score(held.inputs, shown(held, 0, 2), None)[0] + 0.3


@pytest.mark.parametrize("signal", [0, 1, 2])
def test_the_modality_that_holds_all_signal_is_the_best_one(signal: int) -> None:
    noise = tuple(0.2 if m == signal else 1e6 for m in range(3))
    training, tuning, held = (drawn(500, seed, noise=noise) for seed in range(3))
    score = fit_best_modality(training, tuning, seed=0)
    of_signal = score(held.inputs, shown(held, signal), None)
    assert len(np.unique(of_signal)) == len(held)
    np.testing.assert_array_equal(score(held.inputs, shown(held, 0, 1, 2), None), of_signal)


def test_who_lacks_the_best_modality_gets_the_share_of_positives_among_the_tuning_people() -> None:
    training, tuning, held = (drawn(500, seed) for seed in range(3))
    tuning = replace(tuning, weight=1 + 3 * tuning.label)
    risks = fit_best_modality(training, tuning, seed=0)(held.inputs, shown(held, 1, 2), None)
    assert risks == pytest.approx(np.average(tuning.label, weights=tuning.weight))


def test_a_modality_that_few_of_the_tuning_people_have_is_not_the_best_one_for_them() -> None:
    training, tuning = drawn(800, 0), drawn(400, 1)
    presence = tuning.presence.copy()
    presence[:, 0], presence[20:, 0], presence[:, 1] = True, False, True
    score = fit_best_modality(training, replace(tuning, presence=presence), seed=0)
    assert len(np.unique(score(tuning.inputs, shown(tuning, 1), None))) == len(tuning)


def test_late_fusion_of_one_modality_is_the_model_of_that_modality_up_to_calibration() -> None:
    training, tuning, held = (drawn(600, seed) for seed in range(3))
    late = fit_late_fusion(training, tuning, seed=0)
    alone = Rows({"m0": training.inputs["m0"]}, training.presence[:, :1], training.label, training.weight)
    of_tuning = Rows({"m0": tuning.inputs["m0"]}, tuning.presence[:, :1], tuning.label, tuning.weight)
    single = fit_best_modality(alone, of_tuning, seed=0)
    fused = late(held.inputs, shown(held, 0), None)
    own = single({"m0": held.inputs["m0"]}, np.ones((len(held), 1), dtype=bool), None)
    np.testing.assert_array_equal(rankdata(fused), rankdata(own))
    slope, _ = np.polyfit(logit(own), logit(fused), 1)
    assert slope == pytest.approx(1, abs=0.15)


def test_late_fusion_is_better_than_the_best_modality_and_nearly_as_good_as_the_truth() -> None:
    training, tuning, held = (drawn(2000, seed, noise=(0.7, 0.7, 0.7), absent=0.2) for seed in range(3))
    everything = shown(held, 0, 1, 2)
    fused, best = (fit(training, tuning, seed=0)(held.inputs, everything, None) for fit in OF_MODALITIES.values())
    mean = sum(values[:, 0] for values in training.inputs.values())[:, None]
    oracle = LogisticRegression().fit(mean, training.label)
    truth = oracle.predict_proba(sum(values[:, 0] for values in held.inputs.values())[:, None])[:, 1]
    assert loss(held, fused) < loss(held, best) - 0.01
    assert loss(held, fused) < loss(held, truth) + 0.01


def test_a_modality_that_learns_its_people_by_heart_hardly_counts_in_late_fusion() -> None:
    def with_noise(rows: Rows) -> Rows:
        noise = np.random.default_rng(int(rows.label.sum())).normal(size=(len(rows), 300))
        return replace(rows, inputs={**rows.inputs, "m1": noise}, presence=shown(rows, 0, 1))

    training, tuning, held = (with_noise(drawn(num, num, noise=(0.5, 0.5))) for num in (300, 301, 2000))
    score = fit_late_fusion(training, tuning, seed=0)
    alone = score(held.inputs, shown(held, 0), None)
    assert loss(held, score(held.inputs, held.presence, None)) < loss(held, alone) + 0.02


def test_weights_of_log_odds_solve_the_problem_that_they_are_said_to_solve() -> None:
    draw = np.random.default_rng(0)
    label, weight = (draw.random(300) < 0.4).astype(float), draw.uniform(0.5, 2, 300)
    logits = np.column_stack([label + draw.normal(size=300), draw.normal(size=300), -label + draw.normal(size=300)])
    found = combination(logits, label, weight)
    assert found[0] > 0.3
    assert found[2] == 0  # it points the other way, and may not be turned round

    def objective(weights: np.ndarray) -> float:
        apart = weights - np.array([1 / 3, 1 / 3, 1 / 3, 0])
        return float(weight @ log_losses(logits @ weights[:3] + weights[3], label) + PULL / 2 * apart @ apart)

    nearby = found + 0.01 * draw.normal(size=(200, 4))
    nearby[:, :3] = np.maximum(nearby[:, :3], 0)
    assert all(objective(found) <= objective(other) + 1e-6 for other in nearby)


def test_a_modality_that_hardly_anybody_of_a_class_has_is_left_out_and_nobody_is_left_without_a_score() -> None:
    training, tuning, held = (drawn(400, seed) for seed in range(3))
    rare = training.presence.copy()
    rare[:, 2] &= training.label == 0
    training = replace(training, presence=rare)
    scorers: list[Scorer] = [fit(training, tuning, seed=0) for fit in OF_MODALITIES.values()]
    for score in scorers:
        risks = score(held.inputs, shown(held, 2), None)
        assert risks == pytest.approx(tuning.label.mean())


def test_weights_count_by_their_ratios_alone() -> None:
    training, tuning, held = (drawn(400, seed) for seed in range(3))
    weight = np.random.default_rng(0).uniform(1, 5, len(training))

    def heavier(rows: Rows, factor: float) -> Rows:
        return replace(rows, weight=factor * weight)

    for name in ("logistic", *NAMES):
        small, large = (
            fit_simple(name, heavier(training, factor), heavier(tuning, factor), None, seed=0) for factor in (1, 40_000)
        )
        np.testing.assert_allclose(
            small(held.inputs, held.presence, None), large(held.inputs, held.presence, None), atol=1e-6
        )
