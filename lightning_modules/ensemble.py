"""The ensemble: fusion networks trained jointly, each without a group of people, beside experts that are too.

So whoever was trained on can be scored out of the bag, by the members that never saw them, and what members disagree
about is known of everybody.

Shapes: B batch, M modalities, K members, G groups of people, P patterns.
"""

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.func import functional_call, vmap

from cohorts.preprocessing import Layout
from lightning_modules.additive import AdditiveExpert
from lightning_modules.boosting import BoostingExpert
from lightning_modules.config import NetworkOptions
from lightning_modules.network import FusionNetwork

NOBODY = -1  # the group of who was not trained on
ROWS_AT_ONCE = 8192


@dataclass(frozen=True)
class Mixture:
    """How much of each part there is in a logit, for common and for rare patterns.

    Attributes:
        fusion: Weight of the networks' logit beside that of the additive expert.
        boosting: Share of the boosting expert; the additive expert and the networks together have the rest.
    """

    fusion: tuple[float, float] = (1.0, 1.0)
    boosting: tuple[float, float] = (0.0, 0.0)


def mixed(parts: Any, fusion: Any, boosting: Any) -> Any:
    """The logits of the additive expert, the networks and the boosting expert, (3, B), as one: (B,).

    Args:
        parts: Tensor or array.
        fusion: Weight of the networks, (B,) or one for all.
        boosting: Share of the boosting expert, likewise.
    """
    return (1 - boosting) * (parts[0] + fusion * parts[1]) + boosting * parts[2]


def in_pieces(
    evaluate: Callable[[dict[str, Tensor], Tensor, Tensor | None], Tensor],
    inputs: Mapping[str, np.ndarray],
    presence: np.ndarray,
    group: np.ndarray | None = None,
) -> np.ndarray:
    """What an ensemble in double precision, or a method of it, says of many people: float64, the last axis (N,)."""
    found = []
    with torch.inference_mode():
        for start in range(0, len(presence), ROWS_AT_ONCE):
            rows = slice(start, start + ROWS_AT_ONCE)
            features = {name: torch.as_tensor(values[rows], dtype=torch.float64) for name, values in inputs.items()}
            group_B = None if group is None else torch.as_tensor(group[rows])
            found.append(evaluate(features, torch.as_tensor(presence[rows]), group_B).numpy())
    return np.concatenate(found, axis=-1)


