"""Fine-tuning: the sparse cohort as it is, with masking on top, and rich subjects replayed beside it."""

from lightning_modules.config import TrainingOptions, TransferOptions
from lightning_modules.ensemble import Ensemble
from lightning_modules.masking import ModalityMasking
from lightning_modules.module import FusionModule

FROZEN = {"nothing": (), "encoders": ("encoders",), "encoders_and_fusion": ("encoders", "fusion")}


class FinetuneModule(FusionModule):
    """Trains all layers but those that are frozen."""

    def __init__(
        self, network: Ensemble, masking: ModalityMasking, options: TrainingOptions, transfer: TransferOptions
    ) -> None:
        super().__init__(network, masking, options)
        for name in FROZEN[transfer.freeze]:
            for parameter in network.parts()[name]:
                parameter.requires_grad_(False)
