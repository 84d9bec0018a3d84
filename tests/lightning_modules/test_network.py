"""The network under missingness: what is absent has no influence, and nobody's prediction depends on another's."""

import numpy as np
import pytest
import torch
from torch import Tensor

from cohorts.preprocessing import Layout
from lightning_modules.config import NetworkOptions
from lightning_modules.fusion import AttentionFusion, LateFusion
from lightning_modules.network import FusionNetwork

LAYOUTS = {  # `items` and `forward` are names that ModuleDict and Module keep for themselves
    "labs": Layout(5),
    "items": Layout(3),
    "forward": Layout(300, "embedding"),
    "age": Layout(1),
    "vitals": Layout(2 * (8 + 5 * 3), "events", {"num_variables": 2, "num_bins": 5}),
    "scan": Layout(64, "image", {"num_channels": 1, "height": 8, "width": 8}),
    "note": Layout(16, "text"),
}
WIDTHS = {name: layout.num_inputs for name, layout in LAYOUTS.items()}
B, M = 16, len(WIDTHS)


WAYS: dict[str, NetworkOptions] = {
    "attention": NetworkOptions(),
    "mean": NetworkOptions(pooling="mean"),
    "late": NetworkOptions(fusion="late"),
    "intermediate": NetworkOptions(fusion="intermediate"),
    "early": NetworkOptions(fusion="early"),
}


def stirred(options: NetworkOptions, layouts: dict[str, Layout] = LAYOUTS) -> FusionNetwork:
    torch.manual_seed(0)
    network = FusionNetwork(layouts, options).double().eval()
    with torch.no_grad():  # heads start at zero, which would hide every defect
        for parameter in network.parameters():
            parameter.add_(0.3 * torch.randn_like(parameter))
    return network


@pytest.fixture(params=WAYS)
def network(request: pytest.FixtureRequest) -> FusionNetwork:
    return stirred(WAYS[request.param])


@pytest.fixture
def batch() -> tuple[dict[str, Tensor], Tensor]:
    generator = torch.Generator().manual_seed(1)
    features = {name: torch.randn(B, size, generator=generator, dtype=torch.float64) for name, size in WIDTHS.items()}
    presence = torch.rand(B, M, generator=generator) < 0.5
    presence[:, 0] |= ~presence.any(1)
    return features, presence


@pytest.mark.parametrize("junk", [0.0, 1e6, float("nan"), float("inf")])
def test_values_of_absent_modalities_change_neither_output_nor_gradient(
    network: FusionNetwork, batch: tuple[dict[str, Tensor], Tensor], junk: float
) -> None:
    features, presence = batch
    spoiled = {
        name: torch.where(presence[:, m, None], features[name], torch.full_like(features[name], junk))
        for m, name in enumerate(WIDTHS)
    }

    def run(values: dict[str, Tensor]) -> tuple[Tensor, list[Tensor]]:
        network.zero_grad()
        logits = network(values, presence)
        logits.square().sum().backward()
        return logits.detach(), [p.grad.clone() for p in network.parameters() if p.grad is not None]

    (expected, expected_gradients), (found, gradients) = run(features), run(spoiled)
    assert torch.isfinite(found).all()
    assert torch.equal(found, expected)
    assert all(torch.equal(a, b) for a, b in zip(gradients, expected_gradients, strict=True))


def test_the_gradient_reaches_present_values_and_no_absent_ones(
    network: FusionNetwork, batch: tuple[dict[str, Tensor], Tensor]
) -> None:
    features, presence = batch
    leaves = {name: values.clone().requires_grad_() for name, values in features.items()}
    network(leaves, presence).sum().backward()
    for m, name in enumerate(WIDTHS):
        moved = leaves[name].grad.abs().sum(1) > 0
        assert torch.equal(moved, presence[:, m]), f"{name}: presence is read with the wrong polarity"


def parameters_of(network: FusionNetwork, m: int) -> list[Tensor]:
    """All that belongs to one modality alone; views, so that writing to them changes the network."""
    name = f"of_{network.modalities[m]}"
    found = [*network.encoders[name].parameters()]
    if isinstance(network.fusion, LateFusion):
        found += [p[m : m + 1] for p in network.fusion.parameters()]
    return found


@pytest.mark.parametrize("way", ["attention", "mean", "late", "intermediate"])
def test_nothing_that_belongs_to_an_absent_modality_has_a_part_in_the_answer(
    way: str, batch: tuple[dict[str, Tensor], Tensor]
) -> None:
    """Its token, its bias, its identity and its weight in the mean: as if the network had never heard of it.

    Not of early fusion, which hears the encoding of zeros; under intermediate fusion a placeholder speaks instead.
    """
    network = stirred(WAYS[way])
    features, presence = batch
    with torch.no_grad():
        before = network(features, presence)
        for m in range(M):
            for parameter in parameters_of(network, m):
                parameter.add_(1.0)
            after = network(features, presence)
            assert torch.equal(after[~presence[:, m]], before[~presence[:, m]]), network.modalities[m]
            assert not torch.isclose(after[presence[:, m]], before[presence[:, m]]).any(), network.modalities[m]
            for parameter in parameters_of(network, m):
                parameter.sub_(1.0)
            before = network(features, presence)


