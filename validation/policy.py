"""The rules by which a model is judged, as its owner writes them down in YAML."""

from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field

from cohorts.documents import Document, Strict, check_document, read_document

POLICIES = Path(__file__).parent / "policies"
RateMetric = Literal["sensitivity", "specificity", "ppv"]


class Integrity(Strict):
    """Nothing was changed, and nobody who is held out was trained or tuned on."""

    kind: Literal["integrity"]

    @property
    def threshold(self) -> None:
        """Facts have none."""


class Floor(Strict):
    """A metric on the whole held-out cohort is at least a floor."""

    kind: Literal["floor"]
    metric: Literal["auroc"] | RateMetric
    """auroc, or a rate at the operating point."""
    floor: float = Field(gt=0, lt=1)
    """Least value that the lower bound must reach."""

    @property
    def threshold(self) -> float:
        """What the lower bounds must reach."""
        return self.floor


class NoNegativeTransfer(Strict):
    """The model is not worse than the same network trained without transfer; paired on the held-out cohort."""

    kind: Literal["no_negative_transfer"]
    controls: list[str] = Field(min_length=1)
    """Controls to compare with; each must have been scored, or the check is an ERROR."""
    margin: float = Field(ge=0, lt=0.5)
    """How much lower the AUROC may be."""

    @property
    def threshold(self) -> float:
        """What the lower bounds must reach."""
        return -self.margin


class FloorByGroup(Strict):
    """A rate at the operating point is at least a floor in every group of the sensitive features."""

    kind: Literal["floor_by_group"]
    metric: RateMetric
    """Rate at the operating point."""
    floor: float = Field(gt=0, lt=1)
    """Least value that every group's lower bound must reach."""

    @property
    def threshold(self) -> float:
        """What the lower bounds must reach."""
        return self.floor


class GapByGroup(Strict):
    """No group's rate is lower than that of its complement by more than a margin."""

    kind: Literal["gap_by_group"]
    metric: RateMetric
    """Rate at the operating point; only a group's lower rate counts as harm."""
    margin: float = Field(gt=0, lt=1)
    """How much lower a group's rate may be."""

    @property
    def threshold(self) -> float:
        """What the lower bounds must reach."""
        return -self.margin


class PatternFloor(Strict):
    """The AUROC is at least a floor in every pattern of present modalities; rare patterns are judged together."""

    kind: Literal["pattern_floor"]
    floor: float = Field(gt=0, lt=1)
    """Least value that every pattern's lower bound must reach."""
    least_share: float = Field(default=0.1, gt=0, le=1)
    """Patterns with a smaller share of the held-out cohort are joined to one."""

    @property
    def threshold(self) -> float:
        """What the lower bounds must reach."""
        return self.floor


Rule = Annotated[
    Integrity | Floor | NoNegativeTransfer | FloorByGroup | GapByGroup | PatternFloor, Field(discriminator="kind")
]


class OperatingPoint(Strict):
    """How the threshold is chosen, on the sparse tuning subjects only."""

    rule: Literal["sensitivity"] = "sensitivity"
    """The highest threshold that reaches this sensitivity there."""
    value: float = Field(gt=0, le=1)
    """The sensitivity to reach."""


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
    checks: list[Rule] = Field(min_length=1)
    """Rules, in the order of the report."""


def parse_policy(content: Any, where: str) -> Policy:
    """Check a policy that was read from YAML or from a decision.

    Raises:
        InputError: With every problem, each naming the field, the rule and the value.
    """
    return check_document(Policy, content, where, "validation/policy.py has those of a policy")


def load_policy(policy: str) -> Policy:
    """Read a policy by its path, or by the name of a shipped one.

    Raises:
        InputError: It is neither, or its content breaks a rule.

    Example:
        >>> load_policy("screening").owner
        'PLACEHOLDER: name the person who answers for these numbers'
    """
    return parse_policy(read_document(policy, "policy", POLICIES), f"policy {policy}")
