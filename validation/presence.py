"""What presence alone tells: how well the pattern of present modalities gives away the label, or a group."""

from collections.abc import Sequence

import numpy as np
import pandas as pd

from cohorts.statistics import mean_and_covariance
from validation.estimands import Auroc
from validation.predictions import weights_of
from validation.statistics import effective_size

LABEL, ALL = "label", "all"


def presence_auroc(pattern: np.ndarray, target: np.ndarray, weight: np.ndarray | None = None) -> Auroc:
    """AUROC of a target from the pattern alone: from the share who have it among the others of the same pattern.

    Who is scored is left out of that share, since a rare pattern's share is mostly its own people. But leaving out one
    lowers the share of everybody with the target and raises that of all the others, so that among people of one pattern
    the order would always be wrong. So, of each pair to be compared, both are left out (leave-pair-out, Airola et al.,
    Comput Stat Data Anal 55, 2011, 1828-1844): two of one pattern are a tie, and chance gives 0.5.

    Args:
        pattern: Texts or codes (N,).
        target: bool (N,).
        weight: Survey or sampling weights, (N,); None for equal ones.

    Returns:
        Area with DeLong's variance, which takes the shares as they are; NaN where nobody, or everybody, is a target.

    Example:
        >>> target = np.array([True, True, True, False, False, False])
        >>> presence_auroc(np.array(["ecg"] * 6), target).value
        0.5
        >>> presence_auroc(np.array(["ecg", "ecg", "ecg", "labs", "labs", "labs"]), target).value
        1.0
    """
    mass = np.ones(len(target)) if weight is None else weight
    positive = np.asarray(target, dtype=bool)
    counts = int(positive.sum()), int((~positive).sum())
    if min(counts) == 0:
        return Auroc(float("nan"), float("nan"), *counts)
    right = _right(pd.factorize(pattern)[0], positive, weight)
    of_class = [None if weight is None else weight[chosen] for chosen in (positive, ~positive)]
    area, variance = mean_and_covariance(right[None, positive], of_class[0])
    variance = variance + mean_and_covariance(right[None, ~positive], of_class[1])[1]
    rarer = None if weight is None else min(effective_size(mass[positive]), effective_size(mass[~positive]))
    return Auroc(float(area[0]), float(variance[0, 0]), *counts, rarer=rarer)


def presence_alone(
    held_out: pd.DataFrame, groups: Sequence[tuple[str, str, pd.Series]], alpha: float, least: int
) -> pd.DataFrame:
    """How well the pattern alone tells the label, and each group from everybody else, among the held-out people.

    Args:
        held_out: Predictions.
        groups: Feature, group and membership, as `Evidence.groups`.
        alpha: One-sided level of the bounds.
        least: Smallest number of people of a group, and of everybody else, of whom a figure is given.

    Returns:
        One row a target, the label first: target ("label", or such as "sex female"), feature, group, value, lower,
        upper, num_subjects, num_positives, num_negatives (of the group; of everybody in the row of the label).
    """
    pattern, label, weight = (
        pd.factorize(held_out["pattern"])[0],
        (held_out["label"] == 1).to_numpy(),
        weights_of(held_out),
    )
    everybody = np.ones(len(held_out), dtype=bool)
    targets = [(LABEL, LABEL, ALL, label, everybody)]
    targets += [(f"{f} {g}", f, g, member.to_numpy(), member.to_numpy()) for f, g, member in groups]
    rows = []
    for target, feature, group, truth, counted in targets:
        area = presence_auroc(pattern, truth, weight)
        enough = min(area.num_positives, area.num_negatives) >= least
        figures = (area.value, *area.interval(alpha)) if enough else (float("nan"),) * 3
        positives = int(label[counted].sum())
        rows.append((target, feature, group, *figures, int(counted.sum()), positives, int(counted.sum()) - positives))
    columns = ["target", "feature", "group", "value", "lower", "upper", "num_subjects", "num_positives"]
    return pd.DataFrame(rows, columns=[*columns, "num_negatives"])


def _right(code: np.ndarray, positive: np.ndarray, weight: np.ndarray | None) -> np.ndarray:
    """For each of the people, the part of the other class that is on the right side of them, (N,).

    Without weights, those who are alike in pattern and target are in one cell, and worked out once.
    """
    kind = code * 2 + positive
    cell, kinds = pd.factorize(kind) if weight is None else (np.arange(len(kind)), kind)
    num, mass = np.bincount(cell), np.ones(len(kinds)) if weight is None else weight
    pattern, target = kinds // 2, kinds % 2 == 1
    share = _share_among_others(pattern, target, mass, num)
    right = np.empty(len(kinds))
    right[target] = _placed(share, pattern, mass * num, target, ~target)
    right[~target] = 1 - _placed(share, pattern, mass * num, ~target, target)
    return right[cell]


def _share_among_others(code: np.ndarray, positive: np.ndarray, mass: np.ndarray, num: np.ndarray) -> np.ndarray:
    """Share of targets among the others of the same pattern; among all others, where nobody else has it.

    Args:
        code, positive: Pattern and target of each cell, (C,).
        mass: Of one of its people, (C,).
        num: How many they are, (C,).
    """
    own = positive * mass
    of_pattern = np.bincount(code, num * mass)[code] - mass
    targets = np.bincount(code, num * own)[code] - own
    alone = np.bincount(code, num)[code] == 1
    among_all = ((num * own).sum() - own) / ((num * mass).sum() - mass)
    return np.where(alone, among_all, targets / np.where(alone, 1.0, of_pattern))


def _placed(share: np.ndarray, code: np.ndarray, mass: np.ndarray, of: np.ndarray, among: np.ndarray) -> np.ndarray:
    """For each of some cells, the part of others, by mass, whose share is lower; those of one pattern count half."""
    below = _mass_below(share[of], share[among], mass[among])
    for number in np.unique(code[of]):
        mine, same = code[of] == number, among & (code == number)
        within = _mass_below(share[of][mine], share[same], mass[same])
        below[mine] += mass[same].sum() / 2 - within
    return below / mass[among].sum()


def _mass_below(values: np.ndarray, others: np.ndarray, mass: np.ndarray) -> np.ndarray:
    order = np.argsort(others)
    up_to = np.concatenate([[0.0], np.cumsum(mass[order])])
    places = [np.searchsorted(others[order], values, side) for side in ("left", "right")]
    below: np.ndarray = (up_to[places[0]] + up_to[places[1]]) / 2
    return below
