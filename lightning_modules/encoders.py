"""Encoders: the inputs of one modality become one token.

Shapes: B batch, M modalities, F inputs of one modality, D token width.
"""

import torch
from torch import Tensor, nn


class TabularEncoder(nn.Module):
    """Inputs (values, indicators, one-hot levels) to a token, plus the modality's learned identity."""

    def __init__(self, num_inputs: int, width: int, dropout: float) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            nn.Linear(num_inputs, width), nn.GELU(), nn.Dropout(dropout), nn.Linear(width, width)
        )
        self.identity_D = nn.Parameter(0.02 * torch.randn(width))

    def forward(self, features_BF: Tensor) -> Tensor:
        """(B, F) to (B, D)."""
        return self.layers(features_BF) + self.identity_D
