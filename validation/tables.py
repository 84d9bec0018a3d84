"""The tables of a decision: all that a reviewer reads beside the findings, as it may be shown."""

from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd

from cohorts.splits import PARTS
from validation.audit import audit
from validation.calibration_curves import calibration
from validation.checks import Evidence
from validation.curves import net_benefit_curve, rates_by_threshold
from validation.disclosure import suppressed
from validation.gains import gains_over_others
from validation.holdout import auroc_by, performance
from validation.modality_audit import availability, performance_by_pattern
from validation.modality_tables import modality_tables
from validation.policy import Policy
from validation.predictions import SENSITIVE, sensitive_features

# Columns whose equal values make rows that add up, by table.
FAMILIES = {
    "people": ("feature", "part"),
    "groups": ("feature",),
    "availability": ("modality",),
    "availability_by_group": ("feature", "modality"),
    "mitigation": ("mitigation", "feature"),
}
PATTERN_SHARE_SHOWN = 0.05


def tables_of(
    policy: Policy,
    evidence: Evidence,
    people: pd.DataFrame,
    modalities: Sequence[str],
    mitigation: pd.DataFrame | None = None,
) -> dict[str, list[dict[str, Any]]]:
    """Table to rows as plain data, with no count or figure of fewer than `policy.smallest_group` subjects.

    Args:
        policy: Level and smallest group.
        evidence: The held-out cohort.
        people: Everybody in a cohort, from `describe_people`.
        modalities: Names.
        mitigation: Rates of groups under mitigations, as `validation.mitigation.beside` has them; None for none.
    """
    alpha, least, declared = policy.alpha, policy.smallest_group, evidence.declared
    made = {
        "people": _people(people, declared),
        "availability": _ordered(availability(people, modalities, "part", alpha), {"group": PARTS}),
        "availability_by_group": _availability_by_group(evidence.held_out, modalities, alpha, declared),
        "mitigation": pd.DataFrame() if mitigation is None else mitigation,
    }
    return {**_as_shown(made, least), **tables_of_predictions(policy, evidence)}


def tables_of_predictions(policy: Policy, evidence: Evidence) -> dict[str, list[dict[str, Any]]]:
    """Those of the tables that follow from the held-out predictions alone, so that anybody can make them again."""
    held_out, threshold = evidence.held_out, evidence.threshold
    alpha, least, declared = policy.alpha, policy.smallest_group, evidence.declared
    made = {
        "performance": performance(held_out, threshold, alpha, least),
        "comparisons": gains_over_others(held_out, alpha, least),
        "sites": auroc_by(held_out, held_out["site"], alpha),
        "patterns": performance_by_pattern(held_out, _pattern_share(policy), alpha),
        "groups": audit(held_out, threshold, alpha, declared),
    }
    return {
        **_as_shown(made, least),
        "calibration": calibration(held_out, alpha, declared, least),
        "decision_curve": net_benefit_curve(held_out, alpha, least),
        "thresholds": rates_by_threshold(held_out, threshold, alpha, declared, least),
        **modality_tables(evidence, alpha, least),
    }


def _as_shown(tables: Mapping[str, pd.DataFrame], least: int) -> dict[str, list[dict[str, Any]]]:
    return {name: suppressed(table, least, FAMILIES.get(name, ())) for name, table in tables.items()}


def _pattern_share(policy: Policy) -> float:
    """Share under which patterns are joined: that of the check, as the differences of two cuts would tell of a few."""
    shares = [check.least_share for check in policy.checks if check.kind == "pattern_floor"]
    return max(shares, default=PATTERN_SHARE_SHOWN)


def _ordered(table: pd.DataFrame, orders: Mapping[str, Sequence[str]]) -> pd.DataFrame:
    """Rows in a given order of some columns' values; values that are not listed come last."""
    ranks = {column: {value: rank for rank, value in enumerate(order)} for column, order in orders.items()}

    def rank(values: pd.Series) -> pd.Series:
        known = ranks[str(values.name)]
        return values.map(lambda value: known.get(value, len(known)))

    return table if table.empty else table.sort_values(list(orders), key=rank, kind="stable", ignore_index=True)


def _people(people: pd.DataFrame, declared: Mapping[str, Sequence[str]]) -> pd.DataFrame:
    columns = {"all": pd.Series("all", people.index), "site": people["site"]}
    columns |= {name: people[SENSITIVE + name] for name in sensitive_features(people)}
    rows = []
    for feature, values in columns.items():
        labels = people["label"].groupby([people["part"], values.rename("group")], observed=True)
        for (part, group), num, positives in labels.agg(["size", "sum"]).itertuples():
            counts = {"num_subjects": num, "num_positives": positives, "num_negatives": num - positives}
            rows.append({"feature": feature, "part": part, "group": group, **counts, "share": positives / num})
    groups = [group for names in declared.values() for group in names]
    return _ordered(pd.DataFrame(rows), {"feature": list(columns), "part": PARTS, "group": groups})


def _availability_by_group(
    held_out: pd.DataFrame, modalities: Sequence[str], alpha: float, declared: Mapping[str, Sequence[str]]
) -> pd.DataFrame:
    names = {"site": "site", **{name: SENSITIVE + name for name in sensitive_features(held_out)}}
    tables = [availability(held_out, modalities, column, alpha).assign(feature=name) for name, column in names.items()]
    groups = [group for names in declared.values() for group in names]
    return _ordered(pd.concat(tables, ignore_index=True), {"feature": list(names), "group": groups})
