"""The judge of a comparison: figures against other ways to the same number, and who chooses."""

import json
import re
from dataclasses import replace
from itertools import combinations
from typing import Any

import numpy as np
import pytest
from sklearn.metrics import log_loss, roc_auc_score

from validation.comparison import FUSIONS, compare, with_explanation
from validation.comparison_page import render, sentence
from validation.degradation import Scored, measure, measure_under, strongest_modality

MODALITIES = ["a", "b", "c"]
SUBSETS = np.array([[m in s for m in range(3)] for size in (3, 2, 1) for s in combinations(range(3), size)])
NOISE = {"attention": 0.5, "late": 0.6, "intermediate": 0.7, "early": 0.9, "early_unmasked": 1.0, "logistic": 0.8}
RECORD: dict[str, Any] = {
    "cohort": {"name": "n", "title": "A <ward>", "source": "s", "licence": "", "label": "y = 1", "label_name": "ill"},
    "axes": {
        "axes": {"complete": None, "mean_availability": 0.7, "ratio": 3.0, "moving": 0.0},
        "suggestion": "late",
        "when": "fewer have everything",
        "why": "Because.",
        "source": "S.",
        "caution": "C.",
    },
    "availability": [{"modality": name, "sparse": 0.7, "stated": None, "kept": 1.0} for name in MODALITIES],
    "modalities": MODALITIES,
    "common": MODALITIES,
    "provenance": {"command": "r2s-compare-fusions", "versions": {"numpy": "2"}},
}


def scored(seed: int, num: int = 400, noise: dict[str, float] = NOISE, num_draws: int = 1) -> Scored:
    draw = np.random.default_rng(seed)
    label = (draw.random(num) < 0.4).astype(float)
    complete = np.arange(num) < num // 2
    strength = np.array([0.6, 0.3, 0.15])

    def risks(rows: np.ndarray, power: float, scale: float) -> np.ndarray:
        return 1 / (1 + np.exp(-(power * (rows - 0.4) + scale * draw.normal(size=len(rows)))))

    return Scored(
        label=label,
        weight=np.ones(num),
        deployed={name: np.stack([risks(label, 1.5, n) for _ in range(num_draws)]) for name, n in noise.items()},
        complete=complete,
        under={
            name: np.stack([risks(label[complete], float(strength[s].sum()), n) for s in SUBSETS])
            for name, n in noise.items()
        },
        presence=np.ones((num, 3), dtype=bool),
        without={name: np.stack([risks(label, power, n) for power in (1.5, 0.4, 1, 1.2)]) for name, n in noise.items()},
    )


@pytest.fixture(scope="module")
def found() -> dict[str, Any]:
    values = np.random.default_rng(3).normal(size=(3, 400)) * [[0.1], [0.2], [0.3]]
    plain = compare(RECORD, scored(0), scored(1), SUBSETS)
    return with_explanation(plain, values, np.ones(400), np.ones((400, 3), dtype=bool))


def test_auroc_and_log_loss_are_those_of_scikit_learn_and_differences_are_paired() -> None:
    part = scored(2, num_draws=3)
    measured = measure(part.label, None, part.deployed)
    for name, scores in part.deployed.items():
        areas = [roc_auc_score(part.label, row) for row in scores]
        assert measured.estimate("auroc", name).value == pytest.approx(np.mean(areas))
        losses = [log_loss(part.label, row) for row in scores]
        assert measured.estimate("log_loss", name).value == pytest.approx(np.mean(losses))
    nothing = measured.difference("auroc", "late", "late")
    assert (nothing.value, nothing.lower, nothing.upper) == (0, 0, 0)
    gap = measured.difference("log_loss", "early", "attention")
    assert gap.lower < gap.value < gap.upper


