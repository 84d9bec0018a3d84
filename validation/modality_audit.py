"""Who has which modality, and how well the model serves each pattern."""

from collections.abc import Sequence

import numpy as np
import pandas as pd

from validation.holdout import auroc_by
from validation.tally import share_of, tally

OTHER = "all other patterns"


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
            has = np.array([modality in pattern.split("+") for pattern in part["pattern"]])
            share = share_of(part, has)
            lower, upper = share.interval(alpha)
            num_present = int(part["num"][has].sum())
            counts = {"num_subjects": num, "num_present": num_present, "num_absent": num - num_present}
            figures = {"value": share.value, "lower": lower, "upper": upper}
            rows.append({"group": group, "modality": modality, **counts, **figures})
    return pd.DataFrame(rows)


def pattern_groups(pattern: pd.Series, least_share: float) -> pd.Series:
    """Patterns, those below a share of the people joined to one group, so that every subject is in some group.

    Example:
        >>> pattern_groups(pd.Series(["a", "a", "a", "b"]), 0.5).tolist()
        ['a', 'a', 'a', 'all other patterns']
    """
    share = pattern.map(pattern.value_counts(normalize=True))
    return pattern.where(share >= least_share, OTHER)


def performance_by_pattern(held_out: pd.DataFrame, least_share: float, alpha: float) -> pd.DataFrame:
    """AUROC by pattern, as `auroc_by`."""
    return auroc_by(held_out, pattern_groups(held_out["pattern"], least_share), alpha)
