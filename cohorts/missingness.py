"""Patterns of presence: named, counted, described."""

from collections.abc import Sequence

import numpy as np
import pandas as pd

NOTHING = "(none)"


def pattern_names(presence: np.ndarray, modalities: Sequence[str]) -> np.ndarray:
    """Name each subject's pattern.

    Args:
        presence: bool (N, M), True = measured.
        modalities: Names, M of them.

    Returns:
        Texts (N,): the present modalities joined by "+", or "(none)".

    Example:
        >>> pattern_names(np.array([[True, True], [False, True], [False, False]]), ["clinical", "ecg"]).tolist()
        ['clinical+ecg', 'ecg', '(none)']
    """
    unique, index = np.unique(presence, axis=0, return_inverse=True)
    names = ["+".join(np.asarray(modalities)[row]) or NOTHING for row in unique]
    return np.array(names, dtype=object)[index.ravel()]


def presence_of_patterns(patterns: Sequence[str], modalities: Sequence[str]) -> np.ndarray:
    """The way back from names to presence, bool (N, M).

    Example:
        >>> presence_of_patterns(["ecg", "(none)"], ["clinical", "ecg"]).tolist()
        [[False, True], [False, False]]
    """
    sets = [set(pattern.split("+")) for pattern in patterns]
    return np.array([[name in present for name in modalities] for present in sets], dtype=bool)


def count_patterns(presence: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Distinct patterns, bool (P, M), and how many subjects have each, int (P,); the most frequent first."""
    unique, counts = np.unique(presence, axis=0, return_counts=True)
    order = np.argsort(-counts, kind="stable")
    return unique[order], counts[order]


def availability(presence: np.ndarray, modalities: Sequence[str], by: np.ndarray) -> pd.DataFrame:
    """Share of subjects who have each modality, by group.

    Args:
        presence: bool (N, M).
        modalities: Names, M of them.
        by: Group of each subject, (N,).

    Returns:
        One row a group, one column a modality, values 0 to 1.
    """
    return pd.DataFrame(presence.astype(float), columns=list(modalities)).groupby(np.asarray(by)).mean()
