"""The gate: the verdict of every finding from its confidence bounds, and the verdict of all.

PASS where the lower bound reaches the threshold; FAIL where the upper bound stays under it, by Holm over the groups of
a check; INSUFFICIENT where the data cannot decide, with the number that could; ERROR where something is undefined,
missing or changed. A point estimate never decides.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from typing import Any

from validation.checks import GATHER, Evidence
from validation.disclosure import outwards, round_supports
from validation.findings import Finding, sentence
from validation.policy import Policy
from validation.statistics import holm

SEVERITY = ("PASS", "INSUFFICIENT", "FAIL", "ERROR")


def worst(verdicts: Sequence[str]) -> str:
    """ERROR before FAIL before INSUFFICIENT before PASS; nothing at all is an ERROR.

    Example:
        >>> worst(["PASS", "INSUFFICIENT"]), worst([])
        ('INSUFFICIENT', 'ERROR')
    """
    return max(verdicts, key=SEVERITY.index) if verdicts else "ERROR"


def evaluate(policy: Policy, evidence: Evidence) -> list[Finding]:
    """Findings of every check, in the policy's order."""
    findings: list[Finding] = []
    for number, rule in enumerate(policy.checks):
        gathered = GATHER[type(rule)](rule, evidence, policy)
        found = [outwards(replace(finding, check=number, kind=rule.kind)) for finding in gathered]
        found = round_supports(found, policy.smallest_group)
        verdicts = judge(found, policy.alpha)
        findings += [
            replace(finding, verdict=verdict, sentence=sentence(finding, verdict, policy))
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
            verdicts.append({"too_few": "INSUFFICIENT", "holds": "PASS"}.get(finding.basis, "ERROR"))
    return verdicts


def judge_again(findings: Sequence[Mapping[str, Any]], policy: Policy) -> str:
    """Verdict of a stored decision, from its numbers and its policy; a check without a finding is an ERROR."""
    stored = [Finding(**finding) for finding in findings]
    by_check = [[finding for finding in stored if finding.check == number] for number in range(len(policy.checks))]
    return worst([verdict for found in by_check for verdict in (judge(found, policy.alpha) or ["ERROR"])])


def as_data(findings: Sequence[Finding]) -> list[dict[str, Any]]:
    """Findings as plain data for JSON."""
    return [asdict(finding) for finding in findings]
