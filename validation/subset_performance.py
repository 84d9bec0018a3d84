"""What a model loses without modalities, on the same people: by subset, by number, by group, and by missingness."""

from collections.abc import Sequence

import numpy as np
import pandas as pd

from validation.estimands import Auroc, Mean
from validation.subsets import MISSINGNESS, Subsets, mean_auroc

EVERYTHING = "everything present"
ALL = "all"


def by_subset(subsets: Subsets, alpha: float) -> pd.DataFrame:
    """AUROC of complete subjects under each subset, and what is lost against the whole, paired.

    Returns:
        One row a subset, the whole first: subset, num_modalities, value, lower, upper, change (of the AUROC, below 0
        where the subset is worse), change_lower, change_upper.
    """
    rows = []
    for name, subset, scores in zip(subsets.names, subsets.subsets, subsets.scores, strict=True):
        area = Auroc.of(subsets.label, scores, subsets.weight)
        change = Mean.auroc_gain(subsets.label, scores, subsets.scores[0], subsets.weight)
        figures = (area.value, *area.interval(alpha), change.value, *change.interval(alpha))
        rows.append((name, int(subset.sum()), *figures))
    columns = ["subset", "num_modalities", "value", "lower", "upper", "change", "change_lower", "change_upper"]
    return pd.DataFrame(rows, columns=columns)


def by_num_removed(subsets: Subsets, alpha: float) -> pd.DataFrame:
    """The degradation curve: AUROC of complete subjects by how many modalities are removed.

    Returns:
        One row a number: num_removed, num_subsets, mean (over these subsets), lower, upper (of the mean), best, worst,
        worst_subset.
    """
    rows, size = [], subsets.subsets.sum(axis=1)
    for left in range(len(subsets.modalities), 0, -1):
        chosen = np.flatnonzero(size == left)
        if not len(chosen):
            continue
        mean = mean_auroc(subsets.label, subsets.scores[chosen], subsets.weight)
        areas = [Auroc.of(subsets.label, subsets.scores[row], subsets.weight).value for row in chosen]
        lower, upper = mean.interval(alpha)
        worst = subsets.names[chosen[int(np.argmin(areas))]]
        removed = len(subsets.modalities) - left
        rows.append((removed, len(chosen), mean.value, lower, upper, max(areas), min(areas), worst))
    columns = ["num_removed", "num_subsets", "mean", "lower", "upper", "best", "worst", "worst_subset"]
    return pd.DataFrame(rows, columns=columns)


def loss_without(subsets: Subsets, modality: str, member: np.ndarray) -> Mean:
    """AUROC without one modality, minus AUROC with all that are common, paired; of the members, bool (n,)."""
    scores = subsets.without(modality)[member], subsets.scores[0][member]
    return Mean.auroc_gain(subsets.label[member], *scores, None if subsets.weight is None else subsets.weight[member])


def modality_effects(subsets: Subsets, groups: Sequence[tuple[str, str, pd.Series]], alpha: float) -> pd.DataFrame:
    """What each group loses when one modality is removed, on complete subjects.

    Args:
        subsets: Of at least two modalities; of fewer there is no row.
        groups: Feature, group and membership of the held-out subjects, as `Evidence.groups`.
        alpha: One-sided level of the bounds.

    Returns:
        One row a group and modality, the group "all" first: feature, group, modality, value (change of the AUROC,
        below 0 where the modality helps), lower, upper, num_subjects, num_positives, num_negatives (complete subjects).
        Figures are NaN where a class has nobody.
    """
    everybody = np.ones(len(subsets.label), dtype=bool)
    members = [(ALL, ALL, everybody)]
    members += [(feature, group, member.to_numpy()[subsets.held_out]) for feature, group, member in groups]
    rows = []
    for feature, group, member in members:
        positives = int((subsets.label[member] == 1).sum())
        counts = (int(member.sum()), positives, int(member.sum()) - positives)
        for modality in subsets.modalities if len(subsets.modalities) > 1 else ():
            change = loss_without(subsets, modality, member)
            rows.append((feature, group, modality, change.value, *change.interval(alpha), *counts))
    columns = ["feature", "group", "modality", "value", "lower", "upper"]
    return pd.DataFrame(rows, columns=[*columns, "num_subjects", "num_positives", "num_negatives"])


def under_missingness(subsets: Subsets, missingness: str) -> Auroc:
    """AUROC of complete subjects when each shows what was drawn for it, averaged over the draws.

    Args:
        subsets: With at least one modality.
        missingness: One of MISSINGNESS, or EVERYTHING.
    """
    scores = subsets.scores[:1] if missingness == EVERYTHING else subsets.drawn[missingness]
    return mean_auroc(subsets.label, scores, subsets.weight)


def pattern_shift(subsets: Subsets, alpha: float) -> pd.DataFrame:
    """AUROC of complete subjects had they other modalities: the same people and model, another missingness.

    Returns:
        One row a missingness: missingness, value, lower, upper. "as held out": patterns of the held-out people, within
        the common modalities; "completely at random": each modality for the same share, independently of all else;
        "everything present"; "reversed": at random, and the modality that most have for the share of that which the
        fewest have, and so on. Who would show nothing shows one modality.
    """
    rows = []
    for missingness in (MISSINGNESS[0], EVERYTHING, *MISSINGNESS[1:]) if subsets.modalities else ():
        area = under_missingness(subsets, missingness)
        rows.append((missingness, area.value, *area.interval(alpha)))
    return pd.DataFrame(rows, columns=["missingness", "value", "lower", "upper"])
