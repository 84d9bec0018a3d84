"""What the bootstrap by group and a decision cost, on made-up predictions."""

import time
from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
from fairlearn.metrics import MetricFrame, selection_rate, true_negative_rate, true_positive_rate
from sklearn.metrics import precision_score, roc_auc_score

from scripts.benchmarks.results import reset_peak
from scripts.benchmarks.streamed import peak_megabytes
from validation.bootstrap_by_group import bounds_by_group
from validation.checks import Evidence
from validation.decision import decide
from validation.policy import load_policy

THRESHOLD = 0.4
RATES = {
    "sensitivity": true_positive_rate,
    "specificity": true_negative_rate,
    "ppv": precision_score,
    "selection_rate": selection_rate,
}
SEX, AGE = ("female", "male"), ("<50", "50-64", "65-79", "80+")


def seconds_of(function: Callable[[], Any]) -> tuple[float, Any]:
    """Seconds of the processor that a call takes, and what it returns."""
    start = time.process_time()
    result = function()
    return time.process_time() - start, result


def made_up(num_rows: int, num_groups: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Labels, half of them 1, risks with an AUROC of about 0.92, and groups; (N,)."""
    rng = np.random.default_rng(0)
    label = (rng.random(num_rows) < 0.5).astype(int)
    score = 1 / (1 + np.exp(1 - 2 * label - rng.standard_normal(num_rows)))
    return label, score, rng.integers(0, num_groups, num_rows)


def bootstrap(num_rows: int, num_groups: int, num_replicates: int) -> dict[str, float]:
    """Seconds and peak memory of our bootstrap."""
    label, score, group = made_up(num_rows, num_groups)
    reset_peak()
    seconds, _ = seconds_of(lambda: bounds_by_group(label, score, group, THRESHOLD, num_replicates=num_replicates))
    return {"seconds": round(seconds, 2), "peak_resident_megabytes": round(peak_megabytes())}


def growth(most: int, num_groups: int, num_replicates: int) -> dict[str, Any]:
    """Seconds of our bootstrap at four sizes, each four times the one before.

    Returns:
        times_n_log_n: seconds of the largest over those of the smallest, beside the same ratio of n log n.
    """
    sizes = [most // 64, most // 16, most // 4, most]
    seconds = [bootstrap(size, num_groups, num_replicates)["seconds"] for size in sizes]
    expected = most * np.log(most) / (sizes[0] * np.log(sizes[0]))
    return {
        "rows": sizes,
        "seconds": seconds,
        "times_n_log_n": round(float(seconds[-1] / max(seconds[0], 0.01) / expected), 3),
    }


def against_fairlearn(num_rows: int, num_groups: int, replicates: int, all_replicates: int) -> dict[str, float]:
    """Five metrics by intersection: seconds of both sides, and by how much their bounds differ.

    A bound from 100 replicates is itself a matter of chance, by about a quarter of the metric's standard error.
    """
    label, score, group = made_up(num_rows, num_groups)
    features = pd.DataFrame({"first": group // 4, "second": group % 4})
    metrics: dict[str, Any] = {
        name: lambda y, s, of=function: of(y, np.asarray(s) >= THRESHOLD) for name, function in RATES.items()
    }
    ours, _ = seconds_of(lambda: bounds_by_group(label, score, group, THRESHOLD, num_replicates=replicates))
    every, bounds = seconds_of(lambda: bounds_by_group(label, score, group, THRESHOLD, num_replicates=all_replicates))
    theirs, frame = seconds_of(
        lambda: MetricFrame(
            metrics={**metrics, "auroc": roc_auc_score},
            y_true=label,
            y_pred=score,
            sensitive_features=features,
            n_boot=replicates,
            ci_quantiles=[0.025, 0.975],
            random_state=0,
        )
    )
    names = ["value", "lower", "upper"]
    found = [part.set_axis(range(num_groups)).stack() for part in (frame.by_group, *frame.by_group_ci)]
    expected = bounds.set_index(["group", "metric"])[names].reindex(found[0].index)
    gaps = np.abs(np.stack(found, axis=1) - expected.to_numpy())
    return {
        "fairlearn_seconds": round(theirs, 2),
        "seconds": round(ours, 3),
        "times_less_cpu": round(theirs / ours),
        "seconds_of_all_replicates": round(every, 2),
        "largest_difference_of_values": float(f"{gaps[:, 0].max():.1g}"),
        "mean_difference_of_bounds": round(float(gaps[:, 1:].mean()), 4),
        "largest_difference_of_bounds": round(float(gaps[:, 1:].max()), 4),
    }


def decision(num_rows: int) -> dict[str, float]:
    """Seconds and peak memory of a decision by the policy screening on predictions of another tool."""
    rng = np.random.default_rng(0)
    label, score, _ = made_up(num_rows, 4)

    def text(names: tuple[str, ...]) -> pd.Series:
        return pd.Series(names, dtype="str").take(rng.integers(0, len(names), num_rows)).reset_index(drop=True)

    columns = {"part": ("held_out",), "site": ("east", "west"), "pattern": ("labs", "labs+ecg", "ecg")}
    columns |= {"sensitive.sex": SEX, "sensitive.age": AGE}
    people = pd.DataFrame({"label": label, "score": score, **{name: text(names) for name, names in columns.items()}})
    policy = load_policy("screening")
    declared = {"sex": SEX, "age": AGE}
    evidence = Evidence(people, THRESHOLD, declared, {"all is as it was": True}, has_model=False)
    record: dict[str, Any] = {"cohort": {}, "notes": []}
    before = peak_megabytes()
    reset_peak()
    seconds, content = seconds_of(lambda: decide(policy, evidence, people, ["labs", "ecg"], record))
    return {
        "seconds": round(seconds, 2),
        "verdict": content["verdict"],
        "table_megabytes": round(people.memory_usage(deep=True).sum() / 1e6),
        "resident_megabytes_before": round(before),
        "peak_resident_megabytes": round(peak_megabytes()),
    }
