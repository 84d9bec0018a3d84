"""Held-out cohort: metrics of all its subjects, and of each site, pattern or other part of it."""

import numpy as np
import pandas as pd

from validation.audit import METRICS, rate_at
from validation.estimands import Auroc, Estimand, Mean, Rate
from validation.predictions import weights_of


def performance(held_out: pd.DataFrame, threshold: float, alpha: float) -> pd.DataFrame:
    """Metrics with their intervals.

    Args:
        held_out: Predictions, at least two subjects.
        threshold: Operating point.
        alpha: One-sided level of the bounds.

    Returns:
        One row a metric: metric, value, lower, upper, support, unit. AUROC by DeLong, rates by Wilson, Brier score by
        the normal distribution, observed / expected by Wilson's interval of the observed; all by the weights, if any,
        where a support counts people.
    """
    label, score, weight = held_out["label"].to_numpy(), held_out["score"].to_numpy(), weights_of(held_out)
    estimands: dict[str, Estimand] = {"auroc": Auroc.of(label, score, weight)}
    estimands |= {metric: rate_at(metric, held_out, threshold) for metric in METRICS}
    estimands["brier"] = Mean.over((score - label) ** 2, weight)
    rows = [_row(metric, estimand, alpha) for metric, estimand in estimands.items()]
    expected = float(np.average(score, weights=weight))
    positive = Rate.of(label == 1, np.ones(len(label), dtype=bool), weight)
    observed = [positive.value, *positive.interval(alpha)]
    ratio = dict(
        zip(
            ["value", "lower", "upper"],
            [part / expected if expected else float("nan") for part in observed],
            strict=True,
        )
    )
    rows.append({"metric": "observed / expected", **ratio, "support": len(label), "unit": "subjects"})
    return pd.DataFrame(rows)


def auroc_by(held_out: pd.DataFrame, by: pd.Series, alpha: float) -> pd.DataFrame:
    """AUROC of each part of a cohort, the largest part first.

    Returns:
        One row a part: group, num_subjects, num_positives, num_negatives, value, lower, upper (NaN where undefined).
    """
    rows = []
    for group, part in held_out.groupby(by.to_numpy()):
        label = part["label"].to_numpy()
        estimand = Auroc.of(label, part["score"].to_numpy(), weights_of(part))
        lower, upper = estimand.interval(alpha)
        rows.append(
            {
                "group": group,
                "num_subjects": len(part),
                "num_positives": int(label.sum()),
                "num_negatives": int((label == 0).sum()),
                "value": estimand.value,
                "lower": lower,
                "upper": upper,
            }
        )
    return pd.DataFrame(rows).sort_values(["num_subjects", "group"], ascending=[False, True], ignore_index=True)


def _row(metric: str, estimand: Estimand, alpha: float) -> dict[str, object]:
    lower, upper = estimand.interval(alpha)
    support = int(np.rint(estimand.support))
    return {
        "metric": metric,
        "value": estimand.value,
        "lower": lower,
        "upper": upper,
        "support": support,
        "unit": estimand.unit,
    }
