"""Weights, the time of a subject, and roles by site and by time."""

import time as time_module
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from cohorts.cohort import Cohort
from cohorts.errors import InputError
from cohorts.readers import read_cohort
from tests.cohorts.ward import SIZE, make_spec, patients, read

AGAIN = {"again": {"table": "patients", "numeric": ["day"]}}


def read_ward(folder: Path, table: pd.DataFrame | None = None, **more: Any) -> Cohort:
    if table is not None:
        table.to_csv(folder / "patients.csv", index=False)
    return read(folder, AGAIN, **more)


def seconds(days: np.ndarray | pd.Series) -> np.ndarray:
    return np.asarray((pd.Timestamp("2020-01-01") - pd.Timestamp(0)).total_seconds() + np.asarray(days) * 86_400.0)


def test_everybody_weighs_1_where_no_weight_is_named(tmp_path: Path) -> None:
    people = read_ward(tmp_path)
    assert people.weight.tolist() == [1.0] * SIZE
    assert people.weight.dtype == np.float64


def test_a_weight_is_an_expression_and_follows_its_subject(tmp_path: Path) -> None:
    people = read_ward(tmp_path, patients().sample(frac=1, random_state=1), weight="w / 2")
    np.testing.assert_array_equal(people.weight, (0.5 + np.arange(SIZE)) / 2)
    assert people.fingerprint != read_ward(tmp_path).fingerprint
    np.testing.assert_array_equal(people.take(np.array([3, 9])).weight, [1.75, 4.75])


def test_only_those_who_are_read_need_a_weight(tmp_path: Path) -> None:
    table = patients().assign(w=lambda t: t["w"].where(t.index > 0, 0.0).where(t.index > 1))
    with pytest.raises(
        InputError, match="weight `w`: fewer than 11 subjects have none above 0; drop them with `where`"
    ):
        read_ward(tmp_path, table, weight="w")
    assert len(read_ward(tmp_path, table, weight="w", where="w > 0")) == SIZE - 2


@pytest.mark.parametrize(
    ("time", "expected"),
    [
        ("day", np.arange(SIZE) * 10.0),
        ("admitted", seconds(np.arange(SIZE) * 10)),
        ("CAST(admitted AS TIMESTAMP) + INTERVAL 12 HOUR", seconds(np.arange(SIZE) * 10 + 0.5)),
        ("CAST(admitted AS VARCHAR)", seconds(np.arange(SIZE) * 10)),
        ("CAST(CAST(admitted AS DATE) AS VARCHAR) || 'T06:00:00+06:00'", seconds(np.arange(SIZE) * 10)),
    ],
)
def test_a_time_is_a_number_a_date_a_timestamp_or_a_text_of_one(
    time: str, expected: np.ndarray, tmp_path: Path
) -> None:
    people = read_ward(tmp_path, patients().sample(frac=1, random_state=1), time=time)
    np.testing.assert_allclose(people.time, expected)
    assert people.time.dtype == np.float64


def test_an_absent_time_is_nan_and_one_that_is_none_is_refused(tmp_path: Path) -> None:
    assert np.isnan(read_ward(tmp_path).time).all()
    gap = patients().assign(admitted=lambda t: t["admitted"].where(t.index > 0))
    people = read_ward(tmp_path, gap, time="admitted")
    assert np.flatnonzero(np.isnan(people.time)).tolist() == [0]
    with pytest.raises(InputError, match="time `sex`: 60 values are neither numbers nor dates such as 2024-01-31"):
        read_ward(tmp_path, time="sex")
    with pytest.raises(InputError, match=r"time .*: 60 values are neither numbers nor dates"):
        read_ward(tmp_path, patients(), time="CAST(admitted AS TIMESTAMP) - TIMESTAMP '2020-01-01'")
    with pytest.raises(InputError, match="gives lists or records"):
        read_ward(tmp_path, time="[day]")


def test_new_people_need_neither_weight_nor_time_nor_site(tmp_path: Path) -> None:
    spec = make_spec(AGAIN, weight="w", time="admitted", site="site")
    patients().drop(columns=["w", "admitted", "site", "died"]).to_csv(tmp_path / "patients.csv", index=False)
    people = read_cohort(spec, tmp_path, labelled=False)
    assert people.weight.tolist() == [1.0] * SIZE
    assert np.isnan(people.time).all()
    assert set(people.site) == {""}


def members(people: Cohort, role: str) -> list[int]:
    return np.flatnonzero(people.role == role).tolist()


def test_roles_by_sites(tmp_path: Path) -> None:
    roles = {"rich": {"sites": ["a"]}, "sparse": {"sites": ["b"]}, "held_out": {"sites": ["c"]}}
    people = read_ward(tmp_path, roles=roles, site="site")
    expected = read_ward(tmp_path)
    assert people.role.tolist() == expected.role.tolist()
    with pytest.raises(InputError, match="roles: there is no site moon; the sites are a, b, c"):
        read_ward(tmp_path, roles={**roles, "held_out": {"sites": ["c", "moon"]}}, site="site")


def test_a_site_with_a_quote_is_a_text_and_no_sql(tmp_path: Path) -> None:
    table = patients().assign(site=lambda t: t["site"].replace({"c": "St. Mary's"}))
    roles = {"rich": "site = 'a'", "sparse": "site = 'b'", "held_out": {"sites": ["St. Mary's"]}}
    people = read_ward(tmp_path, table, roles=roles, site="site")
    assert members(people, "held_out") == list(range(48, 60))


