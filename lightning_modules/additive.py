"""The additive expert: ridge logistic regression on all inputs side by side, solved as a convex problem.

A modality contributes its own part of the logit, and an absent one what the present ones let expect of it: so the
weight of an input depends on what else is there. On some hundred people this is what everything else must better, and
no gradient descent gets there as well.

Shapes: B batch, N people, M modalities, F inputs of one modality, C columns of all, G groups of people, E fits.
"""

from collections.abc import Mapping
from itertools import combinations

import torch
from torch import Tensor, nn

from cohorts.modalities.events import SUMMARY
from cohorts.preprocessing import Layout
from lightning_modules.encoders import MANY_INPUTS
from lightning_modules.factors import Factors

KNOTS = (-0.674, 0.0, 0.674)  # quartiles of a normal score
SQUARED = ("mean", "last")  # of events: both too low and too high a level may be a bad sign
MOST_CURVED = 400  # inputs of a modality up to which they may curve
LEAST_SCALE = 0.5  # what hardly varies is not blown up
WIDE = ("embedding", "text")  # kinds whose inputs may come down to their principal components


class AdditiveExpert(nn.Module):
    """Linear in the inputs of the present modalities, and maybe curved in those that are normal scores.

    Curves are squares of a variable's level over time, and bends at the quartiles of all else. In place of an absent
    modality's inputs and curves stands what the factors expect there.

    It holds a fit for each group of people, who had no part in it, and one for each pair of groups, so that whatever is
    trained on top of a fit can be left out of its own offset too. It holds each twice: one fit to people as they are,
    and one to copies of them with modalities hidden, for patterns that are rare.

    Args:
        layouts: Modality to the layout of its inputs.
        num_groups: G.
    """

    inputs_EC: Tensor
    curves_EC: Tensor
    presence_EM: Tensor
    intercepts_E: Tensor
    fit_of_GG: Tensor

    def __init__(self, layouts: Mapping[str, Layout], num_groups: int) -> None:
        super().__init__()
        self.layouts, self.num_groups = dict(layouts), num_groups
        num_fits = 2 * len(self.left_out)
        modality_of_input, modality_of_curve = modality_of_columns(layouts)
        self.factors = Factors([*modality_of_input, *modality_of_curve], len(layouts))
        self.register_buffer("inputs_EC", torch.zeros(num_fits, len(modality_of_input)))
        self.register_buffer("curves_EC", torch.zeros(num_fits, len(modality_of_curve)))
        self.register_buffer("presence_EM", torch.zeros(num_fits, len(layouts)))
        self.register_buffer("intercepts_E", torch.zeros(num_fits))
        fit_of_GG = torch.arange(num_groups)[:, None].repeat(1, num_groups + 1)
        for place, pair in enumerate(combinations(range(num_groups), 2), num_groups):
            fit_of_GG[pair] = fit_of_GG[pair[::-1]] = place
        self.register_buffer("fit_of_GG", fit_of_GG, persistent=False)  # the last column is for new people

    @property
    def left_out(self) -> list[tuple[int, ...]]:
        """The groups that have no part in a fit, by its place."""
        return [*((group,) for group in range(self.num_groups)), *combinations(range(self.num_groups), 2)]

    def forward(self, features: Mapping[str, Tensor], presence_BM: Tensor, group_B: Tensor, rare_B: Tensor) -> Tensor:
        """Logits (G, B): row g is of fits without group g, and without the group of the subject.

        Args:
            features: Modality to inputs, float (B, F), finite where present.
            presence_BM: bool (B, M).
            group_B: Group of each subject, int (B,); -1 for who had no part in any fit.
            rare_B: Whose pattern is rare, bool (B,).
        """
        columns_BC, weights_EC = input_columns(features, presence_BM, self.layouts), self.inputs_EC
        if bool(self.curves_EC.any()):
            columns_BC = torch.cat([columns_BC, curved_columns(features, presence_BM, self.layouts)], 1)
            weights_EC = torch.cat([weights_EC, self.curves_EC], 1)
        logits_BE = self.factors(columns_BC, presence_BM) @ weights_EC.T + self.intercepts_E
        logits_BE = logits_BE + presence_BM.to(logits_BE.dtype) @ self.presence_EM.T
        fit_GB = self.fit_of_GG[:, group_B] + len(self.left_out) * rare_B
        return logits_BE.T.gather(0, fit_GB)


def num_read(layout: Layout) -> int:
    """How many of its inputs are read: of events the summaries, of an image none."""
    return {"events": layout.sizes.get("num_variables", 0) * len(SUMMARY), "image": 0}.get(
        layout.kind, layout.num_inputs
    )


def modality_of_columns(layouts: Mapping[str, Layout]) -> tuple[list[int], list[int]]:
    """The place of each input's modality, and of each curve's."""
    of_input, of_curve = [], []
    for m, layout in enumerate(layouts.values()):
        nobody = torch.zeros(0, layout.num_inputs)
        of_input += [m] * num_read(layout)
        of_curve += [m] * sum(curve.shape[1] for curve in curves(may_curve(nobody, layout), layout))
    return of_input, of_curve


def input_columns(features: Mapping[str, Tensor], presence_BM: Tensor, layouts: Mapping[str, Layout]) -> Tensor:
    """Inputs of the present modalities, 0 for absent ones: (B, C)."""
    parts = []
    for m, (name, layout) in enumerate(layouts.items()):
        read = num_read(layout)
        loud = max(1.0, read / MANY_INPUTS) ** 0.5  # a wide modality starts no louder than a narrow one
        parts.append(torch.where(presence_BM[:, m, None], features[name][:, :read] / loud, 0.0))
    return torch.cat(parts, 1)


def curved_columns(features: Mapping[str, Tensor], presence_BM: Tensor, layouts: Mapping[str, Layout]) -> Tensor:
    """Squares of events' levels, and what of other inputs lies above each knot; 0 for absent modalities: (B, C)."""
    parts = [presence_BM.new_zeros((len(presence_BM), 0), dtype=next(iter(features.values())).dtype)]
    for m, (name, layout) in enumerate(layouts.items()):
        bends = curves(may_curve(features[name], layout), layout)
        parts += [torch.where(presence_BM[:, m, None], curve_BC, 0.0) for curve_BC in bends]
    return torch.cat(parts, 1)


def may_curve(features_BF: Tensor, layout: Layout) -> Tensor:
    """The inputs of a modality that have curves: of events the levels, of wide modalities none."""
    read_BF = features_BF[:, : num_read(layout)]
    if layout.kind in WIDE or read_BF.shape[1] > MOST_CURVED:
        return read_BF[:, :0]
    if layout.kind != "events":
        return read_BF
    levels = [SUMMARY.index(name) for name in SQUARED]
    return read_BF.unflatten(1, (-1, len(SUMMARY)))[..., levels].flatten(1)


def curves(inputs_BF: Tensor, layout: Layout) -> list[Tensor]:
    """The curves of inputs that have them, (B, F) each: a square of events, a bend at each knot of other inputs."""
    return [inputs_BF**2] if layout.kind == "events" else [(inputs_BF - knot).relu() for knot in KNOTS]
