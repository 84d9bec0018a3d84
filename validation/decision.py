"""The decision: everything that was found and what follows from it, as one JSON document with a digest of its own."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pandas as pd

from cohorts.errors import InputError, raise_if
from cohorts.files import canonical_json, digest_of_text, read_json
from validation.checks import Evidence
from validation.gate import as_data, evaluate, judge_again
from validation.policy import Policy, parse_policy
from validation.predictions import weight_notes
from validation.tables import tables_of

SCHEMA = "rich2sparse/decision/1"
MAPS = (
    "policy",
    "tables",
    "cohort",
    "controls",
    "model",
    "predictions",
    "provenance",
    "operating_point",
    "declared_groups",
)
LISTS, TEXTS = ("findings", "notes", "modalities"), ("created", "verdict", "digest", "policy_digest")
CONTENT: dict[str, type] = dict.fromkeys(MAPS, dict) | dict.fromkeys(LISTS, list) | dict.fromkeys(TEXTS, str)
"""What every decision has, and of which type."""


def decide(
    policy: Policy,
    evidence: Evidence,
    people: pd.DataFrame,
    modalities: Sequence[str],
    record: Mapping[str, Any],
    mitigation: pd.DataFrame | None = None,
) -> dict[str, Any]:
    """Judge, and gather all that a reviewer reads.

    Args:
        policy: The rules.
        evidence: What they look at.
        people: Everybody in a cohort, from `describe_people`.
        modalities: Names.
        record: Digests, descriptions and provenance to keep, as plain data.
        mitigation: Rates of groups under mitigations; None for none.

    Returns:
        Plain data, whose notes say so where estimates are weighted. No subject identifiers, and no count or figure of
        fewer than `policy.smallest_group` subjects.
    """
    findings = as_data(evaluate(policy, evidence))
    content = {
        "schema": SCHEMA,
        "created": datetime.now(UTC).isoformat(timespec="seconds"),
        "verdict": judge_again(findings, policy),
        "policy": policy.model_dump(mode="json"),
        "policy_digest": policy.digest,
        "findings": findings,
        "tables": tables_of(policy, evidence, people, modalities, mitigation),
        "modalities": list(modalities),
        "declared_groups": {name: list(groups) for name, groups in evidence.declared.items()},
        **record,
        "notes": [
            *record["notes"],
            *weight_notes(evidence.held_out, record["cohort"].get("weight"), policy.smallest_group),
        ],
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
    wrong = [name for name, kind in CONTENT.items() if not isinstance(content.get(name), kind)]
    wrong += [] if "operating_point" in wrong else _wrong_point(content["operating_point"])
    raise_if([f"decision {path}: {name} is missing or no {CONTENT[name].__name__}; validate again" for name in wrong])
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


def _wrong_point(point: Mapping[str, Any]) -> list[str]:
    threshold = point.get("threshold")
    fits = isinstance(threshold, int | float) and not isinstance(threshold, bool)
    return [] if fits else ["operating_point"]


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
