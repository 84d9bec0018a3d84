"""Tables of a description: counts first suppressed, then every figure made from the counts that are shown.

So no figure tells more than its row of counts does. Counts and shares are of people in the tables, not weighted.
"""

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import pandas as pd

from cohorts.cohort import ROLES, Cohort
from cohorts.disclosure import estimate_of, estimated_share, is_limit, linked, suppressed
from cohorts.limits import SMALLEST_SHOWN
from cohorts.missingness import NOTHING, pattern_names, short_name

MOST_PATTERNS = 11
EVERYBODY, OTHERS = "everybody", "all other patterns"


def roles_of(cohort: Cohort) -> list[str]:
    """Roles that somebody has, in order."""
    return [role for role in ROLES if (cohort.role == role).any()]


def people(cohort: Cohort) -> list[dict[str, Any]]:
    """People and label by cohort, and within it by site and by group.

    Returns:
        Rows with feature ("everybody", "site" or a sensitive feature), role, group, num_subjects, num_positives,
        num_negatives, and the share of positives: value, lower, upper, approximate.
    """
    rows = []
    for feature, role, group, member in _groups(cohort):
        positives = int((cohort.label[member] == 1).sum())
        counts = {"num_subjects": int(member.sum()), "num_positives": positives}
        counts["num_negatives"] = counts["num_subjects"] - positives
        rows.append({"feature": feature, "role": role, "group": group, **counts})
    shown = suppressed(pd.DataFrame(rows), SMALLEST_SHOWN, ("feature", "role"))
    return [{**row, **share(row["num_positives"], row["num_negatives"])} for row in shown]


def availability(cohort: Cohort) -> list[dict[str, Any]]:
    """Who has which modality, by cohort, and within it by site and by group.

    Returns:
        Rows with feature, role, group, modality, num_subjects, num_present, num_absent, and the share who have it:
        value, lower, upper (Wilson, 95 %), approximate.
    """
    rows = []
    for feature, role, group, member in _groups(cohort):
        size, present = int(member.sum()), cohort.presence[member].sum(axis=0)
        rows += [
            {"feature": feature, "role": role, "group": group, "modality": name}
            | {"num_subjects": size, "num_present": int(count), "num_absent": size - int(count)}
            for name, count in zip(cohort.modalities, present, strict=True)
        ]
    shown = suppressed(pd.DataFrame(rows), SMALLEST_SHOWN, ("feature", "role", "modality"))
    return [{**row, **share(row["num_present"], row["num_absent"])} for row in shown]


def patterns(cohort: Cohort) -> list[dict[str, Any]]:
    """How many people have which pattern, by cohort; those that fewer than 11 have everywhere are joined.

    Returns:
        Rows with pattern, name (in few words), present (modalities, None for the joined ones), role, num_subjects and
        value, the share of the cohort, approximate; the most frequent first, the joined ones last.
    """
    roles = roles_of(cohort)
    used = cohort.role != ""
    unique, number = np.unique(cohort.presence[used], axis=0, return_inverse=True)
    table = pd.DataFrame(
        {role: np.bincount(number.ravel()[cohort.role[used] == role], minlength=len(unique)) for role in roles}
    )
    table = table.loc[table.sum(axis=1).sort_values(ascending=False, kind="stable").index]
    frequent = table[(table >= SMALLEST_SHOWN).any(axis=1)]
    largest = (frequent / table.sum()).max(axis=1).sort_values(ascending=False, kind="stable")
    shown = frequent.loc[largest.index[:MOST_PATTERNS]]
    rest = table.drop(shown.index)
    names = pattern_names(unique[shown.index.to_numpy()], cohort.modalities)
    listed = [*names, OTHERS] if len(rest) else [*names]
    # Availability less the patterns that are shown tells how many of the joined ones have a modality: never shown, but
    # not to be had either.
    has = unique[rest.index.to_numpy()].astype(int)
    rows = []
    for role in roles:
        counts_of = [*shown[role], rest[role].sum()][: len(listed)]
        of_rest = np.concatenate([rest[role].to_numpy() @ has, rest[role].to_numpy() @ (1 - has)])
        some = any(0 < count < SMALLEST_SHOWN for count in [*counts_of, *of_rest])
        of_role = [int(count) for count in counts_of]
        seen = linked(of_role, SMALLEST_SHOWN) if some else of_role
        rows += [
            {"pattern": name, "role": role, "num_subjects": count} for name, count in zip(listed, seen, strict=True)
        ]
    order = {name: number for number, name in enumerate(listed)}
    rows.sort(key=lambda row: order[row["pattern"]])
    sizes = table.sum()
    return [{**row, **_described(row["pattern"], cohort.modalities), **_part(row, sizes)} for row in rows]


def share(part: int | str, rest: int | str) -> dict[str, Any]:
    """A share and its Wilson interval from two counts as they are shown.

    Returns:
        value, lower and upper, None where a count is hidden or both are 0; approximate where they come from limits.
    """
    found = estimated_share(part, rest, SMALLEST_SHOWN)
    return {**found, "approximate": found["value"] is not None and is_limit(part, rest)}


def _part(row: dict[str, Any], sizes: pd.Series) -> dict[str, Any]:
    """Share of a cohort, whose size is known, who have a pattern."""
    count = estimate_of(row["num_subjects"], SMALLEST_SHOWN)
    approximate = is_limit(row["num_subjects"])
    value = None if count is None else round(min(1.0, count / float(sizes[row["role"]])), 2 if approximate else 3)
    return {"value": value, "approximate": approximate}


def _described(pattern: str, modalities: Sequence[str]) -> dict[str, Any]:
    if pattern == OTHERS:
        return {"name": OTHERS, "present": None}
    present = [] if pattern == NOTHING else pattern.split("+")
    return {"name": short_name(present, modalities), "present": present}


def _groups(cohort: Cohort) -> Iterator[tuple[str, str, str, np.ndarray]]:
    """Feature, role, group, and who is in it."""
    for role in roles_of(cohort):
        yield EVERYBODY, role, EVERYBODY, cohort.role == role
    columns: dict[str, tuple[np.ndarray, Sequence[str]]] = {}
    if cohort.spec.site is not None:
        columns["site"] = (cohort.site, sorted(set(cohort.site.tolist())))
    for name, declared in cohort.spec.declared_groups.items():
        columns[name] = (cohort.sensitive[name].to_numpy(), [*declared, "Unknown"])
    for feature, (values, groups) in columns.items():
        for role in roles_of(cohort):
            for group in groups:
                member = (cohort.role == role) & (values == group)
                if member.any():
                    yield feature, role, group, member
