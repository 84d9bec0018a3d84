"""Preprocessing: fitted on training subjects only, absent is 0, the state is data."""

import json
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from sklearn.preprocessing import QuantileTransformer

from cohorts.cohort import Cohort
from cohorts.modalities.tabular import LEAST_IN_A_BIN, Column, Tabular, _fit_levels
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
