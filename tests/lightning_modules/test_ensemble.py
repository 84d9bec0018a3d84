"""The ensemble and its mixture: members, groups, and who is scored by what."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from scipy.special import expit

from cohorts.cohort import Cohort
from cohorts.preprocessing import Preprocessing
from cohorts.splits import Split, cross_fitting_groups
from lightning_modules.boosting import BoostingExpert
from lightning_modules.bundle import Bundle, fresh_network, load_bundle, save_bundle
from lightning_modules.config import NetworkOptions, check_options
from lightning_modules.ensemble import NOBODY, Ensemble, Mixture
from lightning_modules.experts import choose_replay, fit_first, fit_last, mixture, whom_to_train
from lightning_modules.scoring import score
from tests.lightning_modules.expert_cases import LAYOUTS, G, drawn, training


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
    assert mixture(parts, label, np.ones(4000), np.arange(4000)) == (expected, 0.0)


def test_where_people_cannot_tell_half_of_the_networks_is_added_and_a_quarter_is_trees() -> None:
    rng = np.random.default_rng(0)
    truth, noise = rng.normal(size=(2, 400))
    label = (rng.random(400) < expit(2 * truth)).astype(int)
    everybody = (label, np.ones(400), np.arange(400))
    assert mixture(np.array([2 * truth, 0.01 * noise, 0 * truth]), *everybody) == (0.5, 0.0)
    assert mixture(np.array([2 * truth, 0.01 * noise, 2 * truth]), *everybody) == (0.5, 0.25)


def test_copies_of_people_choose_what_the_people_do() -> None:
    rng, left = np.random.default_rng(0), 0
    for _ in range(60):
        parts, label, person = rng.normal(size=(3, 80)), rng.integers(0, 2, 80).astype(float), np.arange(80)
        found = mixture(parts, label, np.ones(80), person)
        assert mixture(np.tile(parts, 3), np.tile(label, 3), np.ones(240), np.tile(person, 3)) == found
        left += found != (0.5, 0.25)
    assert 5 < left < 55


@pytest.mark.parametrize("noise", [0.0, 3.0])
def test_trees_get_a_share_only_where_they_help(noise: float) -> None:
    rng = np.random.default_rng(0)
    a, b, junk = rng.normal(size=(3, 4000))
    label = (rng.random(4000) < expit(2 * a + 2 * b)).astype(int)
    trees = 2 * b * (noise == 0) + noise * junk
    _, share = mixture(np.array([2 * a, 0 * a, trees]), label, np.ones(4000), np.arange(4000))
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
