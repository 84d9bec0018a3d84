"""The audit agrees with fairlearn where that is defined, and says NaN where it is not."""

from functools import partial

import numpy as np
import pandas as pd
import pytest
from fairlearn.metrics import MetricFrame, selection_rate, true_negative_rate, true_positive_rate
from sklearn.metrics import precision_score

from cohorts.statistics import wilson
from tests.validation.cases import DECLARED, make_held_out, with_weights
from validation.audit import METRICS, audit, rate, rate_at
from validation.estimands import Rate
from validation.modality_audit import OTHER, availability, pattern_groups


def cell(table: pd.DataFrame, feature: str, group: str, metric: str) -> pd.Series:
    found = table[(table["feature"] == feature) & (table["group"] == group) & (table["metric"] == metric)]
    assert len(found) == 1
    return found.iloc[0]


@pytest.mark.parametrize(
    ("metric", "function"),
    [("sensitivity", true_positive_rate), ("specificity", true_negative_rate), ("selection_rate", selection_rate)],
)
def test_values_and_groups_are_those_of_a_metric_frame_on_the_raw_rows(metric: str, function: object) -> None:
    held_out = make_held_out(500)
    table = audit(held_out, 0.3, 0.025)
    columns = held_out[["sensitive.sex", "sensitive.age"]].rename(columns=lambda name: name.split(".")[1])
    flagged = held_out["score"] >= 0.3
    for names in (["sex"], ["age"], ["sex", "age"]):
        frame = MetricFrame(
            metrics=function, y_true=held_out["label"], y_pred=flagged, sensitive_features=columns[names]
        )
        expected = {" & ".join(key) if isinstance(key, tuple) else key: value for key, value in frame.by_group.items()}
        feature = " & ".join(names)
        rows = table[(table["feature"] == feature) & (table["metric"] == metric)]
        assert dict(zip(rows["group"], rows["value"], strict=True)) == pytest.approx(expected)


def test_every_row_has_its_support_and_wilsons_interval() -> None:
    held_out = make_held_out(300)
    table = audit(held_out, 0.3, 0.025)
    women = held_out[held_out["sensitive.sex"] == "female"]
    row = cell(table, "sex", "female", "sensitivity")
    assert row["support"] == women["label"].sum() == row["num_positives"]
    assert row["num_subjects"] == len(women)
    found = (women["score"] >= 0.3)[women["label"] == 1].sum()
    assert (row["lower"], row["upper"]) == pytest.approx(wilson(found, row["support"], 0.025))


def test_a_rate_without_denominator_is_nan_where_fairlearn_says_zero() -> None:
    held_out = make_held_out(200)
    held_out.loc[held_out["sensitive.sex"] == "female", "label"] = 0
    women = held_out["sensitive.sex"] == "female"
    assert true_positive_rate(held_out["label"][women], held_out["score"][women] >= 0.3) == 0.0
    row = cell(audit(held_out, 0.3, 0.025), "sex", "female", "sensitivity")
    assert np.isnan([row["value"], row["lower"], row["upper"]]).all()
    assert row["support"] == 0


def test_declared_groups_do_not_vanish_and_unknown_stays_a_group() -> None:
    held_out = make_held_out(200)
    held_out.loc[held_out["sensitive.age"] == "<50", "sensitive.age"] = "Unknown"
    table = audit(held_out, 0.3, 0.025, DECLARED)
    assert cell(table, "age", "<50", "sensitivity")["num_subjects"] == 0
    assert cell(table, "age", "Unknown", "sensitivity")["num_subjects"] > 0


def test_rates_count_what_their_names_say() -> None:
    label, flagged = np.array([1, 1, 1, 0, 0]), np.array([True, True, False, True, False])
    found = {metric: (rate(metric, label, flagged).successes, rate(metric, label, flagged).total) for metric in METRICS}
    assert found == {"sensitivity": (2, 3), "specificity": (1, 2), "ppv": (2, 3), "selection_rate": (3, 5)}


def test_availability_counts_modalities_and_not_parts_of_their_names() -> None:
    people = pd.DataFrame({"pattern": ["ecg", "rest_ecg", "ecg+rest_ecg", "labs"], "part": "x"})
    shares = availability(people, ["ecg", "rest_ecg"], "part", 0.025).set_index("modality")["value"]
    assert shares.to_dict() == {"ecg": 0.5, "rest_ecg": 0.5}


