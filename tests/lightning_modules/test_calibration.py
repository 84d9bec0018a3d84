"""Calibration: mends what is bent, turns no order, borrows across patterns, and is used only where it pays."""

import json

import numpy as np
import pytest
from scipy.special import expit, logit
from sklearn.linear_model import LogisticRegression

from lightning_modules.calibration import METHODS, Calibration, Method, Scored, fit_calibration, reliability
from lightning_modules.calibration_choice import choose_calibration, cross_fit, folds_of, mean_and_error
from lightning_modules.config import CalibrationOptions
from lightning_modules.rows import log_losses

PATTERNS = np.array(["a", "b", "c", "rare"], dtype=object)


def draw(
    num_people: int, seed: int = 0, slope: float = 1.0, shift: dict[str, float] | None = None, share: float = 0.02
) -> Scored:
    """People whose true logit is slope times their score's, plus a shift by pattern; `rare` has a share of 2 %."""
    rng = np.random.default_rng(seed)
    pattern = PATTERNS[rng.choice(4, num_people, p=[0.5, 0.3, 0.2 - share, share])]
    logits = rng.normal(-0.5, 1.5, num_people)
    truth = slope * logits + np.array([(shift or {}).get(name, 0.0) for name in pattern])
    label = (rng.random(num_people) < expit(truth)).astype(float)
    return Scored(logits, label, np.ones(num_people), pattern)


def loss(people: Scored, calibration: Calibration) -> float:
    return float(log_losses(calibration(people.logits, people.pattern), people.label).mean())


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("by_pattern", [False, True])
@pytest.mark.parametrize("slope", [0.5, -0.7])
def test_the_order_within_a_pattern_never_turns(method: Method, by_pattern: bool, slope: float) -> None:
    people = draw(600, slope=slope, shift={"a": 1.0, "b": -1.0})
    fitted = fit_calibration(people, method, by_pattern=by_pattern)
    grid = np.linspace(-8, 8, 500)
    for name in [*PATTERNS, "never seen"]:
        assert (np.diff(fitted(grid, np.full(500, name))) > 0).all()


@pytest.mark.parametrize("method", METHODS)
def test_scores_that_are_too_bold_are_made_modest(method: Method) -> None:
    fitted = fit_calibration(draw(20_000, slope=0.5), method, by_pattern=False)
    np.testing.assert_allclose(fitted.overall, [0.5, 0.5, 0.0], atol=0.06)


@pytest.mark.parametrize("method", METHODS)
def test_scores_that_are_far_too_timid_are_made_bold(method: Method) -> None:
    timid = draw(800)
    timid = Scored(timid.logits / 30, timid.label, timid.weight, timid.pattern)
    assert loss(timid, fit_calibration(timid, method, by_pattern=False)) < loss(timid, Calibration()) - 0.08


def test_platt_is_the_logistic_regression_of_the_label_on_the_logit() -> None:
    people = draw(20_000, slope=0.6, shift=dict.fromkeys(PATTERNS, 0.8))
    oracle = LogisticRegression(C=1e9).fit(people.logits[:, None], people.label)
    a, b, c = fit_calibration(people, "platt", by_pattern=False).overall
    assert a == b == pytest.approx(oracle.coef_[0, 0], abs=2e-3)
    assert c == pytest.approx(oracle.intercept_[0], abs=2e-3)


def test_temperature_moves_no_risk_over_one_half() -> None:
    fitted = fit_calibration(draw(500, slope=0.6, shift=dict.fromkeys(PATTERNS, 0.8)), "temperature", by_pattern=True)
    assert fitted(np.zeros(4), PATTERNS) == pytest.approx(0, abs=1e-12)


def test_beta_bends_what_platt_cannot() -> None:
    rng = np.random.default_rng(0)
    logits = rng.normal(0, 2, 20_000)
    risk = expit(logits)
    truth = expit(2 * np.log(risk) - 0.5 * np.log1p(-risk) + 0.3)
    people = Scored(logits, (rng.random(20_000) < truth).astype(float), np.ones(20_000), np.full(20_000, "a"))
    beta, platt = (fit_calibration(people, method, by_pattern=False) for method in ("beta", "platt"))
    np.testing.assert_allclose(beta.overall, [2, 0.5, 0.3], atol=0.15)
    np.testing.assert_allclose(expit(beta(logits, people.pattern)), truth, atol=0.02)
    assert loss(people, beta) < loss(people, platt) - 0.005


