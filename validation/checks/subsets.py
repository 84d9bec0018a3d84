"""Checks of what the model does without modalities: the same complete subjects, with some of what they have hidden."""

from abc import abstractmethod
from dataclasses import replace
from math import ceil
from typing import TYPE_CHECKING, ClassVar, Literal, get_args

import numpy as np
from pydantic import Field

from cohorts.disclosure import lower_limit
from validation.checks.base import Check, Evidence, FloorCheck, MarginCheck, classes
from validation.estimands import Estimand
from validation.findings import Finding
from validation.subset_performance import loss_without, under_missingness
from validation.subsets import Subsets

if TYPE_CHECKING:
    from validation.policy import Policy

Missingness = Literal["as held out", "everything present", "completely at random", "reversed"]
COMPLETE = "subjects with all common modalities"
NOT_KNOWN = "these are predictions of another tool, so its scores without a modality are not known"
NOT_GIVEN = "scores under subsets of modalities were not given, so nothing shows what the model does without one"


class OfSubsets(Check):
    """A check that needs the scores of complete subjects under subsets of modalities."""

    bases: ClassVar[frozenset[str]] = Check.bases | {"not_applicable"}
    title: ClassVar[str]

    def gather(self, evidence: Evidence, policy: "Policy") -> list[Finding]:
        if evidence.subsets is None:
            if evidence.has_model:
                return [self.absent(self.title, COMPLETE, NOT_GIVEN)]
            return [self.not_applicable(self.title, COMPLETE, NOT_KNOWN)]
        if not evidence.subsets.modalities:
            return [Finding(0, "", self.title, COMPLETE, "too_few", self.threshold, few=COMPLETE)]
        return self.of_subsets(evidence.subsets, evidence, policy)

    @abstractmethod
    def of_subsets(self, subsets: Subsets, evidence: Evidence, policy: "Policy") -> list[Finding]:
        """Findings, where there are scores of somebody."""

    def of_complete(self, scope: str, estimand: Estimand, evidence: Evidence, policy: "Policy") -> Finding:
        """A finding of all complete subjects, whose number is a limit where it would tell of a few who are not."""
        subsets, held_out = evidence.subsets, evidence.held_out
        assert subsets is not None
        few = classes(held_out.iloc[subsets.held_out])
        finding = self.found(self.title, f"{scope}, {COMPLETE}", estimand, policy, few=few)
        everybody = np.ones(len(held_out), dtype=bool)
        tells = subsets.tells_of_few(held_out["label"].to_numpy(), everybody, policy.smallest_group)
        if finding.support is None or not tells:
            return finding
        needed = None if finding.needed is None else ceil(finding.needed / 10) * 10
        support = lower_limit(finding.support, policy.smallest_group)
        return replace(finding, support=support, needed=needed, rounded=True)


class Degradation(OfSubsets, MarginCheck):
    """Without any one modality, the AUROC of the same people is not lower by more than a margin."""

    title: ClassVar[str] = "AUROC change"
    kind: Literal["degradation"]
    margin: float = Field(gt=0, lt=0.5)
    """How much lower the AUROC may be without a modality."""

    @property
    def sentence(self) -> str:
        return (
            f"AUROC without any one modality, minus that with all that are common, of the same {COMPLETE}: the lower "
            f"bound must reach {self.threshold:g} for each of them."
        )

    def of_subsets(self, subsets: Subsets, evidence: Evidence, policy: "Policy") -> list[Finding]:
        if len(subsets.modalities) == 1:
            reason = f"only {subsets.modalities[0]} is common to enough subjects, and nothing is left without it"
            return [self.not_applicable(self.title, COMPLETE, reason)]
        everybody = np.ones(len(subsets.label), dtype=bool)
        return [
            self.of_complete(f"without {name}", loss_without(subsets, name, everybody), evidence, policy)
            for name in subsets.modalities
        ]


class PatternShift(OfSubsets, FloorCheck):
    """The AUROC is at least a floor under other missingness than that of the held-out cohort."""

    title: ClassVar[str] = "AUROC"
    kind: Literal["pattern_shift"]
    missingness: list[Missingness] = Field(default=list(get_args(Missingness)), min_length=1)
    """Under which: reversed means that the modality that most have is had by as few as that which the fewest have."""

    @property
    def sentence(self) -> str:
        return (
            f"AUROC of {COMPLETE}, had they only some of these ({', '.join(self.missingness)}): the lower bound must "
            f"reach {self.floor:g} under each missingness."
        )

    def of_subsets(self, subsets: Subsets, evidence: Evidence, policy: "Policy") -> list[Finding]:
        return [self.of_complete(name, under_missingness(subsets, name), evidence, policy) for name in self.missingness]
