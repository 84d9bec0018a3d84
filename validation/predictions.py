"""The table of predictions: all that the judge ever sees of a model."""

from collections.abc import Mapping

import numpy as np
import pandas as pd

from cohorts.cohort import Cohort
from cohorts.errors import raise_if

SENSITIVE, CONTROL = "sensitive.", "control."
PARTS = ("tuning", "held_out")
COLUMNS = ("subject_id", "part", "site", "label", "score", "pattern")


def describe_people(cohort: Cohort, part: np.ndarray) -> pd.DataFrame:
    """Who is in which part of a split, without scores.

    Args:
        cohort: Labelled subjects.
        part: Part of each, texts (N,).

    Returns:
        One row a subject: subject_id, part, site, label (0 or 1), pattern, and a `sensitive.NAME` for each feature.
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
    return frame


def make_predictions(people: pd.DataFrame, score: np.ndarray, controls: Mapping[str, np.ndarray]) -> pd.DataFrame:
    """The table of predictions.

    Args:
        people: From `describe_people`, all of them in the part "tuning" or "held_out".
        score: Predicted risk, 0 to 1, (N,).
        controls: Name of a control to its scores of the same subjects, (N,).

    Returns:
        The people with the columns score and, for each control, `control.NAME`.
    """
    scores = {"score": score, **{CONTROL + name: values for name, values in controls.items()}}
    return people.assign(**scores).reset_index(drop=True)


def check_predictions(frame: pd.DataFrame) -> None:
    """Refuse a table that cannot be judged.

    Raises:
        InputError: With every problem: columns, duplicates, labels other than 0 and 1, scores outside 0 to 1 or NaN.
    """
    lacking = [column for column in COLUMNS if column not in frame]
    raise_if(
        [f"predictions: no column {column}; a table of predictions has {', '.join(COLUMNS)}" for column in lacking]
    )
    problems = []
    for part in sorted(set(frame["part"]) - set(PARTS)):
        problems.append(f"predictions: part `{part}` is neither of {', '.join(PARTS)}")
    repeated = int(frame["subject_id"].duplicated().sum())
    if repeated:
        problems.append(f"predictions: {repeated} rows repeat a subject, where each may stand once")
    if not frame["label"].isin([0, 1]).all():
        problems.append("predictions: label must be 0 or 1 in every row")
    for column in ["score", *[name for name in frame.columns if str(name).startswith(CONTROL)]]:
        values = pd.to_numeric(frame[column], errors="coerce")
        bad = int((~values.between(0, 1)).sum())
        if bad:
            problems.append(f"predictions: {bad} values of {column} are not between 0 and 1")
    raise_if(problems)


def sensitive_features(frame: pd.DataFrame) -> list[str]:
    """Names of the sensitive features in a table of predictions."""
    return [str(name).removeprefix(SENSITIVE) for name in frame if str(name).startswith(SENSITIVE)]
