"""The check of calibration: risks are right on average, for all and for every group."""

from typing import TYPE_CHECKING, Literal

import pandas as pd
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
        frame = evidence.held_out
        if not self.by_group:
            return self._of(frame, EVERYBODY, "", policy)
        return self.of_each_group(
            evidence,
            (UNDER, OVER),
            "{}",
            lambda scope, feature, member: self._of(frame[member], scope, feature, policy),
        )

    def _of(self, people: pd.DataFrame, scope: str, family: str, policy: "Policy") -> list[Finding]:
        ratio = Ratio.observed_expected(people["label"].to_numpy(), people["score"].to_numpy(), weights_of(people))
        few = {"subjects": len(people), **classes(people)}
        return [
            self.found(title, scope, estimand, policy, few=few, family=family)
            for title, estimand in ((UNDER, ratio), (OVER, ratio.inverse))
        ]
