"""What both training regimes share: loss, metrics, optimiser and one step.

Shapes: B batch, M modalities.
"""

from typing import Any

import numpy as np
import pytorch_lightning as pl
import torch
from torch import Tensor
from torch.nn.functional import binary_cross_entropy_with_logits
from torchmetrics.functional.classification import binary_auroc

from cohorts.batches import Batch
from cohorts.missingness import count_patterns, pattern_names
from lightning_modules.config import TrainingOptions
from lightning_modules.ensemble import NOBODY, Ensemble
from lightning_modules.masking import STRATUM, ModalityMasking

GROUP = "group"  # its name in a batch: of cross-fitting
SMALLEST_SHOWN = 11  # a pattern with fewer tuning subjects gets no curve of its own
MOST_CURVES = 6


class FusionModule(pl.LightningModule):
    """Trains an Ensemble on batches of a CohortDataModule, hiding modalities as the masking says.

    A step is a function of weights, batch, seed and step number alone, so a run that was killed and resumed at a
    checkpoint ends with the same weights as one that was not.
    """

    def __init__(self, network: Ensemble, masking: ModalityMasking, options: TrainingOptions) -> None:
        super().__init__()
        self.network, self.masking, self.options = network, masking, options
        self._tuning: list[tuple[Tensor, ...]] = []

    def training_step(self, batch: Batch, batch_index: int) -> Tensor:
        """Weighted log loss under masked presence."""
        place = [self.options.seed, self.global_step, self.global_rank]
        torch.manual_seed(int(np.random.SeedSequence(place).generate_state(1)[0]))
        progress = self.global_step / max(1, int(self.trainer.estimated_stepping_batches))
        presence_BM = self.masking(batch["presence"], stratum_B=batch.get(STRATUM), progress=progress)
        features = self.masking.of_features(batch["features"])
        group_B = self._group(batch)
        logits_KB = self.network.of_members(features, presence_BM, group_B)
        losses_KB = binary_cross_entropy_with_logits(logits_KB, batch["label"].expand_as(logits_KB), reduction="none")
        losses_KB = losses_KB + self.more_losses(logits_KB, batch["features"], batch["presence"], group_B)
        weight_KB = batch["weight"] * ~self.network.left_out(group_B)
        # Of the batch of all processes, whose gradients are averaged; with one, a sum is its own mean.
        mean_weight = torch.as_tensor(self.all_gather(weight_KB.sum())).mean().clamp(min=1e-12)
        loss = (losses_KB * weight_KB).sum() / mean_weight
        self.log("train/loss", loss, on_step=False, on_epoch=True, batch_size=len(batch["label"]))
        return loss

    def more_losses(
        self, logits_KB: Tensor, features: dict[str, Tensor], presence_BM: Tensor, group_B: Tensor
    ) -> Tensor | float:
        """What else is minimised: losses of each member for each subject, (K, B); 0 unless a regime says otherwise.

        Args:
            logits_KB: What the members say of the subjects as they are masked in this step.
            features: Modality to inputs, without masking, float (B, F).
            presence_BM: What the subjects have, without masking, bool (B, M).
            group_B: Of cross-fitting, int (B,).
        """
        return 0.0

    @staticmethod
    def _group(batch: Batch) -> Tensor:
        """Of cross-fitting; without one, every member is trained on everybody, and judged by the tuning people."""
        nobody_B = torch.full_like(batch["label"], NOBODY, dtype=torch.long)
        return batch.get(GROUP, nobody_B)

    def tuning_presence(self, presence_BM: Tensor, stratum_B: Tensor | None = None) -> Tensor:
        """What the tuning subjects show; as they are, unless a regime says otherwise."""
        return presence_BM

    def validation_step(self, batch: Batch, batch_index: int) -> None:
        """Collect logits; metrics are computed over all tuning subjects at once."""
        presence_BM = self.tuning_presence(batch["presence"], batch.get(STRATUM))
        logits_B = self.network(batch["features"], presence_BM, self._group(batch))
        self._tuning.append((logits_B, batch["label"], batch["weight"], presence_BM))

    def on_validation_epoch_end(self) -> None:
        """Log loss, weighted where the cohort has weights, overall and by frequent pattern, and AUROC of the people."""
        logits, label, weight, presence = (torch.cat(parts) for parts in zip(*self._tuning, strict=True))
        self._tuning.clear()
        losses = binary_cross_entropy_with_logits(logits, label, reduction="none")
        self.log("tuning/log_loss", (losses * weight).sum() / weight.sum(), sync_dist=True)
        self.log("tuning/auroc", binary_auroc(torch.sigmoid(logits), label.int()), sync_dist=True)
        patterns, counts = count_patterns(presence.cpu().numpy())
        for pattern in patterns[counts >= SMALLEST_SHOWN][:MOST_CURVES]:
            rows = (presence == torch.as_tensor(pattern, device=presence.device)).all(1)
            name = pattern_names(pattern[None], self.network.modalities)[0]
            mean = (losses[rows] * weight[rows]).sum() / weight[rows].sum()
            self.log(f"tuning_log_loss_by_pattern/{name}", mean, sync_dist=True)

    def configure_optimizers(self) -> Any:
        """AdamW under a one-cycle schedule, of all that is not frozen."""
        learning = [parameter for parameter in self.network.parameters() if parameter.requires_grad]
        rate = self.options.learning_rate
        optimizer = torch.optim.AdamW(learning, lr=rate, weight_decay=self.options.weight_decay)
        schedule = torch.optim.lr_scheduler.OneCycleLR(
            optimizer,
            max_lr=rate,
            total_steps=max(2, int(self.trainer.estimated_stepping_batches)),
        )
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": schedule, "interval": "step"}}
