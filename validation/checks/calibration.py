"""The check of calibration: risks are right on average, for all and for every group."""

from typing import TYPE_CHECKING, Any, Literal

from pydantic import Field

from validation.checks.base import EVERYBODY, Check, Evidence, classes
from validation.findings import Finding
from validation.predictions import weights_of
from validation.ratio import Ratio

if TYPE_CHECKING:
    from validation.policy import Policy

UNDER, OVER = "Observed / expected", "Expected / observed"


class Calibration(Check):
    """Observed over expected events are equivalent to 1, by two one-sided tests (see `validation.ratio.Ratio`)."""

    kind: Literal["calibration"]
    tolerance: float = Field(gt=0, lt=1)
    """Least value of observed / expected, and of expected / observed, such as 0.8."""
    by_group: bool = False
    """Whether it is asked of every group of the sensitive features, rather than of all together."""

    @property
    def threshold(self) -> float:
        return self.tolerance

    @property
    def sentence(self) -> str:
        of_whom = "every group" if self.by_group else EVERYBODY
        return (
            f"Observed over expected events of {of_whom}, and the inverse: the lower bound must reach "
            f"{self.tolerance:g}, so that risks are neither too high nor too low on average."
        )

    def gather(self, evidence: Evidence, policy: "Policy") -> list[Finding]:
        findings: list[Finding] = []
        if not self.by_group:
            return self._of(EVERYBODY, "", evidence, slice(None), policy)
        for feature, group, member in evidence.groups():
            scope = f"{feature} {group}"
            if member.any():
                findings += self._of(scope, feature, evidence, member.to_numpy(), policy)
            else:
                findings += [self.absent(title, scope) for title in (UNDER, OVER)]
        return findings

    def _of(self, scope: str, family: str, evidence: Evidence, rows: Any, policy: "Policy") -> list[Finding]:
        people = evidence.held_out[rows]
        ratio = Ratio.observed_expected(people["label"].to_numpy(), people["score"].to_numpy(), weights_of(people))
        few = {"subjects": len(people), **classes(people)}
        return [
            self.found(title, scope, estimand, policy, few=few, family=family)
            for title, estimand in ((UNDER, ratio), (OVER, ratio.inverse))
        ]
