"""Checks of all held-out subjects together: how well the model does, and whether using it is better than not."""

from typing import TYPE_CHECKING, Literal

from pydantic import Field

from validation.audit import rate_at
from validation.checks.base import EVERYBODY, NAMES, Check, Evidence, classes
from validation.estimands import Auroc
from validation.findings import Finding
from validation.predictions import weights_of

if TYPE_CHECKING:
    from validation.policy import Policy

RateMetric = Literal["sensitivity", "specificity", "ppv"]


class Floor(Check):
    """A metric on the whole held-out cohort is at least a floor."""

    kind: Literal["floor"]
    metric: Literal["auroc"] | RateMetric
    """auroc, or a rate at the operating point."""
    floor: float = Field(gt=0, lt=1)
    """Least value that the lower bound must reach."""

    @property
    def threshold(self) -> float:
        return self.floor

    @property
    def sentence(self) -> str:
        return f"{NAMES[self.metric]} of {EVERYBODY}: the lower bound must reach {self.floor:g}."

    def gather(self, evidence: Evidence, policy: "Policy") -> list[Finding]:
        frame = evidence.held_out
        if self.metric == "auroc":
            area = Auroc.of(frame["label"].to_numpy(), frame["score"].to_numpy(), weights_of(frame))
            return [self.found("AUROC", EVERYBODY, area, policy, few=classes(frame))]
        return [self.found(NAMES[self.metric], EVERYBODY, rate_at(self.metric, frame, evidence.threshold), policy)]
