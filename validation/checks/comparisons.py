"""Checks of the model against others on the same subjects: controls, simple baselines, and the champion."""

from typing import TYPE_CHECKING, ClassVar, Literal

from pydantic import Field

from validation.checks.base import Check, Evidence, classes
from validation.estimands import Mean
from validation.findings import Finding
from validation.predictions import BASELINE, CONTROL, weights_of

if TYPE_CHECKING:
    from validation.policy import Policy


class Comparison(Check):
    """A check whose margin is how much lower the AUROC may be than that of others, paired on the held-out cohort."""

    bases: ClassVar[frozenset[str]] = Check.bases | {"not_applicable"}

    margin: float = Field(ge=0, lt=0.5)
    """How much lower the AUROC may be."""

    @property
    def threshold(self) -> float:
        return -self.margin

    def against(self, prefix: str, names: list[str], evidence: Evidence, policy: "Policy") -> list[Finding]:
        """A finding for each of others, whose scores are in the columns that start with the prefix."""
        return [self._gain(prefix + name, f"model minus {name.replace('_', ' ')}", evidence, policy) for name in names]

    def _gain(self, column: str, scope: str, evidence: Evidence, policy: "Policy") -> Finding:
        frame = evidence.held_out
        if column not in frame:
            if evidence.has_model:
                return self.absent("AUROC gain", scope)
            reason = f"these are predictions of another tool, without a column {column}"
            return self.not_applicable("AUROC gain", scope, reason)
        label, score, other = (frame[name].to_numpy() for name in ("label", "score", column))
        gain = Mean.auroc_gain(label, score, other, weights_of(frame))
        return self.found("AUROC gain", scope, gain, policy, few=classes(frame))


class NoNegativeTransfer(Comparison):
    """The model is not worse than the same network trained without transfer; paired on the held-out cohort."""

    kind: Literal["no_negative_transfer"]
    controls: list[str] = Field(min_length=1)
    """Controls to compare with; each must have been scored, or the check is an ERROR."""

    @property
    def sentence(self) -> str:
        return (
            f"AUROC of the model, minus that of its network trained without transfer ({', '.join(self.controls)}), on "
            f"the same subjects: the lower bound must reach {self.threshold:g}; without these controls it is an error."
        )

    def gather(self, evidence: Evidence, policy: "Policy") -> list[Finding]:
        return self.against(CONTROL, self.controls, evidence, policy)


class SimpleBaselines(Comparison):
    """The model is not worse than what is simpler, trained on the same split; paired on the held-out cohort."""

    kind: Literal["simple_baselines"]
    baselines: list[Literal["logistic", "boosting", "late_fusion", "best_modality", "presence"]] = Field(min_length=1)
    """Simple models to compare with, which validate trains."""

    @property
    def sentence(self) -> str:
        names = ", ".join(name.replace("_", " ") for name in self.baselines)
        return (
            f"AUROC of the model, minus that of simple models of the same split ({names}), on the same subjects: the "
            f"lower bound must reach {self.threshold:g}."
        )

    def gather(self, evidence: Evidence, policy: "Policy") -> list[Finding]:
        return self.against(BASELINE, list(self.baselines), evidence, policy)
