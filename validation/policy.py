"""The rules by which a model is judged, as its owner writes them down in YAML."""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from cohorts.errors import InputError
from cohorts.files import canonical_json, digest_of_text

POLICIES = Path(__file__).parent / "policies"
RateMetric = Literal["sensitivity", "specificity", "ppv"]


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)


class Integrity(_Strict):
    """Nothing was changed, and nobody who is held out was trained or tuned on."""

    kind: Literal["integrity"]

    @property
    def threshold(self) -> None:
        """Facts have none."""


class Floor(_Strict):
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


class NoNegativeTransfer(_Strict):
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


class FloorByGroup(_Strict):
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


class GapByGroup(_Strict):
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


class PatternFloor(_Strict):
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


class OperatingPoint(_Strict):
    """How the threshold is chosen, on the sparse tuning subjects only."""

    rule: Literal["sensitivity"] = "sensitivity"
    """The highest threshold that reaches this sensitivity there."""
    value: float = Field(gt=0, le=1)
    """The sensitivity to reach."""


class Policy(_Strict):
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

    @property
    def digest(self) -> str:
        """SHA-256 of the whole policy, as 64 hexadecimal digits."""
        return digest_of_text(canonical_json(self.model_dump(mode="json")))


def parse_policy(content: Any, where: str) -> Policy:
    """Check a policy that was read from YAML or from a decision.

    Raises:
        InputError: With every problem, each naming the field, the rule and the value.
    """
    if not isinstance(content, Mapping):
        raise InputError(f"{where}: is not a policy (a YAML map with `name`, `operating_point`, `checks`, ...)")
    try:
        return Policy.model_validate(content)
    except ValidationError as error:
        problems = []
        for item in error.errors():
            field = ".".join(str(part) for part in item["loc"])
            shown = "" if isinstance(item["input"], dict | list) else f" (value: {item['input']!r})"
            problems.append(f"{where}: {field}: {item['msg']}{shown}")
        raise InputError(problems) from None


def load_policy(policy: str) -> Policy:
    """Read a policy by its path, or by the name of a shipped one.

    Raises:
        InputError: It is neither, or its content breaks a rule.

    Example:
        >>> load_policy("screening").owner
        'PLACEHOLDER: name the person who answers for these numbers'
    """
    path = POLICIES / f"{policy}.yaml" if re.match(r"^[a-z][a-z0-9_]*$", policy) else Path(policy)
    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        names = ", ".join(sorted(entry.stem for entry in POLICIES.glob("*.yaml")))
        raise InputError(f"policy {policy}: no such file, nor one of the shipped policies {names}") from None
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise InputError(f"policy {policy}: cannot be read as YAML ({error})") from None
    return parse_policy(content, f"policy {policy}")
