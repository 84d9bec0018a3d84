"""The gate: the verdict of every finding from its confidence bounds, and the verdict of all.

PASS where the lower bound reaches the threshold; FAIL where the upper bound stays under it, by Holm over the groups of
a check; INSUFFICIENT where the data cannot decide, with the number that could; ERROR where something is undefined,
missing or changed. A point estimate never decides.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from typing import Any

from validation.checks import Evidence
from validation.disclosure import coarsened, families_with_few
from validation.findings import Finding, sentence
from validation.policy import Policy
from validation.statistics import holm

SEVERITY = ("NOT APPLICABLE", "PASS", "INSUFFICIENT", "FAIL", "ERROR")
OTHERWISE = {"too_few": "INSUFFICIENT", "holds": "PASS", "not_applicable": "NOT APPLICABLE"}


def worst(verdicts: Sequence[str]) -> str:
    """ERROR before FAIL before INSUFFICIENT before PASS before NOT APPLICABLE; nothing at all is an ERROR.

    Example:
        >>> worst(["PASS", "INSUFFICIENT"]), worst([])
        ('INSUFFICIENT', 'ERROR')
    """
    return max(verdicts, key=SEVERITY.index, default="ERROR")


def evaluate(policy: Policy, evidence: Evidence) -> list[Finding]:
    """Findings of every check, in the policy's order."""
    findings: list[Finding] = []
    gathered = [check.gather(evidence, policy) or [check.nothing_found()] for check in policy.checks]
    hidden = {finding.family for of_rule in gathered for finding in of_rule if finding.basis == "too_few"} - {""}
    hidden |= families_with_few(evidence.held_out, evidence.threshold, policy.smallest_group)
    for number, rule in enumerate(policy.checks):
        found = [replace(finding, check=number, kind=rule.kind) for finding in gathered[number]]
        found = coarsened(found, policy.smallest_group, hidden)
        verdicts = judge(found, policy.alpha)
        findings += [
            replace(finding, verdict=verdict, sentence=sentence(finding, verdict, policy.smallest_group))
            for finding, verdict in zip(found, verdicts, strict=True)
        ]
    return findings


def judge(findings: Sequence[Finding], alpha: float) -> list[str]:
    """Verdict of each finding of one check, from the stored numbers alone, so that anybody can judge again."""
    adjusted = iter(holm([finding.p_fail or 0.0 for finding in findings if finding.basis == "bounds"]))
    verdicts = []
    for finding in findings:
        if finding.basis == "bounds":
            failed = next(adjusted) < alpha
            passed = finding.lower is not None and finding.threshold is not None and finding.lower >= finding.threshold
            verdicts.append("PASS" if passed else "FAIL" if failed else "INSUFFICIENT")
        else:
            verdicts.append(OTHERWISE.get(finding.basis, "ERROR"))
    return verdicts


def judge_again(findings: Sequence[Mapping[str, Any]], policy: Policy) -> str:
    """Verdict of a stored decision, PASS, FAIL, INSUFFICIENT or ERROR, from its numbers and its policy.

    Where nothing was measured it is an ERROR. A check without a finding is one too, and so is a finding that its policy
    does not ask for: of another check, of another kind, against another threshold, or without bounds where there must
    be some.

    Raises:
        TypeError: What is stored are no findings.
    """
    stored = [Finding(**finding) for finding in findings]
    verdicts = []
    for number, rule in enumerate(policy.checks):
        found = [finding for finding in stored if finding.check == number]
        fitting = all(
            finding.kind == rule.kind and finding.basis in rule.bases and finding.threshold == rule.threshold
            for finding in found
        )
        verdicts += judge(found, policy.alpha) if found and fitting else ["ERROR"]
    strangers = [finding for finding in stored if not 0 <= finding.check < len(policy.checks)]
    asked = any(finding.basis in ("bounds", "too_few", "missing", "broken") for finding in stored)
    return worst([*verdicts, *["ERROR" for _ in strangers]]) if asked else "ERROR"  # nothing was measured


def as_data(findings: Sequence[Finding]) -> list[dict[str, Any]]:
    """Findings as plain data for JSON."""
    return [asdict(finding) for finding in findings]
