"""Weights under which the label does not depend on a sensitive feature among those who are trained on.

They are those of Kamiran and Calders (Knowl Inf Syst 33, 2012, 1-33): how often a group and a label would meet if they
were independent, over how often they do. A model that is trained so is assessed as any other; nothing is promised.
"""

from collections.abc import Mapping
from dataclasses import replace

import numpy as np

from cohorts.cohort import Cohort
from cohorts.splits import Split


def independence(label: np.ndarray, group: np.ndarray, weight: np.ndarray) -> np.ndarray:
    """By what to multiply weights, so that the weighted share of positives is the same in all groups.

    Groups keep the weight that they have together, and so do labels. A group that lacks a label keeps its own weights,
    as none could make it like the others, and takes no part in theirs.

    Args:
        label: 1 positive, 0 negative, (N,).
        group: Texts, (N,).
        weight: Above 0, (N,).

    Returns:
        Above 0, (N,).

    Example:
        >>> independence(np.array([1, 1, 0, 1, 0, 0]), np.array(list("aaabbb")), np.ones(6)).tolist()
        [0.75, 0.75, 1.5, 1.5, 0.75, 0.75]
    """
    both = np.isin(group, with_both_labels(label, group))
    factor, total = np.ones(len(label)), weight[both].sum()
    for name in np.unique(group[both]):
        for value in (0, 1):
            of_group, of_label = both & (group == name), both & (label == value)
            cell = of_group & of_label
            factor[cell] = weight[of_group].sum() * weight[of_label].sum() / (total * weight[cell].sum())
    return factor


def reweighed(people: Cohort, split: Split, weights: Mapping[str, float], feature: str) -> Cohort:
    """The same people, of whom those who are trained on have other weights; do not calibrate or judge by them.

    Args:
        people: Everybody.
        split: Who is in which part.
        weights: Cohort, rich or sparse, to the weight of its subjects' loss beside their own; 0 leaves it out.
        feature: A sensitive feature.
    """
    share = np.zeros(len(people))
    for role, weight in weights.items():
        share[split.rows(f"{role}_train", f"{role}_tuning")] = weight
    used, factor = share > 0, np.ones(len(people))
    group = people.sensitive[feature].to_numpy().astype(str)
    factor[used] = independence(people.label[used], group[used], (share * people.weight)[used])
    return replace(people, weight=people.weight * factor)


def with_both_labels(label: np.ndarray, group: np.ndarray) -> np.ndarray:
    """Groups with a positive and a negative, sorted; of no others can the label be made independent."""
    return np.intersect1d(group[label == 1], group[label == 0])
