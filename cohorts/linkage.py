"""Rows that do not belong together: an association between two tables that holds for some people and not for others.

A join by row number, or a table that was sorted or cut before it was exported, gives people the values of others from
some row on. Each table alone looks right; only what two tables say of one person no longer fits.
"""

from itertools import combinations

import numpy as np
import pandas as pd
from scipy.stats import norm, rankdata

from cohorts.cohort import Cohort

MOST_SUBJECTS = 20_000
MOST_PAIRS = 6  # of features between two modalities
LEAST_IN_A_BLOCK = 60
LEAST_SPREAD = 0.7  # standard deviation of a stretch, by that of the others
LEAST_ASSOCIATION = 0.3  # rank correlation among the others
LEVEL = 1e-3  # two-sided, before Bonferroni's correction over all tests


def rows_apart(cohort: Cohort) -> pd.DataFrame:
    """Parts of the cohort in which associations between modalities of different tables vanish.

    For each pair of modalities, the rank correlations that are strongest overall are compared between a stretch of
    consecutive subjects (in the order of the subject table, by site) and everybody else, by Fisher's z. Stretches are
    each block of a site, and all that follows a block's first row. One counts when at least half of the correlations,
    and two where there are as many, are significantly weaker there, and their median is below a quarter of what it is
    among the others.

    Returns:
        One row a pair of modalities and site: modality_a, modality_b, part, share (of its rows that the longest such
        stretch holds).
    """
    if len(cohort) > MOST_SUBJECTS:
        cohort = cohort.take(np.random.default_rng(0).permutation(len(cohort))[:MOST_SUBJECTS])
    block, part = _blocks(cohort)
    found = []
    pairs = [(a, b) for a, b in combinations(cohort.modalities, 2) if _tables(cohort, a).isdisjoint(_tables(cohort, b))]
    part_of = pd.Series(part).groupby(block).first()
    stretches = _stretches(part_of)
    share = (stretches * np.bincount(block)).sum(axis=1) / part_of.map(pd.Series(part).value_counts()).to_numpy()[
        stretches.argmax(axis=1)
    ]
    num_tests = max(1, len(pairs) * MOST_PAIRS * len(stretches))
    scores = {name: _normal_scores(measurements.summary()) for name, measurements in cohort.features.items()}
    for a, b in pairs:
        broken = np.flatnonzero(_vanishes(_strongest(scores[a], scores[b]), block, stretches, num_tests))
        places = part_of.to_numpy()[stretches[broken].argmax(axis=1)]
        found += [(a, b, str(name), float(share[broken][places == name].max())) for name in np.unique(places)]
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


def _strongest(x: np.ndarray, y: np.ndarray) -> list[tuple[np.ndarray, np.ndarray]]:
    """The pairs of columns with the strongest rank correlation, no column twice, NaN where one is absent."""
    known_x, known_y = ~np.isnan(x), ~np.isnan(y)
    count = known_x.T.astype(float) @ known_y
    strength = np.abs(np.nan_to_num(x).T @ np.nan_to_num(y)) / np.maximum(count, 1)
    strength[count < 4 * LEAST_IN_A_BLOCK] = 0
    chosen: list[tuple[np.ndarray, np.ndarray]] = []
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


def _stretches(part_of: pd.Series) -> np.ndarray:
    """Each block, and each block with all that follow it in its part; bool (stretches, blocks)."""
    part = part_of.to_numpy()
    same = part[:, None] == part[None, :]
    number = np.arange(len(part))
    return np.unique(
        np.concatenate([np.eye(len(part), dtype=bool), same & (number[None, :] >= number[:, None])]), axis=0
    )


def _vanishes(
    pairs: list[tuple[np.ndarray, np.ndarray]], block: np.ndarray, stretches: np.ndarray, num_tests: int
) -> np.ndarray:
    """Whether the associations of these pairs of columns vanish in each stretch, bool (stretches,)."""
    weaker, tested = np.zeros(len(stretches)), np.zeros(len(stretches))
    ratios = []
    for x, y in pairs:
        here, others = _moments(x, y, block, stretches)
        r_here, r_others = _correlation(here), _correlation(others)
        usable = (here[0] >= LEAST_IN_A_BLOCK // 2) & (others[0] >= LEAST_IN_A_BLOCK)
        usable &= np.abs(r_others) >= LEAST_ASSOCIATION
        usable &= _as_spread(here, others)
        error = np.sqrt(1 / np.maximum(here[0] - 3, 1) + 1 / np.maximum(others[0] - 3, 1))
        z = (np.arctanh(np.abs(r_others)) - np.arctanh(r_here * np.sign(r_others))) / error
        weaker += usable & (norm.sf(z) < LEVEL / num_tests)
        tested += usable
        ratios.append(np.where(usable, r_here / np.where(usable, r_others, 1), np.nan))
    if not ratios:
        return np.zeros(len(stretches), dtype=bool)
    enough = (tested > 0) & (weaker >= np.maximum(np.minimum(2, tested), tested / 2))
    median = np.array([np.median(row[~np.isnan(row)]) if (~np.isnan(row)).any() else 1.0 for row in np.array(ratios).T])
    return enough & (median < 0.25)


def _moments(x: np.ndarray, y: np.ndarray, block: np.ndarray, stretches: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Count and sums of x, y, xx, yy and xy in each stretch, and among all others, each (6, stretches)."""
    known = ~np.isnan(x) & ~np.isnan(y)
    x, y, block = x[known], y[known], block[known]
    terms = (np.ones(len(x)), x, y, x * x, y * y, x * y)
    by_block = np.stack([np.bincount(block, term, stretches.shape[1]) for term in terms])
    here = by_block @ stretches.T
    return here, by_block.sum(axis=1, keepdims=True) - here


def _as_spread(here: np.ndarray, others: np.ndarray) -> np.ndarray:
    """Whether both columns spread in a stretch about as among the others, bool (stretches,).

    Where a table is sorted by a column, a stretch holds people who are alike in it, and its correlations vanish by
    restriction of range; a shifted join leaves the spread of each column as it is.
    """
    of = [
        [
            np.sqrt(np.maximum(m[xx] / np.maximum(m[0], 1) - (m[x] / np.maximum(m[0], 1)) ** 2, 0))
            for x, xx in ((1, 3), (2, 4))
        ]
        for m in (here, others)
    ]
    return np.all([mine > LEAST_SPREAD * theirs for mine, theirs in zip(*of, strict=True)], axis=0)


def _correlation(moments: np.ndarray) -> np.ndarray:
    n, x, y, xx, yy, xy = moments
    n = np.maximum(n, 1)
    spread = np.sqrt(np.maximum((xx - x * x / n) * (yy - y * y / n), 0))
    return np.clip(np.divide(xy - x * y / n, spread, out=np.zeros(len(n)), where=spread > 1e-9), -0.999, 0.999)
