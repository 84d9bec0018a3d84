"""Fusion: tokens of the modalities become one logit, in one of four ways behind one interface.

Every fusion takes tokens (B, M, D) and presence, bool (B, M), and gives logits (B,). What tells them apart is what they
do about an absent modality: early reads the encoding of zeros as if it were measured, intermediate reads a learned
placeholder, late drops the modality's own logit, and attention does not attend to it.

Shapes: B batch, M modalities, S = M + 1 (the class token first), D token width, H heads.
"""

import torch
from torch import Tensor, nn
from torch.nn.functional import dropout, linear, softplus

from lightning_modules.config import NetworkOptions


def make_fusion(num_modalities: int, options: NetworkOptions) -> nn.Module:
    """The fusion that the options name."""
    if options.fusion == "early":
        return EarlyFusion(num_modalities, options.width, options.dropout)
    if options.fusion == "intermediate":
        return IntermediateFusion(num_modalities, options.width, options.dropout)
    if options.fusion == "late":
        return LateFusion(num_modalities, options.width)
    if options.pooling == "mean":
        return MeanFusion(options.width, options.num_blocks, options.dropout)
    return AttentionFusion(options.width, options.num_heads, options.num_blocks, options.dropout)


def _zeros(head: nn.Linear) -> nn.Linear:
    """A head that starts at 0, so that a network starts at its prior."""
    nn.init.zeros_(head.weight)
    nn.init.zeros_(head.bias)
    return head


def _feed_forward(width: int, dropout: float) -> nn.Sequential:
    return nn.Sequential(
        nn.LayerNorm(width),
        nn.Linear(width, 2 * width),
        nn.GELU(),
        nn.Dropout(dropout),
        nn.Linear(2 * width, width),
    )


