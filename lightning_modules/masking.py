"""Modality masking: which present modalities a training step hides. Never all, and down to one.

Shapes: B batch, M modalities, P patterns.
"""

import numpy as np
import torch
from torch import Tensor

from cohorts.missingness import count_patterns
from lightning_modules.config import MaskingOptions


class ModalityMasking:
    """Draws what each subject of a batch keeps.

    Args:
        options: Policy and rates.
        target_presence: Presence of the sparse training subjects, bool (N, M); the policy `empirical` draws its
            patterns from them, and from nobody else.
    """

    def __init__(self, options: MaskingOptions, target_presence: np.ndarray) -> None:
        self.options = options
        patterns, counts = count_patterns(target_presence)
        self.patterns_PM = torch.as_tensor(patterns)
        self.frequencies_P = torch.as_tensor(counts / counts.sum(), dtype=torch.float64)

    def __call__(self, presence_BM: Tensor, generator: torch.Generator | None = None) -> Tensor:
        """Presence after masking, bool (B, M): a subset of `presence`, with at least one True where that has one.

        Drawn on the CPU, so that a seed means the same on every device.
        """
        if self.options.policy == "none":
            return presence_BM
        presence = presence_BM.cpu()
        kept = presence & (
            self._draw(presence.shape, generator) | ~self._chance(self.options.share, presence, generator)
        )
        order_BM = torch.rand(presence.shape, generator=generator).masked_fill(~presence, -1.0)
        single = torch.zeros_like(presence).scatter_(1, order_BM.argmax(1, keepdim=True), True) & presence
        alone = self._chance(self.options.alone_share, presence, generator) | ~kept.any(1, keepdim=True)
        return torch.where(alone, single, kept).to(presence_BM.device)

    def _draw(self, shape: torch.Size, generator: torch.Generator | None) -> Tensor:
        if self.options.policy == "rate":
            return torch.rand(shape, generator=generator) >= self.options.rate
        index = torch.multinomial(self.frequencies_P, shape[0], replacement=True, generator=generator)
        return self.patterns_PM[index]

    @staticmethod
    def _chance(share: float, presence: Tensor, generator: torch.Generator | None) -> Tensor:
        return torch.rand(len(presence), 1, generator=generator) < share
