"""The bias audit: fairlearn's metrics by sensitive feature and by intersection, with support and interval for each.

Point estimates are those of fairlearn's MetricFrame, except that a rate without a denominator is NaN, where fairlearn
says 0.0. Intervals are Wilson's. The audit assesses; it promises nothing.
"""

from collections.abc import Mapping, Sequence
from itertools import combinations, product

import numpy as np
import pandas as pd
from fairlearn.metrics import MetricFrame, count, selection_rate, true_negative_rate, true_positive_rate
from sklearn.metrics import precision_score

from validation.estimands import Rate
from validation.predictions import SENSITIVE, sensitive_features

METRICS = {
    "sensitivity": true_positive_rate,
    "specificity": true_negative_rate,
    "ppv": lambda y_true, y_pred: precision_score(y_true, y_pred, zero_division=np.nan),
    "selection_rate": selection_rate,
}
UNITS = {
    "sensitivity": "positives",
    "specificity": "negatives",
    "ppv": "flagged subjects",
    "selection_rate": "subjects",
}


def rate(metric: str, label: np.ndarray, flagged: np.ndarray) -> Rate:
    """A metric as a rate with its counts.

    Args:
        metric: sensitivity, specificity, ppv or selection_rate.
        label: 1 positive, 0 negative, (N,).
        flagged: bool (N,), True where the score reaches the threshold.
    """
    positive = np.asarray(label) == 1
    success, base = {
        "sensitivity": (positive & flagged, positive),
        "specificity": (~positive & ~flagged, ~positive),
        "ppv": (positive & flagged, flagged),
        "selection_rate": (flagged, np.ones(len(flagged), dtype=bool)),
    }[metric]
    return Rate(int(success.sum()), int(base.sum()), UNITS[metric])


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
    flagged = (held_out["score"] >= threshold).to_numpy()
    groups = {name: (declared or {}).get(name, ()) for name in names}
    frames = [_of_feature(held_out, flagged, [name], alpha, groups[name]) for name in names]
    for a, b in combinations(names, 2):
        crossed = [" & ".join(pair) for pair in product(groups[a], groups[b])]
        frames.append(_of_feature(held_out, flagged, [a, b], alpha, crossed))
    return pd.concat(frames, ignore_index=True)


def _of_feature(
    frame: pd.DataFrame, flagged: np.ndarray, names: list[str], alpha: float, declared: Sequence[str]
) -> pd.DataFrame:
    label = frame["label"].to_numpy()
    group = frame[[SENSITIVE + name for name in names]].agg(" & ".join, axis=1)
    by_group = MetricFrame(
        metrics={**METRICS, "num_subjects": count},
        y_true=label,
        y_pred=flagged.astype(int),
        sensitive_features=group.rename("group"),
    ).by_group
    rows = []
    for name in [*declared, *[g for g in by_group.index if g not in declared]]:
        member = (group == name).to_numpy()
        for metric in METRICS:
            counts = rate(metric, label[member], flagged[member])
            lower, upper = counts.interval(alpha)
            rows.append(
                {
                    "feature": " & ".join(names),
                    "group": name,
                    "num_subjects": int(member.sum()),
                    "num_positives": int(label[member].sum()),
                    "num_negatives": int((label[member] == 0).sum()),
                    "metric": metric,
                    # An empty denominator has no rate, whatever fairlearn's zero_division says.
                    "value": float(by_group.loc[name, metric]) if counts.total else float("nan"),
                    "lower": lower,
                    "upper": upper,
                    "support": int(counts.total),
                }
            )
    return pd.DataFrame(rows)
