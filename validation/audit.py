"""The bias audit: fairlearn's metrics by sensitive feature and by intersection, with support and interval for each.

Point estimates are those of fairlearn's MetricFrame, except that a rate without a denominator is NaN, where fairlearn
says 0.0. It is given the cells of `validation.tally` with their numbers of subjects, or sums of weights, as sample
weights, which is exact, and quick however many rows there are. Intervals are Wilson's. Survey or sampling weights
weight the estimates; counts and supports stay people. The audit assesses; it promises nothing.
"""

from collections.abc import Mapping, Sequence
from functools import partial
from itertools import combinations, product
from typing import Any

import numpy as np
import pandas as pd
from fairlearn.metrics import MetricFrame, selection_rate, true_negative_rate, true_positive_rate
from sklearn.metrics import precision_score

from cohorts.statistics import wilson
from validation.estimands import Rate
from validation.predictions import SENSITIVE, WEIGHT, sensitive_features, weights_of
from validation.statistics import rate_of_sums
from validation.tally import tally

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
    return Rate.of(*success_and_base(metric, label, flagged), weight, UNITS[metric])


def success_and_base(metric: str, label: np.ndarray, flagged: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Who counts as a success of a metric, and who is in its denominator, both bool, of the shape of the labels."""
    positive = np.asarray(label) == 1
    return {
        "sensitivity": (positive & flagged, positive),
        "specificity": (~positive & ~flagged, ~positive),
        "ppv": (positive & flagged, flagged),
        "selection_rate": (flagged, np.ones_like(positive)),
    }[metric]


def rate_at(metric: str, people: pd.DataFrame, threshold: float, member: np.ndarray | None = None) -> Rate:
    """A metric of some subjects in a table of predictions, at the operating point, by their weights if any.

    Args:
        metric: As of `rate`.
        people: Predictions.
        threshold: A score at or above it is flagged.
        member: Who of them counts, bool (N,); None for everybody.
    """
    label, flagged, weight = people["label"].to_numpy(), people["score"].to_numpy() >= threshold, weights_of(people)
    if member is not None:
        label, flagged, weight = label[member], flagged[member], None if weight is None else weight[member]
    return rate(metric, label, flagged, weight)


def audit(
    held_out: pd.DataFrame,
    threshold: float,
    alpha: float,
    declared: Mapping[str, Sequence[str]] | None = None,
    control: Sequence[str] = (),
) -> pd.DataFrame:
    """Every group's rates.

    Args:
        held_out: Predictions of the held-out cohort.
        threshold: Operating point; a score at or above it is flagged.
        alpha: One-sided level of the bounds.
        declared: Sensitive feature to its declared groups; they and their intersections are listed, be they empty.
        control: Control features, as fairlearn names them: columns, such as `site`, within whose values groups are
            compared.

    Returns:
        One row a group and metric: feature (`sex`, or `sex & age` for an intersection), group, num_subjects,
        num_positives, num_negatives, metric, value, lower, upper, support (the metric's denominator); after feature a
        column for each control feature. value, lower and upper are NaN where the support is 0. Subjects without a
        group are in the group "Unknown".
    """
    names = sensitive_features(held_out)
    if not names:
        return pd.DataFrame()
    columns = [*control, *(SENSITIVE + name for name in names), "label", "flagged"]
    cells = tally(held_out.assign(flagged=held_out["score"] >= threshold), columns)
    groups = {name: (declared or {}).get(name, ()) for name in names}
    frames = [_of_feature(cells, [name], alpha, groups[name], control) for name in names]
    for a, b in combinations(names, 2):
        crossed = [" & ".join(pair) for pair in product(groups[a], groups[b])]
        frames.append(_of_feature(cells, [a, b], alpha, crossed, control))
    return pd.concat(frames, ignore_index=True)


def _of_feature(
    cells: pd.DataFrame, names: list[str], alpha: float, declared: Sequence[str], control: Sequence[str]
) -> pd.DataFrame:
    group = cells[[SENSITIVE + name for name in names]].agg(" & ".join, axis=1)
    listed = [*declared, *sorted(set(group) - set(declared))]
    key_of_cell = list(cells[list(control)].assign(group=group).itertuples(index=False, name=None))
    strata = sorted({key[:-1] for key in key_of_cell})
    keys = [(*stratum, name) for stratum in strata for name in listed]
    position = {key: number for number, key in enumerate(keys)}
    row = np.array([position[key] for key in key_of_cell])
    values = _metric_frame(cells, group, control).reindex(keys if control else listed)
    about: dict[str, Sequence[Any]] = {"feature": [" & ".join(names)] * len(keys)}
    about |= {name: [key[n] for key in keys] for n, name in enumerate(control)} | {"group": [key[-1] for key in keys]}
    label = cells["label"].to_numpy()
    for name, members in {"num_subjects": label < 2, "num_positives": label == 1, "num_negatives": label == 0}.items():
        about[name] = _sums(cells, "num", members, row, len(keys)).astype(int)  # type: ignore[assignment]
    frames = [pd.DataFrame(about).assign(**_figures(cells, metric, row, values[metric], alpha)) for metric in METRICS]
    return pd.concat(frames).sort_index(kind="stable")


def _figures(cells: pd.DataFrame, metric: str, row: np.ndarray, values: pd.Series, alpha: float) -> dict[str, Any]:
    """A metric of all groups, with bounds and support; `row` says which group a cell belongs to."""
    success, base = success_and_base(metric, cells["label"].to_numpy(), cells["flagged"].to_numpy())
    support = _sums(cells, "num", base, row, len(values))
    successes, total = _sums(cells, "num", success, row, len(values)), support
    if WEIGHT in cells:
        parts = [(name, part) for name in (WEIGHT, "squares") for part in (success, base & ~success)]
        share, total = rate_of_sums(*(_sums(cells, *part, row, len(values)) for part in parts))
        successes = np.nan_to_num(share) * total
    lower, upper = wilson(successes, total, alpha)
    # An empty denominator has no rate, whatever fairlearn's zero_division says.
    value = np.where(support > 0, values.to_numpy(dtype=float), np.nan)
    return {"metric": metric, "value": value, "lower": lower, "upper": upper, "support": support.astype(int)}


def _sums(cells: pd.DataFrame, column: str, members: np.ndarray, row: np.ndarray, num: int) -> np.ndarray:
    return np.bincount(row[members], cells[column].to_numpy()[members], num)


def _metric_frame(cells: pd.DataFrame, group: pd.Series, control: Sequence[str]) -> pd.DataFrame:
    """fairlearn's metrics, indexed by the control features, if any, and the group."""
    weight = {"sample_weight": cells[WEIGHT if WEIGHT in cells else "num"].to_numpy()}
    return MetricFrame(
        metrics=METRICS,
        y_true=cells["label"].to_numpy(),
        y_pred=cells["flagged"].to_numpy(dtype=int),
        sensitive_features=group.rename("group"),
        control_features=cells[list(control)] if control else None,
        sample_params={metric: weight for metric in METRICS},
    ).by_group
