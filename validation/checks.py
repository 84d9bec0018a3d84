"""The kinds of checks: what each estimates, of whom, and against which threshold. None gives a verdict."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from math import isnan

import pandas as pd

from validation.audit import rate_at
from validation.estimands import Auroc, Estimand, Mean, RateGap
from validation.findings import Finding
from validation.modality_audit import pattern_groups
from validation.policy import Floor, FloorByGroup, GapByGroup, Integrity, NoNegativeTransfer, PatternFloor, Policy, Rule
from validation.predictions import CONTROL, SENSITIVE, WEIGHT, weights_of
from validation.statistics import effective_size

EVERYBODY = "all held-out subjects"
NAMES = {"auroc": "AUROC", "sensitivity": "Sensitivity", "specificity": "Specificity", "ppv": "PPV"}


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


def nothing_found(rule: Rule) -> Finding:
    """A check that has nothing to look at, such as groups where no sensitive feature is declared, is an ERROR."""
    return Finding(0, "", rule.kind.replace("_", " "), "nothing to look at", "missing", rule.threshold)


def _classes(people: pd.DataFrame) -> dict[str, float]:
    """Counts that an AUROC rests on; with weights effective ones too: of few large weights its variance is luck."""
    positive, weight = (people["label"] == 1).to_numpy(), weights_of(people)
    counts: dict[str, float] = {"positives": int(positive.sum()), "negatives": int((~positive).sum())}
    if weight is not None:
        counts["effective positives"] = effective_size(weight[positive])
        counts["effective negatives"] = effective_size(weight[~positive])
    return counts


def _found(
    title: str,
    scope: str,
    estimand: Estimand,
    threshold: float,
    policy: Policy,
    *,
    few: Mapping[str, float] | None = None,
    family: str = "",
    plan: Estimand | None = None,
) -> Finding:
    """From an estimand; where one of the counts in `few` is under the smallest group, no figure is shown.

    Args:
        title, scope: What is estimated, and of whom.
        estimand: The estimate.
        threshold: What its lower bound must reach.
        policy: Level and smallest group.
        few: Counts that the estimate rests on, by name; its own support where None.
        family: Whose groups add up to everybody.
        plan: Estimate of everybody, from which the number needed is planned where there are too few.
    """
    counts = few or {estimand.unit: estimand.support}
    lower, upper = estimand.interval(policy.alpha)
    finding = Finding(0, "", title, scope, "too_few", threshold, unit=estimand.unit, family=family)
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
    if rule.metric == "auroc":
        area = Auroc.of(frame["label"].to_numpy(), frame["score"].to_numpy(), weights_of(frame))
        return [_found("AUROC", EVERYBODY, area, rule.threshold, policy, few=_classes(frame))]
    counts = rate_at(rule.metric, frame, evidence.threshold)
    return [_found(NAMES[rule.metric], EVERYBODY, counts, rule.threshold, policy)]


def _no_negative_transfer(rule: NoNegativeTransfer, evidence: Evidence, policy: Policy) -> list[Finding]:
    frame, findings = evidence.held_out, []
    for name in rule.controls:
        scope = f"model minus {name}"
        if CONTROL + name not in frame:
            findings.append(Finding(0, "", "AUROC gain", scope, "missing", rule.threshold))
            continue
        label, score, control = (frame[column].to_numpy() for column in ("label", "score", CONTROL + name))
        gain = Mean.auroc_gain(label, score, control, weights_of(frame))
        findings.append(_found("AUROC gain", scope, gain, rule.threshold, policy, few=_classes(frame)))
    return findings


def _groups(evidence: Evidence) -> list[tuple[str, str, pd.Series]]:
    """Feature, group and membership: the declared groups, and those that occur besides them."""
    found = []
    for feature in sorted(evidence.declared):
        values = evidence.held_out[SENSITIVE + feature]
        others = sorted(set(values.unique()) - set(evidence.declared[feature]))
        found += [(feature, group, values == group) for group in [*evidence.declared[feature], *others]]
    return found


def _floor_by_group(rule: FloorByGroup, evidence: Evidence, policy: Policy) -> list[Finding]:
    frame, findings = evidence.held_out, []
    overall = rate_at(rule.metric, frame, evidence.threshold)
    for feature, group, member in _groups(evidence):
        if not member.any():
            findings.append(Finding(0, "", NAMES[rule.metric], f"{feature} {group}", "missing", rule.threshold))
            continue
        counts = rate_at(rule.metric, frame, evidence.threshold, member.to_numpy())
        few = {"subjects": int(member.sum()), counts.unit: counts.support}
        scope = f"{feature} {group}"
        findings.append(
            _found(NAMES[rule.metric], scope, counts, rule.threshold, policy, few=few, family=feature, plan=overall)
        )
    return findings


def _gap_by_group(rule: GapByGroup, evidence: Evidence, policy: Policy) -> list[Finding]:
    frame, findings = evidence.held_out, []
    for feature, group, member in _groups(evidence):
        title, scope = f"{NAMES[rule.metric]} gap", f"{feature} {group} minus others"
        if not member.any():
            findings.append(Finding(0, "", title, scope, "missing", rule.threshold))
            continue
        inside = rate_at(rule.metric, frame, evidence.threshold, member.to_numpy())
        outside = rate_at(rule.metric, frame, evidence.threshold, ~member.to_numpy())
        few = {
            "subjects": int(member.sum()),
            "others": int((~member).sum()),
            inside.unit: inside.support,
            f"{inside.unit} among the others": outside.support,
        }
        findings.append(_found(title, scope, RateGap(inside, outside), rule.threshold, policy, few=few, family=feature))
    return findings


def _pattern_floor(rule: PatternFloor, evidence: Evidence, policy: Policy) -> list[Finding]:
    groups = pattern_groups(evidence.held_out["pattern"], rule.least_share)
    frame = evidence.held_out[[column for column in ("label", "score", WEIGHT) if column in evidence.held_out]]
    findings = []
    for pattern in groups.value_counts().index:
        part = frame[groups == pattern]
        estimand = Auroc.of(part["label"].to_numpy(), part["score"].to_numpy(), weights_of(part))
        few = {"subjects": len(part), **_classes(part)}
        scope = f"pattern {pattern}"
        findings.append(_found("AUROC", scope, estimand, rule.threshold, policy, few=few, family="pattern"))
    return findings


GATHER: dict[type, Callable[..., list[Finding]]] = {
    Integrity: _integrity,
    Floor: _floor,
    NoNegativeTransfer: _no_negative_transfer,
    FloorByGroup: _floor_by_group,
    GapByGroup: _gap_by_group,
    PatternFloor: _pattern_floor,
}
