"""Mitigation, assessed and not promised: what thresholds by group would do to every group of the held-out cohort.

The thresholds are those of fairlearn's ThresholdOptimizer (Hardt, Price and Srebro, NeurIPS 2016), fitted to the tuning
people. Among all that keep its constraint it takes those with the greatest net benefit at the operating point (Vickers
and Elkin, Med Decis Making 26, 2006, 565-574), to which a positive is worth 1 - threshold and a negative threshold: if
scores mean what they say, the operating point itself has it where nothing is constrained, so that the two compare.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Literal, get_args

import numpy as np
import pandas as pd
from fairlearn.postprocessing import ThresholdOptimizer
from sklearn.base import BaseEstimator

from cohorts.errors import InputError
from validation.audit import audit
from validation.predictions import SENSITIVE, WEIGHT, sensitive_features

Constraint = Literal["true_positive_rate_parity", "false_positive_rate_parity", "equalized_odds"]
"""Fairlearn's, of those that hold whatever a positive is worth."""
AS_IT_IS = "as it is"
MOST_COPIES = 20
SEED = 0


@dataclass(frozen=True)
class Mitigation:
    """What a mitigation does.

    Attributes:
        name: Such as `thresholds by sex: true positive rate parity`.
        table: As `beside` makes it; empty where there is none, for a reason that the notes give.
        notes: What a reader must know, in sentences.
    """

    name: str
    table: pd.DataFrame
    notes: tuple[str, ...]


def mitigated(
    tuning: pd.DataFrame,
    held_out: pd.DataFrame,
    feature: str,
    threshold: float,
    alpha: float,
    *,
    least: int,
    constraint: Constraint = "true_positive_rate_parity",
    declared: Sequence[str] = (),
) -> Mitigation:
    """The groups of a sensitive feature under thresholds of their own, beside the model as it is.

    A group with fewer than `least` positives or negatives among the tuning people, or with nobody there, keeps the
    operating point. Who lies between two thresholds is flagged by lot, with a fixed seed.

    Args:
        tuning: Predictions of the tuning people, to whom alone thresholds are fitted.
        held_out: Predictions of the held-out cohort.
        feature: A sensitive feature.
        threshold: Operating point; a score at or above it is flagged.
        alpha: One-sided level of the bounds.
        least: Smallest number of positives and of negatives to whom a threshold is fitted.
        constraint: What shall be the same in all groups of the tuning people.
        declared: Groups that are listed, be they empty.

    Raises:
        InputError: The predictions have no such feature, or fairlearn has no such constraint for this.
    """
    _check(held_out, feature, constraint)
    name, column = f"thresholds by {feature}: {constraint.replace('_', ' ')}", SENSITIVE + feature
    counts = pd.crosstab(tuning[column], tuning["label"]).reindex(columns=[0, 1], fill_value=0)
    fitted = counts.index[counts.min(axis=1) >= least]
    if len(fitted) < 2:
        reason = (
            f"{name}: not assessed, as fewer than two groups have {least} positives and {least} negatives to tune on"
        )
        return Mitigation(name, pd.DataFrame(), (reason,))
    as_it_is = (held_out["score"] >= threshold).to_numpy()
    flagged, here = as_it_is.copy(), held_out[column].isin(fitted).to_numpy()
    flagged[here] = _flagged(tuning[tuning[column].isin(fitted)], held_out[here], column, threshold, constraint)
    table = beside(held_out, feature, {AS_IT_IS: as_it_is, name: flagged}, alpha, declared)
    kept = [group for group in dict.fromkeys([*declared, *sorted(held_out[column].unique())]) if group not in fitted]
    return Mitigation(name, table, (*_kept_notes(name, kept, least), *_notes(name, feature, tuning)))


