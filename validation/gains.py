"""The model beside all others that were scored on the same subjects: controls, simple baselines and the champion."""

import numpy as np
import pandas as pd

from validation.estimands import Estimand, Mean
from validation.predictions import BASELINE, CHAMPION, CONTROL, weights_of

COLUMNS = ("against", "kind", "metric", "value", "lower", "upper", "support")


def gains_over_others(held_out: pd.DataFrame, alpha: float, least: int) -> pd.DataFrame:
    """How much better the model is than each of them, paired by subject; above 0 is better.

    Args:
        held_out: Predictions, at least two subjects, with scores of others in the columns `control.NAME`,
            `baseline.NAME` and `champion`.
        alpha: One-sided level of the bounds.
        least: Smallest number of positives, and of negatives, of whom anything is told.

    Returns:
        One row one of them and metric: against (its name), kind (control, baseline or champion), metric (auroc, by
        DeLong; brier, by how much its Brier score is higher than the model's), value, lower, upper (NaN where
        undefined), support; no row where there are too few of a class.
    """
    label, score, weight = held_out["label"].to_numpy(), held_out["score"].to_numpy(), weights_of(held_out)
    columns = [] if min((label == 1).sum(), (label == 0).sum()) < least else list(map(str, held_out))
    rows = []
    for column in columns:
        if not column.startswith((CONTROL, BASELINE)) and column != CHAMPION:
            continue
        kind, _, name = column.partition(".")
        other = held_out[column].to_numpy()
        estimands: dict[str, Estimand] = {
            "auroc": Mean.auroc_gain(label, score, other, weight),
            "brier": Mean.over((other - label) ** 2 - (score - label) ** 2, weight),
        }
        for metric, estimand in estimands.items():
            figures = (estimand.value, *estimand.interval(alpha), int(np.rint(estimand.support)))
            rows.append(dict(zip(COLUMNS, (name or CHAMPION, kind, metric, *figures), strict=True)))
    return pd.DataFrame(rows, columns=list(COLUMNS))
