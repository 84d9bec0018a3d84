"""Experts: what is fitted all at once, and that nobody is judged by what saw them."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from scipy.special import expit
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score

from cohorts.modalities.events import CHANNELS, SUMMARY
from cohorts.preprocessing import Layout
from lightning_modules import boosting
from lightning_modules.additive import input_columns
from lightning_modules.additive_fit import fit_additive
from lightning_modules.additive_form import leading_components
from lightning_modules.boosting import fit_boosting
from lightning_modules.ensemble import NOBODY
from lightning_modules.rows import Rows
from tests.lightning_modules.expert_cases import LAYOUTS, NEW, G, common, drawn, fitted, tensors, training


@pytest.mark.usefixtures("nothing_to_choose")
def test_a_fit_is_scikit_learns_on_everybody_but_the_group() -> None:
    rows = drawn()
    expert, presence = fitted(rows), torch.as_tensor(rows.presence)
    logits_GB = expert(*tensors(rows), NEW, common()).numpy()
    inputs = expert.factors(input_columns(*tensors(rows), LAYOUTS).double(), presence)
    columns = np.hstack([inputs, presence])
    columns /= np.maximum(columns.std(axis=0), 0.5)
    used = np.arange(400) % G != 2
    model = LogisticRegression(C=0.1, solver="newton-cholesky", tol=1e-8)
    model.fit(columns[used], rows.label[used], rows.weight[used])
    np.testing.assert_allclose(logits_GB[2], model.decision_function(columns), atol=1e-3)


@pytest.mark.usefixtures("nothing_to_choose")
def test_no_offset_of_somebody_depends_on_the_own_label() -> None:
    rows, group = drawn(), torch.arange(400) % G
    label = rows.label.copy()
    label[np.arange(400) % G == 1] = 1 - label[np.arange(400) % G == 1]
    turned = replace(rows, label=label)
    before, once = fitted(rows), fitted(turned)
    for rare in (common(), ~common()):
        a, b = (expert(*tensors(rows), group, rare) for expert in (before, once))
        torch.testing.assert_close(a[:, group == 1], b[:, group == 1], atol=2e-3, rtol=0)
        assert not torch.allclose(a[3][group == 2], b[3][group == 2], atol=0.05)


def test_values_of_an_absent_modality_are_not_read() -> None:
    rows = drawn()
    features, presence = tensors(rows)
    junk = {**features, "b": torch.where(presence[:, 1, None], features["b"], torch.nan)}
    own = training(rows)
    trees = fit_boosting(LAYOUTS, rows, own.copies, own.group, own.judged, G, 0)
    expert = fitted(rows)
    assert torch.equal(expert(junk, presence, NEW, common()), expert(features, presence, NEW, common()))
    assert torch.equal(trees(junk, presence, NEW), trees(features, presence, NEW))


def test_a_bent_effect_is_found_where_there_is_one() -> None:
    straight, bent = fitted(drawn(num=2000)), fitted(drawn(num=2000, bent=2.0))
    assert bent.curves_EC.any()
    rows = drawn(7, bent=2.0)
    loss = {}
    for name, expert in (("straight", straight), ("bent", bent)):
        logits = expert(*tensors(rows), NEW, common()).mean(0).numpy()
        loss[name] = roc_auc_score(rows.label, logits)
    assert loss["bent"] > loss["straight"] + 0.03


def test_a_level_that_is_bad_on_both_sides_is_found_in_events() -> None:
    layouts = {"labs": Layout(2 * (len(SUMMARY) + CHANNELS), "events", {"num_variables": 2, "num_bins": 1})}

    def people(seed: int) -> Rows:
        rng = np.random.default_rng(seed)
        inputs = rng.normal(size=(1500, layouts["labs"].num_inputs)).astype(np.float32)
        last_of_second = inputs[:, len(SUMMARY) + SUMMARY.index("last")]
        label = (rng.random(1500) < expit(2 * last_of_second**2 - 2)).astype(int)
        return Rows({"labs": inputs}, np.ones((1500, 1), bool), label, np.ones(1500))

    own, new = training(people(0)), people(1)
    expert = fit_additive(layouts, own.rows, own.copies, own.group, own.judged, G)
    logits_GB = expert(*tensors(new), torch.full((1500,), NOBODY), common(1500))
    assert roc_auc_score(new.label, logits_GB.mean(0).numpy()) > 0.75


def test_of_wide_modalities_a_few_components_are_read_where_all_else_is_noise() -> None:
    layouts = {"omics": Layout(200, "embedding")}
    loading = np.random.default_rng(9).normal(size=(2, 200))

    def people(seed: int, num: int) -> Rows:
        rng = np.random.default_rng(seed)
        state = rng.normal(size=(num, 2))
        inputs = ((state @ loading) / 5 + rng.normal(size=(num, 200))).astype(np.float32)
        label = (rng.random(num) < expit(2 * state[:, 0])).astype(int)
        return Rows({"omics": inputs}, np.ones((num, 1), bool), label, np.ones(num))

    rows, new = people(0, 400), people(1, 2000)
    assert leading_components(layouts, rows)["omics"].shape == (200, 2)
    own = training(rows)
    expert = fit_additive(layouts, own.rows, own.copies, own.group, own.judged, G)
    logits_GB = expert(*tensors(new), torch.full((2000,), NOBODY), common(2000))
    few = rows.inputs["omics"] @ leading_components(layouts, rows)["omics"]
    best = LogisticRegression().fit(few, rows.label)
    of_components = best.decision_function(new.inputs["omics"] @ leading_components(layouts, rows)["omics"])
    auc = roc_auc_score(new.label, logits_GB.mean(0).numpy())
    assert auc == pytest.approx(roc_auc_score(new.label, of_components), abs=0.005)
    noise = replace(rows, inputs={"omics": np.random.default_rng(2).normal(size=(400, 200)).astype(np.float32)})
    assert not leading_components(layouts, noise), "none stands out"


def test_more_columns_than_people_give_the_ridge_solution() -> None:
    rng = np.random.default_rng(0)
    layouts = {"wide": Layout(600, "embedding")}
    inputs = {"wide": rng.normal(size=(80, 600)).astype(np.float32)}
    rows = Rows(inputs, np.ones((80, 1), bool), (inputs["wide"][:, 0] > 0).astype(int), np.ones(80))
    whom = training(rows)
    expert = fit_additive(layouts, rows, whom.copies, whom.group, whom.judged, G)
    features, presence = tensors(rows)
    logits = expert(features, presence, torch.full((80,), NOBODY), common(80))[0].numpy()
    columns = input_columns(features, presence, layouts).double().numpy()
    columns /= np.maximum(columns.std(axis=0), 0.5)
    used = whom.group != 0
    gaps = []
    for penalty in (0.003, 0.01, 0.03, 0.1, 0.3, 1.0):
        model = LogisticRegression(C=penalty, tol=1e-8, max_iter=5000).fit(columns[used], rows.label[used])
        gaps.append(np.abs(model.decision_function(columns) - logits).max())
    assert min(gaps) < 0.01


def test_trees_as_tensors_say_what_scikit_learn_says(monkeypatch: pytest.MonkeyPatch) -> None:
    grown: list[HistGradientBoostingClassifier] = []

    class Kept(HistGradientBoostingClassifier):
        def fit(self, *args: object, **words: object) -> "Kept":
            grown.append(self)
            return super().fit(*args, **words)  # type: ignore[arg-type]

    monkeypatch.setattr(boosting, "HistGradientBoostingClassifier", Kept)
    rows, own = drawn(), training(drawn())
    trees = fit_boosting(LAYOUTS, rows, own.copies, own.group, own.judged, G, 0)
    num_rounds = trees.values_GTN.shape[1] // boosting.NUM_RUNS
    features, presence = tensors(rows)
    table = boosting._table(features, presence, LAYOUTS).double().numpy()
    found = trees(features, presence, torch.full((400,), 3)).numpy()
    last = grown[-boosting.NUM_RUNS :]  # those of the last group
    expected = np.mean([list(model.staged_decision_function(table))[num_rounds - 1] for model in last], axis=0)
    np.testing.assert_allclose(found, np.ravel(expected), atol=1e-9)


def test_trees_bear_a_modality_that_nobody_has_and_people_with_weights() -> None:
    rows = drawn()
    presence = rows.presence & [True, False]
    lacking, own = replace(rows, presence=presence), training(replace(rows, presence=presence))
    trees = fit_boosting(LAYOUTS, lacking, own.copies, own.group, own.judged, G, 0)
    logits = trees(*tensors(rows), NEW).numpy()  # who has it now is scored as if they had not
    np.testing.assert_array_equal(logits, trees(*tensors(lacking), NEW).numpy())
    assert roc_auc_score(rows.label, logits) > 0.6


def test_trees_of_many_values_say_the_same_of_them_as_of_their_quantiles() -> None:
    rows, own = drawn(num=4000), training(drawn(num=4000))
    trees = fit_boosting(LAYOUTS, rows, own.copies, own.group, own.judged, G, 0)
    copies = np.vstack([rows.presence, own.copies.presence])
    everybody = [np.tile(values, (3, 1)) for values in rows.inputs.values()]
    same = [
        np.column_stack([boosting.snapped(np.where(copies[:, m], column, np.nan)) for column in values.T])
        for m, values in enumerate(everybody)
    ]
    assert np.isfinite(np.unique(same[0][:, 0])).sum() == boosting.NUM_BINS
    raw = dict(zip(LAYOUTS, (torch.as_tensor(values) for values in everybody), strict=True))
    near = dict(zip(LAYOUTS, (torch.as_tensor(np.nan_to_num(values)) for values in same), strict=True))
    new = torch.full((len(copies),), NOBODY)
    found = [trees(each, torch.as_tensor(copies), new) for each in (raw, near)]
    torch.testing.assert_close(found[0], found[1])


def test_copies_hide_some_modalities_and_never_all() -> None:
    whom = training(drawn())
    copies = whom.copies
    tiled = np.tile(whom.rows.presence, (2, 1))
    assert (copies.presence <= tiled).all()
    assert copies.presence.any(axis=1).all()
    assert 0.2 < 1 - copies.presence.sum() / tiled.sum() < 0.4
    assert copies.weight.sum() == pytest.approx(whom.rows.weight.sum())
