"""Feature masking: which single features of a present modality a training step hides. Never all that were measured.

Shapes: B batch, F inputs of one modality, G raw features of it.
"""

import torch
from torch import Tensor


def hide_features(inputs_BF: Tensor, feature_F: Tensor, rate: float, generator: torch.Generator | None) -> Tensor:
    """Inputs with some features hidden, float (B, F): all inputs of such a feature are 0, which means absent.

    What is left is not scaled up, for nothing is where a feature is absent at deployment. A modality that is present
    keeps a feature that was measured (one with an input other than 0), drawn evenly where all would be hidden; to hide
    everything is what modality masking is for. Drawn on the CPU, so that a seed means the same on every device.

    Args:
        inputs_BF: Inputs of one modality; 0 where it is absent, which stays so.
        feature_F: Number of the feature that each input tells of, int, from 0 on.
        rate: Probability that a feature is hidden.
        generator: On the CPU; torch's own where it is None.
    """
    feature_F = feature_F.to(inputs_BF.device)
    num_features = int(feature_F.max()) + 1
    draw_BG = torch.rand(len(inputs_BF), num_features, generator=generator).to(inputs_BF.device)
    num_told_BG = torch.zeros_like(draw_BG).index_add_(1, feature_F, (inputs_BF != 0).to(draw_BG.dtype))
    last_B1 = draw_BG.masked_fill(num_told_BG == 0, -1.0).amax(1, keepdim=True)
    hidden_BG = (draw_BG < rate) & (draw_BG < last_B1)
    return torch.where(hidden_BG[:, feature_F], 0.0, inputs_BF)
