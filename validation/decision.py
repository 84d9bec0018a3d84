"""The decision: everything that was found and what follows from it, as one JSON document with a digest of its own."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pandas as pd

from cohorts.errors import InputError, raise_if
from cohorts.files import canonical_json, digest_of_file, digest_of_text, read_json
from cohorts.splits import PARTS
from validation.audit import audit
from validation.calibration_curves import calibration
from validation.checks import Evidence
from validation.curves import net_benefit_curve, rates_by_threshold
from validation.disclosure import suppressed
from validation.gate import as_data, evaluate, judge_again
from validation.holdout import auroc_by, performance
from validation.modality_audit import availability, performance_by_pattern
from validation.policy import Policy, parse_policy
from validation.predictions import SENSITIVE, WEIGHT, sensitive_features, weight_notes

SCHEMA = "rich2sparse/decision/1"
# Columns whose equal values make rows that add up, by table.
FAMILIES = {
    "people": ("feature", "part"),
    "groups": ("feature",),
    "availability": ("modality",),
    "availability_by_group": ("feature", "modality"),
}
PATTERN_SHARE_SHOWN = 0.05


def decide(
    policy: Policy,
    evidence: Evidence,
    people: pd.DataFrame,
    modalities: Sequence[str],
    record: Mapping[str, Any],
) -> dict[str, Any]:
    """Judge, and gather all that a reviewer reads.

    Args:
        policy: The rules.
        evidence: What they look at.
        people: Everybody in a cohort, from `describe_people`.
        modalities: Names.
        record: Digests, descriptions and provenance to keep, as plain data.

    Returns:
        Plain data, whose notes say so where estimates are weighted. No subject identifiers, and no count or figure of
        fewer than `policy.smallest_group` subjects.
    """
    findings = as_data(evaluate(policy, evidence))
    held_out, least = evidence.held_out, policy.smallest_group
    shown = {
        "people": _people(people, evidence.declared),
        "availability": _ordered(availability(people, modalities, "part", policy.alpha), {"group": PARTS}),
        "performance": performance(held_out, evidence.threshold, policy.alpha),
        "sites": auroc_by(held_out, held_out["site"], policy.alpha),
        "patterns": performance_by_pattern(held_out, PATTERN_SHARE_SHOWN, policy.alpha),
        "groups": audit(held_out, evidence.threshold, policy.alpha, evidence.declared),
        "availability_by_group": _availability_by_group(held_out, modalities, policy.alpha, evidence.declared),
    }
    content = {
        "schema": SCHEMA,
        "created": datetime.now(UTC).isoformat(timespec="seconds"),
        "verdict": judge_again(findings, policy),
        "policy": policy.model_dump(mode="json"),
        "policy_digest": policy.digest,
        "findings": findings,
        "tables": {
            **{name: suppressed(table, least, FAMILIES.get(name, ())) for name, table in shown.items()},
            **_curves(evidence, policy),
        },
        "modalities": list(modalities),
        "declared_groups": {name: list(groups) for name, groups in evidence.declared.items()},
        **record,
        "notes": [*record["notes"], *weight_notes(held_out, record["cohort"].get("weight"), least)],
    }
    return {**content, "digest": digest_of_text(canonical_json(content))}


def read_decision(path: Path) -> dict[str, Any]:
    """Read a decision and check it against itself: its digest, its policy's digest, and its verdict from its numbers.

    Raises:
        InputError: It is missing, changed, or does not say what its numbers say.
    """
    content = read_json(path, "a decision")
    if not isinstance(content, dict) or content.get("schema") != SCHEMA:
        raise InputError(f"decision {path}: is not a decision of the kind {SCHEMA}; give a decision.json of validate")
    body = {key: value for key, value in content.items() if key != "digest"}
    try:
        digest = digest_of_text(canonical_json(body))
        policy = parse_policy(content["policy"], f"decision {path}")
        verdict = judge_again(content["findings"], policy)
    except (KeyError, TypeError, ValueError) as error:
        raise InputError(f"decision {path}: cannot be read as a decision ({error}); validate again") from None
    problems = []
    if digest != content.get("digest"):
        problems.append(f"decision {path}: was changed after it was written (its digest does not fit); validate again")
    if policy.digest != content.get("policy_digest"):
        problems.append(f"decision {path}: its policy was changed (its digest does not fit); validate again")
    if verdict != content.get("verdict"):
        said = content.get("verdict")
        problems.append(f"decision {path}: says {said}, but its own numbers say {verdict}; validate again")
    raise_if(problems)
    return content


def check_against_predictions(decision: Mapping[str, Any], predictions: Path) -> list[str]:
    """Judge again from the table of predictions.

    Args:
        decision: From `read_decision`.
        predictions: The predictions.parquet that it was made from.

    Returns:
        Problems, none where every finding comes out as it is stored.
    """
    if not predictions.is_file():
        return [f"predictions {predictions}: are missing; they belong beside the decision, so validate again"]
    if digest_of_file(predictions) != decision["predictions"]["digest"]:
        return [
            f"predictions {predictions}: are not those that were judged (their digest does not fit); validate again"
        ]
    table = pd.read_parquet(predictions)
    if (decision["cohort"].get("weight") is None) != (WEIGHT not in table):
        return ["decision: says otherwise than its predictions whether subjects are weighted; validate again"]
    facts = {f["title"]: f["basis"] == "holds" for f in decision["findings"] if f["kind"] == "integrity"}
    evidence = Evidence(
        table[table["part"] == "held_out"].reset_index(drop=True),
        decision["operating_point"]["threshold"],
        decision["declared_groups"],
        facts,
    )
    found = as_data(evaluate(parse_policy(decision["policy"], "decision"), evidence))
    return (
        []
        if found == decision["findings"]
        else ["decision: its findings do not follow from its predictions; validate again"]
    )


def reasons(decision: Mapping[str, Any]) -> list[str]:
    """One sentence a finding that is not PASS, the gravest first."""
    order = {"ERROR": 0, "FAIL": 1, "INSUFFICIENT": 2}
    found = [finding for finding in decision["findings"] if finding["verdict"] in order]
    return [f"{f['verdict']}: {f['sentence']}" for f in sorted(found, key=lambda f: order[f["verdict"]])]


def worst_group(decision: Mapping[str, Any]) -> dict[str, Any] | None:
    """The finding by group whose lower bound is furthest under, or least above, its threshold."""
    by_group = [
        finding
        for finding in decision["findings"]
        if finding["kind"] in ("floor_by_group", "gap_by_group") and finding["basis"] == "bounds"
    ]
    return min(by_group, key=lambda finding: finding["lower"] - finding["threshold"], default=None)


def too_small(decision: Mapping[str, Any]) -> list[str]:
    """Groups of sensitive features that some check could not judge, such as "sex female"."""
    found = [
        finding["scope"].removesuffix(" minus others")
        for finding in decision["findings"]
        if finding["kind"] in ("floor_by_group", "gap_by_group")
        and finding["basis"] == "too_few"
        and not finding["few"].endswith("others")
    ]
    return list(dict.fromkeys(found))


def _curves(evidence: Evidence, policy: Policy) -> dict[str, list[dict[str, Any]]]:
    """Tables that come as they may be shown."""
    held_out, alpha, least = evidence.held_out, policy.alpha, policy.smallest_group
    return {
        "calibration": calibration(held_out, alpha, evidence.declared, least),
        "decision_curve": net_benefit_curve(held_out, alpha, least),
        "thresholds": rates_by_threshold(held_out, evidence.threshold, alpha, evidence.declared, least),
    }


def _ordered(table: pd.DataFrame, orders: Mapping[str, Sequence[str]]) -> pd.DataFrame:
    """Rows in a given order of some columns' values; values that are not listed come last."""
    ranks = {column: {value: rank for rank, value in enumerate(order)} for column, order in orders.items()}

    def rank(values: pd.Series) -> pd.Series:
        known = ranks[str(values.name)]
        return values.map(lambda value: known.get(value, len(known)))

    return table.sort_values(list(orders), key=rank, kind="stable", ignore_index=True)


