"""Gaps standardised to one distribution of patterns: by brute force, and where the truth is known."""

import numpy as np
import pandas as pd
import pytest

from tests.validation.cases import with_weights
from validation.estimands import Rate, RateGap
from validation.standardisation import standardise, standardised_gaps

ALPHA = 0.025


def make_people(
    num_subjects: int, *, harm: float = 0.0, has_scan: tuple[float, float] = (0.2, 0.9), seed: int = 0
) -> pd.DataFrame:
    """Women have the scan less often; it finds 90 % of the positives, without it 60 %, of women `harm` fewer."""
    rng = np.random.default_rng(seed)
    female = rng.random(num_subjects) < 0.5
    scan = rng.random(num_subjects) < np.where(female, *has_scan)
    label = (rng.random(num_subjects) < 0.5).astype(int)
    found = rng.random(num_subjects) < np.where(scan, 0.9, 0.6) - harm * female
    people = pd.DataFrame({"label": label, "score": np.where(found == (label == 1), 0.8, 0.2)})
    people["pattern"] = np.where(scan, "labs+scan", "labs")
    people["sensitive.sex"] = np.where(female, "female", "male")
    return people


def gaps(people: pd.DataFrame, least: int = 11) -> pd.DataFrame:
    groups = [("sex", group, people["sensitive.sex"] == group) for group in ("female", "male")]
    return standardised_gaps(people, groups, 0.5, ALPHA, least).set_index(["group", "metric"])


def test_equal_treatment_with_other_availability_is_a_gap_of_availability_alone() -> None:
    row = gaps(make_people(40_000)).loc[("female", "sensitivity")]
    assert row["gap"] == pytest.approx(-0.21, abs=0.02)
    assert row["treatment"] == pytest.approx(0, abs=0.02)
    assert row["availability"] == pytest.approx(-0.21, abs=0.03)
    assert row["treatment_lower"] < 0 < row["treatment_upper"] < 0.04
    assert row["covered"] == 1


def test_worse_treatment_with_the_same_availability_is_a_gap_of_treatment_alone() -> None:
    row = gaps(make_people(40_000, harm=0.2, has_scan=(0.5, 0.5))).loc[("female", "specificity")]
    assert row["treatment"] == pytest.approx(-0.2, abs=0.02)
    assert row["availability"] == pytest.approx(0, abs=0.01)
    assert row["treatment_upper"] < 0


@pytest.mark.parametrize("weighted", [False, True])
def test_gap_and_parts_are_those_of_a_sum_over_patterns(weighted: bool) -> None:
    people = make_people(900, harm=0.1, seed=3)
    people = with_weights(people) if weighted else people
    weight = people.get("weight", pd.Series(1.0, people.index))
    found = gaps(people).loc[("male", "sensitivity")]
    positive = people["label"] == 1
    flagged = people["score"] >= 0.5

    def rate(chosen: pd.Series) -> float:
        return float(np.average(flagged[chosen & positive], weights=weight[chosen & positive]))

    men, total = people["sensitive.sex"] == "male", 0.0
    for pattern in ("labs", "labs+scan"):
        same = people["pattern"] == pattern
        share = weight[same & positive].sum() / weight[positive].sum()
        total += share * (rate(same & men) - rate(same & ~men))
    assert found["treatment"] == pytest.approx(total)
    assert found["gap"] == pytest.approx(rate(men) - rate(~men))
    assert found["gap"] == pytest.approx(found["treatment"] + found["availability"])
    assert found["num_positives"] == (men & positive).sum()


def test_with_one_pattern_the_interval_is_newcombes_and_all_is_treatment() -> None:
    people = make_people(300, harm=0.1).assign(pattern="labs")
    row = gaps(people).loc[("female", "sensitivity")]
    parts = row[["treatment", "treatment_lower", "treatment_upper"]].tolist()
    assert parts == pytest.approx(row[["gap", "gap_lower", "gap_upper"]].tolist())
    assert row["availability"] == pytest.approx(0)
    one = standardise(np.array([True] * 8 + [False] * 2), np.array(["a"] * 10), np.arange(10) < 5)
    assert one.interval(ALPHA) == pytest.approx(RateGap(Rate(5, 5), Rate(3, 5)).interval(ALPHA))


def test_intervals_of_treatment_cover_as_often_as_they_say() -> None:
    covered = 0
    for seed in range(200):
        people = make_people(400, harm=0.15, seed=seed)
        positive = people["label"] == 1
        gap = standardise(
            (people["score"] >= 0.5)[positive].to_numpy(),
            people["pattern"][positive].to_numpy(),
            (people["sensitive.sex"] == "female")[positive].to_numpy(),
        )
        lower, upper = gap.interval(ALPHA)
        covered += lower <= -0.15 <= upper
    assert 183 <= covered <= 199


def test_only_patterns_of_both_sides_count_and_their_share_is_told() -> None:
    people = make_people(2000)
    people.loc[(people["sensitive.sex"] == "male") & (people.index % 3 == 0), "pattern"] = "ecg"
    row = gaps(people).loc[("female", "sensitivity")]
    positive = people[people["label"] == 1]
    assert row["covered"] == pytest.approx((positive["pattern"] != "ecg").mean())
    assert np.isfinite(row["treatment"])
    apart = people.assign(pattern=people["sensitive.sex"])
    row = gaps(apart).loc[("female", "sensitivity")]
    assert np.isfinite(row["gap"])
    assert np.isnan(row["treatment"])
    assert np.isnan(row["availability"])
    assert row["covered"] == 0


def test_a_share_that_would_tell_of_a_few_is_not_told() -> None:
    people = make_people(2000)
    few = people.index[(people["sensitive.sex"] == "male") & (people["label"] == 1)][:4]
    people.loc[few, "pattern"] = "ecg"
    assert np.isnan(gaps(people).loc[("female", "sensitivity"), "covered"])
    assert gaps(people).loc[("female", "specificity"), "covered"] == 1


def test_a_handful_with_shared_patterns_have_a_gap_and_no_treatment() -> None:
    people = make_people(2000)
    people["pattern"] = people["sensitive.sex"]
    few = people.index[(people["sensitive.sex"] == "female") & (people["label"] == 1)][:7]
    people.loc[few, "pattern"] = "male"
    row = gaps(people).loc[("female", "sensitivity")]
    assert np.isfinite(row["gap"])
    assert row[["treatment", "treatment_lower", "treatment_upper", "availability"]].isna().all()
    assert np.isfinite(gaps(people, least=5).loc[("female", "sensitivity"), "treatment"])


@pytest.mark.parametrize("few", ["female", "male"])
def test_a_handful_on_either_side_have_no_figure(few: str) -> None:
    people = make_people(500)
    people["sensitive.sex"] = np.where(people.index < 8, few, "male" if few == "female" else "female")
    figures = gaps(people)[["gap", "gap_lower", "treatment", "availability", "covered"]]
    assert figures.isna().all(axis=None)
    assert gaps(people.assign(label=1)).loc[("male", "specificity"), "num_negatives"] == 0
