"""Mitigation: fairlearn's thresholds, fitted to tuning people only, beside the model as it is, by the audit's rates."""

from typing import get_args

import numpy as np
import pandas as pd
import pytest

from tests.validation.cases import make_held_out, with_weights
from validation.audit import audit
from validation.disclosure import suppressed
from validation.mitigation import AS_IT_IS, Constraint, Mitigation, beside, mitigated
from validation.operating_point import choose_threshold

THRESHOLD, ALPHA = 0.3, 0.025
NAME = "thresholds by sex: true positive rate parity"
SEX = "sensitive.sex"


def skewed(num_subjects: int, seed: int) -> pd.DataFrame:
    """Predictions that are too low for women."""
    frame = make_held_out(num_subjects, seed=seed)
    return frame.assign(score=frame["score"].where(frame[SEX] == "male", 0.6 * frame["score"]))


def assess(tuning: pd.DataFrame, held_out: pd.DataFrame, feature: str = "sex", **words: object) -> Mitigation:
    return mitigated(tuning, held_out, feature, THRESHOLD, ALPHA, **{"least": 11, **words})  # type: ignore[arg-type]


def rates(found: Mitigation, way: str, metric: str) -> dict[str, float]:
    rows = found.table[(found.table["mitigation"] == way) & (found.table["metric"] == metric)]
    return dict(zip(rows["group"], rows["value"], strict=True))


def test_the_model_as_it_is_has_the_rows_of_the_audit() -> None:
    tuning, held_out = skewed(800, 0), skewed(800, 1)
    table = assess(tuning, held_out).table
    expected = audit(held_out, THRESHOLD, ALPHA)
    own = table[table["mitigation"] == AS_IT_IS].drop(columns="mitigation")
    pd.testing.assert_frame_equal(own, expected[expected["feature"] == "sex"])
    assert list(table) == ["mitigation", *expected]
    assert table["mitigation"].unique().tolist() == [AS_IT_IS, NAME]


def test_sensitivity_becomes_the_same_in_all_groups_of_people_like_those_of_tuning() -> None:
    found = assess(skewed(4000, 0), skewed(4000, 1))
    before, after = (rates(found, way, "sensitivity") for way in (AS_IT_IS, NAME))
    assert abs(before["female"] - before["male"]) > 0.08
    assert abs(after["female"] - after["male"]) < 0.03


@pytest.mark.parametrize(
    ("constraint", "metrics"),
    [("false_positive_rate_parity", ["specificity"]), ("equalized_odds", ["sensitivity", "specificity"])],
)
def test_other_constraints_make_their_own_rates_the_same(constraint: Constraint, metrics: list[str]) -> None:
    tuning = skewed(2000, 0)
    found = assess(tuning, tuning, constraint=constraint)
    for metric in metrics:
        before, after = (rates(found, way, metric) for way in (AS_IT_IS, found.name))
        assert abs(after["female"] - after["male"]) < 0.02 < abs(before["female"] - before["male"])


@pytest.mark.parametrize("threshold", [0.2, 0.5])
def test_of_equal_sensitivities_that_with_the_greatest_net_benefit_is_taken(threshold: float) -> None:
    tuning = skewed(2000, 0)
    positive, odds = (tuning["label"] == 1).to_numpy(), threshold / (1 - threshold)

    def flagged_at(sensitivity: float) -> np.ndarray:
        flagged = np.zeros(len(tuning), dtype=bool)
        for sex in ("female", "male"):
            own = (tuning[SEX] == sex).to_numpy()
            label, score = tuning.loc[own, "label"].to_numpy(), tuning.loc[own, "score"].to_numpy()
            flagged[own] = score >= choose_threshold(label, score, sensitivity)
        return flagged

    def benefit(flagged: np.ndarray) -> float:
        return float((flagged & positive).mean() - odds * (flagged & ~positive).mean())

    best = max(benefit(flagged_at(sensitivity)) for sensitivity in np.arange(0.02, 1, 0.01))
    found = mitigated(tuning, tuning, "sex", threshold, ALPHA, least=11)
    share = tuning.groupby([SEX, "label"]).size() / len(tuning)
    reached = sum(
        rate * share[group, 1] - (1 - rates(found, NAME, "specificity")[group]) * share[group, 0] * odds
        for group, rate in rates(found, NAME, "sensitivity").items()
    )
    assert reached == pytest.approx(best, abs=0.003)


