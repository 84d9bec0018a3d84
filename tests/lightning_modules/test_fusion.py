"""Fusions on their own: what each does about an absent modality, and how late fusion weighs those that are there."""

import pytest
import torch
from torch.nn.functional import softplus

from cohorts.errors import InputError
from lightning_modules.config import NetworkOptions, check_options
from lightning_modules.fusion import (
    AttentionFusion,
    EarlyFusion,
    IntermediateFusion,
    LateFusion,
    MeanFusion,
    make_fusion,
)

B, M, D = 6, 3, 4
PRESENCE = torch.tensor([[1, 1, 1], [1, 1, 0], [0, 1, 1], [1, 0, 0], [0, 0, 1], [0, 0, 0]], dtype=torch.bool)


@pytest.fixture
def tokens() -> torch.Tensor:
    drawn = torch.randn(B, M, D, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    return torch.where(PRESENCE[..., None], drawn, 0.0)


def stirred(fusion: torch.nn.Module) -> torch.nn.Module:
    torch.manual_seed(1)
    with torch.no_grad():
        for parameter in fusion.parameters():
            parameter.add_(torch.randn_like(parameter))
    return fusion.double().eval()


@pytest.mark.parametrize(
    ("options", "kind"),
    [
        (NetworkOptions(), AttentionFusion),
        (NetworkOptions(pooling="mean"), MeanFusion),
        (NetworkOptions(fusion="early"), EarlyFusion),
        (NetworkOptions(fusion="intermediate"), IntermediateFusion),
        (NetworkOptions(fusion="late"), LateFusion),
    ],
)
def test_one_option_chooses_the_fusion(options: NetworkOptions, kind: type) -> None:
    assert type(make_fusion(M, options)) is kind


def test_pooling_belongs_to_the_fusion_attention() -> None:
    with pytest.raises(InputError, match=r"network.pooling: mean is a way of the fusion attention .* late"):
        check_options(NetworkOptions(fusion="late", pooling="mean"))


def test_late_fusion_without_gains_is_the_mean_of_present_logits_by_trust(tokens: torch.Tensor) -> None:
    fusion = stirred(LateFusion(M, D))
    torch.nn.init.zeros_(fusion.gains_M)
    logits = (tokens * fusion.weights_MD).sum(-1) + fusion.biases_M
    found = fusion(tokens, PRESENCE)
    for row in range(B - 1):
        there = PRESENCE[row]
        weight = softplus(fusion.trust_M[there])
        torch.testing.assert_close(found[row], (logits[row, there] * weight).sum() / weight.sum())
    assert found[-1] == 0


def test_late_fusion_leans_towards_the_modality_that_is_surer(tokens: torch.Tensor) -> None:
    fusion = LateFusion(2, 1).double()
    with torch.no_grad():
        fusion.weights_MD.fill_(1.0)
        both, sure, unsure = torch.ones(1, 2, dtype=torch.bool), 3.0, -0.5
        pair = torch.tensor([[[sure], [unsure]]], dtype=torch.float64)
        assert fusion(pair, both).item() == pytest.approx((sure + unsure) / 2)
        fusion.gains_M.fill_(1.0)
        assert fusion(pair, both).item() > (sure + unsure) / 2 + 0.5
        alone = torch.tensor([[False, True]])
        assert fusion(pair, alone).item() == pytest.approx(unsure)  # renormalised for who is there


def test_intermediate_fusion_reads_the_placeholder_and_only_where_absent(tokens: torch.Tensor) -> None:
    fusion = stirred(IntermediateFusion(M, D, 0.0))
    filled = torch.where(PRESENCE[..., None], tokens, fusion.placeholders_MD)
    expected = fusion.head(fusion.joint(filled.flatten(1))).squeeze(-1)
    torch.testing.assert_close(fusion(tokens, PRESENCE), expected)
    before = fusion(tokens, PRESENCE)
    with torch.no_grad():
        fusion.placeholders_MD[0].add_(1.0)
    assert torch.equal(torch.isclose(fusion(tokens, PRESENCE), before), PRESENCE[:, 0])


def test_mean_pooling_reads_no_more_than_the_mean_of_the_present(tokens: torch.Tensor) -> None:
    fusion = stirred(MeanFusion(D, 2, 0.0))
    together = tokens.clone()
    for row in range(B):
        together[row, PRESENCE[row]] = tokens[row, PRESENCE[row]].mean(0)
    torch.testing.assert_close(fusion(together, PRESENCE), fusion(tokens, PRESENCE))
    attention = stirred(AttentionFusion(D, 2, 1, 0.0))
    assert not torch.isclose(attention(together, PRESENCE), attention(tokens, PRESENCE))[0]
