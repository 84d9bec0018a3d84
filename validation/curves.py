"""Rates and net benefit over many thresholds, from one histogram of the scores. They are for reading; none decides.

Counts: N subjects, G groups, T thresholds, which ascend. Weighted rates are those of `validation.statistics`.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import pandas as pd
from scipy.special import expit, logit

from cohorts.statistics import wilson
from validation.audit import METRICS
from validation.predictions import SENSITIVE, sensitive_features, weights_of
from validation.statistics import normal_interval

EVERYBODY = "all held-out subjects"
STEPS, STEP = 10, 0.25  # thresholds on either side of the operating point, and their distance in log odds
RISKS = np.arange(1, 61) / 100
LEAST_BESIDE_A_HIDDEN = 100  # of as many, a rate to two decimals may come from any count nearby


@dataclass(frozen=True)
class Cells:
    """Sums over subjects at each threshold: of ones, of weights, or of squared weights.

    Attributes:
        total: By group and label, (G, 2).
        flagged: Of those whose score reaches the threshold, (G, 2, T).
    """

    total: np.ndarray
    flagged: np.ndarray

    @classmethod
    def of(
        cls,
        label: np.ndarray,
        reached: np.ndarray,
        num_thresholds: int,
        group: np.ndarray,
        num_groups: int,
        weight: np.ndarray | None = None,
    ) -> "Cells":
        """Count once, whatever the number of thresholds.

        Args:
            label: 0 or 1, (N,).
            reached: How many of the thresholds each score reaches, (N,).
            num_thresholds: T.
            group: Number of each subject's group, from 0, (N,).
            num_groups: G; some may be empty.
            weight: What to sum, (N,); ones where it is None.
        """
        width = num_thresholds + 1
        cell = (group * 2 + label) * width + reached
        counts = np.bincount(cell, weight, minlength=num_groups * 2 * width).reshape(num_groups, 2, width)
        return cls(counts.sum(axis=2), counts[..., ::-1].cumsum(axis=2)[..., -2::-1])

    def of_metric(self, metric: str) -> tuple[np.ndarray, np.ndarray]:
        """What counts as a success of a rate, and its denominator, both (G, T)."""
        negatives, positives = (np.broadcast_to(self.total[:, [label]], self.flagged[:, 0].shape) for label in (0, 1))
        false, true = self.flagged[:, 0], self.flagged[:, 1]
        return {
            "sensitivity": (true, positives),
            "specificity": (negatives - false, negatives),
            "ppv": (true, true + false),
            "selection_rate": (true + false, positives + negatives),
        }[metric]


def threshold_grid(operating_point: float) -> list[float]:
    """Thresholds evenly spaced in log odds around the operating point, to three decimals, itself among them.

    They depend on nobody's score.

    Example:
        >>> grid = threshold_grid(0.3)
        >>> len(grid), grid[0], 0.3 in grid, grid[-1]
        (21, 0.034, True, 0.839)
    """
    centre = logit(np.clip(operating_point, 0.001, 0.999))
    around = expit(centre + STEP * np.array([step for step in range(-STEPS, STEPS + 1) if step]))
    return sorted({operating_point, *({round(float(value), 3) for value in around} - {0.0, 1.0})})


def rates_by_threshold(
    held_out: pd.DataFrame, operating_point: float, alpha: float, declared: Mapping[str, Sequence[str]], least: int
) -> list[dict[str, Any]]:
    """Rates of everybody and of each group at several thresholds, as they may be shown, to two decimals.

    Args:
        held_out: Predictions of the held-out cohort.
        operating_point: Threshold that the others lie around.
        alpha: One-sided level of the bounds.
        declared: Sensitive feature to its declared groups.
        least: Smallest count that is shown.

    Returns:
        One row a group and metric: feature, group, metric, and lists of the same length: threshold, value, lower,
        upper. A group shows nothing where it has from 1 to `least` - 1 subjects, positives, negatives, flagged or
        unflagged subjects; beside such a group, others of its feature show rates of at least 100 subjects, and no
        bounds. None also stands for a rate without a denominator.
    """
    label, weight, rows = held_out["label"].to_numpy(), weights_of(held_out), []
    grid = threshold_grid(operating_point)
    reached = np.searchsorted(grid, held_out["score"].to_numpy(), side="right")
    for feature, names, group in members(held_out, declared):
        of = partial(Cells.of, label, reached, len(grid), group, len(names))
        counts, sums = of(), None if weight is None else [of(weight), of(weight**2)]
        few = _few(counts, least)
        for metric in METRICS:
            base = counts.of_metric(metric)[1]
            values, sizes = _rates(metric, counts, sums)
            hidden = few | (base == 0) | (few.any(axis=0) & (base < LEAST_BESIDE_A_HIDDEN))
            for g, name in enumerate(names):
                shown = np.where(hidden[g], np.nan, values[g])
                bounds = np.where(few.any(axis=0) | hidden[g], np.nan, _bounds(values[g], sizes[g], alpha))
                figures = {"value": shown, "lower": bounds[0], "upper": bounds[1]}
                lists = {key: [_two_decimals(x) for x in figure] for key, figure in figures.items()}
                rows.append({"feature": feature, "group": name, "metric": metric, "threshold": grid, **lists})
    return rows


def net_benefit_curve(held_out: pd.DataFrame, alpha: float, least: int) -> list[dict[str, Any]]:
    """Net benefit by threshold probability (Vickers and Elkin, Med Decis Making 26, 2006, 565-574).

    Args:
        held_out: Predictions of the held-out cohort.
        alpha: One-sided level of the pointwise bounds, from the variance of the mean over subjects.
        least: Smallest count that is shown; rows that rest on fewer flagged or unflagged subjects have None.

    Returns:
        One row a threshold from 0.01 to 0.60: threshold, value, lower, upper, treat_all. To treat nobody has 0.
    """
    label, weight = held_out["label"].to_numpy(), weights_of(held_out)
    weight = np.ones(len(label)) if weight is None else weight
    share = weight / weight.sum()
    reached = np.searchsorted(RISKS, held_out["score"].to_numpy(), side="right")
    of = partial(Cells.of, label, reached, len(RISKS), np.zeros(len(label), dtype=int), 1)
    counts, first, second = of(), of(share), of(share**2)
    odds = RISKS / (1 - RISKS)
    benefit = first.flagged[0, 1] - odds * first.flagged[0, 0]
    squares = second.flagged[0, 1] * (1 - benefit) ** 2 + second.flagged[0, 0] * (odds + benefit) ** 2
    squares += np.maximum(0, second.total[0].sum() - second.flagged[0].sum(axis=0)) * benefit**2
    unbiased = 1 - 2 * (share**3).sum() / (share**2).sum() + (share**2).sum()  # as `mean_and_covariance`
    treat_all = first.total[0, 1] - odds * first.total[0, 0]
    few, rows = _few(counts, least)[0], []
    variance = squares / unbiased if unbiased > 0 else np.full(len(squares), np.nan)  # of one subject, nothing is known
    for t, risk in enumerate(RISKS):
        lower, upper = normal_interval(benefit[t], variance[t], alpha)
        figures = {"value": benefit[t], "lower": lower, "upper": upper, "treat_all": treat_all[t]}
        rows.append(
            {"threshold": float(risk), **{k: None if few[t] else round(float(v), 3) for k, v in figures.items()}}
        )
    return rows


def members(
    held_out: pd.DataFrame, declared: Mapping[str, Sequence[str]]
) -> Iterator[tuple[str, list[str], np.ndarray]]:
    """Feature, names of its groups and number of each subject's group (N,); first everybody as the feature `all`."""
    yield "all", [EVERYBODY], np.zeros(len(held_out), dtype=int)
    for feature in sensitive_features(held_out):
        code, found = pd.factorize(held_out[SENSITIVE + feature])
        known = list(declared.get(feature, ()))
        names = [*known, *sorted(set(found) - set(known))]
        yield feature, names, np.array([names.index(name) for name in found], dtype=int)[code]


