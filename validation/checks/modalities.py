"""Checks of what absent modalities do: floors by pattern."""

from typing import TYPE_CHECKING, Literal

from pydantic import Field

from validation.checks.base import Check, Evidence, classes
from validation.estimands import Auroc
from validation.findings import Finding
from validation.modality_audit import pattern_groups
from validation.predictions import WEIGHT, weights_of

if TYPE_CHECKING:
    from validation.policy import Policy


class PatternFloor(Check):
    """The AUROC is at least a floor in every pattern of present modalities; rare patterns are judged together."""

    kind: Literal["pattern_floor"]
    floor: float = Field(gt=0, lt=1)
    """Least value that every pattern's lower bound must reach."""
    least_share: float = Field(default=0.1, gt=0, le=1)
    """Patterns with a smaller share of the held-out cohort are joined to one."""

    @property
    def threshold(self) -> float:
        return self.floor

    @property
    def sentence(self) -> str:
        return (
            f"AUROC of every pattern of present modalities, those of fewer than {100 * self.least_share:g} % of the "
            f"subjects together: the lower bound must reach {self.floor:g} in each of them."
        )

    def gather(self, evidence: Evidence, policy: "Policy") -> list[Finding]:
        groups = pattern_groups(evidence.held_out["pattern"], self.least_share)
        frame = evidence.held_out[[name for name in ("label", "score", WEIGHT) if name in evidence.held_out]]
        findings = []
        for pattern in groups.value_counts().index:
            part = frame[(groups == pattern).to_numpy()]
            area = Auroc.of(part["label"].to_numpy(), part["score"].to_numpy(), weights_of(part))
            few = {"subjects": len(part), **classes(part)}
            findings.append(self.found("AUROC", f"pattern {pattern}", area, policy, few=few, family="pattern"))
        return findings
