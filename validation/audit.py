"""The bias audit: fairlearn's metrics by sensitive feature and by intersection, with support and interval for each.

Point estimates are those of fairlearn's MetricFrame, except that a rate without a denominator is NaN, where fairlearn
says 0.0. Intervals are Wilson's. Survey or sampling weights weight the estimates; counts and supports stay people. The
audit assesses; it promises nothing.
"""

from collections.abc import Mapping, Sequence
from functools import partial
from itertools import combinations, product

import numpy as np
import pandas as pd
from fairlearn.metrics import MetricFrame, count, selection_rate, true_negative_rate, true_positive_rate
from sklearn.metrics import precision_score

from validation.estimands import Rate
from validation.predictions import SENSITIVE, sensitive_features, weights_of

METRICS = {
    "sensitivity": true_positive_rate,
    "specificity": true_negative_rate,
    "ppv": partial(precision_score, zero_division=np.nan),
    "selection_rate": selection_rate,
}
UNITS = {
    "sensitivity": "positives",
    "specificity": "negatives",
    "ppv": "flagged subjects",
    "selection_rate": "subjects",
}


def rate(metric: str, label: np.ndarray, flagged: np.ndarray, weight: np.ndarray | None = None) -> Rate:
    """A metric as a rate with its counts.

    Args:
        metric: sensitivity, specificity, ppv or selection_rate.
        label: 1 positive, 0 negative, (N,).
        flagged: bool (N,), True where the score reaches the threshold.
        weight: Survey or sampling weights, (N,); None for equal ones.
    """
    positive = np.asarray(label) == 1
    success, base = {
        "sensitivity": (positive & flagged, positive),
        "specificity": (~positive & ~flagged, ~positive),
        "ppv": (positive & flagged, flagged),
        "selection_rate": (flagged, np.ones(len(flagged), dtype=bool)),
    }[metric]
    return Rate.of(success, base, weight, UNITS[metric])


def rate_at(metric: str, people: pd.DataFrame, threshold: float) -> Rate:
    """A metric of some subjects in a table of predictions, at the operating point, by their weights if any."""
    flagged = (people["score"] >= threshold).to_numpy()
    return rate(metric, people["label"].to_numpy(), flagged, weights_of(people))


def audit(
    held_out: pd.DataFrame, threshold: float, alpha: float, declared: Mapping[str, Sequence[str]] | None = None
) -> pd.DataFrame:
    """Every group's rates.

    Args:
        held_out: Predictions of the held-out cohort.
        threshold: Operating point; a score at or above it is flagged.
        alpha: One-sided level of the bounds.
        declared: Sensitive feature to its declared groups; they and their intersections are listed, be they empty.

    Returns:
        One row a group and metric: feature (`sex`, or `sex & age` for an intersection), group, num_subjects,
        num_positives, num_negatives, metric, value, lower, upper, support (the metric's denominator).
        value, lower and upper are NaN where the support is 0.
    """
    names = sensitive_features(held_out)
    if not names:
        return pd.DataFrame()
    groups = {name: (declared or {}).get(name, ()) for name in names}
    frames = [_of_feature(held_out, threshold, [name], alpha, groups[name]) for name in names]
    for a, b in combinations(names, 2):
        crossed = [" & ".join(pair) for pair in product(groups[a], groups[b])]
        frames.append(_of_feature(held_out, threshold, [a, b], alpha, crossed))
    return pd.concat(frames, ignore_index=True)


def _of_feature(
    frame: pd.DataFrame, threshold: float, names: list[str], alpha: float, declared: Sequence[str]
) -> pd.DataFrame:
    weight = weights_of(frame)
    group = frame[[SENSITIVE + name for name in names]].agg(" & ".join, axis=1)
    by_group = MetricFrame(
        metrics={**METRICS, "num_subjects": count},
        y_true=frame["label"].to_numpy(),
        y_pred=(frame["score"] >= threshold).to_numpy(dtype=int),
        sensitive_features=group.rename("group"),
        sample_params=None if weight is None else {metric: {"sample_weight": weight} for metric in METRICS},
    ).by_group
    rows = []
    for name in [*declared, *[g for g in by_group.index if g not in declared]]:
        members = frame[group == name]
        for metric in METRICS:
            counts = rate_at(metric, members, threshold)
            lower, upper = counts.interval(alpha)
            rows.append(
                {
                    "feature": " & ".join(names),
                    "group": name,
                    "num_subjects": len(members),
                    "num_positives": int(members["label"].sum()),
                    "num_negatives": int((members["label"] == 0).sum()),
                    "metric": metric,
                    # An empty denominator has no rate, whatever fairlearn's zero_division says.
                    "value": float(by_group.loc[name, metric]) if counts.total else float("nan"),
                    "lower": lower,
                    "upper": upper,
                    "support": int(counts.support),
                }
            )
    return pd.DataFrame(rows)
