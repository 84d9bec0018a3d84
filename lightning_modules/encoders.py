"""Encoders: the inputs of one modality become one token, by the kind of the modality.

Shapes: B batch, F inputs of one modality, D token width; V variables, T bins, S summaries, C channels, H height, W
width.
"""

from typing import Any

import torch
from torch import Tensor, nn

from cohorts.modalities.events import CHANNELS, SUMMARY
from cohorts.preprocessing import Layout

MANY_INPUTS = 256  # from here on, a modality is a wide one
COURSE = 8  # channels of a convolution over bins; 32 found no more and took half as long again


class TabularEncoder(nn.Module):
    """Inputs (values, indicators, one-hot levels) to a token."""

    def __init__(self, layout: Layout, width: int, dropout: float) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            nn.Linear(layout.num_inputs, width), nn.GELU(), nn.Dropout(dropout), nn.Linear(width, width)
        )

    def forward(self, features_BF: Tensor) -> Tensor:
        """(B, F) to (B, D)."""
        return self.layers(features_BF)


class WideEncoder(nn.Module):
    """Very many inputs, such as omics, embeddings and hashed texts: half of them hidden in a training step.

    The inputs are divided by the root of their number, so that a wide modality starts no louder than a narrow one.
    """

    def __init__(self, layout: Layout, width: int, dropout: float) -> None:
        super().__init__()
        hidden = 0.5 if layout.num_inputs >= MANY_INPUTS else dropout
        self.layers = nn.Sequential(
            nn.Dropout(hidden),
            nn.Linear(layout.num_inputs, width),
            nn.LayerNorm(width),
            nn.GELU(),
            nn.Linear(width, width),
        )

    def forward(self, features_BF: Tensor) -> Tensor:
        """(B, F) to (B, D)."""
        return self.layers(features_BF)


class EventsEncoder(nn.Module):
    """Summaries of the whole window, plus what a narrow convolution over its bins finds on average and at most."""

    def __init__(self, layout: Layout, width: int, dropout: float) -> None:
        super().__init__()
        self.V, self.T = layout.sizes["num_variables"], layout.sizes["num_bins"]
        self.num_summaries = self.V * len(SUMMARY)
        self.of_summary = nn.Sequential(
            nn.Linear(self.num_summaries, width), nn.GELU(), nn.Dropout(dropout), nn.Linear(width, width)
        )
        self.of_bins = nn.Sequential(
            nn.Conv1d(self.V * CHANNELS, COURSE, 3, padding=1),
            nn.GELU(),
            nn.Conv1d(COURSE, COURSE, 3, padding=2, dilation=2),
            nn.GELU(),
        )
        self.of_course = nn.Sequential(nn.Dropout(dropout), nn.Linear(2 * COURSE, width))

    def forward(self, features_BF: Tensor) -> Tensor:
        """(B, S V + T V C) to (B, D)."""
        summary_BS = features_BF[:, : self.num_summaries]
        bins_BTC = features_BF[:, self.num_summaries :].reshape(-1, self.T, self.V * CHANNELS)
        course_BCT = self.of_bins(bins_BTC.transpose(1, 2))
        found_BC = torch.cat([course_BCT.mean(-1), course_BCT.amax(-1)], dim=1)
        return self.of_summary(summary_BS) + self.of_course(found_BC)


class ImageEncoder(nn.Module):
    """Three small convolutions, each halving the image, and the mean and maximum of what they find."""

    def __init__(self, layout: Layout, width: int, dropout: float) -> None:
        super().__init__()
        self.shape = tuple(layout.sizes[name] for name in ("num_channels", "height", "width"))
        layers: list[nn.Module] = []
        for before, after in zip((self.shape[0], 8, 16), (8, 16, 32), strict=True):
            layers += [nn.Conv2d(before, after, 3, padding=1), nn.GELU(), nn.MaxPool2d(2)]
        self.layers = nn.Sequential(*layers)
        self.join = nn.Sequential(nn.Dropout(dropout), nn.Linear(2 * 32, width))

    def forward(self, features_BF: Tensor) -> Tensor:
        """(B, C H W) to (B, D)."""
        found_BCHW = self.layers(features_BF.reshape(-1, *self.shape))
        return self.join(torch.cat([found_BCHW.mean((2, 3)), found_BCHW.amax((2, 3))], dim=1))


class Encoder(nn.Module):
    """The encoder of a kind, plus the modality's learned identity."""

    def __init__(self, of_kind: nn.Module, width: int) -> None:
        super().__init__()
        self.of_kind = of_kind
        self.identity_D = nn.Parameter(0.02 * torch.randn(width))

    def forward(self, features_BF: Tensor) -> Tensor:
        """(B, F) to (B, D)."""
        return self.of_kind(features_BF) + self.identity_D


KINDS: dict[str, Any] = {
    "tabular": TabularEncoder,
    "events": EventsEncoder,
    "embedding": WideEncoder,
    "image": ImageEncoder,
    "text": WideEncoder,
}


def make_encoder(layout: Layout, width: int, dropout: float) -> Encoder:
    """The encoder for the inputs of one modality."""
    return Encoder(KINDS[layout.kind](layout, width, dropout), width)
