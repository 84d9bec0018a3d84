"""Tables to a cohort: joins by id, missing codes, and one clear error for all that is wrong."""

import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import yaml

from cohorts.cohort import Cohort
from cohorts.errors import InputError
from cohorts.readers import read_cohort
from cohorts.spec import CATALOG, CohortSpec, parse_spec
from cohorts.splits import Split


@pytest.fixture
def copied(tables: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(tables, tmp_path / "tables"))


def changed_spec(change: Callable[[dict], None]) -> CohortSpec:
    content = yaml.safe_load((CATALOG / "synthetic.yaml").read_text())
    change(content)
    return parse_spec(content, "changed")


def edit(file: Path, change: Callable[[pd.DataFrame], pd.DataFrame]) -> None:
    change(pd.read_csv(file, dtype={"subject_id": str})).to_csv(file, index=False)


def problems(spec: CohortSpec, data: Path) -> str:
    with pytest.raises(InputError) as caught:
        read_cohort(spec, data)
    return str(caught.value)


def test_shuffling_the_rows_of_every_table_changes_nothing(spec: CohortSpec, copied: Path, people: Cohort) -> None:
    for file in copied.glob("*.csv"):
        edit(file, lambda table: table.sample(frac=1, random_state=3))
    for file in copied.glob("*.parquet"):
        pd.read_parquet(file).sample(frac=1, random_state=4).to_parquet(file, index=False)
    assert read_cohort(spec, copied).fingerprint == people.fingerprint


def test_values_reach_the_subject_whose_id_they_carry(spec: CohortSpec, tables: Path, people: Cohort) -> None:
    raw = pd.read_csv(tables / "ecg.csv", dtype={"subject_id": str}).set_index("subject_id")["ecg_3"]
    expected = raw.reindex(people.subject_id).to_numpy()
    np.testing.assert_array_equal(people.features["ecg"].frame["ecg_3"].to_numpy(), expected)


def test_fingerprint_changes_when_any_value_changes(spec: CohortSpec, copied: Path, people: Cohort) -> None:
    def nudge(table: pd.DataFrame) -> pd.DataFrame:
        table.loc[5, "ecg_2"] += 1e-9
        return table

    edit(copied / "ecg.csv", nudge)
    assert read_cohort(spec, copied).fingerprint != people.fingerprint


def test_ids_keep_their_leading_zeros(people: Cohort) -> None:
    assert "000000" in people.subject_id


def test_presence_follows_the_values_and_not_the_rows(spec: CohortSpec, copied: Path, people: Cohort) -> None:
    """A subject with a row in which every value is empty does not have the modality."""

    def empty_first(table: pd.DataFrame) -> pd.DataFrame:
        table.loc[0, [c for c in table if c != "subject_id"]] = np.nan
        return table

    edit(copied / "ecg.csv", empty_first)
    subject = pd.read_csv(copied / "ecg.csv", dtype=str)["subject_id"][0]
    row = np.flatnonzero(people.subject_id == subject)[0]
    column = people.modalities.index("ecg")
    assert people.presence[row, column]
    assert not read_cohort(spec, copied).presence[row, column]


def test_missing_codes_become_absent(tables: Path, people: Cohort) -> None:
    first = float(people.features["ecg"].frame["ecg_1"].dropna().iloc[0])
    coded = changed_spec(lambda c: c["modalities"]["ecg"].update(missing_codes={"ecg_1": [first]}))
    values = read_cohort(coded, tables).features["ecg"].frame["ecg_1"]
    assert values.isna().sum() == people.features["ecg"].frame["ecg_1"].isna().sum() + 1


def test_where_leaves_subjects_out(tables: Path, people: Cohort) -> None:
    men = read_cohort(changed_spec(lambda c: c.update(where="sex = 'M'")), tables)
    assert len(men) == (people.sensitive["sex"] == "male").sum()


