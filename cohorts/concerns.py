"""What is wrong or dangerous in a cohort that could be read: found before a model sees it, all at once.

Only rich and sparse subjects are looked at for what involves the label; of held-out people, their number and units.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from math import ceil
from typing import Literal

import numpy as np
import pandas as pd
from threadpoolctl import threadpool_limits

from cohorts.checks import notes_on
from cohorts.cohort import Cohort
from cohorts.leaks import from_absence, people_alike, single_feature_aurocs, summaries
from cohorts.limits import SMALLEST_SHOWN, in_words
from cohorts.linkage import rows_apart
from cohorts.modalities.tabular import Tabular
from cohorts.modality import TabularModality
from cohorts.shift import unit_jumps
from cohorts.statistics import wilson

MOST_SUBJECTS = 20_000  # who are looked at where each feature is ranked
TOO_WELL, THE_LABEL = 0.95, 0.999  # AUROC of a feature alone
TELLING_ABSENCE = 0.55  # lower bound of the AUROC of presence
NEARLY_ABSENT = 0.02  # share of those who have the modality
MANY_LEVELS = 200
TO_DECIDE = (0.8, 0.7)  # a sensitivity, and the floor that its lower bound should reach


@dataclass(frozen=True)
class Concern:
    """One thing that is wrong (error) or doubtful (warning).

    Attributes:
        severity: A model that is trained all the same would be worthless (error), or may be (warning).
        kind: What sort of thing, in a few words.
        sentence: The thing, the figure and what to do; fit to be shown to anybody.
        num: How many people, values or columns, where that may be shown.
    """

    severity: Literal["error", "warning"]
    kind: str
    sentence: str
    num: int | None = None


def concerns_about(cohort: Cohort) -> list[Concern]:
    """Everything that the checks find, errors first.

    Args:
        cohort: Labelled, as it was read.
    """
    training = cohort.take(np.isin(cohort.role, ["rich", "sparse"]))
    sample = _at_most(training)
    with threadpool_limits(1):  # many small fits, which more threads only slow down
        found = [
            *_single_features(sample),
            *_absence(sample),
            *_alike(cohort),
            *_gaps(training),
            *_levels(training),
            *_units(cohort),
            *_linkage(training),
            *[Concern("warning", "values", note) for note in notes_on(cohort)],
            *_groups(cohort),
        ]
    shown = [replace(c, num=None) if c.num is not None and 0 < c.num < SMALLEST_SHOWN else c for c in found]
    return sorted(shown, key=lambda concern: concern.severity != "error")


def _single_features(sample: Cohort) -> Iterator[Concern]:
    table = single_feature_aurocs(sample)
    for row in table[table["lower"] >= TOO_WELL].to_dict("records"):
        area = f"{row['value']:.3f} [{row['lower']:.3f}, {row['upper']:.3f}]"
        known = f"{row['modality']}.{row['feature']} alone has an AUROC of {area}"
        if row["value"] >= THE_LABEL:
            yield Concern("error", "label among the features", f"{known}: it is the label; drop it", int(row["num"]))
        else:
            yield Concern(
                "warning",
                "feature predicts the label too well",
                f"{known}: was it known at prediction?",
                int(row["num"]),
            )


def _absence(sample: Cohort) -> Iterator[Concern]:
    table = from_absence(sample)
    table = table[table["lower"] > TELLING_ABSENCE]
    table = table.assign(feature=[target.partition(":")[0] for target in table["target"]])
    table = table.assign(of_people=table["feature"] != "label").sort_values("lower", ascending=False)
    for (_, role, feature), rows in table.groupby(["of_people", "role", "feature"]):  # the label first
        worst = rows.to_dict("records")[0]
        told = "the label" if feature == "label" else worst["target"]
        more = f" (and {len(rows) - 1} other group{'s' * (len(rows) > 2)})" if len(rows) > 1 else ""
        yield Concern(
            "warning",
            "label from absence" if feature == "label" else "sensitive feature from absence",
            f"{role} cohort: which modalities are present tells {told}{more} with an AUROC of "
            f"{worst['value']:.2f} [{worst['lower']:.2f}, {worst['upper']:.2f}]; a model can use this, and fails where "
            "people are measured for other reasons",
            int(worst["num"]),
        )


def _alike(cohort: Cohort) -> Iterator[Concern]:
    across, within = people_alike(cohort)
    if across:
        yield Concern(
            "warning",
            "same people in two cohorts",
            f"{in_words(across)} subjects have exactly the values of somebody in another cohort; are they one?",
            across,
        )
    if within:
        yield Concern(
            "warning",
            "repeated rows",
            f"{in_words(within)} subjects have exactly the values of somebody else in their cohort; are they one?",
            within,
        )


def _gaps(training: Cohort) -> Iterator[Concern]:
    for m, (modality, measurements) in enumerate(training.features.items()):
        whole = measurements.frame if isinstance(measurements, Tabular) else measurements.summary()
        known = whole.notna()
        for role in ("rich", "sparse"):
            has = (training.role == role) & training.presence[:, m]
            if has.sum() < SMALLEST_SHOWN:
                continue
            share = known[has].mean()
            for word, columns in (
                ("wholly", share.index[share == 0]),
                ("nearly", share.index[(share > 0) & (share < NEARLY_ABSENT)]),
            ):
                if len(columns):
                    yield Concern(
                        "warning",
                        f"column {word} absent",
                        f"modality {modality}: {_listed(columns)} {word} absent in the {role} cohort, among those who "
                        f"have {modality}",
                        len(columns),
                    )


def _levels(training: Cohort) -> Iterator[Concern]:
    for modality, measurements in training.features.items():
        of_spec = training.spec.modalities[modality]
        if isinstance(measurements, Tabular) and isinstance(of_spec, TabularModality):
            for column in of_spec.categorical:
                num_levels = measurements.frame[column].nunique()
                if num_levels > MANY_LEVELS:
                    yield Concern(
                        "warning",
                        "too many categories",
                        f"{modality}.{column} has {num_levels} different codes, as an identifier or a free text would; "
                        "group them, make it numeric, or read it as a text",
                        num_levels,
                    )


def _units(cohort: Cohort) -> Iterator[Concern]:
    """Values only, so held-out people are looked at too."""
    people = _at_most(cohort.take(cohort.role != ""))
    features, told = summaries(people), set()
    for kind, part in _parts(people).items():
        jumps = [j for j in unit_jumps(features, part).to_dict("records") if (j["modality"], j["feature"]) not in told]
        told |= {(row["modality"], row["feature"]) for row in jumps}
        for row in jumps:
            means = f" (is it {row['meaning']}?)" if row["meaning"] else ""
            yield Concern(
                "warning",
                "unit jump",
                f"{row['modality']}.{row['feature']}: values of {kind} {row['part']} are {row['factor']:.3g} times "
                f"those of {row['reference']}, and distributed alike{means}; where it is the unit, `derive` one",
            )


def _parts(people: Cohort) -> dict[str, np.ndarray]:
    """Ways to divide people: by site, by cohort, and by time."""
    parts = {"site": people.site, "cohort": people.role}
    if np.isfinite(people.time).sum() > len(people) / 2:
        later = people.time > np.nanmedian(people.time)
        parts["the"] = np.where(later, "later half", "earlier half").astype(object)
    return {kind: part for kind, part in parts.items() if len(np.unique(part.astype(str))) > 1}


def _at_most(cohort: Cohort) -> Cohort:
    if len(cohort) <= MOST_SUBJECTS:
        return cohort
    return cohort.take(np.random.default_rng(0).permutation(len(cohort))[:MOST_SUBJECTS])


def _linkage(training: Cohort) -> Iterator[Concern]:
    for row in rows_apart(training).to_dict("records"):
        yield Concern(
            "warning",
            "rows that do not belong together",
            f"{row['modality_a']} and {row['modality_b']} go together elsewhere, and not in {100 * row['share']:.0f} % "
            f"of the rows of {row['part']}: the sign of a shifted join; compare a few people with their records",
        )


def _groups(cohort: Cohort) -> Iterator[Concern]:
    judged = "held_out" if cohort.spec.roles.held_out is not None else "sparse"
    share = 1.0 if judged == "held_out" else cohort.spec.split.held_out_fraction
    member = cohort.role == judged
    needed = _needed_positives()
    for feature in cohort.sensitive.columns:
        values = cohort.sensitive[feature].to_numpy()
        declared = cohort.spec.declared_groups[feature]
        for group in [*declared, *sorted(set(values[member]) - set(declared))]:
            positives = share * float(cohort.label[member & (values == group)].sum())
            if positives < needed:
                # In tens, so that a small group is not what the others leave of everybody.
                counted = (
                    f"about {round(positives, -1):.0f}" if positives >= SMALLEST_SHOWN else in_words(int(positives))
                )
                yield Concern(
                    "warning",
                    "group too small",
                    f"{feature} {group}: {counted if positives else 'no'} positives to be held out, where about "
                    f"{needed} are needed to decide a sensitivity of {TO_DECIDE[0]:g} against a floor of "
                    f"{TO_DECIDE[1]:g}",
                )


def _needed_positives() -> int:
    rate, floor = TO_DECIDE
    num = 10
    while wilson(rate * num, num, 0.025)[0] < floor:
        num += 1
    return ceil(num / 5) * 5


def _listed(names: pd.Index) -> str:
    shown = ", ".join(str(name) for name in names[:8])
    return (
        f"{shown} and {len(names) - 8} more are" if len(names) > 8 else f"{shown} {'is' if len(names) == 1 else 'are'}"
    )
