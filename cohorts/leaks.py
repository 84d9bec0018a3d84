"""What gives a label away: a feature that is the label, absence itself, people who are in two cohorts."""

from collections.abc import Iterator

import numpy as np
import pandas as pd
from scipy.stats import rankdata
from sklearn.feature_extraction.text import HashingVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import StratifiedKFold, cross_val_predict

from cohorts.cohort import Cohort
from cohorts.modalities.embedding import Embedding
from cohorts.modalities.measurements import Measurements
from cohorts.modalities.tabular import Tabular
from cohorts.modalities.text import Texts
from cohorts.statistics import auroc_interval

LEAST_OF_A_CLASS = 20  # subjects of each class, under which an AUROC says nothing
FEW_VALUES = 10  # distinct values, up to which each counts for itself
ROWS_AT_ONCE, COLUMNS_AT_ONCE = 1024, 2000
MOST_BY_PRESENCE, MOST_OF_A_WIDE, MOST_TEXTS = 5000, 2000, 5000  # subjects
MOST_GROUPS = 30  # of a sensitive feature, the largest
FEWEST_VALUES = 6  # known columns, under which two people are alike by chance


def summaries(cohort: Cohort) -> pd.DataFrame:
    """Float columns of all modalities, N rows, NaN where absent; the columns are (modality, feature)."""
    parts = {name: measurements.summary() for name, measurements in cohort.features.items()}
    return pd.concat(parts, axis=1)


def each_feature(features: pd.DataFrame) -> Iterator[tuple[str, str, np.ndarray]]:
    """Modality, name and values, float64 (N,), of the columns of `summaries`."""
    modalities, names = (features.columns.get_level_values(level) for level in (0, 1))
    for number, (modality, name) in enumerate(zip(modalities, names, strict=True)):
        yield str(modality), str(name), features.iloc[:, number].to_numpy(dtype=float)


def single_feature_aurocs(cohort: Cohort) -> pd.DataFrame:
    """How well each feature alone tells the classes apart, among those who have it.

    Features are the columns of `summaries`, in whichever direction; one with few distinct values by the share of
    positives of each; whether a column of a present modality is measured at all; the best number of a wide embedding;
    and a text as a whole, by a cross-fitted logistic regression on its hashed words.

    Args:
        cohort: With labels; tens of thousands of subjects at most.

    Returns:
        One row a feature with enough of both classes: modality, feature, num, value (0.5 to 1), lower, upper (95 %,
        DeLong); the best first.
    """
    rows = []
    for name, measurements in cohort.features.items():
        for feature, score in _scores(measurements, cohort.label):
            known = ~np.isnan(score) & ~np.isnan(cohort.label)
            classes, values = cohort.label[known], score[known]
            if min((classes == 1).sum(), (classes == 0).sum()) >= LEAST_OF_A_CLASS and np.ptp(values) > 0:
                rank = rankdata(values)
                direction = 1 if rank[classes == 1].mean() >= rank[classes == 0].mean() else -1
                rows.append((name, feature, len(values), *auroc_interval(classes, direction * rank)))
    columns = ["modality", "feature", "num", "value", "lower", "upper"]
    return pd.DataFrame(rows, columns=columns).sort_values("value", ascending=False, ignore_index=True)


def _scores(measurements: Measurements, label: np.ndarray) -> Iterator[tuple[str, np.ndarray]]:
    """Name and value of what may give the label away, float64 (N,), NaN where absent."""
    frame, present = measurements.summary(), measurements.present
    for name in frame.columns:
        values = frame[name].to_numpy(dtype=float)
        known = ~np.isnan(values)
        yield str(name), _by_value(values, label) if len(np.unique(values[known])) <= FEW_VALUES else values
        if not known[present].all() and " = " not in str(name):
            yield f"{name} (whether measured)", np.where(present, known.astype(float), np.nan)
    if isinstance(measurements, Embedding) and measurements.values.shape[1] > frame.shape[1]:
        yield _best_of_many(measurements, label)
    if isinstance(measurements, Texts):
        yield "words", _words(measurements, label)