def test_new_people_need_neither_label_nor_role(spec: CohortSpec, copied: Path, people: Cohort) -> None:
    edit(copied / "subjects.csv", lambda table: table.drop(columns="outcome").assign(site="elsewhere"))
    new = read_cohort(spec, copied, labelled=False)
    assert len(new) == len(people)
    assert np.isnan(new.label).all()


def test_tables_of_modalities_that_are_said_to_be_absent_need_not_exist(spec: CohortSpec, copied: Path) -> None:
    (copied / "imaging.parquet").unlink()
    new = read_cohort(spec, copied, labelled=False, absent=frozenset({"imaging"}))
    assert not new.presence[:, new.modalities.index("imaging")].any()
    with pytest.raises(InputError, match="absent scan: is not a modality"):
        read_cohort(spec, copied, labelled=False, absent=frozenset({"scan"}))


def test_rows_of_strangers_are_left_out_and_said(spec: CohortSpec, copied: Path, people: Cohort) -> None:
    edit(copied / "ecg.csv", lambda t: pd.concat([t, t.head(2).assign(subject_id=["stranger1", "stranger2"])]))
    cohort = read_cohort(spec, copied)
    assert cohort.fingerprint == people.fingerprint
    assert any("table ecg: fewer than 11 rows belong to nobody" in note for note in cohort.notes)
    assert not any("stranger" in note for note in cohort.notes)


# Errors ----------------------------------------------------------------------------------------------------------


def test_every_missing_file_is_named(spec: CohortSpec, copied: Path) -> None:
    (copied / "labs.csv").unlink()
    (copied / "imaging.parquet").unlink()
    said = problems(spec, copied)
    assert "table labs: no file labs.csv" in said
    assert "table imaging: no file imaging.parquet" in said


def test_an_unknown_column_is_named_with_those_that_exist(tables: Path) -> None:
    said = problems(changed_spec(lambda c: c["modalities"]["ecg"].update(numeric=["ecg_1", "ecg_9"])), tables)
    assert "modality ecg: table ecg has no column ecg_9; it has subject_id, ecg_1, ecg_2, ecg_3, ecg_4" in said


def test_duplicate_ids_are_counted_and_not_shown(spec: CohortSpec, copied: Path) -> None:
    edit(copied / "labs.csv", lambda table: pd.concat([table, table.head(3)]))
    subject = pd.read_csv(copied / "labs.csv", dtype=str)["subject_id"][0]
    said = problems(spec, copied)
    assert "table labs: fewer than 11 rows repeat a subject id" in said
    assert subject not in said


def test_a_row_without_an_id_is_an_error(spec: CohortSpec, copied: Path) -> None:
    edit(copied / "ecg.csv", lambda t: pd.concat([t, t.head(1).assign(subject_id=None)]))
    assert "table ecg: fewer than 11 rows have no subject id" in problems(spec, copied)


def test_a_table_without_the_id_column_is_an_error(spec: CohortSpec, copied: Path) -> None:
    edit(copied / "ecg.csv", lambda table: table.rename(columns={"subject_id": "patient"}))
    assert "table ecg: has no column subject_id of the subject id; it has patient" in problems(spec, copied)


def test_a_subject_in_two_cohorts_is_an_error(tables: Path) -> None:
    said = problems(changed_spec(lambda c: c["roles"].update(sparse="site IN ('east', 'west')")), tables)
    assert "roles: 315 subjects are in two cohorts" in said


def test_an_empty_role_is_an_error(tables: Path) -> None:
    said = problems(changed_spec(lambda c: c["roles"].update(held_out="site = 'moon'")), tables)
    assert "cohort held_out: no subject satisfies `site = 'moon'`" in said


@pytest.mark.parametrize(("site", "role"), [("north", "rich"), ("west", "held_out")])
def test_one_class_is_an_error(spec: CohortSpec, copied: Path, site: str, role: str) -> None:
    edit(copied / "subjects.csv", lambda t: t.assign(outcome=t["outcome"].where(t["site"] != site, 1)))
    assert f"cohort {role}: all subjects are positive by `outcome = 1`" in problems(spec, copied)


