"""The network: encoders and a fusion; a plain nn.Module.

Shapes: B batch, M modalities, F inputs of one modality, D token width.
"""

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from cohorts.preprocessing import Layout
from lightning_modules.config import NetworkOptions
from lightning_modules.encoders import make_encoder
from lightning_modules.fusion import LateFusion, make_fusion


def _key(modality: str) -> str:
    """A name in a ModuleDict, which refuses those of its own methods, such as `items`."""
    return f"of_{modality}"


class FusionNetwork(nn.Module):
    """One logit a subject, from whichever modalities it has.

    The logit is a prior plus the fusion's own logit. A subject without any modality gets what the prior gives, and
    whatever of the fusion reads no modality: a finite, constant answer. Values of an absent modality are never read,
    under any fusion; early fusion alone lets the encoder read zeros in their place.

    Args:
        layouts: Modality to the layout of its inputs, in the order of the columns of presence.
        options: What to build.
    """

    def __init__(self, layouts: Mapping[str, Layout], options: NetworkOptions) -> None:
        super().__init__()
        self.modalities = list(layouts)
        self.encoders = nn.ModuleDict(
            {_key(name): make_encoder(layout, options.width, options.dropout) for name, layout in layouts.items()}
        )
        self.fusion = make_fusion(len(layouts), options)
        self.zero_filled = options.fusion == "early"
        self.prior = nn.Parameter(torch.zeros(()))

    def forward(self, features: Mapping[str, Tensor], presence_BM: Tensor) -> Tensor:
        """Logits (B,).

        Args:
            features: Modality to inputs, float (B, F); whatever stands in a row of an absent modality is not read.
            presence_BM: bool (B, M), True = measured.
        """
        # where, not a product: a NaN times 0 is a NaN.
        clean = {
            name: torch.where(presence_BM[:, m, None], features[name], 0.0) for m, name in enumerate(self.modalities)
        }
        tokens_BMD = torch.stack([self.encoders[_key(name)](clean[name]) for name in self.modalities], dim=1)
        if not self.zero_filled:
            tokens_BMD = torch.where(presence_BM[..., None], tokens_BMD, 0.0)
        logits_B: Tensor = self.prior + self.fusion(tokens_BMD, presence_BM)
        return logits_B

    def parts(self) -> dict[str, list[nn.Parameter]]:
        """Parameters of the encoders, of the fusion, and of the heads (whatever makes a logit)."""
        heads = {name for name, _ in self.named_parameters() if name.startswith(("prior", "fusion.head."))}
        if isinstance(self.fusion, LateFusion):
            heads |= {name for name, _ in self.named_parameters() if name.startswith("fusion.")}
        found: dict[str, list[nn.Parameter]] = {"encoders": [], "fusion": [], "heads": []}
        for name, parameter in self.named_parameters():
            found["heads" if name in heads else name.split(".")[0]].append(parameter)
        return found
