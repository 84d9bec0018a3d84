"""The kinds of checks, each with its options, its sentence, and what it looks at."""

from typing import Annotated

from pydantic import Field

from validation.checks.base import Check, Evidence
from validation.checks.calibration import Calibration
from validation.checks.comparisons import NoNegativeTransfer, NonInferiority, SimpleBaselines
from validation.checks.groups import FloorByGroup, GapByGroup
from validation.checks.integrity import Integrity
from validation.checks.modalities import Availability, PatternFloor
from validation.checks.performance import Floor, NetBenefit
from validation.checks.subsets import Degradation, PatternShift

__all__ = ["AnyCheck", "Check", "Evidence"]

AnyCheck = Annotated[
    Integrity
    | Floor
    | NetBenefit
    | NoNegativeTransfer
    | SimpleBaselines
    | NonInferiority
    | FloorByGroup
    | GapByGroup
    | Calibration
    | PatternFloor
    | Availability
    | Degradation
    | PatternShift,
    Field(discriminator="kind"),
]