def test_an_absent_label_is_an_error(spec: CohortSpec, copied: Path) -> None:
    edit(copied / "subjects.csv", lambda t: t.assign(outcome=t["outcome"].where(t["site"] != "east")))
    assert "cohort sparse: 81 subjects have no label" in problems(spec, copied)


def test_a_modality_that_nobody_has_is_an_error(spec: CohortSpec, copied: Path) -> None:
    edit(copied / "ecg.csv", lambda table: table.assign(ecg_1=None, ecg_2=None, ecg_3=None, ecg_4=None))
    assert "modality ecg: nobody in the rich or the sparse cohort has it" in problems(spec, copied)


def test_a_subject_without_any_modality_is_an_error(copied: Path) -> None:
    spec = changed_spec(lambda c: c["modalities"].pop("demographics"))
    assert "subjects have no modality at all, where each needs one; exclude them with `where`" in problems(spec, copied)


def test_text_among_numbers_is_counted_and_quoted_only_if_frequent(spec: CohortSpec, copied: Path) -> None:
    edit(copied / "ecg.csv", lambda t: t.assign(ecg_1=["Jane Doe", *t["ecg_1"][1:]], ecg_2=["pending"] * len(t)))
    said = problems(spec, copied)
    assert "column ecg.ecg_1: fewer than 11 values are not numbers; list their codes" in said
    assert "most often `pending`" in said
    assert "Jane" not in said


def test_a_nan_is_absent_and_not_above_every_number(copied: Path) -> None:
    edit(
        copied / "subjects.csv",
        lambda t: t.assign(outcome=t["outcome"].astype(object).where(t["site"] != "east", "nan")),
    )
    said = problems(changed_spec(lambda c: c.update(label="outcome > 0")), copied)
    assert "cohort sparse: 81 subjects have no label" in said


def test_ids_that_differ_only_in_capitals_or_spaces_are_an_error(spec: CohortSpec, copied: Path) -> None:
    edit(copied / "subjects.csv", lambda t: pd.concat([t.assign(subject_id="s" + t["subject_id"])] * 2))
    subjects = pd.read_csv(copied / "subjects.csv", dtype={"subject_id": str})
    subjects.loc[:1, "subject_id"] = [f"S{subjects['subject_id'][0][1:]}", f"{subjects['subject_id'][1]} "]
    subjects.drop_duplicates("subject_id").to_csv(copied / "subjects.csv", index=False)
    assert "table subjects: fewer than 11 subject ids differ from another only in capitals or in spaces" in problems(
        spec, copied
    )


