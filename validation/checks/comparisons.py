"""Checks of the model against others on the same subjects: controls, simple baselines, and the champion."""

from typing import TYPE_CHECKING, ClassVar, Literal

import pandas as pd
from pydantic import Field

from validation.audit import UNITS
from validation.checks.base import EVERYBODY, NAMES, Check, Evidence, MarginCheck, classes
from validation.estimands import Mean
from validation.findings import Finding
from validation.paired import PairedGap
from validation.predictions import BASELINE, CHAMPION, CONTROL, weights_of

if TYPE_CHECKING:
    from validation.policy import Policy


class Comparison(MarginCheck):
    """A check whose margin is how much lower the AUROC may be than that of others, paired on the held-out cohort."""

    bases: ClassVar[frozenset[str]] = Check.bases | {"not_applicable"}

    margin: float = Field(ge=0, lt=0.5)
    """How much lower the AUROC may be."""

    def gain_over(self, column: str, evidence: Evidence, policy: "Policy", missing: str) -> Finding:
        """The gain over a model whose scores are in a column; `missing` says what follows where there is none."""
        frame, scope = evidence.held_out, f"model minus {column.partition('.')[2].replace('_', ' ')}"
        if column not in frame:
            if evidence.has_model:
                return self.absent("AUROC gain", scope, missing)
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
        missing = "this control was not given to validate, so nothing shows that transfer did no harm"
        return [self.gain_over(CONTROL + name, evidence, policy, missing) for name in self.controls]


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
        missing = "this baseline was not scored, so nothing shows that the model is worth more"
        return [self.gain_over(BASELINE + name, evidence, policy, missing) for name in self.baselines]


class NonInferiority(MarginCheck):
    """The model is not worse than the champion by more than a margin; paired on the held-out cohort."""

    bases: ClassVar[frozenset[str]] = Check.bases | {"not_applicable"}

    kind: Literal["non_inferiority"]
    metric: Literal["auroc", "sensitivity", "specificity"]
    """auroc, or a rate of each at its own operating point."""
    margin: float = Field(gt=0, lt=0.5)
    """How much lower the model may be."""
    by_group: bool = False
    """Whether it is asked in every group of the sensitive features, rather than of all together."""

    @property
    def sentence(self) -> str:
        of_whom = "every group" if self.by_group else EVERYBODY
        return (
            f"{NAMES[self.metric]} of {of_whom}, the model's minus the champion's, on the same subjects: the lower "
            f"bound must reach {self.threshold:g}; where there is no champion, that is said."
        )

    def gather(self, evidence: Evidence, policy: "Policy") -> list[Finding]:
        frame, title = evidence.held_out, f"{NAMES[self.metric]} gain"
        if evidence.champion_threshold is None:
            reason = "there is no champion to compare with" if evidence.has_model else "no champion was given"
            return [self.not_applicable(title, "model minus champion", reason)]
        if CHAMPION not in frame:
            return [self.absent(title, "model minus champion", "the champion was not scored")]
        if not self.by_group:
            return [self._found(frame, title, "model minus champion", "", evidence, policy)]
        return self.of_each_group(
            evidence,
            [title],
            "{}, model minus champion",
            lambda scope, feature, member: [self._found(frame[member], title, scope, feature, evidence, policy)],
        )

    def _found(
        self, people: pd.DataFrame, title: str, scope: str, family: str, evidence: Evidence, policy: "Policy"
    ) -> Finding:
        label, score, other = (people[name].to_numpy() for name in ("label", "score", CHAMPION))
        weight, few = weights_of(people), {"subjects": len(people), **classes(people)}
        if self.metric == "auroc":
            gain = Mean.auroc_gain(label, score, other, weight)
            return self.found(title, scope, gain, policy, few=few, family=family)
        rows = label == (self.metric == "sensitivity")
        flagged, flagged_by_other = score >= evidence.threshold, other >= (evidence.champion_threshold or 0.0)
        right = (flagged == label)[rows], (flagged_by_other == label)[rows]
        paired = PairedGap.of(*right, None if weight is None else weight[rows], UNITS[self.metric])
        return self.found(title, scope, paired, policy, few=few, family=family)
