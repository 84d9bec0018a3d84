"""Checks of the groups of sensitive features: each against a floor, and each against everybody else."""

from typing import TYPE_CHECKING, Literal

import numpy as np

from validation.audit import rate_at
from validation.checks.base import NAMES, Evidence, FloorCheck, MarginCheck
from validation.checks.performance import RateMetric
from validation.estimands import RateGap
from validation.findings import Finding

if TYPE_CHECKING:
    from validation.policy import Policy


class FloorByGroup(FloorCheck):
    """A rate at the operating point is at least a floor in every group of the sensitive features."""

    kind: Literal["floor_by_group"]
    metric: RateMetric
    """Rate at the operating point."""

    @property
    def sentence(self) -> str:
        return f"{NAMES[self.metric]} of every group: the lower bound must reach {self.floor:g} in each of them."

    def gather(self, evidence: Evidence, policy: "Policy") -> list[Finding]:
        frame, title = evidence.held_out, NAMES[self.metric]
        overall = rate_at(self.metric, frame, evidence.threshold)

        def found(scope: str, feature: str, member: np.ndarray) -> list[Finding]:
            rate = rate_at(self.metric, frame, evidence.threshold, member)
            few = {"subjects": int(member.sum()), rate.unit: rate.support}
            return [self.found(title, scope, rate, policy, few=few, family=feature, plan=overall)]

        return self.of_each_group(evidence, [title], "{}", found)


class GapByGroup(MarginCheck):
    """No group's rate is lower than that of its complement by more than a margin."""

    kind: Literal["gap_by_group"]
    metric: RateMetric
    """Rate at the operating point; only a group's lower rate counts as harm."""

    @property
    def sentence(self) -> str:
        return (
            f"{NAMES[self.metric]} of every group, minus that of everybody else: the lower bound must reach "
            f"{self.threshold:g} in each of them."
        )

    def gather(self, evidence: Evidence, policy: "Policy") -> list[Finding]:
        frame, title = evidence.held_out, f"{NAMES[self.metric]} gap"

        def found(scope: str, feature: str, member: np.ndarray) -> list[Finding]:
            inside, outside = (rate_at(self.metric, frame, evidence.threshold, side) for side in (member, ~member))
            few = {
                "subjects": int(member.sum()),
                "others": int((~member).sum()),
                inside.unit: inside.support,
                f"{inside.unit} among the others": outside.support,
            }
            return [self.found(title, scope, RateGap(inside, outside), policy, few=few, family=feature)]

        return self.of_each_group(evidence, [title], "{} minus others", found)
