"""The tables of the modality audit as they are shown: all of them, and nothing of a handful."""

import json
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from tests.validation.cases import DECLARED
from tests.validation.subset_cases import make_people, make_subsets
from validation.checks import Evidence
from validation.disclosure import COUNTS
from validation.modality_tables import modality_tables

OF_SUBSETS = ("subsets", "degradation", "shapley", "pattern_shift", "modality_effects")


def evidence_of(people: pd.DataFrame) -> Evidence:
    return Evidence(people, 0.5, DECLARED, {}, subsets=make_subsets(people))


def few_women(number: int = 6) -> pd.DataFrame:
    people = make_people(600)
    people["sensitive.sex"] = np.where(people.index < number, "female", "male")
    people.loc[: number - 1, "pattern"] = "ecg+labs+scan"
    return people


def test_every_table_is_there_as_plain_data_rounded_and_without_subjects() -> None:
    tables = modality_tables(evidence_of(make_people(1500)), 0.025, 11)
    assert set(tables) == {*OF_SUBSETS, "presence_alone", "standardised_gaps"}
    assert {name: len(rows) for name, rows in tables.items()} == {
        "presence_alone": 5,
        "standardised_gaps": 8,
        "subsets": 7,
        "degradation": 3,
        "shapley": 3,
        "pattern_shift": 4,
        "modality_effects": 15,
    }
    text = json.dumps(tables)
    assert "patient-" not in text
    assert "NaN" not in text
    numbers = [v for rows in tables.values() for row in rows for v in row.values() if isinstance(v, float)]
    assert numbers == [round(number, 3) for number in numbers]


def test_without_scores_under_subsets_only_what_needs_none_is_there() -> None:
    tables = modality_tables(replace(evidence_of(make_people()), subsets=None), 0.025, 11)
    assert {name for name, rows in tables.items() if rows} == {"presence_alone", "standardised_gaps"}


def test_too_few_complete_people_have_no_figure() -> None:
    people = make_people(600)
    complete = people.index[people["pattern"] == "ecg+labs+scan"]
    people.loc[complete[15:], "pattern"] = "labs"
    tables = modality_tables(evidence_of(people), 0.025, 11)
    assert not any(tables[name] for name in OF_SUBSETS)


def test_figures_of_a_handful_vanish_with_those_of_everybody_else() -> None:
    tables = modality_tables(evidence_of(few_women()), 0.025, 11)
    for name, figures in (
        ("presence_alone", ["value", "lower", "upper"]),
        ("standardised_gaps", ["gap", "gap_lower", "treatment", "treatment_upper", "availability", "covered"]),
    ):
        of_sex = [row for row in tables[name] if row["feature"] == "sex"]
        assert of_sex
        assert {row[figure] for row in of_sex for figure in figures} == {None}
        assert any(row[figures[0]] is not None for row in tables[name] if row["feature"] != "sex")
    women = [row for row in tables["modality_effects"] if row["group"] == "female"]
    assert {row["num_subjects"] for row in women} == {"<11"}
    assert {row["value"] for row in women} == {None}


def test_no_count_of_a_few_is_in_any_table_whatever_it_is() -> None:
    seen = set()
    for number in (2, 6, 10):
        tables = modality_tables(evidence_of(few_women(number)), 0.025, 11)
        rows = [row for name in tables for row in tables[name] if "num_subjects" in row]
        counts = [row[count] for row in rows for count in COUNTS if count in row]
        assert not [count for count in counts if isinstance(count, int) and 0 < count < 11]
        kept = [
            {key: value for key, value in row.items() if key in ("feature", "group", "modality", *COUNTS)}
            for row in tables["presence_alone"] + tables["standardised_gaps"]
        ]
        seen.add(json.dumps([row for row in kept if row["feature"] == "sex"]))
    assert len(seen) == 1


@pytest.mark.parametrize("number", [3, 8])
def test_complete_people_do_not_tell_of_the_few_of_a_group_who_are_not(number: int) -> None:
    """Of all women but a few the effects are known, and of how many women there are: so not of how many."""
    people = make_people(600)
    people["pattern"] = np.where(people["sensitive.sex"] == "male", people["pattern"], "ecg+labs+scan")
    women = people.index[people["sensitive.sex"] == "female"]
    people.loc[women[:number], "pattern"] = "labs"
    rows = modality_tables(evidence_of(people), 0.025, 11)["modality_effects"]
    of_sex = [row for row in rows if row["feature"] == "sex"]
    assert all(str(row["num_subjects"]).startswith("≥") for row in of_sex)
    assert all(row["value"] == round(row["value"], 2) for row in of_sex)
    everybody = [row for row in rows if row["feature"] == "all"]
    assert all(isinstance(row["num_subjects"], int) for row in everybody)