def _few(counts: Cells, least: int) -> np.ndarray:
    """Whether a group has a count that is not shown, bool (G, T)."""
    people, flagged = counts.total.sum(axis=1), counts.flagged.sum(axis=1)
    fixed = np.column_stack([people, counts.total])
    moving = np.stack([flagged, people[:, None] - flagged])
    small = np.any((fixed > 0) & (fixed < least), axis=1)
    return small[:, None] | ((moving > 0) & (moving < least)).any(axis=0)


def _rates(metric: str, counts: Cells, sums: list[Cells] | None) -> tuple[np.ndarray, np.ndarray]:
    """Rates and their effective sizes, both (G, T), as `validation.statistics.weighted_rate`."""
    successes, base = counts.of_metric(metric)
    with np.errstate(divide="ignore", invalid="ignore"):
        if sums is None:
            return successes / base, base
        (first_success, first), (second_success, second) = (cells.of_metric(metric) for cells in sums)
        kish = first**2 / second
        share = first_success / first
        variance = ((1 - share) ** 2 * second_success + share**2 * (second - second_success)) / first**2
        inside = (successes > 0) & (successes < base)
        rate = np.where(inside, share, successes / base)
        return rate, np.where(inside, np.minimum(kish, share * (1 - share) / variance), kish)


def _bounds(values: np.ndarray, sizes: np.ndarray, alpha: float) -> np.ndarray:
    pairs = [wilson(r * n, n, alpha) if n > 0 else (np.nan, np.nan) for r, n in zip(values, sizes, strict=True)]
    return np.array(pairs).T


def _two_decimals(value: float) -> float | None:
    return None if np.isnan(value) else round(float(value), 2)
