"""The gate: every check's evidence, its verdict from confidence bounds, and the verdict of all.

PASS where the lower bound reaches the threshold; FAIL where the upper bound stays under it, by Holm over the groups of
a check; INSUFFICIENT where the data cannot decide, with the number that could; ERROR where something is undefined,
missing or changed. A point estimate never decides.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from math import isnan
from typing import Any

import pandas as pd

from validation.audit import rate
from validation.estimands import Auroc, Estimand, Mean, RateGap
from validation.modality_audit import pattern_groups
from validation.policy import (
    Floor,
    FloorByGroup,
    GapByGroup,
    Integrity,
    NoNegativeTransfer,
    PatternFloor,
    Policy,
)
from validation.predictions import CONTROL, SENSITIVE
from validation.statistics import holm

SEVERITY = ("PASS", "INSUFFICIENT", "FAIL", "ERROR")
NAMES = {"auroc": "AUROC", "sensitivity": "Sensitivity", "specificity": "Specificity", "ppv": "PPV"}


@dataclass(frozen=True)
class Finding:
    """What one check found for one group, and what follows.

    Attributes:
        check: Position of the check in the policy.
        kind: Kind of the check.
        title: What is estimated.
        scope: Of whom.
        basis: "bounds", "too_few", "missing" (declared but not there), "holds" or "broken" (a fact of integrity).
        threshold: What the lower bound must reach; None for a fact.
        value, lower, upper: Estimate and bounds; None where they are not to be shown or do not exist.
        support, unit: How many subjects of what kind it rests on; None where under the smallest group.
        few: Under "too_few", what there are too few of.
        p_fail: Smallest level at which the upper bound is under the threshold.
        needed: How many of `unit` would decide for PASS if the estimate stayed; None where none would, or unknown.
        verdict: PASS, FAIL, INSUFFICIENT or ERROR.
        sentence: The finding in words.
    """

    check: int
    kind: str
    title: str
    scope: str
    basis: str
    threshold: float | None = None
    value: float | None = None
    lower: float | None = None
    upper: float | None = None
    support: int | None = None
    unit: str = "subjects"
    few: str | None = None
    p_fail: float | None = None
    needed: int | None = None
    verdict: str = "ERROR"
    sentence: str = ""


@dataclass(frozen=True)
class Evidence:
    """What the checks look at.

    Attributes:
        held_out: Checked predictions of the held-out cohort, its controls among them.
        threshold: Operating point.
        declared: Sensitive feature to its declared groups.
        facts: Sentence to whether it holds, for the integrity check.
    """

    held_out: pd.DataFrame
    threshold: float
    declared: Mapping[str, Sequence[str]]
    facts: Mapping[str, bool]


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
        gather: Callable[..., list[Finding]] = _GATHER[type(rule)]
        found = [replace(finding, check=number, kind=rule.kind) for finding in gather(rule, evidence, policy)]
        verdicts = judge(found, policy.alpha)
        findings += [
            replace(finding, verdict=verdict, sentence=_sentence(finding, verdict, policy))
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


# Evidence of each kind of check ----------------------------------------------------------------------------------


def _found(
    title: str,
    scope: str,
    estimand: Estimand,
    threshold: float,
    policy: Policy,
    *,
    few: Mapping[str, float] | None = None,
    plan: Estimand | None = None,
) -> Finding:
    """From an estimand; where one of the counts in `few` is under the smallest group, no figure is shown.

    Args:
        title, scope: What is estimated, and of whom.
        estimand: The estimate.
        threshold: What its lower bound must reach.
        policy: Level and smallest group.
        few: Counts that the estimate rests on, by name; its own support where None.
        plan: Estimate of everybody, from which the number needed is planned where there are too few.
    """
    counts = few or {estimand.unit: estimand.support}
    lower, upper = estimand.interval(policy.alpha)
    finding = Finding(0, "", title, scope, "too_few", threshold, unit=estimand.unit)
    lacking = [name for name, count in counts.items() if count < policy.smallest_group]
    if lacking or isnan(lower):
        needed = plan.needed(threshold, policy.alpha) if plan else None
        return replace(finding, few=lacking[0] if lacking else estimand.unit, needed=needed)
    return replace(
        finding,
        basis="bounds",
        value=estimand.value,
        lower=lower,
        upper=upper,
        support=int(estimand.support),
        p_fail=estimand.p_value_below(threshold),
        needed=estimand.needed(threshold, policy.alpha),
    )


def _integrity(rule: Integrity, evidence: Evidence, policy: Policy) -> list[Finding]:
    return [
        Finding(0, "", sentence, "record", "holds" if holds else "broken") for sentence, holds in evidence.facts.items()
    ]


def _floor(rule: Floor, evidence: Evidence, policy: Policy) -> list[Finding]:
    frame = evidence.held_out
    label, score = frame["label"].to_numpy(), frame["score"].to_numpy()
    estimand: Estimand = Auroc.of(label, score)
    if rule.metric != "auroc":
        estimand = rate(rule.metric, label, score >= evidence.threshold)
    return [_found(NAMES[rule.metric], "all held-out subjects", estimand, rule.floor, policy)]


def _no_negative_transfer(rule: NoNegativeTransfer, evidence: Evidence, policy: Policy) -> list[Finding]:
    frame, findings = evidence.held_out, []
    for name in rule.controls:
        scope = f"model minus {name}"
        if CONTROL + name not in frame:
            findings.append(Finding(0, "", "AUROC gain", scope, "missing", -rule.margin))
            continue
        gain = Mean.auroc_gain(*(frame[column].to_numpy() for column in ("label", "score", CONTROL + name)))
        findings.append(_found("AUROC gain", scope, gain, -rule.margin, policy))
    return findings


def _groups(evidence: Evidence) -> list[tuple[str, str, pd.Series]]:
    """Feature, group and membership: the declared groups, and those that occur besides them."""
    found = []
    for feature in sorted(evidence.declared):
        values = evidence.held_out[SENSITIVE + feature]
        others = sorted(set(values) - set(evidence.declared[feature]))
        found += [(feature, group, values == group) for group in [*evidence.declared[feature], *others]]
    return found


def _floor_by_group(rule: FloorByGroup, evidence: Evidence, policy: Policy) -> list[Finding]:
    label = evidence.held_out["label"].to_numpy()
    flagged = (evidence.held_out["score"] >= evidence.threshold).to_numpy()
    overall = rate(rule.metric, label, flagged)
    findings = []
    for feature, group, member in _groups(evidence):
        if not member.any():
            findings.append(Finding(0, "", NAMES[rule.metric], f"{feature} {group}", "missing", rule.floor))
            continue
        counts = rate(rule.metric, label[member], flagged[member])
        few = {"subjects": int(member.sum()), counts.unit: counts.total}
        scope = f"{feature} {group}"
        findings.append(_found(NAMES[rule.metric], scope, counts, rule.floor, policy, few=few, plan=overall))
    return findings


def _gap_by_group(rule: GapByGroup, evidence: Evidence, policy: Policy) -> list[Finding]:
    label = evidence.held_out["label"].to_numpy()
    flagged = (evidence.held_out["score"] >= evidence.threshold).to_numpy()
    findings = []
    for feature, group, member in _groups(evidence):
        title, scope = f"{NAMES[rule.metric]} gap", f"{feature} {group} minus others"
        if not member.any():
            findings.append(Finding(0, "", title, scope, "missing", -rule.margin))
            continue
        inside = rate(rule.metric, label[member], flagged[member])
        outside = rate(rule.metric, label[~member], flagged[~member])
        few = {
            "subjects": int(member.sum()),
            "others": int((~member).sum()),
            inside.unit: inside.total,
            f"{inside.unit} among the others": outside.total,
        }
        findings.append(_found(title, scope, RateGap(inside, outside), -rule.margin, policy, few=few))
    return findings


def _pattern_floor(rule: PatternFloor, evidence: Evidence, policy: Policy) -> list[Finding]:
    groups = pattern_groups(evidence.held_out["pattern"], rule.least_share)
    findings = []
    for pattern in groups.value_counts().index:
        part = evidence.held_out[groups == pattern]
        estimand = Auroc.of(part["label"].to_numpy(), part["score"].to_numpy())
        few = {"subjects": len(part), "positives": estimand.num_positives, "negatives": estimand.num_negatives}
        findings.append(_found("AUROC", f"pattern {pattern}", estimand, rule.floor, policy, few=few))
    return findings


_GATHER: dict[type, Callable[..., list[Finding]]] = {
    Integrity: _integrity,
    Floor: _floor,
    NoNegativeTransfer: _no_negative_transfer,
    FloorByGroup: _floor_by_group,
    GapByGroup: _gap_by_group,
    PatternFloor: _pattern_floor,
}


# Words -----------------------------------------------------------------------------------------------------------


def _sentence(finding: Finding, verdict: str, policy: Policy) -> str:
    name = f"{finding.title}, {finding.scope}"
    if finding.basis in ("holds", "broken"):
        return f"{finding.title}: {'yes' if finding.basis == 'holds' else 'NO'}"
    if finding.basis == "missing":
        return f"{name}: declared, but nobody and nothing of that name is in the held-out predictions"
    word = "floor" if (finding.threshold or 0) > 0 else "margin"
    limit = f"{word} {_number(finding.threshold)}"
    if finding.basis == "too_few":
        needed = f"; about {finding.needed} {finding.unit} needed at the overall rate" if finding.needed else ""
        return f"{name}: fewer than {policy.smallest_group} {finding.few}, which cannot support an audit{needed}"
    interval = f"{_number(finding.value)} [{_number(finding.lower)}, {_number(finding.upper)}]"
    if verdict == "PASS":
        return f"{name}: {interval}, lower bound reaches {limit}; {finding.support} {finding.unit}"
    if verdict == "FAIL":
        return f"{name}: {interval}, upper bound is under {limit}; {finding.support} {finding.unit}"
    needed = f"about {finding.needed} needed" if finding.needed else "no number would pass at this estimate"
    return (
        f"{name}: {interval}, lower bound {_number(finding.lower)} < {limit}; "
        f"{finding.support} {finding.unit}, {needed}"
    )


def _number(value: float | None) -> str:
    return "?" if value is None else f"{value:.2f}".replace("-0.00", "0.00")
