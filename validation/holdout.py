"""Held-out cohort: metrics of all its subjects, and of each site, pattern or other part of it."""

import numpy as np
import pandas as pd

from validation.audit import METRICS, rate_at
from validation.estimands import Auroc, Estimand, Mean
from validation.predictions import weights_of
from validation.ratio import Ratio


def performance(held_out: pd.DataFrame, threshold: float, alpha: float, least: int) -> pd.DataFrame:
    """Metrics with their intervals.

    Args:
        held_out: Predictions, at least two subjects.
        threshold: Operating point.
        alpha: One-sided level of the bounds.
        least: Smallest number of positives, and of negatives, of whom a figure is given that rests on both.

    Returns:
        One row a metric: metric, value, lower, upper (NaN where undefined, or of a few), support, unit. AUROC by
        DeLong, rates by Wilson, Brier score by the normal distribution, observed / expected by it on the log scale; all
        by the weights, if any, where a support counts people.
    """
    label, score, weight = held_out["label"].to_numpy(), held_out["score"].to_numpy(), weights_of(held_out)
    estimands: dict[str, Estimand] = {"auroc": Auroc.of(label, score, weight)}
    estimands |= {metric: rate_at(metric, held_out, threshold) for metric in METRICS}
    estimands["brier"] = Mean.over((score - label) ** 2, weight)
    estimands["observed / expected"] = Ratio.observed_expected(label, score, weight)
    table = pd.DataFrame([_row(metric, estimand, alpha) for metric, estimand in estimands.items()])
    if min((label == 1).sum(), (label == 0).sum()) < least:
        table.loc[~table["metric"].isin(list(METRICS)), ["value", "lower", "upper"]] = np.nan
    return table


def auroc_by(held_out: pd.DataFrame, by: pd.Series, alpha: float) -> pd.DataFrame:
    """AUROC of each part of a cohort, the largest part first.

    Returns:
        One row a part: group, num_subjects, num_positives, num_negatives, value, lower, upper (NaN where undefined).
    """
    label, score, weight = held_out["label"].to_numpy(), held_out["score"].to_numpy(), weights_of(held_out)
    rows = []
    codes, groups = pd.factorize(by, sort=True)
    for code, group in enumerate(groups):
        member = codes == code
        estimand = Auroc.of(label[member], score[member], None if weight is None else weight[member])
        lower, upper = estimand.interval(alpha)
        rows.append(
            {
                "group": group,
                "num_subjects": int(member.sum()),
                "num_positives": int((label[member] == 1).sum()),
                "num_negatives": int((label[member] == 0).sum()),
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