class Ensemble(nn.Module):
    """K fusion networks of one shape with weights of their own, and the experts that the options name.

    Member k had no training subject of group k modulo G. All weights of the members have K as their first dimension.

    Args:
        layouts: Modality to the layout of its inputs, in the order of the columns of presence.
        options: What to build.
    """

    common_PM: Tensor

    def __init__(self, layouts: Mapping[str, Layout], options: NetworkOptions) -> None:
        super().__init__()
        self.layouts, self.options, self.mixture = dict(layouts), options, Mixture()
        self.modalities, self.num_groups = list(layouts), options.num_groups
        with torch.device("meta"):  # the shape of a member, without weights; in a list, so that it is no part of this
            self._shape = [FusionNetwork(layouts, options)]
        networks = [FusionNetwork(layouts, options) for _ in range(options.num_members)]
        self.members = networks[0]
        for name, _ in networks[0].named_parameters():
            stacked = nn.Parameter(torch.stack([network.get_parameter(name).detach() for network in networks]))
            path, _, last = name.rpartition(".")
            setattr(self.members.get_submodule(path), last, stacked)
        starts = options.additive and options.fusion == "attention"
        self.additive = AdditiveExpert(layouts, self.num_groups) if starts else None
        self.boosting: BoostingExpert | None = None
        self.register_buffer("common_PM", torch.zeros((0, len(layouts)), dtype=torch.bool), persistent=False)

    def forward(self, features: Mapping[str, Tensor], presence_BM: Tensor, group_B: Tensor | None = None) -> Tensor:
        """Logits (B,); values of an absent modality are never read.

        Args:
            features: Modality to inputs, float (B, F); whatever stands in a row of an absent modality is not read.
            presence_BM: bool (B, M), True = measured.
            group_B: Group of each subject, int (B,): those are scored by what never saw their group. None: new people.
        """
        return mixed(self.parts_of(features, presence_BM, group_B), *self._shares(presence_BM))

    def by_member(self, features: Mapping[str, Tensor], presence_BM: Tensor, group_B: Tensor | None = None) -> Tensor:
        """What each member would say in the place of all, logits (K, B); of new people, `forward` is their mean."""
        group_B = self._group(presence_BM, group_B)
        offset_KB = self.offsets(features, presence_BM, group_B)
        own_KB = self.members_alone(features, presence_BM)
        trees_KB = self._trees(features, presence_BM, group_B).to(own_KB.dtype).expand_as(own_KB)
        return mixed(torch.stack([offset_KB, own_KB, trees_KB]), *self._shares(presence_BM))

    def _shares(self, presence_BM: Tensor) -> list[Tensor]:
        """Weight of the networks and share of the trees, each (B,)."""
        rare_B = self.rare(presence_BM)
        pairs = (self.mixture.fusion, self.mixture.boosting)
        return [torch.where(rare_B, rare, common).to(self.members.prior.dtype) for common, rare in pairs]

    def _trees(self, features: Mapping[str, Tensor], presence_BM: Tensor, group_B: Tensor) -> Tensor:
        """Logits of the boosting expert, (B,), 0 where there is none."""
        if self.boosting is None:
            return torch.zeros(len(presence_BM), device=presence_BM.device)
        return self.boosting(features, presence_BM, group_B)

    def parts_of(self, features: Mapping[str, Tensor], presence_BM: Tensor, group_B: Tensor | None = None) -> Tensor:
        """Logits of the additive expert, of the networks and of the boosting expert, 0 where there is none: (3, B)."""
        group_B = self._group(presence_BM, group_B)
        offset_KB = self.offsets(features, presence_BM, group_B)
        own_KB = self.members_alone(features, presence_BM)
        judge_KB = (self.left_out(group_B) | (group_B == NOBODY)).to(own_KB.dtype)
        parts = [(logits_KB * judge_KB).sum(0) / judge_KB.sum(0) for logits_KB in (offset_KB, own_KB)]
        return torch.stack([*parts, self._trees(features, presence_BM, group_B).to(parts[0].dtype)])

    def of_members(self, features: Mapping[str, Tensor], presence_BM: Tensor, group_B: Tensor | None = None) -> Tensor:
        """What each member says on top of the additive expert, logits (K, B)."""
        offset_KB = self.offsets(features, presence_BM, self._group(presence_BM, group_B))
        return offset_KB + self.members_alone(features, presence_BM)

    def members_alone(self, features: Mapping[str, Tensor], presence_BM: Tensor) -> Tensor:
        """Logits of the networks, (K, B)."""
        weights: dict[str, Tensor] = dict(self.members.named_parameters())
        shape = self._shape[0].train(self.training)

        def one(own: dict[str, Tensor]) -> Tensor:
            logits_B: Tensor = functional_call(shape, own, (features, presence_BM))
            return logits_B

        return vmap(one, randomness="different")(weights)

    def offsets(self, features: Mapping[str, Tensor], presence_BM: Tensor, group_B: Tensor) -> Tensor:
        """What each member starts from, logits (K, B): the additive expert without the member's group."""
        num_members = self.options.num_members
        if self.additive is None:
            return presence_BM.new_zeros((num_members, len(presence_BM)), dtype=self.members.prior.dtype)
        logits_GB = self.additive(features, presence_BM, group_B, self.rare(presence_BM))
        return logits_GB.repeat(num_members // self.num_groups, 1)

    def left_out(self, group_B: Tensor) -> Tensor:
        """Whether a member is trained without the group of a subject, int (B,): bool (K, B)."""
        own_K1 = torch.arange(self.options.num_members, device=group_B.device)[:, None] % self.num_groups
        return own_K1 == group_B

    def rare(self, presence_BM: Tensor) -> Tensor:
        """Whose pattern is none of the common ones of the sparse training subjects, bool (B,)."""
        if not len(self.common_PM):
            return presence_BM.new_zeros(len(presence_BM))
        return ~(presence_BM[:, None] == self.common_PM).all(-1).any(-1)

    def learn_common(self, patterns_PM: Tensor) -> None:
        """Say which patterns are common, bool (P, M)."""
        self.common_PM = patterns_PM.to(self.common_PM.device)

    def state(self) -> dict[str, Any]:
        """What is no tensor, as plain data."""
        trees = None if self.boosting is None else list(self.boosting.values_GTN.shape[1:])
        return {"mixture": asdict(self.mixture), "common": self.common_PM.cpu().tolist(), "trees": trees}

    def load_state(self, state: Mapping[str, Any]) -> None:
        """Back from plain data; the tensors are loaded after it."""
        self.mixture = Mixture(**{name: tuple(pair) for name, pair in state["mixture"].items()})
        self.boosting = BoostingExpert(self.layouts, self.num_groups, *state["trees"]) if state["trees"] else None
        self.learn_common(torch.tensor(state["common"], dtype=torch.bool).reshape(-1, len(self.modalities)))

    def parts(self) -> dict[str, list[nn.Parameter]]:
        """Parameters of the encoders, of the fusion, and of the heads."""
        return self.members.parts()

    @staticmethod
    def _group(presence_BM: Tensor, group_B: Tensor | None) -> Tensor:
        if group_B is not None:
            return group_B
        return torch.full((len(presence_BM),), NOBODY, device=presence_BM.device)
