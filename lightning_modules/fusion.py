"""Fusion: tokens of the present modalities become one logit; those of absent ones are 0, and are not attended to.

Shapes: B batch, M modalities, S = M + 1 (the class token first), D token width, H heads.
"""

import torch
from torch import Tensor, nn
from torch.nn.functional import scaled_dot_product_attention, softplus


class AttentionBlock(nn.Module):
    """Pre-norm self-attention and feed-forward layers over the tokens of one subject."""

    def __init__(self, width: int, num_heads: int, dropout: float) -> None:
        super().__init__()
        self.num_heads, self.dropout = num_heads, dropout
        self.norm = nn.LayerNorm(width)
        self.to_qkv = nn.Linear(width, 3 * width)
        self.from_heads = nn.Linear(width, width)
        self.feed_forward = nn.Sequential(
            nn.LayerNorm(width),
            nn.Linear(width, 2 * width),
            nn.GELU(),
            nn.Dropout(dropout),
            nn.Linear(2 * width, width),
        )

    def forward(self, tokens_BSD: Tensor, attendable_BS: Tensor) -> Tensor:
        """Attend to the tokens where `attendable` is True; its first column always is, so no row is empty."""
        B, S, D = tokens_BSD.shape
        qkv = self.to_qkv(self.norm(tokens_BSD)).view(B, S, 3, self.num_heads, D // self.num_heads)
        query, key, value = qkv.permute(2, 0, 3, 1, 4)
        # torch's convention here: True takes part. nn.MultiheadAttention's key_padding_mask is the opposite.
        mixed = scaled_dot_product_attention(
            query,
            key,
            value,
            attn_mask=attendable_BS[:, None, None, :],
            dropout_p=self.dropout if self.training else 0.0,
        )
        tokens_BSD = tokens_BSD + self.from_heads(mixed.transpose(1, 2).reshape(B, S, D))
        return tokens_BSD + self.feed_forward(tokens_BSD)


class AttentionFusion(nn.Module):
    """A class token attends to the present modalities; its head starts at 0, so the additive path goes first."""

    def __init__(self, width: int, num_heads: int, num_blocks: int, dropout: float) -> None:
        super().__init__()
        self.class_D = nn.Parameter(0.02 * torch.randn(width))
        self.blocks = nn.ModuleList(AttentionBlock(width, num_heads, dropout) for _ in range(num_blocks))
        self.norm = nn.LayerNorm(width)
        self.head = nn.Linear(width, 1)
        nn.init.zeros_(self.head.weight)
        nn.init.zeros_(self.head.bias)

    def forward(self, tokens_BMD: Tensor, presence_BM: Tensor) -> Tensor:
        """(B, M, D) and bool (B, M) to logits (B,)."""
        mean_BD = tokens_BMD.sum(1) / presence_BM.sum(1, keepdim=True).clamp(min=1)
        tokens_BSD = torch.cat([(self.class_D + mean_BD)[:, None], tokens_BMD], dim=1)
        attendable_BS = torch.cat([torch.ones_like(presence_BM[:, :1]), presence_BM], dim=1)
        for block in self.blocks:
            tokens_BSD = block(tokens_BSD, attendable_BS)
        return self.head(self.norm(tokens_BSD[:, 0])).squeeze(-1)


class LateFusion(nn.Module):
    """Every modality gives a logit of its own; the present ones are averaged with learned weights."""

    def __init__(self, num_modalities: int, width: int) -> None:
        super().__init__()
        self.weights_MD = nn.Parameter(torch.zeros(num_modalities, width))
        self.biases_M = nn.Parameter(torch.zeros(num_modalities))
        self.trust_M = nn.Parameter(torch.zeros(num_modalities))

    def forward(self, tokens_BMD: Tensor, presence_BM: Tensor) -> Tensor:
        """(B, M, D) and bool (B, M) to logits (B,); 0 for a subject without any modality."""
        logits_BM = (tokens_BMD * self.weights_MD).sum(-1) + self.biases_M
        trust_BM = softplus(self.trust_M) * presence_BM
        return (logits_BM * trust_BM).sum(1) / trust_BM.sum(1).clamp(min=1e-6)