def test_a_pattern_gets_its_own_level_and_a_rare_or_unseen_one_that_of_everybody() -> None:
    people = draw(1500, shift={"a": 1.0, "b": -1.0, "rare": 3.0}, share=0.005)
    assert 0 < (people.pattern == "rare").sum() < 11
    fitted = fit_calibration(people, "platt", by_pattern=True)
    assert set(fitted.by_pattern) == {"a", "b", "c"}
    assert fitted.by_pattern["a"][2] == pytest.approx(1, abs=0.3)
    assert fitted.by_pattern["b"][2] == pytest.approx(-1, abs=0.3)
    a, _, c = fitted.overall
    np.testing.assert_allclose(fitted(np.array([0.7, 0.7]), np.array(["rare", "unseen"])), a * 0.7 + c, rtol=1e-9)


def test_few_people_stay_closer_to_everybody_than_many() -> None:
    people = draw(4000, shift={"a": 1.0, "b": -1.0, "rare": 2.0}, share=0.005)
    assert (people.pattern == "rare").sum() >= 11
    fitted = fit_calibration(people, "platt", by_pattern=True)
    alone = fit_calibration(people.take(people.pattern == "rare"), "platt", by_pattern=False)
    assert fitted.overall[2] < fitted.by_pattern["rare"][2] < alone.overall[2]


def test_patterns_that_do_not_differ_share_one_fit() -> None:
    shared = [not fit_calibration(draw(800, seed), "platt", by_pattern=True).by_pattern for seed in range(10)]
    assert sum(shared) >= 7


def test_weights_are_respected_and_their_scale_is_not() -> None:
    people = draw(2000, shift={"a": 2.0, "b": -2.0})
    heavy = np.where(people.pattern == "a", 50.0, 1.0)
    fits = [
        fit_calibration(Scored(people.logits, people.label, weight, people.pattern), "platt", by_pattern=False).overall
        for weight in (heavy, heavy * 1000, people.weight)
    ]
    np.testing.assert_allclose(fits[0], fits[1], atol=1e-4)
    assert fits[0][2] > 1.5 > 0.8 > fits[2][2]


def test_classes_that_can_be_told_apart_give_a_finite_fit() -> None:
    logits = np.linspace(-3, 3, 60)
    people = Scored(logits, (logits > 0).astype(float), np.ones(60), np.full(60, "a"))
    for method in METHODS:
        assert max(fit_calibration(people, method, by_pattern=True).overall) < 10


def test_reliability_is_what_others_compute() -> None:
    people = draw(5000, slope=0.5, shift=dict.fromkeys(PATTERNS, 0.4))
    found = reliability(people, people.logits)
    oracle = LogisticRegression(C=1e9).fit(people.logits[:, None], people.label)
    risk = expit(people.logits)
    assert found["slope"] == pytest.approx(oracle.coef_[0, 0], abs=1e-3)
    assert found["brier"] == pytest.approx(np.mean((risk - people.label) ** 2))
    assert found["log_loss"] == pytest.approx(-np.mean(np.log(np.where(people.label > 0, risk, 1 - risk))))
    assert expit(people.logits + found["intercept"]).mean() == pytest.approx(people.label.mean(), abs=1e-3)
    assert reliability(people, -people.logits)["slope"] < 0


def test_nobody_helps_to_calibrate_their_own_score() -> None:
    people = draw(300, slope=0.5, shift={"a": 1.0, "b": -1.0})
    before = cross_fit(people, "platt", True)
    fold = folds_of(people)
    label = np.where(fold == 3, 1 - people.label, people.label)
    flipped = Scored(people.logits, label, people.weight, people.pattern)
    for number in np.unique(fold):
        fitted = fit_calibration(flipped.take(fold != number), "platt", by_pattern=True)
        here = flipped.take(fold == number)
        same = np.array_equal(fitted(here.logits, here.pattern), before[fold == number])
        assert same == (number == 3)


def test_folds_have_equal_shares_of_labels_and_patterns() -> None:
    people = draw(1000)
    fold = folds_of(people)
    positives = np.bincount(fold, people.label)
    assert np.bincount(fold).tolist() == [100] * 10
    assert positives.max() - positives.min() <= 1
    commonest = np.bincount(fold, people.pattern == "a")
    assert commonest.max() - commonest.min() <= 2


@pytest.mark.slow
def test_what_is_calibrated_already_is_left_as_it_is() -> None:
    chosen = [choose_calibration(draw(150, seed), CalibrationOptions()) for seed in range(6)]
    assert sum(choice.calibration.method == "none" for choice in chosen) >= 5
    untouched = next(choice for choice in chosen if choice.calibration.method == "none")
    assert untouched.before == untouched.after


