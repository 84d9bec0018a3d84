"""Scores under subsets: joined by subject, read as they are, and what is lost without a modality."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import roc_auc_score

from cohorts.errors import InputError
from tests.validation.cases import with_weights
from tests.validation.subset_cases import MODALITIES, make_people, make_subsets, make_table
from validation.estimands import Auroc, Mean
from validation.subset_performance import by_num_removed, by_subset, modality_effects, pattern_shift
from validation.subsets import DRAWN, Subsets, mean_auroc

ALPHA = 0.025


@pytest.fixture(scope="module")
def people() -> pd.DataFrame:
    return make_people()


@pytest.fixture(scope="module")
def subsets(people: pd.DataFrame) -> Subsets:
    return make_subsets(people)


def groups_of(people: pd.DataFrame) -> list[tuple[str, str, pd.Series]]:
    return [("sex", group, people["sensitive.sex"] == group) for group in ("female", "male")]


def test_scores_are_joined_by_subject_whatever_the_order_of_rows_and_columns(
    people: pd.DataFrame, subsets: Subsets
) -> None:
    table = make_table(people)
    shuffled = table.sample(frac=1, random_state=1)[["subject_id", *sorted(table.columns[1:], reverse=True)]]
    again = Subsets.of(shuffled, people)
    assert subsets.names == ["ecg+labs+scan", "ecg+labs", "ecg+scan", "labs+scan", "ecg", "labs", "scan"]
    assert sorted(again.names) == sorted("+".join(sorted(name.split("+"))) for name in subsets.names)
    np.testing.assert_array_equal(again.held_out, subsets.held_out)
    np.testing.assert_array_equal(again.without("labs"), subsets.without("labs"))
    assert people["subject_id"].iloc[subsets.held_out].tolist() == table["subject_id"].tolist()
    expected = by_subset(subsets, ALPHA).set_index("subset")
    pd.testing.assert_frame_equal(by_subset(again, ALPHA).set_index("subset").loc[expected.index], expected)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda t: t.assign(subject_id="stranger-" + t["subject_id"]), "subjects are not held out; score again"),
        (lambda t: pd.concat([t, t.head(2)]), "fewer than 11 rows repeat a subject"),
        (lambda t: t.drop(columns="ecg+labs+scan"), r"no column has all modalities \(ecg, labs, scan\) together"),
        (lambda t: t.drop(columns="ecg+scan"), "no column has all modalities but labs"),
        (lambda t: t.drop(columns=[f"{DRAWN}reversed.{n}" for n in range(2)]), r"no column missingness\.reversed\.0"),
        (lambda t: t.assign(ecg=np.nan), "scores are not between 0 and 1"),
        (lambda t: t.assign(**{f"{DRAWN}reversed.0": 1.5}), "scores are not between 0 and 1"),
    ],
)
def test_a_table_that_does_not_fit_is_refused(people: pd.DataFrame, change: object, message: str) -> None:
    with pytest.raises(InputError, match=message):
        Subsets.of(change(make_table(people)), people)  # type: ignore[operator]


def test_who_lacks_a_modality_cannot_be_scored_with_it(people: pd.DataFrame) -> None:
    table = make_table(people)
    fewer = people.assign(pattern=people["pattern"].where(people["subject_id"] != table["subject_id"][0], "ecg+labs"))
    with pytest.raises(
        InputError, match="subset scores: fewer than 11 subjects lack a modality that they are scored with"
    ):
        Subsets.of(table, fewer)


@pytest.mark.parametrize("weighted", [False, True])
def test_areas_are_scikit_learns_and_changes_are_paired(people: pd.DataFrame, weighted: bool) -> None:
    people = with_weights(people) if weighted else people
    table, found = make_table(people), by_subset(make_subsets(people), ALPHA).set_index("subset")
    complete = people.set_index("subject_id").loc[table["subject_id"]]
    weight = complete["weight"] if weighted else None
    for name in found.index:
        expected = roc_auc_score(complete["label"], table[name], sample_weight=weight)
        assert found.loc[name, "value"] == pytest.approx(expected)
        assert found.loc[name, "change"] == pytest.approx(expected - found["value"].iloc[0])
    assert found.iloc[0][["change", "change_lower", "change_upper"]].tolist() == [0, 0, 0]
    lost = found.loc["ecg+labs"]
    assert lost["change_upper"] < 0, "the scan matters most"
    assert lost["change_upper"] - lost["change_lower"] < (lost["upper"] - lost["lower"]) * 1.5


def test_the_degradation_curve_is_the_mean_over_subsets_of_a_size(subsets: Subsets) -> None:
    curve, each = by_num_removed(subsets, ALPHA), by_subset(subsets, ALPHA)
    assert curve["num_subsets"].tolist() == [1, 3, 3]
    for row in curve.itertuples():
        same = each[each["num_modalities"] == len(MODALITIES) - row.num_removed]
        assert row.mean == pytest.approx(same["value"].mean())
        assert (row.best, row.worst) == (same["value"].max(), same["value"].min())
        assert row.worst_subset == same.loc[same["value"].idxmin(), "subset"]
        assert row.lower < row.mean < row.upper
    assert (np.diff(curve["mean"]) < 0).all()


def test_k_scores_of_the_same_people_are_not_k_people(subsets: Subsets) -> None:
    once = Auroc.of(subsets.label, subsets.scores[0])
    thrice = mean_auroc(subsets.label, subsets.scores[[0, 0, 0]], None)
    assert (thrice.value, thrice.variance) == (pytest.approx(once.value), pytest.approx(once.variance))


def test_what_a_group_loses_is_the_paired_difference_among_its_people(people: pd.DataFrame, subsets: Subsets) -> None:
    found = modality_effects(subsets, groups_of(people), ALPHA).set_index(["feature", "group", "modality"])
    assert found.index[0] == ("all", "all", "ecg")
    table = make_table(people)
    women = (people.set_index("subject_id").loc[table["subject_id"], "sensitive.sex"] == "female").to_numpy()
    label = people.set_index("subject_id").loc[table["subject_id"], "label"].to_numpy()[women]
    gain = Mean.auroc_gain(label, table["ecg+scan"].to_numpy()[women], table["ecg+labs+scan"].to_numpy()[women])
    row = found.loc[("sex", "female", "labs")]
    assert (row["value"], row["lower"], row["upper"]) == pytest.approx((gain.value, *gain.interval(ALPHA)))
    assert (row["num_subjects"], row["num_positives"]) == (women.sum(), label.sum())
    sizes = found.xs("labs", level="modality")["num_subjects"]
    assert sizes[("sex", "female")] + sizes[("sex", "male")] == sizes[("all", "all")]


def test_a_group_of_one_class_has_no_effect_rather_than_none_at_all(people: pd.DataFrame) -> None:
    people = people.assign(label=np.where(people["sensitive.sex"] == "female", 0, people["label"]))
    found = modality_effects(make_subsets(people), groups_of(people), ALPHA)
    women = found[found["group"] == "female"]
    assert women[["value", "lower", "upper"]].isna().all(axis=None)
    assert found[found["group"] == "male"]["value"].notna().all()


def test_the_shift_averages_the_draws_and_everything_is_the_whole(subsets: Subsets) -> None:
    found = pattern_shift(subsets, ALPHA).set_index("missingness")
    assert found.index.tolist() == ["as held out", "everything present", "completely at random", "reversed"]
    areas = [roc_auc_score(subsets.label, row) for row in subsets.drawn["reversed"]]
    assert found.loc["reversed", "value"] == pytest.approx(np.mean(areas))
    assert found.loc["everything present", "value"] == pytest.approx(roc_auc_score(subsets.label, subsets.scores[0]))


def test_a_single_modality_has_an_area_and_nothing_that_could_be_removed(people: pd.DataFrame) -> None:
    single = make_subsets(people, modalities=("scan",))
    assert by_subset(single, ALPHA)["subset"].tolist() == ["scan"]
    assert by_num_removed(single, ALPHA)["num_removed"].tolist() == [0]
    assert modality_effects(single, groups_of(people), ALPHA).empty
    assert pattern_shift(single, ALPHA)["value"].notna().all()


def test_a_table_of_nobody_gives_empty_tables_with_their_columns(people: pd.DataFrame) -> None:
    nobody = Subsets.of(pd.DataFrame({"subject_id": []}, dtype=object), people)
    assert (nobody.modalities, len(nobody.label)) == ((), 0)
    assert not nobody.can_be_shown(1)
    for table in (by_subset(nobody, ALPHA), by_num_removed(nobody, ALPHA), pattern_shift(nobody, ALPHA)):
        assert table.empty
        assert {"lower", "upper"} <= set(table)
    assert modality_effects(nobody, groups_of(people), ALPHA).empty


@pytest.mark.parametrize("label", [0, 1])
def test_people_of_one_class_have_no_figure_and_no_warning(people: pd.DataFrame, label: int) -> None:
    subsets = make_subsets(people.assign(label=label))
    assert by_subset(subsets, ALPHA)[["value", "lower", "change_lower"]].isna().all(axis=None)
    assert pattern_shift(subsets, ALPHA)["value"].isna().all()
    assert not subsets.can_be_shown(11)


def test_a_count_that_would_tell_of_a_few_left_out_is_noticed(people: pd.DataFrame, subsets: Subsets) -> None:
    label, everybody = people["label"].to_numpy(), np.ones(len(people), dtype=bool)
    assert not subsets.tells_of_few(label, everybody, 11)
    nearly = replace(subsets, held_out=np.arange(len(people) - 4))
    assert nearly.tells_of_few(label, everybody, 11)
    assert not replace(subsets, held_out=np.arange(len(people))).tells_of_few(label, everybody, 11)
