"""How two cohorts differ: feature by feature, together, and by a change of unit."""

from typing import Any

import numpy as np
import pandas as pd
from scipy.stats import ks_2samp
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import StratifiedKFold, cross_val_predict
from threadpoolctl import threadpool_limits

from cohorts.cohort import Cohort
from cohorts.leaks import each_feature, summaries
from cohorts.statistics import auroc_interval

MOST_SUBJECTS = 10_000  # of each cohort, for the classifier
COMMON = 0.8  # share of both cohorts who must have a modality for its values to be compared together
LEAST_VALUES = 30
MOST_PARTS = 50
# Factors between units in use, and what they usually stand for.
UNITS = {
    38.67: "cholesterol in mg/dL against mmol/L",
    88.57: "triglycerides in mg/dL against mmol/L",
    18.02: "glucose in mg/dL against mmol/L",
    88.42: "creatinine in umol/L against mg/dL",
    17.10: "bilirubin in umol/L against mg/dL",
    59.48: "uric acid in umol/L against mg/dL",
    2.80: "urea nitrogen in mg/dL against urea in mmol/L",
    4.008: "calcium in mg/dL against mmol/L",
    7.501: "pressure in mm Hg against kPa",
    2.2046: "weight in pounds against kilograms",
    2.54: "length in centimetres against inches",
    10.0: "a factor of ten, such as g/L against g/dL",
    100.0: "a factor of a hundred, such as percent against a share or cm against m",
    60.0: "minutes against hours, or seconds against minutes",
    24.0: "hours against days",
    1000.0: "a factor of a thousand",
}


def standardised_differences(cohort: Cohort, a: str = "rich", b: str = "sparse") -> pd.DataFrame:
    """Mean differences of every feature, in units of the pooled standard deviation (Austin, Stat Med 28, 2009).

    Returns:
        One row a feature that at least LEAST_VALUES subjects of both have: modality, feature, num_a, num_b, mean_a,
        mean_b, difference (b minus a); the largest first.
    """
    features = summaries(cohort)
    values = {role: features[cohort.role == role] for role in (a, b)}
    count = pd.DataFrame({role: values[role].notna().sum() for role in (a, b)})
    mean = pd.DataFrame({role: values[role].mean() for role in (a, b)})
    variance = pd.DataFrame({role: values[role].var() for role in (a, b)})
    pooled = np.sqrt(variance.mean(axis=1))
    difference = (mean[b] - mean[a]) / pooled.where(pooled > 0)
    table = pd.DataFrame(
        {
            "num_a": count[a],
            "num_b": count[b],
            "mean_a": mean[a],
            "mean_b": mean[b],
            "difference": difference,
        }
    )
    table = table[(count.min(axis=1) >= LEAST_VALUES) & difference.notna()].reset_index(names=["modality", "feature"])
    return table.sort_values("difference", key=np.abs, ascending=False, ignore_index=True)


def tells_apart(cohort: Cohort, a: str = "rich", b: str = "sparse") -> dict[str, Any]:
    """How well a classifier tells two cohorts apart; 0.5 means not at all.

    Returns:
        "presence": AUROC of presence alone by a logistic regression, with its 95 % interval, or None where it is the
        same for all; "values": that of the values of the modalities that most people of both have, among those who have
        all of them, by gradient boosting, or None; "modalities": whose values those are. Cross-fitted in five folds.
    """
    rows = np.concatenate([_some(np.flatnonzero(cohort.role == role)) for role in (a, b)])
    people = cohort.take(rows)
    target = (people.role == b).astype(int)
    common = [
        name
        for m, name in enumerate(people.modalities)
        if min(people.presence[target == side, m].mean() for side in (0, 1)) >= COMMON
    ]
    presence = people.presence.astype(float)
    varied = bool((presence.std(axis=0) > 0).any())
    have_all = people.presence_of(common).all(axis=1)
    enough = bool(common) and min((target[have_all] == side).sum() for side in (0, 1)) >= LEAST_VALUES
    boosting = HistGradientBoostingClassifier(max_iter=60, random_state=0)
    summarised = [people.features[name].summary().to_numpy(dtype=float)[have_all] for name in common]
    known = np.concatenate(summarised, axis=1) if enough else np.zeros((0, 0))
    known = known[:, ~np.isnan(known).all(axis=0)]
    return {
        "presence": _cross_fitted(LogisticRegression(max_iter=500), presence, target) if varied else None,
        "values": _cross_fitted(boosting, known, target[have_all]) if enough else None,
        "modalities": common,
    }


def _some(rows: np.ndarray) -> np.ndarray:
    return np.random.default_rng(0).permutation(rows)[:MOST_SUBJECTS]


def _cross_fitted(model: Any, x: np.ndarray, y: np.ndarray) -> tuple[float, float, float]:
    folds = StratifiedKFold(5, shuffle=True, random_state=0)
    with threadpool_limits(1):
        return auroc_interval(y, cross_val_predict(model, x, y, cv=folds, method="predict_proba")[:, 1])


def unit_jumps(features: pd.DataFrame, part: np.ndarray) -> pd.DataFrame:
    """Features whose values in one part of the people are those of the largest part times a factor.

    A factor of at least 1.8 between the medians, after which the distributions agree far better than before; or degrees
    Fahrenheit against Celsius.

    Args:
        features: As from `summaries`.
        part: Site, cohort or time of each subject, texts (N,); of more than MOST_PARTS, the largest are looked at.

    Returns:
        One row a jump: modality, feature, part, reference (the largest part), factor, meaning ("" where the factor is
        no known one).
    """
    rows = []
    codes, names = pd.factorize(pd.Series(part.astype(str)))
    for modality, feature, values in each_feature(features):
        usable = np.flatnonzero(~np.isnan(values) & (values > 0))
        if len(usable) < 2 * LEAST_VALUES or len(np.unique(values[usable])) <= 10:
            continue
        sizes = np.bincount(codes[usable], minlength=len(names))
        largest, *others = np.argsort(-sizes, kind="stable")[:MOST_PARTS]
        reference = values[usable][codes[usable] == largest]
        for other in others:
            if sizes[other] >= LEAST_VALUES:
                jump = _jump(values[usable][codes[usable] == other], reference)
                rows += [(modality, feature, names[other], names[largest], *jump)] if jump else []
    return pd.DataFrame(rows, columns=["modality", "feature", "part", "reference", "factor", "meaning"])


def _jump(inside: np.ndarray, reference: np.ndarray) -> tuple[float, str] | None:
    factor = float(np.median(inside) / np.median(reference))
    if max(factor, 1 / factor) < 1.8:
        return None
    before = ks_2samp(inside, reference).statistic
    scaled = ks_2samp(inside / factor, reference).statistic
    degrees = min(ks_2samp(inside, reference * 1.8 + 32).statistic, ks_2samp(inside * 1.8 + 32, reference).statistic)
    if before > 0.6 and degrees < min(0.2, scaled):
        return factor, "degrees Fahrenheit against Celsius"
    return (factor, _meaning(factor)) if before > 0.6 and scaled < 0.4 * before else None


def _meaning(factor: float) -> str:
    size = max(factor, 1 / factor)
    nearest = min(UNITS, key=lambda unit: abs(np.log(size / unit)))
    return UNITS[nearest] if abs(np.log(size / nearest)) < 0.05 else ""
