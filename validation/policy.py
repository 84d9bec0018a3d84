"""The rules by which a model is judged, as its owner writes them down in YAML."""

from pathlib import Path
from typing import Any, Literal

from pydantic import Field

from cohorts.documents import Document, Strict, check_document, read_document
from validation.checks import AnyCheck

POLICIES = Path(__file__).parent / "policies"


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
    checks: list[AnyCheck] = Field(min_length=1)
    """Checks, in the order of the report."""


def parse_policy(content: Any, where: str) -> Policy:
    """Check a policy that was read from YAML or from a decision.

    Raises:
        InputError: With every problem, each naming the field, the rule and the value.
    """
    return check_document(Policy, content, where, "validation/policy.py and validation/checks have those of a policy")


def load_policy(policy: str) -> Policy:
    """Read a policy by its path, or by the name of a shipped one.

    Raises:
        InputError: It is neither, or its content breaks a rule.

    Example:
        >>> load_policy("screening").owner
        'PLACEHOLDER: name the person who answers for these numbers'
    """
    return parse_policy(read_document(policy, "policy", POLICIES), f"policy {policy}")
