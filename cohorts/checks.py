"""What makes a cohort unusable or doubtful; all of it is reported at once."""

import numpy as np

from cohorts.cohort import ROLES, Cohort
from cohorts.limits import in_words
from cohorts.spec import NOBODY, role_expression

SMALLEST_CLASS = 10  # subjects of each class, under which a training cohort cannot be split and trained on


def problems_of(cohort: Cohort, *, labelled: bool) -> list[str]:
    """Every reason not to use a cohort.

    Args:
        cohort: What was read.
        labelled: Whether labels and roles are needed (training and validation), or not (new people).

    Returns:
        Sentences; none where the cohort can be used.
    """
    if len(cohort) == 0:
        return ["cohort: has no subject; mend `where` or the tables"]
    counted = (cohort.role != "") if labelled else np.ones(len(cohort), dtype=bool)
    problems = []
    empty = int((~cohort.presence[counted].any(axis=1)).sum())
    if empty:
        problems.append(
            f"presence: {in_words(empty)} subjects have no modality at all, where each needs one; "
            "exclude them with `where`, or mend their values"
        )
    if labelled:
        problems += _absent_modalities(cohort)
        for role in ROLES:
            problems += _role_problems(cohort, role)
    return problems


def _absent_modalities(cohort: Cohort) -> list[str]:
    training = np.isin(cohort.role, ["rich", "sparse"])
    if not training.any():
        return []
    counts = cohort.presence[training].sum(axis=0)
    return [
        f"modality {name}: nobody in the rich or the sparse cohort has it, so nothing can be learnt from it; "
        "mend its columns and missing codes (of events, the window too), or drop it"
        for name, count in zip(cohort.modalities, counts, strict=True)
        if count == 0
    ]


def _role_problems(cohort: Cohort, role: str) -> list[str]:
    expression = getattr(cohort.spec.roles, role)
    if expression in (None, NOBODY):
        return []
    rows = cohort.role == role
    if not rows.any():
        written = role_expression(expression, cohort.spec)
        return [f"cohort {role}: no subject satisfies `{written}`; mend `roles.{role}`"]
    label = cohort.label[rows]
    unknown = int(np.isnan(label).sum())
    if unknown:
        return [
            f"cohort {role}: {in_words(unknown)} subjects have no label (`{cohort.spec.label}` is null); "
            "drop them with `where`"
        ]
    positives, negatives = int(label.sum()), int((label == 0).sum())
    if min(positives, negatives) == 0:
        only = "positive" if positives else "negative"
        return [f"cohort {role}: all subjects are {only} by `{cohort.spec.label}`, where both classes are needed"]
    if role != "held_out" and min(positives, negatives) < SMALLEST_CLASS:
        return [
            f"cohort {role}: has fewer than {SMALLEST_CLASS} subjects of one class by `{cohort.spec.label}`, "
            "too few to train and tune on; gather more"
        ]
    return []


def notes_on(cohort: Cohort) -> list[str]:
    """What a user should know before trusting a result; nothing here stops a run."""
    notes = list(cohort.notes)
    outside = int((cohort.role == "").sum())
    if outside:
        notes.append(f"{in_words(outside)} subjects are in none of the cohorts, and are not used")
    for role in ROLES:
        presence = cohort.presence[cohort.role == role]
        if len(presence):
            names = [name for name, has in zip(cohort.modalities, presence.any(axis=0), strict=True) if not has]
            notes += [f"nobody in the {role} cohort has modality {name}" for name in names]
    return notes
