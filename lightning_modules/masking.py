"""Modality masking: which present modalities a training step hides. Never all, and down to one.

Shapes: B batch, N sparse training subjects, M modalities, P patterns, S strata.
"""

from collections.abc import Mapping, Sequence

import numpy as np
import torch
from torch import Tensor

from cohorts.cohort import Cohort
from cohorts.missingness import count_patterns
from cohorts.preprocessing import Preprocessing
from cohorts.splits import Split
from lightning_modules.config import MaskingOptions, names_in
from lightning_modules.feature_masking import hide_features

FEWEST_IN_A_STRATUM = 11
STRATUM = "stratum"  # its name in a batch


class ModalityMasking:
    """Draws what each subject of a batch keeps.

    Args:
        options: Policy and rates.
        target_presence: Presence of the sparse training subjects, bool (N, M); the policy `empirical` draws its
            patterns from them, and from nobody else.
        modalities: Names, M of them; needed where the options name some.
        target_stratum: Stratum of the same subjects, int (N,), as `strata` numbers them.
        feature_of_input: Modality to the number of the feature that each input tells of; needed to hide features.
    """

    def __init__(
        self,
        options: MaskingOptions,
        target_presence: np.ndarray,
        modalities: Sequence[str] = (),
        *,
        target_stratum: np.ndarray | None = None,
        feature_of_input: Mapping[str, np.ndarray] | None = None,
    ) -> None:
        self.options = options
        assert set(options.rates or {}) <= set(modalities), "MaskingOptions.check comes first"
        self.rates_M = torch.tensor(
            [(options.rates or {}).get(name, options.rate) for name in modalities]
            or [options.rate] * target_presence.shape[1]
        )
        table = options.policy == "table"
        patterns, counts = _stated(options, modalities) if table else count_patterns(target_presence)
        self.patterns_PM = torch.as_tensor(patterns)
        self.frequencies_P = torch.as_tensor(counts / counts.sum(), dtype=torch.float64)
        self._keep_strata(target_presence, target_stratum)
        self.feature_of_input = {name: torch.as_tensor(of) for name, of in (feature_of_input or {}).items()}

    def _keep_strata(self, presence: np.ndarray, stratum: np.ndarray | None) -> None:
        """The subjects sorted by stratum, and where each stratum begins; everybody belongs to stratum 0."""
        stratum = np.zeros(len(presence), dtype=int) if stratum is None else stratum
        counts = np.bincount(stratum)
        first = np.cumsum(counts) - counts
        first[0], counts[0] = 0, len(presence)
        self.target_NM = torch.as_tensor(presence[np.argsort(stratum, kind="stable")])
        self.first_S, self.counts_S = torch.as_tensor(first), torch.as_tensor(counts)

    def __call__(
        self,
        presence_BM: Tensor,
        generator: torch.Generator | None = None,
        *,
        stratum_B: Tensor | None = None,
        progress: float = 1.0,
    ) -> Tensor:
        """Presence after masking, bool (B, M): a subset of `presence`, with at least one True where that has one.

        Drawn on the CPU, so that a seed means the same on every device.

        Args:
            presence_BM: bool, True = measured.
            generator: On the CPU; torch's own where it is None.
            stratum_B: Stratum of each subject; without it, patterns are those of everybody.
            progress: Share of the training steps that lie behind, 0 to 1, by which a curriculum rises.
        """
        if self.options.policy == "none":
            return presence_BM
        presence = presence_BM.cpu()
        share = self.options.share * self._risen(progress)
        kept = presence & (self._draw(presence, stratum_B, generator) | ~self._chance(share, presence, generator))
        order_BM = torch.rand(presence.shape, generator=generator).masked_fill(~presence, -1.0)
        single = torch.zeros_like(presence).scatter_(1, order_BM.argmax(1, keepdim=True), True) & presence
        alone = self._chance(self.options.alone_share, presence, generator) | ~kept.any(1, keepdim=True)
        return torch.where(alone, single, kept).to(presence_BM.device)

    def of_features(
        self, features: Mapping[str, Tensor], generator: torch.Generator | None = None
    ) -> dict[str, Tensor]:
        """Inputs of a training step, float (B, F) a modality, some of their features hidden; for no others."""
        if not self.options.feature_rate:
            return dict(features)
        return {
            name: hide_features(inputs_BF, self.feature_of_input[name], self.options.feature_rate, generator)
            for name, inputs_BF in features.items()
        }

    def _draw(self, presence: Tensor, stratum_B: Tensor | None, generator: torch.Generator | None) -> Tensor:
        """What the policy keeps of all modalities, bool (B, M)."""
        if self.options.policy == "rate":
            return torch.rand(presence.shape, generator=generator) >= self.rates_M
        if self.options.policy == "random_rate":
            rate_B1 = self.options.most_rate * torch.rand(len(presence), 1, generator=generator)
            return torch.rand(presence.shape, generator=generator) >= rate_B1
        if self.options.policy == "empirical" and stratum_B is not None:
            stratum = stratum_B.cpu()
            place_B = torch.rand(len(presence), generator=generator, dtype=torch.float64) * self.counts_S[stratum]
            return self.target_NM[self.first_S[stratum] + place_B.long()]
        index = torch.multinomial(self.frequencies_P, len(presence), replacement=True, generator=generator)
        return self.patterns_PM[index]

    def _risen(self, progress: float) -> float:
        return min(1.0, progress / self.options.curriculum) if self.options.curriculum else 1.0

    @staticmethod
    def _chance(share: float, presence: Tensor, generator: torch.Generator | None) -> Tensor:
        return torch.rand(len(presence), 1, generator=generator) < share


def _stated(options: MaskingOptions, modalities: Sequence[str]) -> tuple[np.ndarray, np.ndarray]:
    """The patterns of the options, bool (P, M), and their weights (P,)."""
    patterns = [names_in(pattern) for pattern in options.patterns or {}]
    assert frozenset().union(*patterns) <= set(modalities), "MaskingOptions.check comes first"
    rows = [[name in pattern for name in modalities] for pattern in patterns]
    return np.array(rows), np.array(list((options.patterns or {}).values()))


def masking_for(
    options: MaskingOptions, people: Cohort, split: Split, preprocessing: Preprocessing
) -> tuple[ModalityMasking, dict[str, np.ndarray]]:
    """The masking of a training stage, and what its batches must carry along: name to int (N,) of all people."""
    sparse = split.rows("sparse_train")
    stratum = strata(people, sparse, options.given)
    masking = ModalityMasking(
        options,
        people.presence_of(preprocessing.fitted)[sparse],
        list(preprocessing.fitted),
        target_stratum=stratum[sparse],
        feature_of_input=preprocessing.feature_of_input,
    )
    return masking, {STRATUM: stratum} if options.given else {}


def strata(people: Cohort, sparse: np.ndarray, given: Sequence[str]) -> np.ndarray:
    """Number of each subject's stratum, int (N,): those who have the same values are in the same.

    Args:
        people: Everybody.
        sparse: Positions of the sparse training subjects, from whom patterns are drawn.
        given: Sensitive features, or `site`.

    Returns:
        From 1 on; 0 for who shares the values of fewer than FEWEST_IN_A_STRATUM of the sparse training subjects.
    """
    if not given:
        return np.zeros(len(people), dtype=int)
    columns = people.sensitive if "site" in people.sensitive else people.sensitive.assign(site=people.site)
    values = columns.groupby(list(given)).ngroup().to_numpy()
    enough = np.bincount(values[sparse], minlength=values.max() + 1) >= FEWEST_IN_A_STRATUM
    return np.where(enough, np.cumsum(enough), 0)[values]