def _by_value(values: np.ndarray, label: np.ndarray) -> np.ndarray:
    """The share of positives among those with the same value."""
    frame = pd.DataFrame({"value": values, "label": label})
    return frame.groupby("value")["label"].transform("mean").to_numpy(dtype=float)


def _best_of_many(embedding: Embedding, label: np.ndarray) -> tuple[str, np.ndarray]:
    """The number of a wide vector that tells most, by the difference of the mean ranks of the classes."""
    rows = np.flatnonzero(embedding.present)[:MOST_OF_A_WIDE]
    positive = label[rows] == 1
    best, place = -1.0, 0
    for start in range(0, embedding.values.shape[1], COLUMNS_AT_ONCE):
        rank = rankdata(np.nan_to_num(embedding.values[rows, start : start + COLUMNS_AT_ONCE]), axis=0)
        apart = np.abs(rank[positive].mean(axis=0) - rank[~positive].mean(axis=0))
        if len(apart) and apart.max() > best:
            best, place = float(apart.max()), start + int(apart.argmax())
    return f"[{place}]", embedding.values[:, place].astype(float)


def _words(texts: Texts, label: np.ndarray) -> np.ndarray:
    score = np.full(len(texts), np.nan)
    rows = np.flatnonzero(texts.present & ~np.isnan(label))[:MOST_TEXTS]
    if min((label[rows] == 1).sum(), (label[rows] == 0).sum()) >= LEAST_OF_A_CLASS:
        words = HashingVectorizer(n_features=2**14, ngram_range=(1, 2)).transform(texts.values[rows])
        folds = StratifiedKFold(5, shuffle=True, random_state=0)
        model = LogisticRegression(C=10.0, max_iter=300)
        score[rows] = cross_val_predict(model, words, label[rows], cv=folds, method="predict_proba")[:, 1]
    return score


def from_absence(cohort: Cohort) -> pd.DataFrame:
    """How well presence alone tells the label, and each group of each sensitive feature, in each training cohort.

    A logistic regression on presence, cross-fitted in five folds, so that chance gives 0.5.

    Returns:
        One row a cohort and target: role, target ("label" or "feature: group"), num, value, lower, upper (95 %).
    """
    rows = []
    for role in ("rich", "sparse"):
        member = np.flatnonzero(cohort.role == role)
        member = np.sort(np.random.default_rng(0).permutation(member)[:MOST_BY_PRESENCE])
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
        for group in sorted(pd.Series(values).value_counts().index[:MOST_GROUPS]):
            yield f"{feature}: {group}", (values == group).astype(float)


def people_alike(cohort: Cohort) -> tuple[int, int]:
    """How many subjects have exactly the values of another: in another cohort, and in their own.

    Who has fewer than FEWEST_VALUES known values is left out, and who is in no cohort.
    """
    num_known, sums = np.zeros(len(cohort), dtype=int), np.zeros(len(cohort), dtype=np.uint64)
    rng = np.random.default_rng(0)
    for measurements in cohort.features.values():
        values = measurements.summary().to_numpy(dtype=float)
        columns = measurements.frame.notna().to_numpy() if isinstance(measurements, Tabular) else ~np.isnan(values)
        num_known += columns.sum(axis=1)
        odd = rng.integers(2**63, size=values.shape[1], dtype=np.uint64) * np.uint64(2) + np.uint64(1)
        for start in range(0, len(values), ROWS_AT_ONCE):  # what fits into the processor's cache
            rows = slice(start, start + ROWS_AT_ONCE)
            absent = np.isnan(values[rows])
            bits = np.where(absent, -1.5e300, values[rows]).view(np.uint64)
            mixed = (bits ^ (bits >> np.uint64(29))) * odd
            sums[rows] += (mixed ^ (mixed >> np.uint64(32))).sum(axis=1)
    member = (cohort.role != "") & (num_known >= FEWEST_VALUES)
    row = pd.DataFrame({"sum": sums[member], "role": cohort.role[member]})
    shared = row[row.duplicated("sum", keep=False)]
    num_roles = shared.groupby("sum")["role"].transform("nunique")
    return int((num_roles > 1).sum()), int(shared.duplicated(["sum", "role"]).sum())