def test_intervals_are_those_of_the_bootstrap_by_person() -> None:
    part = scored(4, num_draws=2)
    measured = measure(part.label, None, part.deployed)
    draw = np.random.default_rng(0)
    gaps = []
    for _ in range(300):
        rows = draw.integers(0, len(part.label), len(part.label))
        again = {name: values[:, rows] for name, values in part.deployed.items()}
        once = measure(part.label[rows], None, again)
        gaps.append([once.difference(metric, "early", "late").value for metric in ("auroc", "log_loss")])
    for metric, spread in zip(("auroc", "log_loss"), np.std(gaps, axis=0), strict=True):
        gap = measured.difference(metric, "early", "late")
        assert (gap.upper - gap.lower) / (2 * 1.96) == pytest.approx(spread, rel=0.2)


def test_weights_count_where_they_are_given() -> None:
    part = scored(5)
    weight = np.where(part.label == 1, 3.0, 1.0)
    measured = measure(part.label, weight, part.deployed)
    expected = log_loss(part.label, part.deployed["late"][0], sample_weight=weight)
    assert measured.estimate("log_loss", "late").value == pytest.approx(expected)


def test_the_lowest_log_loss_of_the_tuning_people_chooses_and_held_out_people_choose_nothing() -> None:
    turned = {**NOISE, "attention": 2.0, "early": 0.1}
    for held_out in (scored(1), scored(1, noise=turned)):
        found = compare(RECORD, scored(0), held_out, SUBSETS)
        rows = {row["model"]: row["log_loss"]["value"] for row in found["deployed"] if row["part"] == "tuning"}
        assert found["recommendation"]["fusion"] == min(FUSIONS, key=rows.__getitem__) == "attention"
        assert found["strongest"]["modality"] == "a"
    simple = {**NOISE, "logistic": 0.01}
    assert compare(RECORD, scored(0, noise=simple), scored(1), SUBSETS)["recommendation"]["fusion"] == "attention"


def test_it_says_where_axes_and_measurement_differ_and_whether_they_can_be_told_apart(found: dict[str, Any]) -> None:
    assert found["recommendation"] | {"minus_suggested": 0} == {
        "fusion": "attention",
        "suggested": "late",
        "agree": False,
        "told_apart": False,
        "minus_suggested": 0,
    }
    assert "cannot tell them apart" in sentence(found)
    axes = {**RECORD["axes"], "suggestion": "early"}
    other = compare({**RECORD, "axes": axes}, scored(0), scored(1), SUBSETS)
    assert other["recommendation"]["told_apart"]
    assert "can tell them apart" in sentence(other)
    axes = {**RECORD["axes"], "suggestion": "attention"}
    same = compare({**RECORD, "axes": axes}, scored(0), scored(1), SUBSETS)
    assert same["recommendation"]["agree"]
    assert "no other as better" in sentence(same)


def test_curves_are_means_over_the_subsets_of_a_size(found: dict[str, Any]) -> None:
    part = scored(1)
    label = part.label[part.complete]
    for row in found["curves"]:
        chosen = SUBSETS.sum(axis=1) == 3 - row["removed"]
        scores = part.under[row["model"]][chosen]
        assert row["num_subsets"] == len(scores) == (1, 3, 3)[row["removed"]]
        assert row["auroc"]["value"] == pytest.approx(np.mean([roc_auc_score(label, s) for s in scores]), abs=6e-4)
        assert row["auroc"]["lower"] < row["auroc"]["value"] < row["auroc"]["upper"]


def test_the_loss_without_the_strongest_modality_is_of_the_same_people(found: dict[str, Any]) -> None:
    part = scored(1)
    label = part.label[part.complete]
    whole, without = 0, SUBSETS.tolist().index([False, True, True])
    for row in found["strongest"]["rows"]:
        scores = part.under[row["model"]]
        lost = roc_auc_score(label, scores[whole]) - roc_auc_score(label, scores[without])
        assert row["auroc"]["value"] == pytest.approx(lost, abs=6e-4)
        added = log_loss(label, scores[without]) - log_loss(label, scores[whole])
        assert row["log_loss"]["value"] == pytest.approx(added, abs=6e-4)
    losses = {row["model"]: row for row in found["strongest"]["rows"]}
    assert losses["attention"]["minus_attention"] == {}
    for metric in ("auroc", "log_loss"):
        gap = losses["early"][metric]["value"] - losses["attention"][metric]["value"]
        assert losses["early"]["minus_attention"][metric]["value"] == pytest.approx(gap, abs=2e-3)