@pytest.mark.parametrize(
    ("time", "since", "before"),
    [
        ("day", 480, 240),
        ("admitted", date(2021, 4, 25), date(2020, 8, 28)),  # 480 and 240 days after the first one
        ("admitted", "2021-04-25", "2020-08-28"),
        ("CAST(admitted AS VARCHAR)", "2021-04-25", "2020-08-28"),
    ],
)
def test_roles_by_time_begin_with_since_and_end_before_before(
    time: str, since: Any, before: Any, tmp_path: Path
) -> None:
    roles = {"rich": {"before": before}, "sparse": {"since": before, "before": since}, "held_out": {"since": since}}
    people = read_ward(tmp_path, roles=roles, time=time)
    assert members(people, "rich") == list(range(24))
    assert members(people, "sparse") == list(range(24, 48))
    assert members(people, "held_out") == list(range(48, 60))


def test_all_that_a_rule_gives_must_hold(tmp_path: Path) -> None:
    rule = {"sites": ["b"], "since": 240, "before": 460, "where": "day < 440"}
    roles = {"rich": "site = 'a'", "sparse": rule, "held_out": "site = 'c'"}
    people = read_ward(tmp_path, roles=roles, time="day", site="site")
    assert members(people, "sparse") == list(range(24, 44))


def test_a_rule_without_what_it_needs_is_refused() -> None:
    with pytest.raises(InputError, match="time: a role or the split speaks of time"):
        make_spec(AGAIN, roles={"rich": "site = 'a'", "sparse": {"before": 3}, "held_out": {"since": 3}})
    with pytest.raises(InputError, match="site: a role or the split speaks of sites"):
        make_spec(AGAIN, roles={"rich": {"sites": ["a"]}, "sparse": "site = 'b'", "held_out": "site = 'c'"})
    with pytest.raises(InputError, match=r"roles.rich: give `sites`, `since`, `before` or `where`"):
        make_spec(AGAIN, roles={"rich": {}, "sparse": "site = 'b'", "held_out": "site = 'c'"})


def three_sites() -> pd.DataFrame:
    """Twenty patients a site, ten of each class."""
    return patients().assign(site=np.repeat(list("abc"), 20))


def test_a_held_out_site_is_in_no_other_role_and_the_former_one_becomes_sparse(tmp_path: Path) -> None:
    three_sites().to_csv(tmp_path / "patients.csv", index=False)
    roles = {"rich": {"before": 200}, "sparse": {"sites": ["b"]}, "held_out": "site = 'c'"}
    spec = make_spec(AGAIN, roles=roles, site="site", time="day").with_held_out_site("b")
    people = read_cohort(spec, tmp_path)
    assert members(people, "rich") == list(range(20))
    assert members(people, "held_out") == list(range(20, 40))
    assert members(people, "sparse") == list(range(40, 60))


def test_a_held_out_site_leaves_every_role_that_it_was_in(tmp_path: Path) -> None:
    table = pd.concat([three_sites(), three_sites().assign(patient=lambda t: "x" + t["patient"])], ignore_index=True)
    table.assign(unit=np.where(table["patient"].str.startswith("x"), "new", "old")).to_csv(
        tmp_path / "patients.csv", index=False
    )
    spec = make_spec(
        AGAIN,
        roles={"rich": "unit = 'old'", "sparse": "unit = 'new'"},
        site="site",
        split={"held_out_fraction": 0.2},
    ).with_held_out_site("a")
    assert spec.split.held_out_fraction == 0
    people = read_cohort(spec, tmp_path)
    for role, sites, num in (("rich", {"b", "c"}, 40), ("sparse", {"b", "c"}, 40), ("held_out", {"a"}, 40)):
        assert set(people.site[people.role == role]) == sites
        assert (people.role == role).sum() == num


def test_a_site_of_numbers_can_be_held_out(tmp_path: Path) -> None:
    three_sites().assign(site=lambda t: t["site"].map({"a": 1, "b": 2, "c": 3})).to_csv(
        tmp_path / "patients.csv", index=False
    )
    roles = {"rich": "site = 1", "sparse": {"sites": ["2"]}, "held_out": "site = 3"}
    people = read_cohort(make_spec(AGAIN, roles=roles, site="site").with_held_out_site("2"), tmp_path)
    assert members(people, "held_out") == list(range(20, 40))
    with pytest.raises(InputError, match="held-out site a: the spec ward names no `site`"):
        make_spec(AGAIN).with_held_out_site("a")


def test_times_do_not_depend_on_the_time_zone_of_the_machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    moments = pd.date_range("2024-01-01 00:30", periods=60, freq="h", tz="UTC")
    table = patients().assign(seen=moments.astype(str))
    found = []
    for zone in ("UTC", "America/New_York", "Asia/Tokyo"):
        monkeypatch.setenv("TZ", zone)
        time_module.tzset()
        people = read_ward(tmp_path, table, time="CAST(seen AS TIMESTAMPTZ)")
        found.append((people.fingerprint, people.time.tolist()))
    monkeypatch.undo()
    time_module.tzset()
    assert found[0] == found[1] == found[2]


@pytest.mark.parametrize("moment", ["9999-12-31", "1500-01-01"])
def test_a_date_far_from_ours_is_a_time(tmp_path: Path, moment: str) -> None:
    table = patients().assign(admitted=lambda t: t["admitted"].astype(str))
    table.loc[0, "admitted"] = moment
    people = read_ward(tmp_path, table, time="admitted")
    assert np.isfinite(people.time).all()
    assert abs(people.time[0]) > 1e10


@pytest.mark.parametrize(
    "sql", ["age - avg(age) OVER ()", "random()", "(SELECT max(age) FROM patients)", "max(age)", "now()"]
)
def test_a_value_that_depends_on_others_on_chance_or_on_the_clock_is_refused(tmp_path: Path, sql: str) -> None:
    with pytest.raises(InputError, match="must follow from the subject's own row alone"):
        read_ward(tmp_path, time=sql)
