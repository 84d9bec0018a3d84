"""Splits: disjoint, stratified, the same for the same subjects."""

from dataclasses import replace

import numpy as np
import pytest

from cohorts.cohort import Cohort
from cohorts.errors import InputError
from cohorts.splits import PARTS, Split, make_split


def with_rule(people: Cohort, **rule: float) -> Cohort:
    spec = people.spec.model_copy(update={"split": people.spec.split.model_copy(update=rule)})
    return replace(people, spec=spec)


def test_parts_follow_the_roles_and_the_fraction(people: Cohort, split: Split) -> None:
    for part in PARTS:
        role = part if part == "held_out" else part.split("_")[0]
        assert set(people.role[split.rows(part)]) == {role}
    assert len(split.rows("rich_tuning")) == pytest.approx(0.2 * (people.role == "rich").sum(), abs=1)


def test_labels_and_patterns_keep_their_shares(people: Cohort, split: Split) -> None:
    train, tuning = split.rows("sparse_train"), split.rows("sparse_tuning")
    assert people.label[train].mean() == pytest.approx(people.label[tuning].mean(), abs=1 / len(tuning))
    for pattern in np.unique(people.pattern[train]):
        share = [(people.pattern[rows] == pattern).mean() for rows in (train, tuning)]
        assert share[0] == pytest.approx(share[1], abs=2 / len(tuning)), "one subject more or less, in each class"


def test_the_same_seed_gives_the_same_split_and_another_seed_another(people: Cohort, split: Split) -> None:
    assert make_split(people).fingerprint == split.fingerprint
    assert make_split(with_rule(people, seed=1)).fingerprint != split.fingerprint


def test_a_fraction_of_the_sparse_cohort_can_be_held_out(people: Cohort) -> None:
    rows = people.role != "held_out"
    rule = with_rule(people.take(rows), held_out_fraction=0.3)
    roles = rule.spec.roles.model_copy(update={"held_out": None})
    cohort = replace(rule, spec=rule.spec.model_copy(update={"roles": roles}))
    split = make_split(cohort)
    sparse = (cohort.role == "sparse").sum()
    assert len(split.rows("held_out")) == pytest.approx(0.3 * sparse, abs=1)
    assert set(cohort.role[split.rows("held_out")]) == {"sparse"}


def test_fingerprint_depends_on_who_is_trained_on_and_not_on_who_is_held_out(people: Cohort, split: Split) -> None:
    fewer = people.take(people.role != "held_out")
    part = split.part[people.role != "held_out"]
    assert Split(fewer.subject_id, part).fingerprint == split.fingerprint
    moved = part.copy()
    moved[np.flatnonzero(moved == "rich_train")[0]] = "rich_tuning"
    assert Split(fewer.subject_id, moved).fingerprint != split.fingerprint


def test_a_part_of_one_class_is_an_error(people: Cohort) -> None:
    label = people.label.copy()
    label[people.role == "rich"] = 0
    label[np.flatnonzero(people.role == "rich")[:1]] = 1
    with pytest.raises(InputError, match="would hold one class of `outcome = 1` only"):
        make_split(replace(people, label=label))
