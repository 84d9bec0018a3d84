"""The check of the record: nothing was changed, and nobody who is held out was seen before."""

from typing import TYPE_CHECKING, ClassVar, Literal

from validation.checks.base import Check, Evidence
from validation.findings import Finding

if TYPE_CHECKING:
    from validation.policy import Policy

FACTS = (
    "Model and controls were trained and tuned on exactly the subjects of this split",
    "No subject is both held out and trained or tuned on",
    "Controls are the model's network, trained with the model's options",
    "No control started from a pretrained network",
    "The operating point that was fixed before scoring is the one that the tuning subjects give",
)
"""What must hold of a model that is judged."""


class Integrity(Check):
    """Nothing was changed, and nobody who is held out was trained or tuned on."""

    bases: ClassVar[frozenset[str]] = frozenset({"holds", "broken"})

    kind: Literal["integrity"]

    @property
    def threshold(self) -> None:
        return None

    @property
    def sentence(self) -> str:
        return (
            "Nothing was changed since it was recorded, and nobody who is held out was trained or tuned on; "
            "anything else is an error."
        )

    def gather(self, evidence: Evidence, policy: "Policy") -> list[Finding]:
        facts = evidence.facts.items()
        return [Finding(0, "", sentence, "record", "holds" if holds else "broken") for sentence, holds in facts]
