"""Preprocessing: fitted on training subjects only, absent is 0, the state is data."""

import json
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from sklearn.preprocessing import QuantileTransformer

from cohorts.codes import as_codes, without
from cohorts.cohort import Cohort
from cohorts.modalities.embedding import Embedding, fit_embedding
from cohorts.modalities.events import Events, fit_events
from cohorts.modalities.tabular import LEAST_IN_A_BIN, Column, Tabular, _fit_levels, fit_numbers
from cohorts.modality import EventsModality
from cohorts.preprocessing import Preprocessing, fit_preprocessing
from cohorts.splits import Split


def test_absent_is_zero_and_finite_everywhere(people: Cohort, preprocessing: Preprocessing) -> None:
    for m, (name, values) in enumerate(preprocessing.transform(people).items()):
        assert np.isfinite(values).all()
        assert values.dtype == np.float32
        assert values.shape == (len(people), preprocessing.layouts[name].num_inputs)
        assert not values[~people.presence[:, m]].any()


def test_held_out_and_tuning_values_do_not_reach_the_fit(
    people: Cohort, split: Split, preprocessing: Preprocessing
) -> None:
    train = split.rows("rich_train", "sparse_train")
    others = np.setdiff1d(np.arange(len(people)), train)
    spoiled = {name: Tabular(tabular.frame.copy()) for name, tabular in people.features.items()}
    for frame in [tabular.frame for tabular in spoiled.values()]:
        numeric = frame.select_dtypes("number").columns
        frame.loc[others, numeric] = 1e9
    refitted = fit_preprocessing(replace(people, features=spoiled).take(train))
    assert refitted == preprocessing


def test_the_state_is_json_and_comes_back_equal(people: Cohort, preprocessing: Preprocessing) -> None:
    again = Preprocessing.from_state(json.loads(json.dumps(preprocessing.state())))
    assert again == preprocessing


def test_rank_gauss_agrees_with_scikit_learn_where_ranks_are_dense(people: Cohort) -> None:
    values = people.features["labs"].frame["labs_1"]
    column = next(c for c in fit_preprocessing(people).fitted["labs"].columns if c.name == "labs_1")
    known = values.notna().to_numpy()
    theirs = QuantileTransformer(output_distribution="normal", n_quantiles=int(known.sum()), random_state=0)
    expected = theirs.fit_transform(values[known].to_numpy()[:, None])[:, 0]
    ours = column.transform(values)[known, 0]
    inner = np.abs(expected) < 1.5
    np.testing.assert_allclose(ours[inner], expected[inner], atol=0.05)


def test_gaps_gain_an_indicator_and_complete_columns_do_not(preprocessing: Preprocessing) -> None:
    assert all(column.has_gaps for column in preprocessing.fitted["labs"].columns)
    assert not any(column.has_gaps for column in preprocessing.fitted["ecg"].columns)


def test_rare_and_unknown_levels_share_an_input_and_their_names_are_not_kept(people: Cohort) -> None:
    region = pd.Series(["north"] * 600 + ["south"] * 290 + [f"rare {number}" for number in range(10)], name="region")
    column = _fit_levels(region, has_gaps=False)
    assert column.levels == ("north", "south", "(other)")
    assert column.transform(pd.Series(["south", "rare 3", "never seen", None])).tolist() == [
        [0.0, 1.0, 0.0],
        [0.0, 0.0, 1.0],
        [0.0, 0.0, 1.0],
        [0.0, 0.0, 0.0],
    ]


def test_an_unknown_level_gives_zeros_where_no_level_was_rare(people: Cohort, preprocessing: Preprocessing) -> None:
    sex = next(column for column in preprocessing.fitted["demographics"].columns if column.name == "sex")
    values = people.features["demographics"].frame["sex"].copy()
    values[:] = "X"
    assert not sex.transform(values).any()


def test_stored_quantiles_are_not_anybodys_values(heart: Cohort) -> None:
    """Each stored quantile stands for at least LEAST_IN_A_BIN subjects."""
    for name, fitted in fit_preprocessing(heart).fitted.items():
        for column in fitted.columns:
            if column.quantiles:
                known = heart.features[name].frame[column.name].notna().sum()
                assert len(column.quantiles) <= known / LEAST_IN_A_BIN
                assert list(column.quantiles) == sorted(column.quantiles)


def test_ties_get_the_mean_of_their_ranks() -> None:
    column = Column("x", quantiles=(0.0, 1.0, 1.0, 1.0, 2.0))
    assert column.transform(pd.Series([1.0]))[0, 0] == pytest.approx(0.0, abs=1e-6)


def test_nothing_of_what_a_few_people_have_is_stored() -> None:
    few = fit_numbers("x", np.array([17.5, 91.25]), num_people=2, has_gaps=True)
    assert (few.centre, few.quantiles) == (0.0, ())
    assert few.scored(np.array([17.5, 91.25])).tolist() == pytest.approx([0.0, 0.0], abs=1e-30)
    values = np.full((40, 2), np.nan, dtype=np.float32)
    values[:, 0], values[:2, 1] = np.arange(40), [3.5, 7.77]
    fitted = fit_embedding(Embedding(values), None)  # type: ignore[arg-type]
    assert fitted.centre[1] == 0.0
    assert np.abs(fitted.transform(Embedding(values))[:2, 1]).max() < 1e-30


def test_one_person_with_very_many_events_does_not_make_the_quantiles() -> None:
    """121 people, one of them with 6000 of 6120 values."""
    start = np.concatenate([[0], 6000 + np.arange(121)])
    value = np.concatenate([np.full(6000, 37.7), np.linspace(0, 100, 120)])
    events = Events(start, np.linspace(0, 1, 6120), np.zeros(6120, dtype=np.int16), value, ("hr",))
    modality = EventsModality(kind="events", table="t", time="h", variables=["hr"], window=(0, 1))
    [column] = fit_events(events, modality).columns
    assert np.ptp(column.quantiles) > 80


@pytest.mark.parametrize(
    ("raw", "codes"),
    [
        (["1.50", "7.0", "a"], ["1.5", "7", "a"]),
        ([1.5, 7.0], ["1.5", "7"]),
        (["007", "-3", "1e5"], ["7", "-3", "1e5"]),
        (["2024-01-05", "08:30"], ["2024-01-05", "08:30"]),
        (["2024-01-05 00:00:00", "08:30:00"], ["2024-01-05", "08:30"]),
    ],
)
def test_a_code_is_the_same_whatever_else_stands_in_its_column(raw: list, codes: list[str]) -> None:
    assert as_codes(pd.Series(raw)).tolist() == codes


def test_missing_codes_are_found_in_columns_of_text() -> None:
    assert without(pd.Series(["7.0", "99", "n/a", "8"]), [7, 99, "n/a"]).notna().tolist() == [False, False, False, True]


def test_new_people_who_are_coded_otherwise_are_noticed(people: Cohort, preprocessing: Preprocessing) -> None:
    assert preprocessing.unlike_training(people) == []
    frame = people.features["demographics"].frame
    other = frame.assign(sex=frame["sex"].map({"F": "w", "M": "m"}), age=frame["age"] + 1900)
    changed = replace(people, features={**people.features, "demographics": Tabular(other)})
    said = preprocessing.unlike_training(changed)
    assert [sentence.split(";")[0] for sentence in said] == [
        "demographics.age: 100% of its values lie outside of nearly all in training",
        "demographics.sex: 100% of its codes were rare or unknown in training",
    ]
    assert preprocessing.unlike_training(changed.take(np.arange(5))) == []
