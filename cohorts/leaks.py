"""What gives a label away: a feature that is the label, absence itself, people who are in two cohorts."""

from collections.abc import Iterator

import numpy as np
import pandas as pd
from scipy.stats import rankdata
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import StratifiedKFold, cross_val_predict

from cohorts.cohort import Cohort
from cohorts.statistics import auroc_interval

LEAST_OF_A_CLASS = 20  # subjects of each class, under which an AUROC says nothing
ROWS_AT_ONCE = 1024
FEWEST_VALUES = 5  # known values, under which two people are alike by chance


def summaries(cohort: Cohort) -> pd.DataFrame:
    """Float columns of all modalities, N rows, NaN where absent; the columns are (modality, feature)."""
    parts = {name: measurements.summary() for name, measurements in cohort.features.items()}
    return pd.concat(parts, axis=1)


def each_feature(features: pd.DataFrame) -> Iterator[tuple[str, str, np.ndarray]]:
    """Modality, name and values, float64 (N,), of the columns of `summaries`."""
    modalities, names = (features.columns.get_level_values(level) for level in (0, 1))
    for number, (modality, name) in enumerate(zip(modalities, names, strict=True)):
        yield str(modality), str(name), features.iloc[:, number].to_numpy(dtype=float)


def single_feature_aurocs(features: pd.DataFrame, label: np.ndarray) -> pd.DataFrame:
    """How well each feature alone tells the classes apart, among those who have it.

    Args:
        features: As from `summaries`.
        label: 1 positive, 0 negative, (N,).

    Returns:
        One row a feature with enough of both classes: modality, feature, num, value (0.5 to 1, in whichever direction),
        lower, upper (95 %, DeLong); the best first.
    """
    rows = []
    for modality, feature, values in each_feature(features):
        known = ~np.isnan(values)
        classes = label[known]
        if min((classes == 1).sum(), (classes == 0).sum()) < LEAST_OF_A_CLASS or np.ptp(values[known]) == 0:
            continue
        rank = rankdata(values[known])
        direction = 1 if rank[classes == 1].mean() >= rank[classes == 0].mean() else -1
        value, lower, upper = auroc_interval(classes, direction * rank)
        rows.append((modality, feature, int(known.sum()), value, lower, upper))
    columns = ["modality", "feature", "num", "value", "lower", "upper"]
    return pd.DataFrame(rows, columns=columns).sort_values("value", ascending=False, ignore_index=True)


def from_absence(cohort: Cohort) -> pd.DataFrame:
    """How well presence alone tells the label, and each group of each sensitive feature, in each training cohort.

    A logistic regression on presence, cross-fitted in five folds, so that chance gives 0.5.

    Returns:
        One row a cohort and target: role, target ("label" or "feature: group"), num, value, lower, upper (95 %).
    """
    rows = []
    for role in ("rich", "sparse"):
        member = cohort.role == role
        presence = cohort.presence[member].astype(float)
        for target, truth in _targets(cohort, member):
            known = ~np.isnan(truth)
            x, y = presence[known], truth[known]
            if min((y == 1).sum(), (y == 0).sum()) < LEAST_OF_A_CLASS or not (x.std(axis=0) > 0).any():
                continue
            folds = StratifiedKFold(5, shuffle=True, random_state=0)
            model = LogisticRegression(C=1.0, max_iter=500)
            score = cross_val_predict(model, x, y, cv=folds, method="predict_proba")[:, 1]
            rows.append((role, target, len(y), *auroc_interval(y, score)))
    return pd.DataFrame(rows, columns=["role", "target", "num", "value", "lower", "upper"])


def _targets(cohort: Cohort, member: np.ndarray) -> Iterator[tuple[str, np.ndarray]]:
    yield "label", cohort.label[member]
    for feature in cohort.sensitive.columns:
        values = cohort.sensitive[feature].to_numpy()[member]
        for group in sorted(set(values)):
            yield f"{feature}: {group}", (values == group).astype(float)


def people_alike(cohort: Cohort) -> tuple[int, int]:
    """How many subjects have exactly the values of another: in another cohort, and in their own.

    Who has fewer than FEWEST_VALUES known values is left out, and who is in no cohort.
    """
    num_known, sums = np.zeros(len(cohort), dtype=int), np.zeros(len(cohort), dtype=np.uint64)
    rng = np.random.default_rng(0)
    for measurements in cohort.features.values():
        values = measurements.summary().to_numpy(dtype=float)
        odd = rng.integers(2**63, size=values.shape[1], dtype=np.uint64) * np.uint64(2) + np.uint64(1)
        for start in range(0, len(values), ROWS_AT_ONCE):  # what fits into the processor's cache
            rows = slice(start, start + ROWS_AT_ONCE)
            absent = np.isnan(values[rows])
            bits = np.where(absent, -1.5e300, values[rows]).view(np.uint64)
            mixed = (bits ^ (bits >> np.uint64(29))) * odd
            sums[rows] += (mixed ^ (mixed >> np.uint64(32))).sum(axis=1)
            num_known[rows] += (~absent).sum(axis=1)
    member = (cohort.role != "") & (num_known >= FEWEST_VALUES)
    row = pd.DataFrame({"sum": sums[member], "role": cohort.role[member]})
    shared = row[row.duplicated("sum", keep=False)]
    num_roles = shared.groupby("sum")["role"].transform("nunique")
    return int((num_roles > 1).sum()), int(shared.duplicated(["sum", "role"]).sum())