class AttentionBlock(nn.Module):
    """Pre-norm self-attention and feed-forward layers over the tokens of one subject."""

    def __init__(self, width: int, num_heads: int, dropout: float) -> None:
        super().__init__()
        self.num_heads, self.dropout = num_heads, dropout
        self.norm = nn.LayerNorm(width)
        self.to_qkv = nn.Linear(width, 3 * width)
        self.from_heads = nn.Linear(width, width)
        self.feed_forward = _feed_forward(width, dropout)

    def forward(self, tokens_BSD: Tensor, attendable_BS: Tensor, num_asking: int) -> Tensor:
        """Attend to the tokens where `attendable` is True; its first column always is, so no row is empty.

        Only the first tokens, as many as ask, are worked out: (B, num_asking, D).
        """
        B, S, D = tokens_BSD.shape
        read_BSD = self.norm(tokens_BSD)
        of_query, of_rest = self.to_qkv.weight.split([D, 2 * D])
        bias_of_query, bias_of_rest = self.to_qkv.bias.split([D, 2 * D])
        query = linear(read_BSD[:, :num_asking], of_query, bias_of_query)
        query = query.view(B, num_asking, self.num_heads, -1).transpose(1, 2)
        key, value = linear(read_BSD, of_rest, bias_of_rest).view(B, S, 2, self.num_heads, -1).permute(2, 0, 3, 1, 4)
        # By hand: torch's scaled_dot_product_attention is slow under vmap, and slower at a handful of tokens.
        scores = (query @ key.transpose(-1, -2)) / (D // self.num_heads) ** 0.5
        shares = scores.masked_fill(~attendable_BS[:, None, None, :], -torch.inf).softmax(-1)
        mixed = dropout(shares, self.dropout, self.training) @ value
        asking_BSD = tokens_BSD[:, :num_asking] + self.from_heads(mixed.transpose(1, 2).reshape(B, num_asking, D))
        return asking_BSD + self.feed_forward(asking_BSD)


class AttentionFusion(nn.Module):
    """A class token attends to the present modalities; its head starts at 0, so the additive path goes first."""

    def __init__(self, width: int, num_heads: int, num_blocks: int, dropout: float) -> None:
        super().__init__()
        self.class_D = nn.Parameter(0.02 * torch.randn(width))
        self.blocks = nn.ModuleList(AttentionBlock(width, num_heads, dropout) for _ in range(num_blocks))
        self.norm = nn.LayerNorm(width)
        self.head = _zeros(nn.Linear(width, 1))

    def forward(self, tokens_BMD: Tensor, presence_BM: Tensor) -> Tensor:
        """(B, M, D) and bool (B, M) to logits (B,)."""
        start_BD = self.class_D + _present_mean(tokens_BMD, presence_BM)
        tokens_BSD = torch.cat([start_BD[:, None], tokens_BMD], dim=1)
        attendable_BS = torch.cat([torch.ones_like(presence_BM[:, :1]), presence_BM], dim=1)
        for left, block in zip(reversed(range(len(self.blocks))), self.blocks, strict=True):
            num_asking = tokens_BSD.shape[1] if left else 1  # of the last block, only the class token is read
            tokens_BSD = block(tokens_BSD, attendable_BS, num_asking)
        return self.head(self.norm(tokens_BSD[:, 0])).squeeze(-1)


class MeanFusion(nn.Module):
    """The class token plus the mean of the present tokens, through feed-forward layers: attention's plainer twin."""

    def __init__(self, width: int, num_blocks: int, dropout: float) -> None:
        super().__init__()
        self.class_D = nn.Parameter(0.02 * torch.randn(width))
        self.blocks = nn.ModuleList(_feed_forward(width, dropout) for _ in range(num_blocks))
        self.norm = nn.LayerNorm(width)
        self.head = _zeros(nn.Linear(width, 1))

    def forward(self, tokens_BMD: Tensor, presence_BM: Tensor) -> Tensor:
        """(B, M, D) and bool (B, M) to logits (B,)."""
        pooled_BD = self.class_D + _present_mean(tokens_BMD, presence_BM)
        for block in self.blocks:
            pooled_BD = pooled_BD + block(pooled_BD)
        return self.head(self.norm(pooled_BD)).squeeze(-1)


def _present_mean(tokens_BMD: Tensor, presence_BM: Tensor) -> Tensor:
    """Mean of the present tokens, (B, D); those of absent modalities are 0 already, and so is the mean of none."""
    return tokens_BMD.sum(1) / presence_BM.sum(1, keepdim=True).clamp(min=1)


class EarlyFusion(nn.Module):
    """All tokens side by side into one small network, which is not told who is present.

    The network gives it the encodings of zeros for absent modalities: what many build, and the strawman that the others
    are measured against. It cannot tell an absent modality from one whose every input is 0, an average person's.
    """

    def __init__(self, num_modalities: int, width: int, dropout: float) -> None:
        super().__init__()
        self.joint = nn.Sequential(nn.Linear(num_modalities * width, width), nn.GELU(), nn.Dropout(dropout))
        self.head = _zeros(nn.Linear(width, 1))

    def forward(self, tokens_BMD: Tensor, presence_BM: Tensor) -> Tensor:
        """(B, M, D) to logits (B,); presence is not read."""
        return self.head(self.joint(tokens_BMD.flatten(1))).squeeze(-1)


class IntermediateFusion(EarlyFusion):
    """All tokens side by side, where a learned placeholder stands for each absent modality.

    The placeholders are trained by whoever lacks the modality, and by modality masking, which is encoder dropout.
    """

    def __init__(self, num_modalities: int, width: int, dropout: float) -> None:
        super().__init__(num_modalities, width, dropout)
        self.placeholders_MD = nn.Parameter(0.02 * torch.randn(num_modalities, width))

    def forward(self, tokens_BMD: Tensor, presence_BM: Tensor) -> Tensor:
        """(B, M, D) and bool (B, M) to logits (B,)."""
        return super().forward(torch.where(presence_BM[..., None], tokens_BMD, self.placeholders_MD), presence_BM)


class LateFusion(nn.Module):
    """Every modality gives a logit of its own; the present ones are averaged by trust and confidence.

    A modality's weight for a subject is softplus(trust + gain |logit|): how much it is trusted, and how sure it is of
    this subject. Both are learned; with a gain of 0, where training starts, only trust counts. The weights are those
    of the present modalities alone and are renormalised over them.
    """

    def __init__(self, num_modalities: int, width: int) -> None:
        super().__init__()
        self.weights_MD = nn.Parameter(torch.zeros(num_modalities, width))
        self.biases_M = nn.Parameter(torch.zeros(num_modalities))
        self.trust_M = nn.Parameter(torch.zeros(num_modalities))
        self.gains_M = nn.Parameter(torch.zeros(num_modalities))

    def forward(self, tokens_BMD: Tensor, presence_BM: Tensor) -> Tensor:
        """(B, M, D) and bool (B, M) to logits (B,); 0 for a subject without any modality."""
        logits_BM = (tokens_BMD * self.weights_MD).sum(-1) + self.biases_M
        trust_BM = softplus(self.trust_M + self.gains_M * logits_BM.abs()) * presence_BM
        return (logits_BM * trust_BM).sum(1) / trust_BM.sum(1).clamp(min=1e-30)
