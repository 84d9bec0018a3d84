"""Pretraining: the rich cohort, seen as the sparse one would see it."""

import torch
from torch import Tensor

from lightning_modules.module import FusionModule


class PretrainModule(FusionModule):
    """Trains on rich subjects under modality masking, and judges itself on rich tuning subjects masked likewise."""

    def tuning_presence(self, presence_BM: Tensor, stratum_B: Tensor | None = None) -> Tensor:
        """The same masks in every epoch, so that epochs can be compared."""
        return self.masking(presence_BM, torch.Generator().manual_seed(self.options.seed), stratum_B=stratum_B)