def test_attention_among_present_modalities_is_that_of_a_network_without_the_others(
    batch: tuple[dict[str, Tensor], Tensor],
) -> None:
    torch.manual_seed(0)
    fusion = AttentionFusion(width=32, num_heads=4, num_blocks=2, dropout=0.0).double().eval()
    torch.nn.init.normal_(fusion.head.weight)
    tokens, presence = torch.randn(B, M, 32, dtype=torch.float64), batch[1]
    whole = fusion(torch.where(presence[..., None], tokens, 0.0), presence)
    for row in range(B):
        there = tokens[row, presence[row]][None]
        alone = fusion(there, torch.ones(there.shape[:2], dtype=torch.bool))
        torch.testing.assert_close(alone[0], whole[row], rtol=1e-12, atol=1e-12)


def test_a_subject_is_predicted_alike_alone_in_any_batch_and_in_any_order(
    network: FusionNetwork, batch: tuple[dict[str, Tensor], Tensor]
) -> None:
    features, presence = batch
    together = network(features, presence)
    order = torch.randperm(B, generator=torch.Generator().manual_seed(2))
    shuffled = network({name: values[order] for name, values in features.items()}, presence[order])
    torch.testing.assert_close(shuffled, together[order], rtol=1e-12, atol=1e-12)
    for row in range(B):
        alone = network({name: values[row : row + 1] for name, values in features.items()}, presence[row : row + 1])
        torch.testing.assert_close(alone[0], together[row], rtol=1e-12, atol=1e-12)


def test_a_subject_without_any_modality_gets_one_finite_constant(network: FusionNetwork) -> None:
    features = {name: torch.randn(3, size, dtype=torch.float64) for name, size in WIDTHS.items()}
    logits = network(features, torch.zeros(3, M, dtype=torch.bool))
    assert torch.isfinite(logits).all()
    assert torch.allclose(logits, logits[0].expand(3), rtol=0, atol=1e-12)


def test_every_pattern_gives_a_finite_answer_of_its_own(network: FusionNetwork) -> None:
    patterns = torch.tensor(list(np.ndindex(*[2] * M)), dtype=torch.bool)
    features = {name: torch.ones(len(patterns), size, dtype=torch.float64) for name, size in WIDTHS.items()}
    logits = network(features, patterns)
    assert torch.isfinite(logits).all()
    assert len(logits.round(decimals=9).unique()) == len(patterns)


@pytest.mark.parametrize("way", WAYS)
def test_every_fusion_starts_at_the_prior(way: str) -> None:
    network = FusionNetwork(LAYOUTS, WAYS[way]).eval()
    torch.nn.init.constant_(network.prior, 0.7)
    features = {name: torch.randn(4, size) for name, size in WIDTHS.items()}
    assert torch.equal(network(features, torch.ones(4, M, dtype=torch.bool)), network.prior.expand(4))


def test_all_fusions_start_with_the_same_encoders() -> None:
    started = []
    for options in WAYS.values():
        torch.manual_seed(3)
        started.append(FusionNetwork(LAYOUTS, options).encoders.state_dict())
    assert all(torch.equal(other[key], value) for other in started[1:] for key, value in started[0].items())


@pytest.mark.parametrize("way", WAYS)
def test_the_order_in_which_modalities_are_listed_does_not_matter(
    way: str, batch: tuple[dict[str, Tensor], Tensor]
) -> None:
    network = stirred(WAYS[way])
    features, presence = batch
    order = [3, 0, 6, 2, 5, 1, 4]
    names = [list(LAYOUTS)[m] for m in order]
    other = FusionNetwork({name: LAYOUTS[name] for name in names}, WAYS[way]).double().eval()
    state = network.state_dict()
    for key, value in state.items():
        if key.startswith("fusion.") and key.endswith(("_MD", "_M")):
            state[key] = value[order]
        if key == "fusion.joint.0.weight":  # one block of columns a modality
            state[key] = torch.cat([value.chunk(M, dim=1)[m] for m in order], dim=1)
    other.load_state_dict(state)
    found, expected = other(features, presence[:, order]), network(features, presence)
    torch.testing.assert_close(found, expected, rtol=1e-12, atol=1e-12)


def test_early_fusion_takes_an_absent_modality_for_one_that_was_measured_as_zero(
    batch: tuple[dict[str, Tensor], Tensor],
) -> None:
    features, presence = batch
    zeros = {name: torch.where(presence[:, m, None], features[name], 0.0) for m, name in enumerate(WIDTHS)}
    everything = torch.ones_like(presence)
    for way, options in WAYS.items():
        network = stirred(options)
        same = torch.isclose(network(features, presence), network(zeros, everything))[~presence.all(1)]
        assert same.all() if way == "early" else not same.any(), way


def test_parts_hold_every_parameter_once(network: FusionNetwork) -> None:
    listed = [id(parameter) for part in network.parts().values() for parameter in part]
    assert sorted(listed) == sorted(id(parameter) for parameter in network.parameters())
    assert all(network.parts()[name] for name in ("encoders", "heads"))
