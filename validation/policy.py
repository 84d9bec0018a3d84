"""The rules by which a model is judged, as its owner writes them down in YAML."""

import json
from pathlib import Path
from typing import Any, Literal

from pydantic import Field, model_validator

from cohorts.documents import Document, Strict, check_document, read_document
from cohorts.errors import raise_if
from validation.checks import AnyCheck

POLICIES = Path(__file__).parent / "policies"


class OperatingPoint(Strict):
    """How the threshold is chosen, on the sparse tuning subjects only."""

    rule: Literal["sensitivity", "alerts", "cost_ratio"] = "sensitivity"
    """sensitivity: the highest threshold that reaches it there; alerts: the lowest that flags at most this share of
    them; cost_ratio: the risk at which missing one positive is as bad as this many false alarms."""
    value: float = Field(gt=0)
    """The sensitivity to reach, the largest share to flag, or how many false alarms a missed positive is worth."""

    @model_validator(mode="after")
    def _is_a_share(self) -> "OperatingPoint":
        if self.rule != "cost_ratio" and self.value > 1:
            raise ValueError(f"value: must be at most 1 for the rule {self.rule} (value: {self.value:g})")
        return self

    @property
    def sentence(self) -> str:
        """The rule in words."""
        return {
            "sensitivity": f"highest threshold with sensitivity >= {self.value:g} on the sparse tuning subjects",
            "alerts": f"lowest threshold that flags at most {self.value:g} of the sparse tuning subjects",
            "cost_ratio": f"risk at which a missed positive is as bad as {self.value:g} false alarms",
        }[self.rule]


class Policy(Document):
    """All rules of one deployment. Every number of a shipped policy is a placeholder for its owner to sign."""

    name: str
    """Name of the policy."""
    owner: str
    """Who answers for its numbers."""
    intended_use: str
    """What the model is for, and what it is not for."""
    alpha: float = Field(default=0.025, gt=0, lt=0.5)
    """One-sided level of every bound; 0.025 makes the bounds those of 95 % intervals."""
    smallest_group: int = Field(default=11, ge=1)
    """A group with fewer subjects is never judged, and its figures are never shown."""
    operating_point: OperatingPoint
    """How the threshold is chosen."""
    looks: int | None = Field(default=None, ge=1)
    """How many models may be scored on one held-out cohort, as the ledger of a registry counts; None for any number."""
    checks: list[AnyCheck] = Field(min_length=1)
    """Checks, in the order of the report."""

    @property
    def asks_integrity(self) -> bool:
        """Whether one of its checks is that of the record; a policy without it can be parsed, but not loaded."""
        return any(check.kind == "integrity" for check in self.checks)

    def explained(self) -> list[str]:
        """The policy in sentences: level, operating point, and a numbered one for each check."""
        interval = f"{100 - 200 * self.alpha:g} %"
        return [
            f"policy {self.name}, whose numbers are answered for by {self.owner}",
            f"intended use: {self.intended_use}",
            "A lower bound at or above its threshold passes, an upper bound under it fails, by Holm over the findings "
            f"of a check, and all between is INSUFFICIENT; bounds are those of {interval} intervals. No figure of "
            f"fewer than {self.smallest_group} subjects is judged or shown.",
            f"operating point: {self.operating_point.sentence}, fixed before the held-out cohort is scored.",
            *([f"At most {self.looks} models may look at one held-out cohort."] if self.looks else []),
            *[f"{number}. {check.sentence}" for number, check in enumerate(self.checks, start=1)],
        ]


def parse_policy(content: Any, where: str) -> Policy:
    """Check a policy that was read from YAML or from a decision.

    Raises:
        InputError: With every problem, each naming the field, the rule and the value.
    """
    return check_document(Policy, content, where, "`python -m validation.policy` prints the fields of a policy")


def load_policy(policy: str) -> Policy:
    """Read a policy by its path, or by the name of a shipped one.

    Raises:
        InputError: It is neither, its content breaks a rule, or it would not ask what every policy must.

    Example:
        >>> load_policy("screening").owner
        'PLACEHOLDER: name the person who answers for these numbers'
    """
    found = parse_policy(read_document(policy, "policy", POLICIES), f"policy {policy}")
    problems = []
    if not found.asks_integrity:
        problems.append(
            f"policy {policy}: checks: there must be {{kind: integrity}} among them, or nothing shows that the "
            "held-out subjects were never trained on"
        )
    for number, check in enumerate(found.checks, start=1):
        if check in found.checks[: number - 1]:
            problems.append(f"policy {policy}: checks: number {number} is the same as an earlier one; leave it out")
    raise_if(problems)
    return found


if __name__ == "__main__":
    print(json.dumps(Policy.model_json_schema(), indent=2))  # noqa: T201
