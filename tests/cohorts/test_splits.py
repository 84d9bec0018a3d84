"""Splits: disjoint, stratified, the same for the same subjects."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet
import pytest

from cohorts.cohort import Cohort
from cohorts.errors import InputError
from cohorts.splits import FINGERPRINT, PARTS, Split, folds, leave_one_site_out, make_split, read_split


def with_rule(people: Cohort, **rule: Any) -> Cohort:
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


def test_in_repeated_folds_each_sparse_subject_is_held_out_once_a_repeat(people: Cohort) -> None:
    sparse = np.flatnonzero(people.role == "sparse")
    splits = list(folds(people, num_folds=3, num_repeats=2, seed=5))
    assert len(splits) == 6
    held_out = [set(split.rows("held_out")) for split in splits]
    for repeat in (held_out[:3], held_out[3:]):
        assert sorted(row for fold in repeat for row in fold) == sparse.tolist()
    assert held_out[:3] != held_out[3:]
    again = folds(people, num_folds=3, num_repeats=2, seed=5)
    assert [split.fingerprint for split in again] == [split.fingerprint for split in splits]
    for split in splits:
        assert set(split.part[people.role == "rich"]) == {"rich_train", "rich_tuning"}
        assert set(split.part[people.role == "held_out"]) == {""}


def test_folds_keep_the_share_of_the_label(people: Cohort) -> None:
    shares = [people.label[split.rows("held_out")].mean() for split in folds(people, num_folds=3)]
    assert np.ptp(shares) < 0.03


def test_each_site_of_the_deployment_is_held_out_in_turn(people: Cohort) -> None:
    by_site = dict(leave_one_site_out(people))
    assert sorted(by_site) == ["east", "south", "west"]  # the rich site, north, never is
    for site, split in by_site.items():
        assert set(people.site[split.rows("held_out")]) == {site}
        assert site not in set(people.site[split.rows("sparse_train", "sparse_tuning")])
        assert len(split.rows(*PARTS)) == len(people)


def test_by_time_nobody_who_is_trained_on_is_later_than_who_is_tuned_on(people: Cohort) -> None:
    time = np.random.default_rng(0).integers(0, 50, len(people)).astype(float)  # with ties
    split = make_split(replace(with_rule(people, by="time"), time=time))
    for role in ("rich", "sparse"):
        assert time[split.rows(f"{role}_train")].max() < time[split.rows(f"{role}_tuning")].min()
        share = len(split.rows(f"{role}_tuning")) / (people.role == role).sum()
        assert share == pytest.approx(0.2, abs=0.05)


def test_by_time_an_unknown_time_is_an_error(people: Cohort) -> None:
    with pytest.raises(InputError, match="subjects of the rich cohort have no `time`"):
        make_split(with_rule(people, by="time"))


def test_by_site_no_site_is_both_trained_and_tuned_on(people: Cohort) -> None:
    split = make_split(with_rule(people, by="site"))
    train, tuning = (set(people.site[split.rows(f"sparse_{part}")]) for part in ("train", "tuning"))
    assert train
    assert tuning
    assert not train & tuning


def test_a_frozen_split_comes_back_and_leaves_who_came_later_out(people: Cohort, split: Split, tmp_path: Path) -> None:
    split.freeze(tmp_path / "split.parquet")
    again = read_split(tmp_path / "split.parquet")
    assert again.fingerprint == split.fingerprint
    earlier = people.take(np.arange(len(people)) % 10 != 0)
    make_split(earlier).freeze(tmp_path / "earlier.parquet")
    grown = make_split(with_rule(people, file="earlier.parquet"), tmp_path)
    assert grown.fingerprint == make_split(earlier).fingerprint
    assert set(grown.part[np.arange(len(people)) % 10 == 0]) == {""}


def test_a_frozen_split_of_people_who_are_gone_is_refused(people: Cohort, split: Split, tmp_path: Path) -> None:
    split.freeze(tmp_path / "split.parquet")
    fewer = people.take(np.arange(len(people)) % 10 != 0)
    with pytest.raises(InputError, match="subjects of the frozen split are not in the cohort"):
        make_split(with_rule(fewer, file="split.parquet"), tmp_path)


def test_a_frozen_split_that_was_changed_is_refused(split: Split, tmp_path: Path) -> None:
    file = tmp_path / "split.parquet"
    split.freeze(file)
    table = pyarrow.parquet.read_table(file)
    assert FINGERPRINT in table.schema.metadata
    part = table.column("part").to_pylist()
    part[part.index("held_out")] = ""  # not even who is held out may be changed
    pyarrow.parquet.write_table(table.set_column(1, "part", [part]).cast(table.schema), file)
    with pytest.raises(InputError, match=r"split split\.parquet: was changed since it was frozen"):
        read_split(file)
    file.write_text("no split")
    with pytest.raises(InputError, match="is no frozen split"):
        read_split(file)


def test_by_site_about_the_asked_share_is_tuned_on_and_never_most(people: Cohort) -> None:
    """Two sites of 11 to 1: the small one is tuned on, whatever the seed."""
    site = np.where(np.arange(len(people)) % 12, "large", "small").astype(object)
    for seed in range(5):
        split = make_split(replace(with_rule(people, by="site", seed=seed), site=site))
        assert set(site[split.rows("sparse_tuning")]) == {"small"}


def test_by_time_who_is_held_out_came_last(people: Cohort) -> None:
    time = np.random.default_rng(0).permutation(len(people)).astype(float)
    rule = with_rule(people.take(people.role != "held_out"), by="time", held_out_fraction=0.3)
    roles = rule.spec.roles.model_copy(update={"held_out": None})
    cohort = replace(rule, spec=rule.spec.model_copy(update={"roles": roles}), time=time[people.role != "held_out"])
    split = make_split(cohort)
    assert cohort.time[split.rows("held_out")].min() > cohort.time[split.rows("sparse_tuning", "sparse_train")].max()


def test_a_frozen_part_that_is_not_of_the_role_is_refused(people: Cohort, split: Split, tmp_path: Path) -> None:
    split.freeze(tmp_path / "split.parquet")
    role = people.role.copy()
    role[np.flatnonzero(role == "held_out")[:30]] = "rich"
    with pytest.raises(InputError, match="30 subjects are in a part that is not of their role now"):
        make_split(replace(with_rule(people, file="split.parquet"), role=role), tmp_path)
