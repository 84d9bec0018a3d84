"""Experts and ensemble: what is fitted all at once, and that nobody is judged by what saw them."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from scipy.special import expit
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score

from cohorts.cohort import Cohort
from cohorts.preprocessing import Layout, Preprocessing
from cohorts.splits import Split, cross_fitting_groups
from lightning_modules import additive, boosting
from lightning_modules.additive import AdditiveExpert, fit_additive, linear_columns
from lightning_modules.boosting import BoostingExpert, fit_boosting
from lightning_modules.bundle import Bundle, fresh_network, load_bundle, save_bundle
from lightning_modules.config import NetworkOptions, check_options
from lightning_modules.ensemble import NOBODY, Ensemble, Mixture
from lightning_modules.experts import Trained, choose_replay, fit_first, fit_last, mixture, whom_to_train
from lightning_modules.rows import Rows
from lightning_modules.scoring import score

G = 4
LAYOUTS = {"a": Layout(3), "b": Layout(2)}
NEW = torch.full((400,), NOBODY)


def drawn(seed: int = 0, num: int = 400, bent: float = 0.0) -> Rows:
    rng = np.random.default_rng(seed)
    inputs = {name: rng.normal(size=(num, layout.num_inputs)).astype(np.float32) for name, layout in LAYOUTS.items()}
    presence = np.column_stack([np.ones(num, bool), rng.random(num) < 0.7])
    inputs["b"][~presence[:, 1]] = 0
    logits = inputs["a"][:, 0] - inputs["b"][:, 1] + bent * np.abs(inputs["a"][:, 1])
    return Rows(inputs, presence, (rng.random(num) < expit(logits)).astype(int), rng.uniform(0.5, 1.5, num))


def training(rows: Rows, seed: int = 0) -> Trained:
    group = np.arange(len(rows)) % G
    return Trained("sparse", {}, group, rows, group, np.ones(len(rows), dtype=bool), rows.presence, seed)


def fitted(rows: Rows) -> AdditiveExpert:
    own = training(rows)
    return fit_additive(LAYOUTS, rows, own.copies, own.group, own.judged, G)


def tensors(rows: Rows) -> tuple[dict[str, torch.Tensor], torch.Tensor]:
    return {name: torch.as_tensor(values) for name, values in rows.inputs.items()}, torch.as_tensor(rows.presence)


def common(num: int = 400) -> torch.Tensor:
    return torch.zeros(num, dtype=torch.bool)


@pytest.fixture
def nothing_to_choose(monkeypatch: pytest.MonkeyPatch) -> None:
    """One penalty and no bends, so that labels cannot act through a choice."""
    monkeypatch.setattr(additive, "PENALTIES", (0.1,))
    monkeypatch.setattr(additive, "MOST_BENT", 0)


@pytest.mark.usefixtures("nothing_to_choose")
def test_a_fit_is_scikit_learns_on_everybody_but_the_group() -> None:
    rows = drawn()
    logits_GB = fitted(rows)(*tensors(rows), NEW, common()).numpy()
    columns = linear_columns(*tensors(rows), LAYOUTS).double().numpy()
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
    assert bent.bends_EC.any()
    rows = drawn(7, bent=2.0)
    loss = {}
    for name, expert in (("straight", straight), ("bent", bent)):
        logits = expert(*tensors(rows), NEW, common()).mean(0).numpy()
        loss[name] = roc_auc_score(rows.label, logits)
    assert loss["bent"] > loss["straight"] + 0.03


def test_more_columns_than_people_give_the_ridge_solution() -> None:
    rng = np.random.default_rng(0)
    layouts = {"wide": Layout(600, "embedding")}
    inputs = {"wide": rng.normal(size=(80, 600)).astype(np.float32)}
    rows = Rows(inputs, np.ones((80, 1), bool), (inputs["wide"][:, 0] > 0).astype(int), np.ones(80))
    whom = training(rows)
    expert = fit_additive(layouts, rows, whom.copies, whom.group, whom.judged, G)
    features, presence = tensors(rows)
    logits = expert(features, presence, torch.full((80,), NOBODY), common(80))[0].numpy()
    columns = linear_columns(features, presence, layouts).double().numpy()
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
    num_rounds = trees.values_GTN.shape[1]
    features, presence = tensors(rows)
    table = boosting._table(features, presence, LAYOUTS).double().numpy()
    found = trees(features, presence, torch.full((400,), 3)).numpy()
    expected = list(grown[3].staged_decision_function(table))[num_rounds - 1]
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


@pytest.fixture(scope="module")
def options() -> NetworkOptions:
    return NetworkOptions(width=8, num_heads=2, dropout=0.0)


@pytest.fixture(scope="module")
def ensemble(options: NetworkOptions) -> Ensemble:
    torch.manual_seed(0)
    network = Ensemble(LAYOUTS, options)
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.add_(0.3 * torch.randn_like(parameter))
    fit_first(network, training(drawn()))
    fit_last(network, training(drawn()))
    return network.double().eval()


def test_a_member_says_what_the_network_with_its_weights_says(ensemble: Ensemble) -> None:
    from lightning_modules.network import FusionNetwork

    rows = drawn(5)
    features = {name: torch.as_tensor(values, dtype=torch.float64) for name, values in rows.inputs.items()}
    presence = torch.as_tensor(rows.presence)
    logits_KB = ensemble.members_alone(features, presence)
    for k in range(4):
        single = FusionNetwork(LAYOUTS, ensemble.options).double().eval()
        single.load_state_dict({name: weights[k] for name, weights in ensemble.members.state_dict().items()})
        torch.testing.assert_close(single(features, presence), logits_KB[k])


def test_who_is_in_a_group_is_scored_by_what_never_saw_it(ensemble: Ensemble) -> None:
    rows = drawn(5)
    ensemble.mixture = Mixture()
    features = {name: torch.as_tensor(values, dtype=torch.float64) for name, values in rows.inputs.items()}
    presence, group = torch.as_tensor(rows.presence), torch.full((400,), 2)
    before, new = ensemble(features, presence, group), ensemble(features, presence)
    with torch.no_grad():
        for parameter in ensemble.parameters():
            parameter[[0, 1, 3]] += 1.0
    torch.testing.assert_close(ensemble(features, presence, group), before)
    assert not torch.allclose(ensemble(features, presence), new)
    with torch.no_grad():
        for parameter in ensemble.parameters():
            parameter[[0, 1, 3]] -= 1.0


def test_a_member_learns_nothing_from_its_own_group(ensemble: Ensemble) -> None:
    group = torch.tensor([0, 1, 2, 3, NOBODY])
    expected = torch.eye(4, dtype=torch.bool)
    assert torch.equal(ensemble.left_out(group)[:, :4], expected)
    assert not ensemble.left_out(group)[:, 4].any()


def test_rare_patterns_are_those_that_few_sparse_people_show(ensemble: Ensemble) -> None:
    presence = torch.tensor([[True, True], [True, False], [False, True]])
    assert ensemble.rare(presence).tolist() == [False, False, True]


def test_a_whole_bundle_comes_back_with_experts_and_mixture(
    people: Cohort, split: Split, preprocessing: Preprocessing, tmp_path: object
) -> None:
    options = NetworkOptions(width=8, num_heads=2)
    network = fresh_network(preprocessing, options, seed=0, prevalence=0.4)
    whom = whom_to_train(people, split, preprocessing, {"sparse": 1.0, "rich": 1.0}, num_groups=G, seed=0)
    fit_first(network, whom)
    fit_last(network, whom)
    network.boosting = network.boosting or BoostingExpert(network.layouts, G, 3, 5)
    network.mixture = Mixture((0.5, 1.0), (0.25, 0.75))
    bundle = Bundle(network.eval(), options, preprocessing, people.spec, {"stage": "test"})
    save_bundle(bundle, tmp_path / "bundle")  # type: ignore[operator]
    loaded = load_bundle(tmp_path / "bundle")  # type: ignore[operator]
    for out_of_bag in (False, True):
        np.testing.assert_array_equal(
            score(loaded, people, out_of_bag=out_of_bag), score(bundle, people, out_of_bag=out_of_bag)
        )
    assert (score(loaded, people) != score(loaded, people, out_of_bag=True)).mean() > 0.9


@pytest.mark.usefixtures("nothing_to_choose")
def test_labels_of_a_group_do_not_reach_its_scores_out_of_the_bag(
    people: Cohort, split: Split, preprocessing: Preprocessing
) -> None:
    group = cross_fitting_groups(people.subject_id, G)
    options = NetworkOptions(width=8, num_heads=2, boosting=False)
    found = []
    for flip in (False, True):
        label = np.where((group == 1) & flip, 1 - people.label, people.label)
        network = fresh_network(preprocessing, options, seed=0, prevalence=0.4)
        turned = replace(people, label=label)
        whom = whom_to_train(turned, split, preprocessing, {"sparse": 1.0}, num_groups=G, seed=0)
        fit_first(network, whom)
        bundle = Bundle(network.eval(), options, preprocessing, people.spec, {})
        found.append(score(bundle, people, out_of_bag=True))
    np.testing.assert_allclose(found[0][group == 1], found[1][group == 1], atol=2e-3)
    assert np.abs(found[0] - found[1])[group != 1].max() > 0.05


@pytest.mark.parametrize(("good", "expected"), [("additive", 0.0), ("both", 1.0)])
def test_the_networks_get_a_weight_only_where_they_help(good: str, expected: float) -> None:
    rng = np.random.default_rng(0)
    truth, noise = rng.normal(size=(2, 4000))
    label = (rng.random(4000) < expit(2 * truth)).astype(int)
    parts = np.array([truth, truth, 0 * truth] if good == "both" else [2 * truth, noise, 0 * truth])
    assert mixture(parts, label, np.ones(4000)) == (expected, 0.0)


def test_where_people_cannot_tell_half_of_the_networks_is_added() -> None:
    rng = np.random.default_rng(0)
    truth, noise = rng.normal(size=(2, 400))
    label = (rng.random(400) < expit(2 * truth)).astype(int)
    assert mixture(np.array([2 * truth, 0.01 * noise, 0 * truth]), label, np.ones(400)) == (0.5, 0.0)


@pytest.mark.parametrize("noise", [0.0, 3.0])
def test_trees_get_a_share_only_where_they_help(noise: float) -> None:
    rng = np.random.default_rng(0)
    a, b, junk = rng.normal(size=(3, 4000))
    label = (rng.random(4000) < expit(2 * a + 2 * b)).astype(int)
    trees = 2 * b * (noise == 0) + noise * junk
    _, share = mixture(np.array([2 * a, 0 * a, trees]), label, np.ones(4000))
    assert (share > 0) == (noise == 0)


@pytest.mark.parametrize("number", [0, 2, 3, 6])
def test_the_number_of_members_must_fit_the_groups(number: int) -> None:
    with pytest.raises(ValueError, match=rf"network.num_members: must be 1 or a multiple of 4 \(value: {number}\)"):
        check_options(NetworkOptions(num_members=number))


@pytest.mark.parametrize(("flipped", "expected"), [(False, 1.0), (True, 0.3)])
def test_the_rich_cohort_weighs_less_where_it_misleads(
    people: Cohort, split: Split, preprocessing: Preprocessing, flipped: bool, expected: float
) -> None:
    rich = np.isin(split.part, ["rich_train", "rich_tuning"])
    age = preprocessing.transform(people)["demographics"][:, 0]
    label = (age + np.random.default_rng(0).normal(size=len(age)) > 0).astype(int)
    turned = replace(people, label=np.where(rich & flipped, 1 - label, label))
    assert choose_replay(turned, split, preprocessing, num_groups=G, seed=0) == expected