def beside(
    held_out: pd.DataFrame, feature: str, ways: Mapping[str, np.ndarray], alpha: float, declared: Sequence[str] = ()
) -> pd.DataFrame:
    """Rates of every group under several ways to flag the same people, with the definitions and intervals of the audit.

    Args:
        held_out: Predictions of the held-out cohort; of them, labels, groups and weights count.
        feature: A sensitive feature.
        ways: Name of a way, such as `as it is`, to whom it flags, bool (N,).
        alpha: One-sided level of the bounds.
        declared: Groups that are listed, be they empty.

    Returns:
        One row a way, group and metric: mitigation (the way), and the columns of `audit`.
    """
    others = [SENSITIVE + name for name in sensitive_features(held_out) if name != feature]
    people, frames = held_out.drop(columns=others), []
    for way, flagged in ways.items():
        rates = audit(people.assign(score=flagged.astype(float)), 0.5, alpha, {feature: declared})
        frames.append(rates.assign(mitigation=way)[["mitigation", *rates.columns]])
    return pd.concat(frames, ignore_index=True)


def copies_of(threshold: float) -> tuple[int, int]:
    """How often a negative and a positive are counted, so that their ratio is that of their worth at a threshold.

    Example:
        >>> copies_of(0.25), copies_of(0.1), copies_of(0.0)
        ((1, 3), (1, 9), (1, 19))
    """
    odds = Fraction(threshold).limit_denominator(MOST_COPIES)
    odds = min(max(odds, Fraction(1, MOST_COPIES)), Fraction(MOST_COPIES - 1, MOST_COPIES))
    return odds.numerator, odds.denominator - odds.numerator


class _Scores(BaseEstimator):
    """An estimator that was fitted elsewhere: its one input is what it predicts."""

    def fit(self, inputs: np.ndarray, label: np.ndarray) -> "_Scores":
        return self

    def __sklearn_is_fitted__(self) -> bool:
        return True

    def predict(self, inputs: np.ndarray) -> np.ndarray:
        return inputs[:, 0]


def _flagged(
    tuning: pd.DataFrame, held_out: pd.DataFrame, column: str, threshold: float, constraint: str
) -> np.ndarray:
    """Whom fairlearn flags of some held-out people, bool (N,)."""
    if held_out.empty:
        return np.zeros(0, dtype=bool)
    num_copies = np.array(copies_of(threshold))[tuning["label"].to_numpy()]
    copies = tuning.iloc[np.repeat(np.arange(len(tuning)), num_copies)]
    optimizer = ThresholdOptimizer(
        estimator=_Scores(), constraints=constraint, objective="accuracy_score", prefit=True, predict_method="predict"
    ).fit(_coarse(copies), copies["label"].to_numpy(), sensitive_features=copies[column].to_numpy())
    flagged = optimizer.predict(_coarse(held_out), sensitive_features=held_out[column].to_numpy(), random_state=SEED)
    return np.asarray(flagged) == 1


def _coarse(people: pd.DataFrame) -> np.ndarray:
    """Scores rounded down to 3 decimals, as operating points are, (N, 1): a threshold is no subject's own score."""
    coarse: np.ndarray = np.floor(people[["score"]].to_numpy() * 1000 + 1e-6) / 1000
    return coarse


def _check(held_out: pd.DataFrame, feature: str, constraint: str) -> None:
    problems, known = [], sensitive_features(held_out)
    if feature not in known:
        problems.append(f"mitigation: no sensitive feature `{feature}`; there are {', '.join(known) or 'none'}")
    if constraint not in get_args(Constraint):
        problems.append(f"mitigation: no constraint `{constraint}`; there are {', '.join(get_args(Constraint))}")
    if problems:
        raise InputError(problems)


def _kept_notes(name: str, kept: Sequence[str], least: int) -> list[str]:
    if not kept:
        return []
    few = f"fewer than {least} positives or negatives to tune on"
    return [f"{name}: {', '.join(kept)} stay at the operating point, with {few}"]


def _notes(name: str, feature: str, tuning: pd.DataFrame) -> list[str]:
    notes = [
        f"{name}: whoever uses it must know the {feature} of a person, and be allowed to decide by it; between two "
        "thresholds a person is flagged by lot, so that two who are alike may be treated differently"
    ]
    if WEIGHT in tuning:
        notes.append(f"{name}: fitted to people without their weights, of which fairlearn takes no notice here")
    return notes
