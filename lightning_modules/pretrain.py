"""Pretraining: the rich cohort, seen as the sparse one would see it."""

import torch
from torch import Tensor
from torch.nn.functional import binary_cross_entropy_with_logits

from lightning_modules.config import ObjectiveOptions, TrainingOptions
from lightning_modules.ensemble import Ensemble
from lightning_modules.masking import ModalityMasking
from lightning_modules.module import FusionModule


class PretrainModule(FusionModule):
    """Trains on rich subjects under modality masking, and judges itself on rich tuning subjects masked likewise."""

    def __init__(
        self,
        network: Ensemble,
        masking: ModalityMasking,
        options: TrainingOptions,
        objective: ObjectiveOptions = ObjectiveOptions(),
    ) -> None:
        super().__init__(network, masking, options)
        self.objective = objective

    def more_losses(
        self, logits_KB: Tensor, features: dict[str, Tensor], presence_BM: Tensor, group_B: Tensor
    ) -> Tensor | float:
        """Cross entropy with what the same member says of the subject unmasked, which is its teacher."""
        if not self.objective.unmasked:
            return 0.0
        with torch.no_grad():
            taught_KB = torch.sigmoid(self.network.of_members(features, presence_BM, group_B))
        return self.objective.unmasked * binary_cross_entropy_with_logits(logits_KB, taught_KB, reduction="none")

    def tuning_presence(self, presence_BM: Tensor, stratum_B: Tensor | None = None) -> Tensor:
        """The same masks in every epoch, so that epochs can be compared."""
        return self.masking(presence_BM, torch.Generator().manual_seed(self.options.seed), stratum_B=stratum_B)
