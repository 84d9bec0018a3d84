"""Who has which modality, and how well the model serves each pattern."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from cohorts.missingness import NOTHING
from validation.estimands import Estimand, Rate, RateGap
from validation.holdout import auroc_by
from validation.predictions import NOT_GIVEN, UNKNOWN
from validation.tally import share_of, tally

OTHER = "all other patterns"


def modalities_of(pattern: pd.Series) -> list[str]:
    """Names of the modalities that anybody has, by name; none where patterns were not given.

    Example:
        >>> modalities_of(pd.Series(["labs+ecg", "labs", "(none)", "Unknown"]))
        ['ecg', 'labs']
        >>> modalities_of(pd.Series(["not given"]))
        []
    """
    return sorted({name for names in pattern.unique() for name in names.split("+")} - {NOTHING, NOT_GIVEN, UNKNOWN})


def having(people: pd.DataFrame, modality: str) -> np.ndarray:
    """Who has a modality, by the column `pattern`, bool (N,)."""
    has = {pattern: modality in pattern.split("+") for pattern in people["pattern"].unique()}
    return people["pattern"].map(has).to_numpy(dtype=bool)


def availability(people: pd.DataFrame, modalities: Sequence[str], by: str, alpha: float) -> pd.DataFrame:
    """Share of subjects who have each modality, by a column of the predictions or of a table like them.

    Args:
        people: With a column `pattern` and the column `by`; a column `weight` weights the shares.
        modalities: Names.
        by: Column of the groups.
        alpha: One-sided level of the bounds.

    Returns:
        One row a group and modality: group, num_subjects, num_present, num_absent, modality, value, lower, upper.
    """
    rows = []
    for group, part in tally(people, [by, "pattern"]).groupby(by):
        num = int(part["num"].sum())
        for modality in modalities:
            has = having(part, modality)
            share = share_of(part, has)
            lower, upper = share.interval(alpha)
            num_present = int(part["num"][has].sum())
            counts = {"num_subjects": num, "num_present": num_present, "num_absent": num - num_present}
            figures = {"value": share.value, "lower": lower, "upper": upper}
            rows.append({"group": group, "modality": modality, **counts, **figures})
    return pd.DataFrame(rows)


@dataclass(frozen=True)
class GapBetween(Estimand):
    """A gap of two rates of which a count may not be told: the bounds hold whatever it is.

    Attributes:
        least, most: The gap with the hidden counts that make it smallest, and largest.
    """

    least: RateGap
    most: RateGap
    unit: str = "subjects"

    @property
    def value(self) -> float:
        return (self.least.value + self.most.value) / 2

    @property
    def support(self) -> float:
        return self.least.support

    def interval(self, alpha: float) -> tuple[float, float]:
        return self.least.interval(alpha)[0], self.most.interval(alpha)[1]

    def scaled(self, factor: float) -> "GapBetween":
        return GapBetween(self.least.scaled(factor), self.most.scaled(factor))


def availability_gap(has: np.ndarray, member: np.ndarray, weight: np.ndarray | None, least: int) -> Estimand:
    """Share of a group who have a modality, minus that of everybody else.

    Args:
        has: Who has the modality, bool (N,).
        member: Who is in the group, bool (N,); some are, and some are not.
        weight: Survey or sampling weights, (N,); None for equal ones.
        least: Smallest count that is shown. Where from 1 to `least` - 1 people of a side have the modality, or lack it,
            their number is not told, and the bounds are those of all that it may be.
    """
    group, complement = (Rate.of(has & side, side, weight) for side in (member, ~member))
    inside = _possible(group, int((has & member).sum()), least)
    outside = _possible(complement, int((has & ~member).sum()), least)
    if inside is None and outside is None:
        return RateGap(group, complement)
    (low, high), (other_low, other_high) = inside or (group, group), outside or (complement, complement)
    return GapBetween(RateGap(low, other_high), RateGap(high, other_low))


def _possible(rate: Rate, num_present: int, least: int) -> tuple[Rate, Rate] | None:
    """The rate with the fewest and the most who may have it; None where their number may be told.

    With weights, as if these few weighed as much as the others.
    """
    people = int(rate.support)
    num_absent = people - num_present
    few = [0 < count < least for count in (num_present, num_absent)]
    if not any(few):
        return None
    both = people < 2 * least  # one count would tell of the other
    fewest = 1 if few[0] or both else people - least + 1
    most = people - 1 if few[1] or both else least - 1
    low, high = (replace(rate, successes=rate.total * count / people) for count in (fewest, most))
    return low, high


def pattern_groups(pattern: pd.Series, least_share: float) -> pd.Series:
    """Patterns, those below a share of the people joined to one group, so that every subject is in some group.

    Example:
        >>> pattern_groups(pd.Series(["a", "a", "a", "b"]), 0.5).tolist()
        ['a', 'a', 'a', 'all other patterns']
    """
    codes, names = pd.factorize(pattern)
    common = np.bincount(codes, minlength=len(names)) >= least_share * len(pattern)
    groups = sorted({str(name) if kept else OTHER for name, kept in zip(names, common, strict=True)})
    place = [groups.index(str(name) if kept else OTHER) for name, kept in zip(names, common, strict=True)]
    return pd.Series(
        pd.Categorical.from_codes(np.array(place, dtype=int)[codes], pd.Index(groups)), index=pattern.index
    )


def performance_by_pattern(held_out: pd.DataFrame, least_share: float, alpha: float) -> pd.DataFrame:
    """AUROC by pattern, as `auroc_by`."""
    return auroc_by(held_out, pattern_groups(held_out["pattern"], least_share), alpha)