def test_the_explanation_adds_up_and_hides_what_a_handful_have(found: dict[str, Any]) -> None:
    *rows, together = found["explanation"]
    assert together["modality"] is None
    assert sum(row["value"] for row in rows) == pytest.approx(together["value"], abs=3e-4)
    presence = np.ones((400, 3), dtype=bool)
    presence[10:, 1] = False
    hidden = with_explanation(found, np.ones((3, 400)), np.ones(400), presence)["explanation"]
    assert [row["modality"] for row in hidden] == MODALITIES
    assert [row["value"] for row in hidden] == [1, None, 1]


def test_counts_of_a_handful_are_hidden_and_figures_of_their_family_coarser() -> None:
    tuning, held_out = scored(0), scored(1)
    under = {name: np.tile(values, (1, 2))[:, 5:] for name, values in held_out.under.items()}
    few = replace(held_out, complete=np.arange(400) >= 5, under=under)
    found = compare(RECORD, tuning, few, SUBSETS)
    counts = [row["num_subjects"] for row in found["people"] if row["part"] == "held_out"]
    assert counts[0].startswith("≥")
    assert counts[1] == "<11"
    assert found["digits"] == 2
    assert all(round(row["auroc"]["value"], 2) == row["auroc"]["value"] for row in found["curves"])


def test_the_page_is_offline_small_and_holds_its_twin(found: dict[str, Any]) -> None:
    html = render(found)
    assert len(html) < 1_500_000
    assert not re.search(r'(src|href)="(?!#)', html)
    start = html.index('id="comparison">') + len('id="comparison">')
    assert json.loads(html[start : html.index("</script>", start)]) == json.loads(json.dumps(found))
    assert "A &lt;ward&gt;" in html
    assert "choose nothing" in html
    assert html.count("<svg") == 3
    assert render(found) == html


def test_the_page_says_whether_all_subsets_were_scored_or_some_were_drawn(found: dict[str, Any]) -> None:
    assert "every subset of a size is removed in turn" in render(found)
    drawn = render({**found, "common": list("abcdefg")})
    assert "every subset of a size" not in drawn
    assert f"{len(SUBSETS)} of the 127 possible subsets" in drawn


def test_without_common_modalities_the_page_says_so() -> None:
    nobody = {}
    for name, part in (("tuning", scored(0)), ("held_out", scored(1))):
        under = {model: np.zeros((0, 400)) for model in NOISE}
        nobody[name] = replace(part, complete=np.ones(400, dtype=bool), under=under)
    plain = compare({**RECORD, "common": []}, nobody["tuning"], nobody["held_out"], np.zeros((0, 3), dtype=bool))
    assert plain["curves"] == plain["subsets"] == []
    assert plain["strongest"] is None
    found = with_explanation(plain, np.ones((3, 400)), np.ones(400), np.ones((400, 3), dtype=bool))
    assert "Too few people have even one modality in common" in render(found)


def test_a_curve_is_of_complete_people_with_their_weights() -> None:
    part = scored(6)
    weighted = replace(part, weight=np.linspace(1, 2, 400))
    whole = np.arange(len(SUBSETS)) == 0
    found = measure_under(weighted, whole).estimate("log_loss", "late").value
    expected = log_loss(part.label[:200], part.under["late"][0], sample_weight=np.linspace(1, 2, 400)[:200])
    assert found == pytest.approx(expected)


def test_the_strongest_modality_is_judged_by_those_who_have_it_and_something_else() -> None:
    part = scored(7)
    assert strongest_modality(part, "late", np.array([True, True, True])) == 0
    assert strongest_modality(part, "late", np.array([False, True, True])) == 1
    presence, alone = part.presence.copy(), part.without["late"].copy()
    presence[:, 0] = np.arange(400) < 50
    alone[1, :50] = np.nan  # those who have it have nothing else
    only = replace(part, presence=presence, without={"late": alone})
    assert strongest_modality(only, "late", np.array([True, True, True])) == 1