def _people(people: pd.DataFrame, declared: Mapping[str, Sequence[str]]) -> pd.DataFrame:
    columns = {"all": pd.Series("all", people.index), "site": people["site"]}
    columns |= {name: people[SENSITIVE + name] for name in sensitive_features(people)}
    rows = []
    for feature, values in columns.items():
        for (part, group), member in people.groupby([people["part"], values.rename("group")]):
            positives = int(member["label"].sum())
            counts = {"num_subjects": len(member), "num_positives": positives, "num_negatives": len(member) - positives}
            rows.append({"feature": feature, "part": part, "group": group, **counts, "share": positives / len(member)})
    groups = [group for names in declared.values() for group in names]
    return _ordered(pd.DataFrame(rows), {"feature": list(columns), "part": PARTS, "group": groups})


def _availability_by_group(
    held_out: pd.DataFrame, modalities: Sequence[str], alpha: float, declared: Mapping[str, Sequence[str]]
) -> pd.DataFrame:
    names = {"site": "site", **{name: SENSITIVE + name for name in sensitive_features(held_out)}}
    tables = [availability(held_out, modalities, column, alpha).assign(feature=name) for name, column in names.items()]
    groups = [group for names in declared.values() for group in names]
    return _ordered(pd.concat(tables, ignore_index=True), {"feature": list(names), "group": groups})
