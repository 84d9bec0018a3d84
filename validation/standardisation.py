"""Gaps between groups, split into who has the modality and how the model treats the same pattern.

A group may have a lower sensitivity because its people lack modalities, or because the model serves it worse with the
same ones. Direct standardisation tells these apart: both sides are given one distribution of patterns (Kitagawa, JASA
50, 1955, 1168-1194), and the gap that is left is one of treatment.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from validation.estimands import Rate, RateGap
from validation.predictions import weights_of

METRICS = {"sensitivity": 1, "specificity": 0}
"""Rates at the operating point, and the label of those whom they are of."""
NOTHING = (float("nan"),) * 8


@dataclass(frozen=True)
class StandardisedGap:
    """A rate of a group minus that of everybody else, had both the same distribution of patterns.

    Attributes:
        group, complement: Rates by pattern, of the patterns that both sides have.
        share: Of these patterns, in the common distribution; they add up to 1.
        covered: Share of all people of the denominator who have one of these patterns.
    """

    group: tuple[Rate, ...]
    complement: tuple[Rate, ...]
    share: tuple[float, ...]
    covered: float

    @property
    def value(self) -> float:
        """NaN where the sides share no pattern."""
        terms = zip(self.share, self.group, self.complement, strict=True)
        return sum((w * (a.value - b.value) for w, a, b in terms), 0.0) if self.share else float("nan")

    def interval(self, alpha: float) -> tuple[float, float]:
        """From Wilson's intervals of the rates, by the method of variance estimates recovery.

        (Zou and Donner, Stat Med 27, 2008, 1693-1702.) With one pattern it is Newcombe's. The common distribution
        counts as known.
        """
        below = above = 0.0
        for w, a, b in zip(self.share, self.group, self.complement, strict=True):
            (low, high), (other_low, other_high) = a.interval(alpha), b.interval(alpha)
            below += w**2 * ((a.value - low) ** 2 + (other_high - b.value) ** 2)
            above += w**2 * ((high - a.value) ** 2 + (b.value - other_low) ** 2)
        return self.value - float(np.sqrt(below)), self.value + float(np.sqrt(above))


def standardise(
    success: np.ndarray, pattern: np.ndarray, member: np.ndarray, weight: np.ndarray | None = None
) -> StandardisedGap:
    """The gap of a group, standardised to the patterns of all people of the rate's denominator.

    Args:
        success: Of whom the rate counts, bool (N,), N at least 1.
        pattern: Their patterns, texts or codes (N,).
        member: Who is in the group, bool (N,).
        weight: Survey or sampling weights, (N,); None for equal ones.

    Example:
        >>> pattern = np.array(["ecg", "ecg", "labs", "labs", "labs", "ecg"])
        >>> member = np.array([True, False, True, False, False, False])
        >>> gap = standardise(pattern == "ecg", pattern, member)  # whoever has the ecg is found
        >>> gap.value, gap.covered
        (0.0, 1.0)
    """
    mass = np.ones(len(success)) if weight is None else weight
    group: list[Rate] = []
    complement: list[Rate] = []
    share: list[float] = []
    for name in np.intersect1d(pd.unique(pattern[member]), pd.unique(pattern[~member])):
        same = pattern == name
        for side, rates in ((member, group), (~member, complement)):
            rates.append(Rate.of(success & same & side, same & side, weight))
        share.append(float(mass[same].sum() / mass.sum()))
    covered = sum(share)
    return StandardisedGap(tuple(group), tuple(complement), tuple(part / covered for part in share), covered)


def standardised_gaps(
    held_out: pd.DataFrame, groups: Sequence[tuple[str, str, pd.Series]], threshold: float, alpha: float, least: int
) -> pd.DataFrame:
    """The gap of every group to everybody else, and its two parts.

    Args:
        held_out: Predictions.
        groups: Feature, group and membership, as `Evidence.groups`.
        threshold: Operating point.
        alpha: One-sided level of the bounds.
        least: Smallest number of people of either side of whom a figure is given, and of those with shared patterns.

    Returns:
        One row a group and metric: feature, group, metric, gap, gap_lower, gap_upper (Newcombe), treatment,
        treatment_lower, treatment_upper (the gap with the same patterns), availability (the rest: who has the
        modality), covered (share of the people, over whose patterns treatment is told; NaN where a few lack), and
        num_subjects, num_positives, num_negatives of the group. NaN where there are too few.
    """
    label, weight = held_out["label"].to_numpy(), weights_of(held_out)
    flagged, pattern = (held_out["score"] >= threshold).to_numpy(), pd.factorize(held_out["pattern"], sort=True)[0]
    rows = []
    for feature, group, membership in groups:
        member = membership.to_numpy(dtype=bool)
        positives = int(label[member].sum())
        counts = (int(member.sum()), positives, int(member.sum()) - positives)
        for metric, value in METRICS.items():
            base = label == value
            of_base = None if weight is None else weight[base]
            figures = _figures(flagged[base] == value, pattern[base], member[base], of_base, alpha, least)
            rows.append((feature, group, metric, *figures, *counts))
    columns = ["feature", "group", "metric", "gap", "gap_lower", "gap_upper", "treatment", "treatment_lower"]
    columns += ["treatment_upper", "availability", "covered", "num_subjects", "num_positives", "num_negatives"]
    return pd.DataFrame(rows, columns=columns)


def _figures(
    success: np.ndarray,
    pattern: np.ndarray,
    member: np.ndarray,
    weight: np.ndarray | None,
    alpha: float,
    least: int,
) -> tuple[float, ...]:
    """Gap with its bounds, treatment with its bounds, availability, covered; NaN where too few people stand behind."""
    if min(member.sum(), (~member).sum()) < least:
        return NOTHING
    raw = RateGap(*(Rate.of(success & side, side, weight) for side in (member, ~member)))
    figures = (raw.value, *raw.interval(alpha))
    gap = standardise(success, pattern, member, weight)
    shared = [sum(rate.support for rate in rates) for rates in (gap.group, gap.complement)]
    few_lack = 0 < len(success) - sum(shared) < least
    covered = float("nan") if few_lack or 0 < sum(shared) < least else gap.covered
    if min(shared) < least:
        return (*figures, *NOTHING[:4], covered)
    return (*figures, gap.value, *gap.interval(alpha), raw.value - gap.value, covered)
