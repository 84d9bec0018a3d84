"""The table of predictions: all that the judge ever sees of a model."""

from collections.abc import Mapping

import numpy as np
import pandas as pd

from cohorts.cohort import Cohort
from cohorts.errors import raise_if
from cohorts.limits import in_words
from validation.statistics import effective_size

SENSITIVE, CONTROL, BASELINE = "sensitive.", "control.", "baseline."
CHAMPION, WEIGHT = "champion", "weight"
PARTS = ("tuning", "held_out")
COLUMNS = ("subject_id", "part", "site", "label", "score", "pattern")
NOT_GIVEN, UNKNOWN = "not given", "Unknown"
"""What stands for a column that was not given, and for a value that is absent."""
MOST_UNEQUAL = 1e9
"""Ratio of weights beyond which the heaviest would be all that counts, and sums of them no longer exact."""


def describe_people(cohort: Cohort, part: np.ndarray) -> pd.DataFrame:
    """Who is in which part of a split, without scores.

    Args:
        cohort: Labelled subjects.
        part: Part of each, texts (N,).

    Returns:
        One row a subject: subject_id, part, site, label (0 or 1), pattern, a `sensitive.NAME` for each feature, and,
        only where the spec names one, weight: the subject's survey or sampling weight, above 0. It says how many people
        of the population the subject stands for; it is no frequency, so 2 does not mean two subjects.
    """
    frame = pd.DataFrame(
        {
            "subject_id": cohort.subject_id.astype(str),
            "part": part.astype(str),
            "site": cohort.site.astype(str),
            "label": cohort.label.astype(int),
            "pattern": cohort.pattern.astype(str),
        }
    )
    for name in cohort.sensitive.columns:
        frame[SENSITIVE + name] = cohort.sensitive[name].to_numpy()
    if cohort.spec.weight is not None:
        frame[WEIGHT] = cohort.weight
    return frame


def make_predictions(people: pd.DataFrame, scores: Mapping[str, np.ndarray]) -> pd.DataFrame:
    """The table of predictions.

    Args:
        people: From `describe_people`, all of them in the part "tuning" or "held_out".
        scores: Column to predicted risks of these subjects, 0 to 1, (N,): `score` of the model, `control.NAME` of a
            control, `baseline.NAME` of a simple baseline, `champion` of the champion.
    """
    return people.assign(**scores).reset_index(drop=True)


def check_predictions(frame: pd.DataFrame) -> None:
    """Refuse a table that cannot be judged.

    Raises:
        InputError: With every problem: columns, duplicates, labels other than 0 and 1, scores outside 0 to 1 or NaN,
            weights that are not finite and above 0, or of which one is more than 1e9 times another.
    """
    lacking = [column for column in COLUMNS if column not in frame]
    raise_if(
        [f"predictions: no column {column}; a table of predictions has {', '.join(COLUMNS)}" for column in lacking]
    )
    problems = []
    for part in sorted(set(frame["part"].unique()) - set(PARTS)):
        problems.append(f"predictions: part `{part}` is neither of {', '.join(PARTS)}")
    repeated = int(frame["subject_id"].duplicated().sum())
    if repeated:
        problems.append(f"predictions: {in_words(repeated)} rows repeat a subject, where each may stand once")
    if not frame["label"].isin([0, 1]).all():
        problems.append("predictions: label must be 0 or 1 in every row")
    others = [name for name in frame if str(name).startswith((CONTROL, BASELINE)) or name == CHAMPION]
    for column in ["score", *others]:
        values = pd.to_numeric(frame[column], errors="coerce")
        absent = int(values.isna().sum())
        outside = int((~values.between(0, 1)).sum()) - absent
        if absent:
            problems.append(f"predictions: {in_words(absent)} values of {column} are empty or no numbers")
        if outside:
            problems.append(f"predictions: {in_words(outside)} values of {column} are not between 0 and 1")
    if WEIGHT in frame:
        problems += _weight_problems(pd.to_numeric(frame[WEIGHT], errors="coerce"))
    raise_if(problems)


def _weight_problems(weight: pd.Series) -> list[str]:
    bad = int((~(np.isfinite(weight) & (weight > 0))).sum())
    if bad:
        return [f"predictions: {in_words(bad)} values of {WEIGHT} are not finite and above 0"]
    if len(weight) and weight.max() / MOST_UNEQUAL > weight.min():
        return [f"predictions: the largest {WEIGHT} is more than {MOST_UNEQUAL:g} times the smallest; check their unit"]
    return []


def weights_of(frame: pd.DataFrame) -> np.ndarray | None:
    """Survey or sampling weights, float64 (N,), as shares of the largest, since only ratios matter; None without."""
    if WEIGHT not in frame:
        return None
    weight = frame[WEIGHT].to_numpy(dtype=float)
    return weight / weight.max(initial=0.0)


def weight_notes(held_out: pd.DataFrame, name: str | None, least: int) -> list[str]:
    """What a reader must know of weighted estimates, in one sentence; none where there are no weights.

    Args:
        held_out: Predictions of the held-out cohort.
        name: How the spec names the weights; None where nobody said.
        least: Smallest number of people of whom a figure is shown.
    """
    weight = weights_of(held_out)
    if weight is None:
        return []
    size = effective_size(weight)
    figures = f"the held-out cohort's effective sample size is {size:.0f} (design effect {len(weight) / size:.2f})"
    parts = [
        f"estimates are weighted by `{name or WEIGHT}`",
        *([figures] if len(weight) >= least else []),
        "counts are of people, and numbers needed hold for people drawn and weighted as these are",
        "clusters and strata are not modelled, so intervals may be too narrow",
    ]
    return ["; ".join(parts)]


def sensitive_features(frame: pd.DataFrame) -> list[str]:
    """Names of the sensitive features in a table of predictions."""
    return [str(name).removeprefix(SENSITIVE) for name in frame if str(name).startswith(SENSITIVE)]
