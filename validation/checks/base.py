"""What every check has: what it looks at, how an estimate becomes a finding, and what it says of itself."""

from abc import abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from math import isnan
from typing import TYPE_CHECKING, ClassVar

import numpy as np
import pandas as pd
from pydantic import Field

from cohorts.documents import Strict
from validation.estimands import Estimand
from validation.findings import UNDEFINED, Finding
from validation.predictions import SENSITIVE, weights_of
from validation.statistics import effective_size
from validation.subsets import Subsets

if TYPE_CHECKING:
    from validation.policy import Policy

EVERYBODY = "all held-out subjects"
NAMES = {
    "auroc": "AUROC",
    "auprc_lift": "AUPRC lift",
    "brier_skill": "Brier skill",
    "sensitivity": "Sensitivity",
    "specificity": "Specificity",
    "ppv": "PPV",
}


@dataclass(frozen=True)
class Evidence:
    """What the checks look at.

    Attributes:
        held_out: Checked predictions of the held-out cohort, its controls, baselines and champion among them.
        threshold: Operating point.
        declared: Sensitive feature to its declared groups.
        facts: Sentence to whether it holds, for the integrity check.
        champion_threshold: Operating point of the champion; None where there is no champion.
        subsets: Scores of those who have all common modalities, under subsets of these; None where nobody made them.
        has_model: False where another tool made the predictions, so that what needs the model cannot be asked.
    """

    held_out: pd.DataFrame
    threshold: float
    declared: Mapping[str, Sequence[str]]
    facts: Mapping[str, bool]
    champion_threshold: float | None = None
    subsets: Subsets | None = None
    has_model: bool = True

    def groups(self) -> list[tuple[str, str, pd.Series]]:
        """Feature, group and membership: the declared groups, and those that occur besides them."""
        found = []
        for feature in sorted(self.declared):
            values = self.held_out[SENSITIVE + feature]
            others = sorted(set(values.unique()) - set(self.declared[feature]))
            found += [(feature, group, values == group) for group in [*self.declared[feature], *others]]
        return found


class Check(Strict):
    """One rule of a policy: what it estimates, of whom, and against which threshold. It gives no verdict."""

    bases: ClassVar[frozenset[str]] = frozenset({"bounds", "too_few", "missing"})
    """On what its findings may rest; anything else in a stored decision is an ERROR."""

    @property
    @abstractmethod
    def threshold(self) -> float | None:
        """What the lower bounds must reach; None for facts."""

    @property
    @abstractmethod
    def sentence(self) -> str:
        """The rule in words."""

    @abstractmethod
    def gather(self, evidence: Evidence, policy: "Policy") -> list[Finding]:
        """Findings without a verdict."""

    def absent(
        self, title: str, scope: str, reason: str = "declared, but there is nobody of it in the held-out cohort"
    ) -> Finding:
        """A finding of what is declared or asked for, but not there; its verdict is ERROR."""
        return Finding(0, "", title, scope, "missing", self.threshold, few=reason)

    def not_applicable(self, title: str, scope: str, reason: str) -> Finding:
        """A finding that says why there is nothing to judge; it counts neither way."""
        return Finding(0, "", title, scope, "not_applicable", self.threshold, few=reason)

    def of_each_group(
        self,
        evidence: Evidence,
        titles: Sequence[str],
        said: str,
        found: Callable[[str, str, np.ndarray], list[Finding]],
    ) -> list[Finding]:
        """Findings of every group; of one that is declared and not there, that it is absent.

        Args:
            evidence: Whose groups.
            titles: What is estimated.
            said: Scope, with {} for the group, such as "{} minus others".
            found: From scope, sensitive feature and membership, bool (N,), to findings.
        """
        findings = []
        for feature, group, member in evidence.groups():
            scope = said.format(f"{feature} {group}")
            there = member.any()
            findings += found(scope, feature, member.to_numpy()) if there else [self.absent(t, scope) for t in titles]
        return findings

    def nothing_found(self) -> Finding:
        """A check that has nothing to look at, such as groups where no sensitive feature is declared, is an ERROR."""
        title = str(getattr(self, "kind", "check")).replace("_", " ")
        reason = "there is nothing to look at, as no sensitive feature is declared or given in a column sensitive.NAME"
        return self.absent(title, EVERYBODY, reason)

    def found(
        self,
        title: str,
        scope: str,
        estimand: Estimand,
        policy: "Policy",
        *,
        few: Mapping[str, float] | None = None,
        family: str = "",
        plan: Estimand | None = None,
    ) -> Finding:
        """From an estimand; where one of the counts in `few` is under the smallest group, no figure is shown.

        Args:
            title, scope: What is estimated, and of whom.
            estimand: The estimate.
            policy: Level and smallest group.
            few: Counts that the estimate rests on, by name; its own support where None.
            family: Whose groups add up to everybody.
            plan: Estimate of everybody, from which the number needed is planned where there are too few.
        """
        threshold = self.threshold
        assert threshold is not None
        counts = few or {estimand.unit: estimand.support}
        lower, upper = estimand.interval(policy.alpha)
        finding = Finding(0, "", title, scope, "too_few", threshold, unit=estimand.unit, family=family)
        lacking = [name for name, count in counts.items() if count < policy.smallest_group]
        if lacking or isnan(lower):
            needed = plan.needed(threshold, policy.alpha) if plan else None
            return replace(finding, few=lacking[0] if lacking else UNDEFINED, needed=needed)
        return replace(
            finding,
            basis="bounds",
            value=estimand.value,
            lower=lower,
            upper=upper,
            support=int(estimand.support),
            p_fail=estimand.p_value_below(threshold),
            needed=estimand.needed(threshold, policy.alpha),
        )


class FloorCheck(Check):
    """A check whose lower bounds must reach a floor."""

    floor: float = Field(gt=0, lt=1)
    """Least value that every lower bound must reach."""

    @property
    def threshold(self) -> float:
        return self.floor


class MarginCheck(Check):
    """A check of differences, whose lower bounds must not be under 0 by more than a margin."""

    margin: float = Field(gt=0, lt=1)
    """How much lower it may be."""

    @property
    def threshold(self) -> float:
        return -self.margin


def classes(people: pd.DataFrame) -> dict[str, float]:
    """Counts that an AUROC rests on; with weights effective ones too: of few large weights its variance is luck."""
    positive, weight = (people["label"] == 1).to_numpy(), weights_of(people)
    counts: dict[str, float] = {"positives": int(positive.sum()), "negatives": int((~positive).sum())}
    if weight is not None:
        counts["effective positives"] = effective_size(weight[positive])
        counts["effective negatives"] = effective_size(weight[~positive])
    return counts
