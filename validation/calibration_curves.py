"""Calibration of the predicted risks, of everybody and by group: observed over expected, slope, intercept, curve."""

from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Any

import numpy as np
import pandas as pd
from scipy.special import expit, logit

from validation.curves import members
from validation.disclosure import suppressed
from validation.estimands import Rate
from validation.predictions import weights_of
from validation.ratio import Ratio
from validation.statistics import normal_interval

LEAST_FOR_A_CURVE = 100  # events, and as many non-events (Van Calster et al., J Clin Epidemiol 74, 2016, 167-176)
NUM_BINS = 10
SMALLEST_RISK = 1e-7
SEPARATED = 50.0  # a coefficient beyond which the classes are separated, and none is the best


def calibration(
    held_out: pd.DataFrame, alpha: float, declared: Mapping[str, Sequence[str]], least: int
) -> list[dict[str, Any]]:
    """Calibration as it may be shown.

    Args:
        held_out: Predictions of the held-out cohort.
        alpha: One-sided level of the bounds.
        declared: Sensitive feature to its declared groups.
        least: Smallest count that is shown.

    Returns:
        One row for everybody and for each group: feature, group, num_subjects, num_positives, num_negatives; value,
        lower, upper (observed over expected); slope and intercept, each with _lower and _upper, or None where there
        are under 100 positives or negatives; bins, a list of score, rate, lower, upper, empty there too. Where a count
        is hidden or a limit, there is no slope, intercept or bin.
    """
    rows, extras = [], []
    score = np.clip(held_out["score"].to_numpy(), SMALLEST_RISK, 1 - SMALLEST_RISK)
    label, weight, by_score = held_out["label"].to_numpy(), weights_of(held_out), np.argsort(score, kind="stable")
    for feature, names, group in members(held_out, declared):
        # By group and then by score, so that every group is a slice.
        order = by_score[np.argsort(group[by_score], kind="stable")]
        ends = np.searchsorted(group[order], np.arange(len(names) + 1))
        for g, name in enumerate(names):
            part = order[ends[g] : ends[g + 1]]
            y, s, w = label[part], score[part], None if weight is None else weight[part]
            positives = int(y.sum())
            counts = {"num_subjects": len(y), "num_positives": positives, "num_negatives": len(y) - positives}
            rows.append({"feature": feature, "group": name, **counts, **_ratio(y, s, w, alpha)})
            enough = min(positives, len(y) - positives) >= LEAST_FOR_A_CURVE
            extras.append((_line(y, s, w, alpha), bins(y, s, w, alpha, least)) if enough else (_NO_LINE, []))
    shown = suppressed(pd.DataFrame(rows), least, ("feature",))
    exact = [isinstance(row["num_positives"], int) and isinstance(row["num_negatives"], int) for row in shown]
    return [
        {**row, **(line if whole else _NO_LINE), "bins": curve if whole else []}
        for row, (line, curve), whole in zip(shown, extras, exact, strict=True)
    ]


_NO_LINE: dict[str, Any] = dict.fromkeys(
    f"{name}{bound}" for name in ("slope", "intercept") for bound in ("", "_lower", "_upper")
)


def bins(
    label: np.ndarray, score: np.ndarray, weight: np.ndarray | None, alpha: float, least: int
) -> list[dict[str, float]]:
    """Points of a calibration curve: tenths of the subjects, neighbours joined until each has enough of both classes.

    Args:
        label: 0 or 1, (N,).
        score: Ascending, (N,).
        weight: (N,), or None.
        alpha: One-sided level of Wilson's bounds.
        least: Smallest number of positives, and of negatives, in a bin.

    Returns:
        score (mean), rate, lower and upper of each bin; empty where not even all together have enough.
    """
    cuts = np.searchsorted(score, np.quantile(score, np.arange(1, NUM_BINS) / NUM_BINS))
    starts = [0]
    positives = np.concatenate([[0], np.cumsum(label)])

    def enough(start: int, end: int) -> bool:
        found = positives[end] - positives[start]
        return bool(found >= least and end - start - found >= least)

    for cut in cuts:
        if enough(starts[-1], cut):
            starts.append(int(cut))
    if not enough(starts[-1], len(label)):
        starts.pop()
    points = []
    for start, end in pairwise([*starts, len(label)]):
        w = None if weight is None else weight[start:end]
        rate = Rate.of(label[start:end] == 1, np.ones(end - start, dtype=bool), w)
        mean = float(np.average(score[start:end], weights=w))
        figures = (mean, rate.value, *rate.interval(alpha))
        points.append({k: round(x, 3) for k, x in zip(("score", "rate", "lower", "upper"), figures, strict=True)})
    return points


def _ratio(label: np.ndarray, score: np.ndarray, weight: np.ndarray | None, alpha: float) -> dict[str, float]:
    """Observed over expected; NaN of fewer than two subjects."""
    if len(label) < 2:
        return dict.fromkeys(("value", "lower", "upper"), float("nan"))
    ratio = Ratio.observed_expected(label, score, weight)
    return dict(zip(("value", "lower", "upper"), (ratio.value, *ratio.interval(alpha)), strict=True))


def _line(label: np.ndarray, score: np.ndarray, weight: np.ndarray | None, alpha: float) -> dict[str, Any]:
    """Slope, and intercept with the slope held at 1, of the labels on the log odds of the risks (Cox, 1958)."""
    odds, ones = logit(score), np.ones(len(score))
    w = ones if weight is None else weight
    slope, of_slope = logistic(np.stack([odds, ones]), label, w, np.zeros(len(score)), np.array([1.0, 0.0]))
    intercept, of_intercept = logistic(ones[None], label, w, odds, np.array([0.0]))
    found = {"slope": (slope[0], of_slope[0, 0]), "intercept": (intercept[0], of_intercept[0, 0])}
    line: dict[str, Any] = {}
    for name, (value, variance) in found.items():
        figures = (float(value), *normal_interval(value, variance, alpha))
        keys = (name, f"{name}_lower", f"{name}_upper")
        line |= {key: round(x, 3) if np.isfinite(x) else None for key, x in zip(keys, figures, strict=True)}
    return line


def logistic(
    columns: np.ndarray, label: np.ndarray, weight: np.ndarray, offset: np.ndarray, start: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Logistic regression by Newton's method, with the covariance that needs no model (White, Econometrica 48, 1980).

    Args:
        columns: (K, N).
        label: 0 or 1, (N,).
        weight: (N,).
        offset: Added to the log odds, (N,).
        start: First guess, (K,).

    Returns:
        Coefficients (K,) and covariance (K, K); NaN where the classes are separated.
    """
    beta, nothing = start.copy(), (np.full(len(start), np.nan), np.full((len(start),) * 2, np.nan))
    for _ in range(50):
        risk = expit(offset + beta @ columns)
        information = (columns * (weight * risk * (1 - risk))) @ columns.T
        if np.linalg.cond(information) > 1e12:
            return nothing
        step = np.linalg.solve(information, columns @ (weight * (label - risk)))
        beta = beta + step
        if np.abs(beta).max() > SEPARATED:
            return nothing
        if np.abs(step).max() < 1e-8:
            bread = np.linalg.inv(information)
            scores = columns * (weight * (label - risk))
            return beta, bread @ scores @ scores.T @ bread
    return nothing
