"""Patterns of presence: named and counted."""

from collections.abc import Sequence

import numpy as np

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


def short_name(present: Sequence[str], modalities: Sequence[str]) -> str:
    """A pattern in few words.

    Example:
        >>> short_name(["labs", "ecg"], ["labs", "ecg", "imaging"]), short_name(["ecg"], ["labs", "ecg", "imaging"])
        ('all but imaging', 'ecg')
    """
    absent = [name for name in modalities if name not in present]
    if not absent:
        return "everything"
    return f"all but {', '.join(absent)}" if len(absent) < len(present) else "+".join(present) or NOTHING


def count_patterns(presence: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Distinct patterns, bool (P, M), and how many subjects have each, int (P,); the most frequent first."""
    unique, counts = np.unique(presence, axis=0, return_counts=True)
    order = np.argsort(-counts, kind="stable")
    return unique[order], counts[order]
