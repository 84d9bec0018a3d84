"""The known truth is the truth."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy.special import expit
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score

from cohorts.cohort import Cohort
from cohorts.preprocessing import Preprocessing
from cohorts.splits import Split
from cohorts.synthetic import write_tables
from cohorts.synthetic.catalog_entry import NUM_LATENT, SITES, bayes_scores, make_world


def test_bayes_scores_agree_with_brute_force_over_the_latent_state() -> None:
    world, rng = make_world(7), np.random.default_rng(0)
    state = rng.standard_normal((1, NUM_LATENT))
    measured = {
        name: state @ weights.T + world.noise[name] * rng.standard_normal((1, len(weights)))
        for name, weights in world.loadings.items()
    }
    measured["imaging"][:] = np.nan
    measured["labs"][0, 2] = np.nan
    draws = world.site_means["east"] + rng.standard_normal((400_000, NUM_LATENT))
    log_weight = np.zeros(len(draws))
    for name, values in measured.items():
        seen = ~np.isnan(values[0])
        residual = values[0, seen] - draws @ world.loadings[name][seen].T
        log_weight -= (residual**2).sum(axis=1) / (2 * world.noise[name] ** 2)
    weight = np.exp(log_weight - log_weight.max())
    risk = expit(draws @ world.slope + world.male + world.intercept)
    expected = float((weight * risk).sum() / weight.sum())
    found = bayes_scores(world, np.array(["east"]), np.array([True]), measured)[0]
    assert found == pytest.approx(expected, abs=0.02)


def test_no_model_fitted_on_the_data_beats_the_truth_on_held_out_people(
    people: Cohort, split: Split, preprocessing: Preprocessing, tables: Path
) -> None:
    truth = pd.read_csv(tables / "truth.csv", dtype={"subject_id": str}).set_index("subject_id")["bayes_score"]
    inputs = np.concatenate([*preprocessing.transform(people).values(), people.presence], axis=1)
    train, held_out = split.rows("rich_train", "sparse_train"), split.rows("held_out")
    model = LogisticRegression(C=0.1, max_iter=2000).fit(inputs[train], people.label[train])
    label = people.label[held_out]
    best = roc_auc_score(label, truth[people.subject_id[held_out]])
    assert best > roc_auc_score(label, model.predict_proba(inputs[held_out])[:, 1])


def test_truth_is_calibrated(tmp_path: Path) -> None:
    write_tables(tmp_path, num_subjects=30_000)
    truth = pd.read_csv(tmp_path / "truth.csv").merge(pd.read_csv(tmp_path / "subjects.csv"), on="subject_id")
    by_decile = truth.groupby(pd.qcut(truth["bayes_score"], 10), observed=True)[["bayes_score", "outcome"]].mean()
    np.testing.assert_allclose(by_decile["outcome"], by_decile["bayes_score"], atol=0.03)


def test_the_rich_cohort_is_complete_and_the_others_are_not(people: Cohort) -> None:
    complete = people.presence.all(axis=1)
    assert complete[people.role == "rich"].all()
    assert complete[people.role != "rich"].mean() < 0.3
    assert set(SITES.values()) == {"rich", "sparse", "held_out"}


def test_the_same_seed_writes_the_same_bytes(tmp_path: Path) -> None:
    for name in "ab":
        (tmp_path / name).mkdir()
        write_tables(tmp_path / name, num_subjects=300)
    for file in (tmp_path / "a").iterdir():
        assert file.read_bytes() == (tmp_path / "b" / file.name).read_bytes()
