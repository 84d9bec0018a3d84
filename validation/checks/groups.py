"""Checks of the groups of sensitive features: each against a floor, and each against everybody else."""

from typing import TYPE_CHECKING, Literal

from pydantic import Field

from validation.audit import rate_at
from validation.checks.base import NAMES, Check, Evidence
from validation.checks.performance import RateMetric
from validation.estimands import RateGap
from validation.findings import Finding

if TYPE_CHECKING:
    from validation.policy import Policy


class FloorByGroup(Check):
    """A rate at the operating point is at least a floor in every group of the sensitive features."""

    kind: Literal["floor_by_group"]
    metric: RateMetric
    """Rate at the operating point."""
    floor: float = Field(gt=0, lt=1)
    """Least value that every group's lower bound must reach."""

    @property
    def threshold(self) -> float:
        return self.floor

    @property
    def sentence(self) -> str:
        return f"{NAMES[self.metric]} of every group: the lower bound must reach {self.floor:g} in each of them."

    def gather(self, evidence: Evidence, policy: "Policy") -> list[Finding]:
        frame, findings = evidence.held_out, []
        title = NAMES[self.metric]
        overall = rate_at(self.metric, frame, evidence.threshold)
        for feature, group, member in evidence.groups():
            scope = f"{feature} {group}"
            if not member.any():
                findings.append(self.absent(title, scope))
                continue
            rate = rate_at(self.metric, frame, evidence.threshold, member.to_numpy())
            few = {"subjects": int(member.sum()), rate.unit: rate.support}
            findings.append(self.found(title, scope, rate, policy, few=few, family=feature, plan=overall))
        return findings


class GapByGroup(Check):
    """No group's rate is lower than that of its complement by more than a margin."""

    kind: Literal["gap_by_group"]
    metric: RateMetric
    """Rate at the operating point; only a group's lower rate counts as harm."""
    margin: float = Field(gt=0, lt=1)
    """How much lower a group's rate may be."""

    @property
    def threshold(self) -> float:
        return -self.margin

    @property
    def sentence(self) -> str:
        return (
            f"{NAMES[self.metric]} of every group, minus that of everybody else: the lower bound must reach "
            f"{self.threshold:g} in each of them."
        )

    def gather(self, evidence: Evidence, policy: "Policy") -> list[Finding]:
        frame, findings = evidence.held_out, []
        title = f"{NAMES[self.metric]} gap"
        for feature, group, member in evidence.groups():
            scope = f"{feature} {group} minus others"
            if not member.any():
                findings.append(self.absent(title, scope))
                continue
            inside = rate_at(self.metric, frame, evidence.threshold, member.to_numpy())
            outside = rate_at(self.metric, frame, evidence.threshold, ~member.to_numpy())
            few = {
                "subjects": int(member.sum()),
                "others": int((~member).sum()),
                inside.unit: inside.support,
                f"{inside.unit} among the others": outside.support,
            }
            findings.append(self.found(title, scope, RateGap(inside, outside), policy, few=few, family=feature))
        return findings
