"""Fine-tuning: the sparse cohort as it is, with masking on top, and rich subjects replayed beside it."""

from typing import Any

from lightning_modules.config import TrainingOptions, TransferOptions
from lightning_modules.ensemble import Ensemble
from lightning_modules.masking import ModalityMasking
from lightning_modules.module import FusionModule

FROZEN = {"nothing": (), "encoders": ("encoders",), "encoders_and_fusion": ("encoders", "fusion")}


class FinetuneModule(FusionModule):
    """Trains with a learning rate for each part of the network, some of which may be frozen."""

    def __init__(
        self, network: Ensemble, masking: ModalityMasking, options: TrainingOptions, transfer: TransferOptions
    ) -> None:
        super().__init__(network, masking, options)
        self.transfer = transfer
        for name in FROZEN[transfer.freeze]:
            for parameter in network.parts()[name]:
                parameter.requires_grad_(False)

    def parameter_groups(self) -> list[dict[str, Any]]:
        """One group a part that learns."""
        rates = {"encoders": self.transfer.encoder_rate, "fusion": self.transfer.fusion_rate, "heads": 1.0}
        return [
            {"params": parameters, "lr": self.options.learning_rate * rates[name]}
            for name, parameters in self.network.parts().items()
            if parameters and rates[name] > 0 and parameters[0].requires_grad
        ]
