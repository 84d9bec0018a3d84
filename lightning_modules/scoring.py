"""Scores: a pure function of bundle and cohort; and the calibration that belongs to a trained bundle."""

import copy
from dataclasses import replace

import numpy as np
from scipy.special import expit

from cohorts.cohort import Cohort
from cohorts.errors import InputError
from cohorts.limits import in_words
from cohorts.missingness import pattern_names
from cohorts.splits import cross_fitting_groups
from lightning_modules.bundle import Bundle
from lightning_modules.calibration import Scored
from lightning_modules.calibration_choice import Chosen, choose_calibration
from lightning_modules.config import CalibrationOptions
from lightning_modules.conformal import fit_conformal
from lightning_modules.ensemble import Ensemble, in_pieces


def score(bundle: Bundle, cohort: Cohort, *, calibrated: bool = True, out_of_bag: bool = False) -> np.ndarray:
    """Predicted risk of a positive label.

    Computed in float64 and rounded to 9 decimals, so that a subject's score does not depend on who else is scored.

    Args:
        bundle: Trained model.
        cohort: Subjects with the bundle's modalities, in any pattern, with at least one each.
        calibrated: False for what the network says before it is calibrated.
        out_of_bag: Whether these are tuning or training people, who must be scored by what never saw them.

    Returns:
        float64 (N,), 0 to 1.

    Raises:
        InputError: Some subjects have no modality.
    """
    logits = logits_of(bundle, cohort, out_of_bag=out_of_bag)
    if calibrated:
        logits = bundle.calibration(logits, _pattern(bundle, cohort))
    return expit(logits).round(9)


def spread_of(bundle: Bundle, cohort: Cohort) -> np.ndarray:
    """How far the members of the ensemble disagree about new people.

    Every member is trained without a fourth of the people, so this tells what the choice of people and the luck of
    training leave open, and not how far a risk is from 0 or 1. Arguments as of `score`.

    Returns:
        Standard deviation of the members' calibrated risks, float64 (N,), rounded to 9 decimals.

    Raises:
        InputError: Some subjects have no modality, or the network has a single member.
    """
    num_members = bundle.options.num_members
    if num_members == 1:
        raise InputError("spread: the bundle holds a network of one member, which cannot disagree with itself")
    network = _ready(bundle, cohort)
    inputs, presence = bundle.preprocessing.transform(cohort), _presence(bundle, cohort)
    pattern = _pattern(bundle, cohort)
    logits_KN = in_pieces(network.by_member, inputs, presence)
    risks_KN = np.stack([expit(bundle.calibration(logits, pattern)) for logits in logits_KN])
    return risks_KN.std(axis=0, ddof=1).round(9)


def label_sets(bundle: Bundle, cohort: Cohort, scores: np.ndarray, alpha: float) -> np.ndarray:
    """Split-conformal sets by pattern: "negative", "positive", "both" or "none", texts (N,).

    Args:
        bundle: Trained and calibrated model.
        cohort: Who is scored.
        scores: Their calibrated scores, (N,).
        alpha: Share of people whose set may miss their label.

    Raises:
        InputError: The bundle was never calibrated, so it knows no nonconformity.
    """
    if not bundle.conformal.overall.levels:
        raise InputError(
            "conformal: the bundle holds no nonconformity of tuning subjects (it was only pretrained, or fewer than 11 "
            "were tuned on); take one that finetune made"
        )
    return bundle.conformal.sets(scores, _pattern(bundle, cohort), alpha)


def calibrate(bundle: Bundle, tuning: Cohort, options: CalibrationOptions) -> tuple[Bundle, Chosen]:
    """Give a trained bundle its calibration and its nonconformity.

    Args:
        bundle: Trained, not yet saved.
        tuning: The tuning subjects of the cohort that it will serve, with their weights; of a bundle with several
            groups, its training subjects may be among them.
        options: How.

    Returns:
        The bundle with both, and what was measured, which is too good where training stopped by the same people (see
        `calibration_choice`). Nonconformity is that of cross-fitted scores.
    """
    people = Scored(logits_of(bundle, tuning, out_of_bag=True), tuning.label, tuning.weight, _pattern(bundle, tuning))
    chosen = choose_calibration(people, options)
    conformal = fit_conformal(expit(chosen.cross_fitted), people.label, people.weight, people.pattern)
    return replace(bundle, calibration=chosen.calibration, conformal=conformal, digest=""), chosen


def logits_of(bundle: Bundle, cohort: Cohort, *, out_of_bag: bool) -> np.ndarray:
    """What the network says before it is calibrated, as logits, float64 (N,); arguments and errors as of `score`."""
    network = _ready(bundle, cohort)
    group = groups_of(bundle, cohort) if out_of_bag else None
    return in_pieces(network, bundle.preprocessing.transform(cohort), _presence(bundle, cohort), group)


def _ready(bundle: Bundle, cohort: Cohort) -> Ensemble:
    """The network in double precision, when everybody has a modality."""
    nobody = int((~cohort.presence.any(axis=1)).sum())
    if nobody:
        raise InputError(f"presence: {in_words(nobody)} subjects have no modality at all; exclude them with `where`")
    return copy.deepcopy(bundle.network).double().eval()


def groups_of(bundle: Bundle, cohort: Cohort) -> np.ndarray:
    """The cross-fitting group of each subject of training or tuning, int (N,); with one group, tuning people are it."""
    return cross_fitting_groups(cohort.subject_id, bundle.network.num_groups)


def _presence(bundle: Bundle, cohort: Cohort) -> np.ndarray:
    """Presence, bool (N, M), in the bundle's order of modalities."""
    return cohort.presence_of(bundle.network.modalities)


def _pattern(bundle: Bundle, cohort: Cohort) -> np.ndarray:
    return pattern_names(_presence(bundle, cohort), bundle.network.modalities)