def test_keys_of_two_columns_do_not_run_into_each_other(tmp_path: Path) -> None:
    n = 200
    first = pd.DataFrame(
        {"a": ["x/y", "x"] * (n // 2), "b": [f"{i}" if i % 2 == 0 else f"y/{i - 1}" for i in range(n)]}
    )
    first["age"] = range(n)
    first["y"] = [i % 4 < 2 for i in range(n)]
    first["role"] = ["rich", "rich", "rich", "rich", "sparse", "sparse", "sparse", "sparse", "test", "test"] * (n // 10)
    first.to_csv(tmp_path / "first.csv", index=False)
    first[["a", "b"]].assign(hr=first["age"] + 1000).to_csv(tmp_path / "second.csv", index=False)
    content = {
        "name": "keys",
        "tables": {"first": {"files": "first.csv"}, "second": {"files": "second.csv"}},
        "subject_id": ["a", "b"],
        "roles": {"rich": "role = 'rich'", "sparse": "role = 'sparse'", "held_out": "role = 'test'"},
        "modalities": {"clinic": {"table": "first", "numeric": ["age"]}, "ecg": {"table": "second", "numeric": ["hr"]}},
        "label": "first.y",
    }
    cohort = read_cohort(parse_spec(content, "keys"), tmp_path)
    assert len(cohort) == n
    ages, rates = cohort.features["clinic"].frame["age"], cohort.features["ecg"].frame["hr"]
    np.testing.assert_array_equal(rates, ages + 1000)


def test_yes_and_no_stay_what_they_are(copied: Path, people: Cohort) -> None:
    edit(copied / "subjects.csv", lambda t: t.assign(smokes=["no", "yes", "no"] * (len(t) // 3)))
    spec = changed_spec(lambda c: c["modalities"]["demographics"].update(categorical=["sex", "smokes"]))
    assert set(read_cohort(spec, copied).features["demographics"].frame["smokes"]) == {"yes", "no"}
    spec = changed_spec(
        lambda c: c["modalities"]["demographics"].update(
            categorical=["sex", "smokes"], missing_codes={"smokes": ["no"]}
        )
    )
    assert set(read_cohort(spec, copied).features["demographics"].frame["smokes"].dropna()) == {"yes"}


def test_a_table_whose_ids_are_written_in_another_way_is_an_error(spec: CohortSpec, copied: Path) -> None:
    imaging = pd.read_parquet(copied / "imaging.parquet")
    imaging.assign(subject_id="P" + imaging["subject_id"]).to_parquet(copied / "imaging.parquet", index=False)
    assert "table imaging: none of its subject ids is in table subjects" in problems(spec, copied)
    with pytest.raises(InputError, match="none of its subject ids is in table subjects"):
        read_cohort(spec, copied, labelled=False)


def test_a_code_that_names_does_not_list_is_said(copied: Path) -> None:
    spec = changed_spec(lambda c: c["sensitive_features"]["sex"].update(names={"W": "female", "M": "male"}))
    cohort = read_cohort(spec, copied)
    assert set(cohort.sensitive["sex"]) == {"Unknown", "male"}
    assert any("subjects have a code that `names` does not list, and become Unknown" in note for note in cohort.notes)


def test_dates_are_no_numbers(spec: CohortSpec, copied: Path) -> None:
    edit(copied / "ecg.csv", lambda t: t.assign(ecg_1="2020-01-31"))
    assert "column ecg.ecg_1: holds dates or times, where numbers are needed" in problems(spec, copied)


def test_an_expression_must_give_one_value_a_subject(tables: Path) -> None:
    assert "gives 1800 values for 900 subjects" in problems(
        changed_spec(lambda c: c.update(site="unnest([1, 2])")), tables
    )


def test_a_column_with_the_name_of_the_joined_id_is_an_error(spec: CohortSpec, copied: Path) -> None:
    edit(copied / "ecg.csv", lambda t: t.assign(_subject_id=1))
    assert "table ecg: has a column _subject_id, a name that is kept" in problems(spec, copied)


def test_infinite_values_are_an_error(spec: CohortSpec, copied: Path) -> None:
    edit(copied / "ecg.csv", lambda t: t.assign(ecg_1=[np.inf, *t["ecg_1"][1:]]))
    assert "column ecg.ecg_1: fewer than 11 values are infinite" in problems(spec, copied)


def test_expressions_that_cannot_be_computed_are_all_named_without_values(copied: Path) -> None:
    spec = changed_spec(lambda c: c.update(label="outcom = 1", site="sit"))
    said = problems(spec, copied)
    assert "label `outcom = 1`: cannot be computed" in said
    assert "site `sit`: cannot be computed" in said
    said = problems(changed_spec(lambda c: c.update(where="CAST(sex AS INTEGER) > 0")), copied)
    assert "cannot be computed" in said
    assert "'F'" not in said
    assert "'M'" not in said


def test_an_expression_cannot_read_other_files(tables: Path) -> None:
    spec = changed_spec(lambda c: c.update(where=f"(SELECT count(*) FROM read_csv('{tables}/truth.csv')) > 0"))
    assert "uses SUBQUERY" in problems(spec, tables)


def test_a_file_that_is_no_table_is_an_error(spec: CohortSpec, copied: Path) -> None:
    (copied / "imaging.parquet").write_bytes(b"not parquet at all")
    (copied / "labs.csv").write_bytes(b"\x00\xff" * 50)
    said = problems(spec, copied)
    assert "table imaging: cannot be read" in said
    assert "table labs:" in said


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "table ecg: ecg.csv is empty; export it again"),
        (b"subject_id,ecg_1\n000001,caf\xe9\n", "This file is not utf-8 encoded"),
        (b"subject_id,ecg_1\n000001,1\n000002,1,2,3\n000003,1\n", "its rows may differ in their number of fields"),
    ],
)
def test_a_broken_csv_is_one_clear_error(spec: CohortSpec, copied: Path, content: bytes, message: str) -> None:
    (copied / "ecg.csv").write_bytes(content)
    assert message in problems(spec, copied)


def test_a_byte_order_mark_and_windows_line_ends_are_no_matter(spec: CohortSpec, copied: Path, people: Cohort) -> None:
    (copied / "ecg.csv").write_bytes(b"\xef\xbb\xbf" + (copied / "ecg.csv").read_bytes().replace(b"\n", b"\r\n"))
    assert read_cohort(spec, copied).fingerprint == people.fingerprint


def test_a_missing_data_folder_is_an_error(spec: CohortSpec, tmp_path: Path) -> None:
    assert "is not a folder" in problems(spec, tmp_path / "nowhere")


def test_a_spec_without_generator_needs_data(heart: Cohort) -> None:
    with pytest.raises(InputError, match="say with --data DIR where the tables of heart_disease lie"):
        read_cohort(heart.spec, None)


# Real people ------------------------------------------------------------------------------------------------------


def test_heart_disease_has_the_published_subjects_labels_and_women(heart: Cohort) -> None:
    women = heart.sensitive["sex"] == "female"
    found = {
        site: (
            int((heart.site == site).sum()),
            int(heart.label[heart.site == site].sum()),
            int(women[heart.site == site].sum()),
        )
        for site in ("cleveland", "hungarian", "switzerland", "va")
    }
    expected = {
        "cleveland": (303, 139, 97),
        "hungarian": (294, 106, 81),
        "switzerland": (123, 115, 10),
        "va": (200, 149, 6),
    }
    assert found == expected


def test_heart_disease_has_the_published_absence(heart: Cohort) -> None:
    def absent(modality: str, site: str) -> float:
        return float(1 - heart.presence[heart.site == site, heart.modalities.index(modality)].mean())

    assert absent("fluoroscopy", "hungarian") == pytest.approx(0.990, abs=5e-4)
    assert absent("fluoroscopy", "switzerland") == pytest.approx(0.959, abs=5e-4)
    assert absent("scintigraphy", "switzerland") == pytest.approx(0.423, abs=5e-4)
    assert absent("exercise_ecg", "va") == pytest.approx(0.265, abs=5e-4)
    assert absent("history", "switzerland") == pytest.approx(0.228, abs=5e-4)
    chol = heart.features["vitals_labs"].frame["chol"]
    assert chol[heart.site == "switzerland"].isna().all()
    assert not (chol == 0).any()


def test_heart_disease_joins_the_extended_records_to_the_right_patients(heart: Cohort, heart_data: Path) -> None:
    extended = pd.read_csv(heart_data / "extended.csv")
    key = extended["site"] + "/" + extended["row_in_site"].astype(str)
    expected = extended.set_index(key)["htn"].reindex(heart.subject_id)
    found = pd.to_numeric(heart.features["history"].frame["htn"]).to_numpy(dtype=float)
    np.testing.assert_array_equal(found, expected.to_numpy(dtype=float))


def test_a_cohort_in_a_log_shows_nobody(people: Cohort, split: Split) -> None:
    for shown in (repr(people), str(people), repr(split)):
        assert "0000" not in shown
    assert repr(people) == "Cohort(synthetic, 900 subjects, modalities demographics, labs, ecg, imaging, wearable)"
