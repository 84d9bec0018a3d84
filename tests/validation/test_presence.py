"""What presence alone tells: by brute force over pairs, at chance where it tells nothing, and of no handful."""

from itertools import product

import numpy as np
import pandas as pd
import pytest

from tests.validation.cases import make_held_out, with_weights
from validation.estimands import Auroc
from validation.presence import presence_alone, presence_auroc

ALPHA = 0.025


def by_pairs(pattern: np.ndarray, target: np.ndarray, weight: np.ndarray) -> float:
    """Each pair of two patterns by the shares of the others who have them."""

    def share(i: int) -> float:
        others = [k for k in range(len(target)) if pattern[k] == pattern[i] and k != i]
        others = others or [k for k in range(len(target)) if k != i]
        return float(sum(weight[k] * target[k] for k in others) / sum(weight[k] for k in others))

    right = total = 0.0
    for i, j in product(np.flatnonzero(target), np.flatnonzero(~target)):
        a, b = share(i), share(j)
        tie = pattern[i] == pattern[j] or a == b
        right += weight[i] * weight[j] * (0.5 if tie else float(a > b))
        total += weight[i] * weight[j]
    return right / total


@pytest.mark.parametrize("weighted", [False, True])
def test_the_area_is_that_of_all_pairs(weighted: bool) -> None:
    rng = np.random.default_rng(0)
    pattern = rng.choice(["a", "a+b", "b", "c"], 60, p=[0.5, 0.3, 0.15, 0.05])
    target = rng.random(60) < np.where(pattern == "a", 0.7, 0.3)
    weight = rng.integers(1, 5, 60).astype(float) if weighted else np.ones(60)
    found = presence_auroc(pattern, target, weight if weighted else None)
    assert found.value == pytest.approx(by_pairs(pattern, target, weight))
    lower, upper = found.interval(ALPHA)
    assert lower < found.value < upper


@pytest.mark.parametrize("num_patterns", [1, 3, 40])
def test_where_presence_tells_nothing_the_area_is_at_chance_on_average(num_patterns: int) -> None:
    """Without leaving out it would be above, and leaving out one of a pair alone would put it below."""
    rng = np.random.default_rng(1)
    areas = []
    for _ in range(150):
        pattern = rng.integers(0, num_patterns, 120).astype(str)
        areas.append(presence_auroc(pattern, rng.permutation(np.arange(120) < 40)).value)
    assert np.mean(areas) == pytest.approx(0.5, abs=0.015)


@pytest.mark.parametrize(
    ("num_patterns", "slope", "truth"), [(4, 0.0, 0.5), (8, 0.0, 0.5), (32, 0.0, 0.5), (2, 0.2, 0.6)]
)
def test_the_interval_holds_the_area_that_the_true_shares_would_have(
    num_patterns: int, slope: float, truth: float
) -> None:
    """Of two patterns with 0.4 and 0.6 who have the target the area is 0.6; DeLong's bounds hold 0.5 in 63 to 80 %."""
    rng, held = np.random.default_rng(2), 0
    for _ in range(100):
        pattern = rng.integers(0, num_patterns, 300)
        lower, upper = presence_auroc(pattern, rng.random(300) < 0.4 + slope * pattern).interval(ALPHA)
        held += lower <= truth <= upper
    assert held >= 90


@pytest.mark.parametrize("weighted", [False, True])
def test_people_drawn_twice_do_not_give_each_other_away(weighted: bool) -> None:
    """Of 500 people with 200 patterns, a copy in the same pattern would put all replicates far above the estimate."""
    rng = np.random.default_rng(3)
    pattern, target = rng.integers(0, 200, 500), rng.random(500) < 0.4
    found = presence_auroc(pattern, target, rng.uniform(1, 5, 500) if weighted else None)
    lower, upper = found.interval(ALPHA)
    assert lower < found.value < upper
    assert upper < 0.7


def test_a_pattern_that_only_one_person_has_tells_nothing_of_that_person() -> None:
    pattern, target = np.array(["a"] * 10 + ["b"]), np.array([True] * 5 + [False] * 5 + [True])
    assert presence_auroc(pattern, target).value < 0.6


def test_presence_that_is_the_label_tells_it_for_certain() -> None:
    label = np.arange(40) < 20
    found = presence_auroc(np.where(label, "ecg", "labs"), label)
    assert isinstance(found, Auroc)
    assert found.value == 1
    assert found.interval(ALPHA)[0] < 0.9
    weighted = presence_auroc(np.where(label, "ecg", "labs"), label, np.random.default_rng(0).uniform(0.9, 1.1, 40))
    assert weighted.interval(ALPHA) == pytest.approx(found.interval(ALPHA), abs=0.01)


def test_equal_weights_are_no_weights() -> None:
    held_out = make_held_out(300)
    pattern, label = held_out["pattern"].to_numpy(), (held_out["label"] == 1).to_numpy()
    plain, weighted = (presence_auroc(pattern, label, weight) for weight in (None, np.ones(300)))
    assert weighted.value == plain.value
    assert weighted.interval(ALPHA) == pytest.approx(plain.interval(ALPHA))


def groups_of(held_out: pd.DataFrame) -> list[tuple[str, str, pd.Series]]:
    return [("sex", group, held_out["sensitive.sex"] == group) for group in ("female", "male")]


def test_label_and_groups_are_targets_with_the_counts_of_their_people() -> None:
    held_out = with_weights(make_held_out(600))
    held_out.loc[held_out["sensitive.sex"] == "female", "pattern"] = "labs"
    found = presence_alone(held_out, groups_of(held_out), ALPHA, 11).set_index("target")
    assert found.index.tolist() == ["label", "sex female", "sex male"]
    assert found.loc["label", "lower"] < 0.5 < found.loc["label", "upper"]
    assert found.loc["sex female", "lower"] > 0.6
    assert found.loc["sex female", "value"] == pytest.approx(found.loc["sex male", "value"])
    women = held_out[held_out["sensitive.sex"] == "female"]
    counts = ["num_subjects", "num_positives", "num_negatives"]
    assert found.loc["sex female", counts].tolist() == [len(women), women["label"].sum(), (women["label"] == 0).sum()]
    assert found.loc["label", "num_subjects"] == 600


@pytest.mark.parametrize("few", ["female", "male"])
def test_a_handful_and_everybody_else_have_no_figure(few: str) -> None:
    held_out = make_held_out(300)
    held_out["sensitive.sex"] = np.where(held_out.index < 6, few, "male" if few == "female" else "female")
    found = presence_alone(held_out, groups_of(held_out), ALPHA, 11).set_index("target")
    assert found.loc[["sex female", "sex male"], ["value", "lower", "upper"]].isna().all(axis=None)
    assert found.loc["label"].notna().all()


@pytest.mark.parametrize("label", [0, 1])
def test_one_class_has_no_area(label: int) -> None:
    held_out = make_held_out(60).assign(label=label)
    found = presence_alone(held_out, [], ALPHA, 11)
    assert found[["value", "lower", "upper"]].isna().all(axis=None)
