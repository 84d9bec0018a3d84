"""Checks of who has which modality, and of how well the model serves each pattern of them."""

from abc import abstractmethod
from collections.abc import Sequence
from typing import TYPE_CHECKING, ClassVar, Literal

import numpy as np
from pydantic import Field

from validation.checks.base import EVERYBODY, Check, Evidence, FloorCheck, MarginCheck, classes
from validation.disclosure import coarsened
from validation.estimands import Auroc
from validation.findings import Finding
from validation.modality_audit import availability_gap, having, modalities_of, pattern_groups
from validation.predictions import WEIGHT, weights_of

if TYPE_CHECKING:
    from validation.policy import Policy


class OfPatterns(Check):
    """A check that needs to know who has which modality."""

    bases: ClassVar[frozenset[str]] = Check.bases | {"not_applicable"}
    title: ClassVar[str]

    def gather(self, evidence: Evidence, policy: "Policy") -> list[Finding]:
        modalities = modalities_of(evidence.held_out["pattern"])
        if not modalities and not evidence.has_model:
            return [self.not_applicable(self.title, EVERYBODY, "patterns of present modalities were not given")]
        return self.of_patterns(modalities, evidence, policy)

    @abstractmethod
    def of_patterns(self, modalities: Sequence[str], evidence: Evidence, policy: "Policy") -> list[Finding]:
        """Findings, where patterns are known, or are those of a model."""


class PatternFloor(OfPatterns, FloorCheck):
    """The AUROC is at least a floor in every pattern of present modalities; rare patterns are judged together."""

    title: ClassVar[str] = "AUROC"
    kind: Literal["pattern_floor"]
    least_share: float = Field(default=0.1, gt=0, le=1)
    """Patterns with a smaller share of the held-out cohort are joined to one."""

    @property
    def sentence(self) -> str:
        return (
            f"AUROC of every pattern of present modalities, those of fewer than {100 * self.least_share:g} % of the "
            f"subjects together: the lower bound must reach {self.floor:g} in each of them."
        )

    def of_patterns(self, modalities: Sequence[str], evidence: Evidence, policy: "Policy") -> list[Finding]:
        groups = pattern_groups(evidence.held_out["pattern"], self.least_share)
        frame = evidence.held_out[[name for name in ("label", "score", WEIGHT) if name in evidence.held_out]]
        findings = []
        for pattern in groups.value_counts().index:
            part = frame[(groups == pattern).to_numpy()]
            area = Auroc.of(part["label"].to_numpy(), part["score"].to_numpy(), weights_of(part))
            few = {"subjects": len(part), **classes(part)}
            findings.append(self.found(self.title, f"pattern {pattern}", area, policy, few=few, family="pattern"))
        return findings


class Availability(OfPatterns, MarginCheck):
    """No group of the sensitive features has a modality less often than everybody else by more than a margin."""

    title: ClassVar[str] = "Availability gap"
    kind: Literal["availability"]

    @property
    def sentence(self) -> str:
        return (
            f"Share of every group who have a modality, minus that of everybody else: the lower bound must reach "
            f"{self.threshold:g} for each modality."
        )

    def of_patterns(self, modalities: Sequence[str], evidence: Evidence, policy: "Policy") -> list[Finding]:
        groups: list[tuple[str, str, np.ndarray]] = []

        def found(scope: str, feature: str, member: np.ndarray) -> list[Finding]:
            """Of groups that are too small; the others are kept, to be asked for each modality."""
            counts = {"subjects": int(member.sum()), "others": int((~member).sum())}
            few = next((name for name, count in counts.items() if count < policy.smallest_group), None)
            if few is None:
                groups.append((feature, scope, member))
                return []
            return [Finding(0, "", self.title, scope, "too_few", self.threshold, few=few, family=feature)]

        findings = self.of_each_group(evidence, [self.title], "{} minus others", found)
        for modality in modalities if groups else []:
            findings += self._of_modality(modality, groups, evidence, policy)
        return findings

    def _of_modality(
        self, modality: str, groups: Sequence[tuple[str, str, np.ndarray]], evidence: Evidence, policy: "Policy"
    ) -> list[Finding]:
        """Of each group; more coarsely where a group of the same feature has a count that may not be told."""
        has, weight, least = having(evidence.held_out, modality), weights_of(evidence.held_out), policy.smallest_group
        findings, hidden = [], set()
        for feature, scope, member in groups:
            gap = availability_gap(has, member, weight, least)
            findings.append(self.found(f"{self.title} of {modality}", scope, gap, policy, family=feature))
            if any(0 < (member & side).sum() < least for side in (has, ~has)):
                hidden.add(feature)
        return coarsened(findings, least, hidden)
