"""Checks of all held-out subjects together: how well the model does, and whether using it is better than not."""

from typing import TYPE_CHECKING, Literal

from pydantic import Field, model_validator

from validation.audit import rate_at
from validation.bootstrap import Bootstrapped
from validation.checks.base import EVERYBODY, NAMES, Evidence, FloorCheck, MarginCheck, classes
from validation.estimands import Auroc, Estimand
from validation.findings import Finding
from validation.measures import Measure, auprc_lift, brier_skill
from validation.net_benefit import net_benefit_gain
from validation.predictions import weights_of

if TYPE_CHECKING:
    from validation.policy import Policy

RateMetric = Literal["sensitivity", "specificity", "ppv"]
BOOTSTRAPPED: dict[str, Measure] = {"auprc_lift": auprc_lift, "brier_skill": brier_skill}


class Floor(FloorCheck):
    """A metric on the whole held-out cohort is at least a floor."""

    kind: Literal["floor"]
    metric: Literal["auroc", "auprc_lift", "brier_skill", "sensitivity", "specificity", "ppv"]
    """auroc; auprc_lift, the area under the precision-recall curve over the prevalence; brier_skill, 1 - Brier score
    over that of the prevalence; or a rate at the operating point."""
    floor: float = Field(ge=0)
    """Least value that the lower bound must reach."""

    @model_validator(mode="after")
    def _can_be_reached(self) -> "Floor":
        if self.metric != "auprc_lift" and self.floor >= 1:
            raise ValueError(f"floor: must be less than 1 for {self.metric} (value: {self.floor:g})")
        return self

    @property
    def sentence(self) -> str:
        return f"{NAMES[self.metric]} of {EVERYBODY}: the lower bound must reach {self.floor:g}."

    def gather(self, evidence: Evidence, policy: "Policy") -> list[Finding]:
        frame, title = evidence.held_out, NAMES[self.metric]
        if self.metric in ("sensitivity", "specificity", "ppv"):
            return [self.found(title, EVERYBODY, rate_at(self.metric, frame, evidence.threshold), policy)]
        label, score, weight = frame["label"].to_numpy(), frame["score"].to_numpy(), weights_of(frame)
        estimand: Estimand = (
            Auroc.of(label, score, weight)
            if self.metric == "auroc"
            else Bootstrapped.of(BOOTSTRAPPED[self.metric], label, score, weight)
        )
        return [self.found(title, EVERYBODY, estimand, policy, few=classes(frame))]


class NetBenefit(MarginCheck):
    """Acting on the model at the operating point is worth more than acting on everybody, and than on nobody."""

    kind: Literal["net_benefit"]
    margin: float = Field(default=0.0, ge=0, lt=1)
    """How much lower the net benefit may be, in true positives a subject."""

    @property
    def sentence(self) -> str:
        return (
            "Net benefit at the operating point, minus that of treating all, and minus that of treating nobody: the "
            f"lower bound must reach {self.threshold + 0.0:g}."
        )

    def gather(self, evidence: Evidence, policy: "Policy") -> list[Finding]:
        frame, title = evidence.held_out, "Net benefit"
        if not 0 < evidence.threshold < 1:
            return [self.absent(title, EVERYBODY, f"an operating point of {evidence.threshold:g} has no odds")]
        columns = frame["label"].to_numpy(), frame["score"].to_numpy(), evidence.threshold
        gains = {
            "model minus treating all": net_benefit_gain(*columns, "treat_all", weights_of(frame)),
            "model minus treating nobody": net_benefit_gain(*columns, "treat_none", weights_of(frame)),
        }
        return [self.found(title, scope, gain, policy, few=classes(frame)) for scope, gain in gains.items()]