@pytest.mark.parametrize(
    ("slope", "shift", "expected"),
    [
        (0.4, {}, [("temperature", False), ("platt", False)]),
        (0.6, dict.fromkeys(PATTERNS, 1.5), [("platt", False)]),
        (1.0, {"a": 1.0, "b": -1.5}, [("platt", True), ("beta", True)]),
    ],
)
def test_what_is_bent_is_mended_by_the_simplest_that_does_and_new_people_gain(
    slope: float, shift: dict[str, float], expected: list[tuple[Method, bool]]
) -> None:
    chosen = choose_calibration(draw(600, slope=slope, shift=shift), CalibrationOptions())
    assert (chosen.calibration.method, chosen.by_pattern) in expected
    new = draw(5000, seed=99, slope=slope, shift=shift)
    assert loss(new, chosen.calibration) < loss(new, Calibration()) - 0.02
    assert chosen.after["log_loss"] < chosen.before["log_loss"] - 0.02


def test_a_gain_within_one_standard_error_is_no_reason() -> None:
    people = draw(120, seed=11, slope=0.8)
    choice = choose_calibration(people, CalibrationOptions())
    gains = {
        method: mean_and_error(
            log_losses(people.logits, people.label) - log_losses(cross_fit(people, method, False), people.label),
            people.weight,
        )
        for method in METHODS
    }
    assert all(gain > 0 for gain, _ in gains.values())
    assert all(gain <= error for gain, error in gains.values())
    assert choice.calibration.method == "none"


def test_a_standard_error_is_that_of_a_weighted_mean() -> None:
    values = np.random.default_rng(0).normal(size=500)
    mean, error = mean_and_error(values, np.full(500, 3.0))
    assert mean == pytest.approx(values.mean())
    assert error == pytest.approx(values.std() / np.sqrt(500))
    assert mean_and_error(values, np.r_[np.full(50, 1e9), np.ones(450)])[1] > 2 * error


@pytest.mark.parametrize("method", ["none", "temperature", "platt", "beta"])
def test_who_asks_for_a_method_gets_it(method: Method) -> None:
    people = draw(200)
    chosen = choose_calibration(people, CalibrationOptions(method=method, by_pattern=False))
    assert chosen.calibration == fit_calibration(people, method, by_pattern=False)
    assert not chosen.by_pattern


def test_by_pattern_false_leaves_patterns_alone() -> None:
    people = draw(600, shift={"a": 1.0, "b": -1.5})
    chosen = choose_calibration(people, CalibrationOptions(by_pattern=False))
    assert not chosen.by_pattern
    assert not chosen.calibration.by_pattern


def test_before_and_after_are_said_in_one_line() -> None:
    said = choose_calibration(draw(600, slope=0.4), CalibrationOptions(method="platt")).sentence()
    assert said.startswith("calibration platt by pattern, cross-fitted: log loss 0.")
    assert said.count(" -> ") == 4
    assert "\n" not in said
    left = choose_calibration(draw(200), CalibrationOptions(method="none")).sentence()
    assert left.startswith("calibration none: log loss 0.")


@pytest.mark.parametrize("method", ["none", *METHODS])
def test_a_calibration_is_plain_data_and_comes_back_the_same(method: Method) -> None:
    people = draw(900, shift={"a": 1.0, "b": -1.0})
    fitted = fit_calibration(people, method, by_pattern=True)
    back = Calibration.from_state(json.loads(json.dumps(fitted.state())))
    assert back == fitted
    np.testing.assert_array_equal(back(people.logits, people.pattern), fitted(people.logits, people.pattern))


@pytest.mark.parametrize("overall", [(0.0, 1.0, 0.0), (1.0, -0.1, 0.0), (1.0, 1.0, float("nan"))])
def test_a_calibration_that_turns_the_order_or_is_not_finite_cannot_be_made(overall: tuple[float, ...]) -> None:
    with pytest.raises(AssertionError, match="a calibration must be"):
        Calibration("beta", overall)


def test_a_calibrated_risk_is_exact_where_risks_are_extreme() -> None:
    risk = np.array([1e-9, 0.2, 1 - 1e-9])
    calibrated = Calibration("beta", (0.5, 2.0, 0.1))
    expected = 0.5 * np.log(risk) - 2.0 * np.log1p(-risk) + 0.1
    np.testing.assert_allclose(calibrated(logit(risk), np.full(3, "a")), expected, rtol=1e-6)
