"""The case before the judge: people, model and controls, all of them read and checked."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from cohorts.cohort import Cohort
from cohorts.errors import raise_if
from cohorts.splits import Split
from scripts.training_stage import read_and_split
from validation.policy import Policy

if TYPE_CHECKING:
    from lightning_modules.bundle import Bundle


@dataclass(frozen=True)
class Case:
    """What is to be judged, all of it read and checked."""

    people: Cohort
    split: Split
    model: "Bundle"
    model_folder: Path
    controls: "dict[str, Bundle]"

    def depends_on(self, policy: Policy) -> dict[str, str]:
        """All that the decision follows from."""
        return {
            "spec": self.people.spec.digest,
            "cohort": self.people.fingerprint,
            "split": self.split.fingerprint,
            "model": self.model.digest,
            "policy": policy.digest,
            **{f"control {name}": bundle.digest for name, bundle in self.controls.items()},
        }


def load_case(
    cohort: str, data: Path | None, model: Path, controls: Mapping[str, Path], held_out_site: str | None = None
) -> Case:
    """Read cohort, model and controls.

    Raises:
        InputError: One of them cannot be used, or they do not belong together.
    """
    from lightning_modules.bundle import check_same_inputs, load_bundle
    from lightning_modules.manifest import find_bundle

    people, split = read_and_split(cohort, data, held_out_site)
    bundles = {name: load_bundle(find_bundle(path)) for name, path in {"": model, **controls}.items()}
    for bundle in bundles.values():
        check_same_inputs(bundle, people.spec)
    same = [name for name in controls if bundles[name].digest == bundles[""].digest]
    raise_if([f"controls.{name}: is the model itself; give the control that finetune made without it" for name in same])
    return Case(people, split, bundles.pop(""), find_bundle(model), bundles)


def unasked_controls(policy: Policy, controls: Mapping[str, Path]) -> list[str]:
    """Problems of controls that no check of the policy asks for, such as misspelt ones."""
    asked = sorted({name for rule in policy.checks for name in getattr(rule, "controls", [])})
    return [
        f"controls.{name}: no check of the policy {policy.name} asks for it; it asks for {', '.join(asked) or 'none'}"
        for name in controls
        if name not in asked
    ]
