"""Rows that do not belong together: an association between two tables that holds for some people and not for others.

A join by row number, or a table that was sorted or cut before it was exported, gives people the values of others from
some row on. Each table alone looks right; only what two tables say of one person no longer fits.
"""

from itertools import combinations

import numpy as np
import pandas as pd
from scipy.stats import norm, rankdata

from cohorts.cohort import Cohort
from cohorts.leaks import summaries

MOST_SUBJECTS = 20_000
MOST_PAIRS = 6  # of features between two modalities
LEAST_IN_A_BLOCK = 60
LEAST_ASSOCIATION = 0.3  # rank correlation among the others
LEVEL = 1e-3  # two-sided, before Bonferroni's correction over all tests


def rows_apart(cohort: Cohort) -> pd.DataFrame:
    """Parts of the cohort in which associations between modalities of different tables vanish.

    For each pair of modalities, the rank correlations that are strongest overall are compared between every block of
    consecutive subjects (in the order of the subject table, by site) and everybody else, by Fisher's z. A block counts
    when at least half of the correlations, and two where there are as many, are significantly weaker there and their
    median is below a quarter of what it is among the others.

    Returns:
        One row a pair of modalities and site: modality_a, modality_b, part, share (of the part's blocks).
    """
    if len(cohort) > MOST_SUBJECTS:
        cohort = cohort.take(np.random.default_rng(0).permutation(len(cohort))[:MOST_SUBJECTS])
    features = summaries(cohort)
    block, part = _blocks(cohort)
    found = []
    names = [name for name in cohort.modalities if name in features.columns.get_level_values(0)]
    pairs = [(a, b) for a, b in combinations(names, 2) if _tables(cohort, a).isdisjoint(_tables(cohort, b))]
    num_tests = max(1, len(pairs) * MOST_PAIRS * len(np.unique(block)))
    for a, b in pairs:
        strongest = _strongest(features[a], features[b])
        for name in np.unique(part):
            blocks = np.unique(block[part == name])
            broken = [number for number in blocks if _vanishes(strongest, block == number, num_tests)]
            if broken:
                found.append((a, b, str(name), len(broken) / len(blocks)))
    return pd.DataFrame(found, columns=["modality_a", "modality_b", "part", "share"])


def _tables(cohort: Cohort, modality: str) -> set[str]:
    of_spec = cohort.spec.modalities[modality]
    return set(of_spec.tables) or {str(getattr(of_spec, "file", modality))}


def _blocks(cohort: Cohort) -> tuple[np.ndarray, np.ndarray]:
    """Number of each subject's block, (N,), and its site or cohort, (N,)."""
    part = np.where(cohort.site != "", cohort.site, cohort.role).astype(str)
    block = np.zeros(len(cohort), dtype=int)
    first = 0
    for name in np.unique(part):
        rows = np.flatnonzero(part == name)
        rows = rows[np.argsort(cohort.row[rows], kind="stable")]
        num_blocks = max(1, min(10, len(rows) // LEAST_IN_A_BLOCK))
        block[rows] = first + np.arange(len(rows)) * num_blocks // max(1, len(rows))
        first += num_blocks
    return block, part


def _strongest(a: pd.DataFrame, b: pd.DataFrame) -> list[tuple[np.ndarray, np.ndarray]]:
    """The pairs of columns with the strongest rank correlation, no column twice, NaN where one is absent."""
    x, y = _normal_scores(a), _normal_scores(b)
    known_x, known_y = ~np.isnan(x), ~np.isnan(y)
    count = known_x.T.astype(float) @ known_y
    strength = np.abs(np.nan_to_num(x).T @ np.nan_to_num(y)) / np.maximum(count, 1)
    strength[count < 4 * LEAST_IN_A_BLOCK] = 0
    chosen = []
    while len(chosen) < MOST_PAIRS and strength.size and strength.max() > LEAST_ASSOCIATION / 3:
        i, j = np.unravel_index(strength.argmax(), strength.shape)
        chosen.append((x[:, i], y[:, j]))
        strength[i, :] = 0
        strength[:, j] = 0
    return chosen


def _normal_scores(frame: pd.DataFrame) -> np.ndarray:
    scores = np.full(frame.shape, np.nan)
    for number in range(frame.shape[1]):
        values = frame.iloc[:, number].to_numpy(dtype=float)
        known = ~np.isnan(values)
        if known.sum() > 2 and np.ptp(values[known]) > 0:
            scored = norm.ppf(rankdata(values[known]) / (known.sum() + 1))
            scores[known, number] = (scored - scored.mean()) / scored.std()
    return scores


def _vanishes(pairs: list[tuple[np.ndarray, np.ndarray]], inside: np.ndarray, num_tests: int) -> bool:
    weaker, ratios = 0, []
    for x, y in pairs:
        known = ~np.isnan(x) & ~np.isnan(y)
        here, others = known & inside, known & ~inside
        if here.sum() < LEAST_IN_A_BLOCK // 2 or others.sum() < LEAST_IN_A_BLOCK:
            continue
        r_here, r_others = _correlation(x[here], y[here]), _correlation(x[others], y[others])
        if abs(r_others) < LEAST_ASSOCIATION:
            continue
        ratios.append(r_here / r_others)
        z = (np.arctanh(abs(r_others)) - np.arctanh(r_here * np.sign(r_others))) / np.sqrt(
            1 / (here.sum() - 3) + 1 / (others.sum() - 3)
        )
        weaker += bool(norm.sf(z) < LEVEL / num_tests)
    return bool(ratios) and weaker >= max(min(2, len(ratios)), len(ratios) / 2) and float(np.median(ratios)) < 0.25


def _correlation(x: np.ndarray, y: np.ndarray) -> float:
    if x.std() == 0 or y.std() == 0:
        return 0.0
    return float(np.clip(np.corrcoef(x, y)[0, 1], -0.999, 0.999))