def test_rare_patterns_are_joined_and_nobody_is_lost() -> None:
    groups = pattern_groups(pd.Series(["a"] * 8 + ["b", "c"]), 0.15)
    assert groups.value_counts().to_dict() == {"a": 8, OTHER: 2}


RAW = {
    "sensitivity": true_positive_rate,
    "specificity": true_negative_rate,
    "ppv": partial(precision_score, zero_division=np.nan),
    "selection_rate": selection_rate,
}


@pytest.mark.parametrize("weighted", [False, True])
def test_values_within_control_features_are_those_of_a_metric_frame_on_the_raw_rows(weighted: bool) -> None:
    held_out = with_weights(make_held_out(800)) if weighted else make_held_out(800)
    frame = MetricFrame(
        metrics=RAW,
        y_true=held_out["label"],
        y_pred=(held_out["score"] >= 0.3).astype(int),
        sensitive_features=held_out[["sensitive.sex", "sensitive.age"]],
        control_features=held_out["site"],
        sample_params={name: {"sample_weight": held_out["weight"]} for name in RAW} if weighted else None,
    ).by_group
    table = audit(held_out, 0.3, 0.025, control=["site"])
    assert list(table)[:3] == ["feature", "site", "group"]
    crossed = table[table["feature"] == "sex & age"].set_index(["site", "group", "metric"])["value"]
    expected = {
        (site, f"{sex} & {age}", m): frame.loc[(site, sex, age), m] for site, sex, age in frame.index for m in RAW
    }
    assert crossed.to_dict() == pytest.approx(expected)


@pytest.mark.parametrize("weighted", [False, True])
def test_rows_from_cells_are_those_from_subjects(weighted: bool) -> None:
    held_out = with_weights(make_held_out(400)) if weighted else make_held_out(400)
    table = audit(held_out, 0.3, 0.025, DECLARED)
    columns = [
        "feature",
        "group",
        "num_subjects",
        "num_positives",
        "num_negatives",
        "metric",
        "value",
        "lower",
        "upper",
    ]
    assert list(table) == [*columns, "support"]
    for row in table[table["feature"] != "sex & age"].to_dict("records"):
        member = (held_out["sensitive." + row["feature"]] == row["group"]).to_numpy()
        found = rate_at(row["metric"], held_out, 0.3, member)
        figures = (row["value"], row["lower"], row["upper"], row["support"])
        assert figures == pytest.approx((found.value, *found.interval(0.025), found.support))


def test_categories_and_their_order_do_not_matter_and_an_absent_group_is_unknown() -> None:
    held_out = make_held_out(300)
    held_out.loc[:20, "sensitive.age"] = None
    named = held_out.fillna({"sensitive.age": "Unknown"})
    expected = audit(named, 0.3, 0.025)
    assert "Unknown" in set(expected["group"])
    categories = {name: pd.Categorical(held_out[name]) for name in ("sensitive.sex", "sensitive.age")}
    for table in (held_out, held_out.assign(**categories), held_out.sample(frac=1, random_state=0)):
        pd.testing.assert_frame_equal(audit(table, 0.3, 0.025), expected)


def test_two_hundred_groups_one_group_and_one_class_are_audited() -> None:
    held_out = make_held_out(1000).drop(columns="sensitive.age")
    held_out["sensitive.sex"] = [f"ward {number % 200:03d}" for number in range(1000)]
    table = audit(held_out, 0.3, 0.025)
    assert table["group"].nunique() == 200
    assert (table["num_subjects"] == 5).all()
    one = audit(held_out.assign(**{"sensitive.sex": "all", "label": 1}), 0.3, 0.025).set_index("metric")
    assert one.loc["selection_rate", "support"] == one.loc["sensitivity", "support"] == 1000
    assert np.isnan(one.loc["specificity", ["value", "lower", "upper"]].to_numpy(dtype=float)).all()


def test_availability_and_its_bounds_are_those_of_the_subjects() -> None:
    people = with_weights(make_held_out(300))
    table = availability(people, ["labs", "ecg"], "site", 0.025).set_index(["group", "modality"])
    east = people[people["site"] == "east"]
    has = (east["pattern"] == "labs+ecg").to_numpy()
    expected = Rate.of(has, np.ones(len(east), dtype=bool), east["weight"].to_numpy())
    row = table.loc[("east", "ecg")]
    assert (row["num_present"], row["num_subjects"]) == (has.sum(), len(east))
    assert (row["value"], row["lower"], row["upper"]) == pytest.approx((expected.value, *expected.interval(0.025)))