def test_where_groups_are_alike_and_scores_mean_what_they_say_nearly_nothing_changes() -> None:
    def meant(seed: int) -> pd.DataFrame:
        frame, draw = make_held_out(3000, seed=seed), np.random.default_rng(seed)
        score = draw.beta(1, 2, len(frame))
        return frame.assign(score=score, label=(draw.random(len(frame)) < score).astype(int))

    found = assess(meant(0), meant(1))
    for metric in ("sensitivity", "specificity"):
        before, after = (rates(found, way, metric) for way in (AS_IT_IS, NAME))
        assert after == pytest.approx(before, abs=0.06)


def test_nothing_is_learnt_from_the_labels_of_the_held_out_people() -> None:
    tuning, held_out = skewed(800, 0), skewed(800, 1)
    first, other = (assess(tuning, frame) for frame in (held_out, held_out.assign(label=1 - held_out["label"])))
    assert rates(first, NAME, "selection_rate") == rates(other, NAME, "selection_rate")
    assert first.table.equals(assess(tuning, held_out).table)


def test_a_group_that_was_hardly_tuned_on_or_has_one_label_there_keeps_the_operating_point() -> None:
    tuning, held_out = skewed(1500, 0), skewed(900, 1)
    held_out.loc[:200, SEX], held_out.loc[201:300, SEX] = "Unknown", "other"
    tuning.loc[:200, SEX], tuning.loc[:200, "label"] = "Unknown", 0
    found = assess(tuning, held_out, declared=["female", "male"])
    for metric in ("sensitivity", "specificity", "ppv", "selection_rate"):
        before, after = (rates(found, way, metric) for way in (AS_IT_IS, NAME))
        assert [before[group] == after[group] for group in ("Unknown", "other", "male")] == [True, True, False]
    kept = "Unknown, other stay at the operating point, with fewer than 11 positives or negatives to tune on"
    assert found.notes[0] == f"{NAME}: {kept}"


def test_with_fewer_than_two_groups_to_fit_there_is_a_reason_and_no_table() -> None:
    tuning = skewed(400, 0)
    tuning.loc[tuning[SEX] == "female", "label"] = 1
    found = assess(tuning, skewed(400, 1))
    assert found.table.empty
    assert found.notes == (
        f"{NAME}: not assessed, as fewer than two groups have 11 positives and 11 negatives to tune on",
    )


def test_nobody_of_the_fitted_groups_held_out_is_no_error() -> None:
    found = assess(skewed(400, 0), skewed(100, 1).assign(**{SEX: "Unknown"}))
    assert rates(found, AS_IT_IS, "sensitivity") == rates(found, NAME, "sensitivity")


def test_weights_weight_the_rates_and_are_said_not_to_be_fitted_to() -> None:
    tuning, held_out = (with_weights(skewed(800, seed)) for seed in (0, 1))
    found = assess(tuning, held_out)
    expected = audit(held_out, THRESHOLD, ALPHA)
    own = found.table[found.table["mitigation"] == AS_IT_IS].drop(columns="mitigation")
    pd.testing.assert_frame_equal(own, expected[expected["feature"] == "sex"])
    plain = assess(tuning, held_out.drop(columns="weight"))
    assert rates(found, NAME, "selection_rate") != rates(plain, NAME, "selection_rate")
    assert "without their weights" in found.notes[-1]
    assert not any("weights" in note for note in assess(skewed(400, 0), skewed(400, 1)).notes)


def test_other_ways_to_flag_are_put_beside_each_other() -> None:
    held_out = skewed(300, 0)
    everybody, nobody = np.ones(300, dtype=bool), np.zeros(300, dtype=bool)
    table = beside(held_out, "sex", {"all": everybody, "none": nobody}, ALPHA, ["female", "male", "other"])
    sensitivity = table[table["metric"] == "sensitivity"].set_index(["mitigation", "group"])["value"]
    assert sensitivity[[("all", "female"), ("none", "male")]].tolist() == [1, 0]
    assert sensitivity[[("all", "other"), ("none", "other")]].isna().all()


def test_small_groups_are_hidden_in_every_way_when_the_table_is_shown() -> None:
    held_out = skewed(600, 1)
    held_out.loc[:4, SEX] = "other"
    rows = suppressed(assess(skewed(600, 0), held_out).table, 11, ["mitigation", "feature"])
    hidden = [row for row in rows if row["group"] == "other"]
    assert len(hidden) == 8
    assert all(row["num_subjects"] == "<11" and row["value"] is None for row in hidden)


def test_an_unknown_feature_or_constraint_is_an_error() -> None:
    tuning = skewed(100, 0)
    with pytest.raises(ValueError, match="no sensitive feature `height`; there are sex, age"):
        assess(tuning, tuning, "height")
    with pytest.raises(ValueError, match=f"no constraint `demographic_parity`; there are {get_args(Constraint)[0]}"):
        assess(tuning, tuning, constraint="demographic_parity")
