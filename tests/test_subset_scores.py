"""The table of scores under subsets: what a bundle says of complete people, and whom it leaves out."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

import scripts.subset_scores as module
from cohorts.cohort import Cohort
from cohorts.preprocessing import Preprocessing
from lightning_modules.bundle import Bundle, fresh_network
from lightning_modules.calibration import Calibration
from lightning_modules.config import NetworkOptions
from lightning_modules.scoring import score
from scripts.subset_scores import NUM_DRAWS, subset_scores
from validation.predictions import describe_people, make_predictions
from validation.subsets import DRAWN, MISSINGNESS, Subsets


@pytest.fixture(scope="module")
def bundle(people: Cohort, preprocessing: Preprocessing) -> Bundle:
    options = NetworkOptions(fusion="intermediate")
    network = fresh_network(preprocessing, options, seed=0, prevalence=0.4)
    for number, parameter in enumerate(network.parameters()):
        parameter.data.add_(0.02 + 0.01 * (number % 3))
    calibration = Calibration("platt", (0.8, 0.8, 0.1), {"labs": (0.5, 0.5, -0.2)})
    return Bundle(network.eval(), options, preprocessing, people.spec, {}, calibration=calibration)


@pytest.fixture(scope="module")
def held_out(people: Cohort) -> Cohort:
    return people.take(people.role == "held_out")


@pytest.fixture(scope="module")
def table(bundle: Bundle, held_out: Cohort) -> pd.DataFrame:
    return subset_scores(bundle, held_out)


def test_every_subset_and_every_draw_of_complete_people_has_a_column(table: pd.DataFrame, held_out: Cohort) -> None:
    drawn = [name for name in table if name.startswith(DRAWN)]
    subsets = [name for name in table if name != "subject_id" and name not in drawn]
    num_common = len(subsets[0].split("+"))
    assert len(subsets) == 2**num_common - 1 > 3
    assert drawn == [f"{DRAWN}{name}.{number}" for name in MISSINGNESS for number in range(NUM_DRAWS)]
    common = set(subsets[0].split("+"))
    complete = [common <= set(pattern.split("+")) for pattern in held_out.pattern]
    assert table["subject_id"].tolist() == held_out.subject_id[complete].astype(str).tolist()
    assert table.drop(columns="subject_id").apply(lambda column: column.between(0, 1)).all(axis=None)


def test_a_subset_is_scored_as_people_who_have_nothing_else(
    table: pd.DataFrame, bundle: Bundle, held_out: Cohort
) -> None:
    """By the calibration of the pattern that is shown, from a cohort in which nobody else's modalities exist."""
    some = held_out.take(np.isin(held_out.subject_id.astype(str), table["subject_id"]))
    for subset in ("labs", table.columns[2]):
        hidden = {
            name: values
            if name in subset.split("+")
            else replace(values, frame=values.frame.mask(values.frame.notna()))
            for name, values in some.features.items()
        }
        alone = replace(some, features=hidden)
        assert set(alone.pattern) == {subset}
        np.testing.assert_array_equal(table[subset], score(bundle, alone))


def test_the_judge_reads_the_table_and_draws_differ_from_person_to_person(
    table: pd.DataFrame, bundle: Bundle, held_out: Cohort
) -> None:
    part = np.full(len(held_out), "held_out", dtype=object)
    predictions = make_predictions(describe_people(held_out, part), {"score": score(bundle, held_out)})
    subsets = Subsets.of(table, predictions)
    whole = "+".join(subsets.modalities)
    same = predictions["pattern"].iloc[subsets.held_out].to_numpy() == whole
    np.testing.assert_array_equal(subsets.scores[0][same], predictions["score"].iloc[subsets.held_out][same])
    for draws in subsets.drawn.values():
        assert draws.shape == (NUM_DRAWS, len(table))
        shown = (np.abs(draws[0] - subsets.scores) < 1e-12).argmax(axis=0)
        assert len(np.unique(shown)) > 2
        assert (np.abs(draws[0] - subsets.scores).min(axis=0) < 1e-12).all(), "each is some subset's score"


def test_the_same_call_gives_the_same_table(table: pd.DataFrame, bundle: Bundle, held_out: Cohort) -> None:
    pd.testing.assert_frame_equal(subset_scores(bundle, held_out), table)


def test_of_many_complete_people_a_fixed_draw_is_scored(
    table: pd.DataFrame, bundle: Bundle, held_out: Cohort, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "MOST_SUBJECTS", 40)
    few = subset_scores(bundle, held_out)
    assert len(few) == 40
    subsets = [name for name in few if not name.startswith(DRAWN)]
    pd.testing.assert_frame_equal(
        few[subsets], table[subsets][table["subject_id"].isin(few["subject_id"])].reset_index(drop=True)
    )


def test_where_nobody_is_complete_the_table_is_empty(bundle: Bundle, held_out: Cohort) -> None:
    few = held_out.take(np.arange(15))
    table = subset_scores(bundle, few)
    assert (table.columns.tolist(), len(table)) == (["subject_id"], 0)


def test_availability_is_kept_at_random_and_exchanged_when_reversed(people: Cohort) -> None:
    presence = np.random.default_rng(0).random((3000, 3)) < [0.9, 0.5, 0.1]
    presence[:, 0] |= ~presence.any(axis=1)
    common, weight = np.array([True, True, True]), np.ones(3000)
    shown: dict[str, list[np.ndarray]] = {}
    for name, draw in module._drawn(presence, common, weight, 2000):
        shown.setdefault(name.split(".")[1], []).append(draw)
    share = {name: np.mean(draws, axis=(0, 1)) for name, draws in shown.items()}
    np.testing.assert_allclose(share["as held out"], presence.mean(axis=0), atol=0.02)
    np.testing.assert_allclose(share["completely at random"], presence.mean(axis=0), atol=0.04)
    np.testing.assert_allclose(share["reversed"], presence.mean(axis=0)[::-1], atol=0.04)
