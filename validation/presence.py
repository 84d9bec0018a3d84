"""What presence alone tells: how well the pattern of present modalities gives away the label, or a group."""

from collections.abc import Sequence

import numpy as np
import pandas as pd

from cohorts.statistics import ROUNDING
from validation.bootstrap import Bootstrapped
from validation.estimands import Auroc, Estimand
from validation.predictions import weights_of
from validation.statistics import effective_size

LABEL, ALL = "label", "all"
NUM_REPLICATES, SEED = 500, 20262


def presence_auroc(pattern: np.ndarray, target: np.ndarray, weight: np.ndarray | None = None) -> Estimand:
    """AUROC of a target from the pattern alone: from the share who have it among the others of the same pattern.

    Who is scored is left out of that share, since a rare pattern's share is mostly its own people. But leaving out one
    lowers the share of everybody with the target and raises that of all the others, so that among people of one pattern
    the order would always be wrong. So, of each pair to be compared, both are left out (leave-pair-out, Airola et al.,
    Comput Stat Data Anal 55, 2011, 1828-1844): two of one pattern are a tie, and chance gives 0.5.

    As the shares are estimated from the same people, DeLong's variance, which takes them as they are, is far too small.
    So the people are drawn again, as a multinomial over the cells of pattern and target, and the shares made anew each
    time. With weights, a cell is drawn as if it had its effective size of people of equal weight. In simulations (300
    and 1000 people, 4 and 8 patterns, with and without weights from 1 to 5; true area 0.5 and 0.58; 200 runs each) the
    95 % interval by percentiles held the true area in 94.5 to 100 % of the runs: it is rather too wide. Intervals
    turned about the estimate, or shifted by the bias of the replicates, held it in 64 to 97 %.

    Args:
        pattern: Texts or codes (N,).
        target: bool (N,).
        weight: Survey or sampling weights, (N,); None for equal ones.

    Returns:
        Area with its replicates; where it is exactly 0 or 1 no spread is seen, and it is an `Auroc` without variance,
        whose interval is Wilson's; NaN where nobody, or everybody, is a target.

    Example:
        >>> target = np.array([True, True, True, False, False, False])
        >>> presence_auroc(np.array(["ecg"] * 6), target).value
        0.5
        >>> presence_auroc(np.array(["ecg", "ecg", "ecg", "labs", "labs", "labs"]), target).value
        1.0
    """
    positive = np.asarray(target, dtype=bool)
    counts = int(positive.sum()), int((~positive).sum())
    if min(counts) == 0:
        return Auroc(float("nan"), float("nan"), *counts)
    mass = np.ones(len(positive)) if weight is None else weight
    cell, kinds = pd.factorize(pd.factorize(pattern)[0] * 2 + positive)
    code, kind = kinds // 2, kinds % 2 == 1
    total = np.bincount(cell, mass)
    size = total**2 / np.bincount(cell, mass**2)
    near = _area(code, kind, total / size, size)
    area = near if weight is None else _area(code[cell], positive, mass, np.ones(len(mass)))
    if min(area, 1 - area) < ROUNDING:
        sizes = None if weight is None else [effective_size(mass[chosen]) for chosen in (positive, ~positive)]
        return Auroc(float(round(area)), 0.0, *counts, rarer=None if sizes is None else min(sizes))
    replicates = _resampled(code, kind, total / size, size) + (area - near)
    return Bootstrapped(area, np.sort(replicates[np.isfinite(replicates)]), len(positive))


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
        enough = least <= truth.sum() <= len(truth) - least
        figures = (area.value, *area.interval(alpha)) if enough else (float("nan"),) * 3
        positives = int(label[counted].sum())
        rows.append((target, feature, group, *figures, int(counted.sum()), positives, int(counted.sum()) - positives))
    columns = ["target", "feature", "group", "value", "lower", "upper", "num_subjects", "num_positives"]
    return pd.DataFrame(rows, columns=[*columns, "num_negatives"])


def _resampled(code: np.ndarray, target: np.ndarray, mass: np.ndarray, num: np.ndarray) -> np.ndarray:
    """Areas of cells as `_area`, drawn again; NaN where a class has nobody."""
    draws = np.random.default_rng(SEED).multinomial(round(num.sum()), num / num.sum(), NUM_REPLICATES)
    areas = []
    for drawn in draws:
        some = drawn > 0
        areas.append(_area(code[some], target[some], mass[some], drawn[some]))
    return np.array(areas)


def _area(code: np.ndarray, target: np.ndarray, mass: np.ndarray, num: np.ndarray) -> float:
    """Leave-pair-out area, from cells as in `_share_among_others`; NaN where a class has nobody.

    Within a pattern, leaving out one puts each of the targets below each of the others, so such pairs, which are ties,
    add nothing to what is below, and half of them is added.
    """
    if target.all() or not target.any():
        return float("nan")
    share, total = _share_among_others(code, target, mass, num), mass * num
    below = _mass_below(share[target], share[~target], total[~target])
    of_one_pattern = np.bincount(code, total * ~target)[code[target]]
    return float(np.average(below + of_one_pattern / 2, weights=total[target]) / total[~target].sum())


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
    alone = np.bincount(code, num)[code] < 1 + ROUNDING
    among_all = ((num * own).sum() - own) / ((num * mass).sum() - mass)
    return np.where(alone, among_all, targets / np.where(alone, 1.0, of_pattern))


def _mass_below(values: np.ndarray, others: np.ndarray, mass: np.ndarray) -> np.ndarray:
    order = np.argsort(others)
    up_to = np.concatenate([[0.0], np.cumsum(mass[order])])
    places = [np.searchsorted(others[order], values, side) for side in ("left", "right")]
    below: np.ndarray = (up_to[places[0]] + up_to[places[1]]) / 2
    return below
