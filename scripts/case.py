"""The case before the judge: people, model and controls, all of them read and checked."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from cohorts.cohort import Cohort
from cohorts.errors import InputError, raise_if
from cohorts.readers import read_cohort
from cohorts.splits import Split
from scripts.training_stage import read_and_split
from validation.policy import Policy
from validation.predictions import describe_people

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
    elsewhere: Cohort | None = None
    champion: "Bundle | None" = None
    champion_threshold: float | None = None
    reweighed: "Mapping[str, Bundle]" = field(default_factory=dict)

    @property
    def held_out(self) -> Cohort:
        """Who is judged on: the held-out cohort, or all people of another data folder."""
        return self.people.take(self.split.rows("held_out")) if self.elsewhere is None else self.elsewhere

    def described(self) -> pd.DataFrame:
        """Everybody in a cohort with their part, without scores."""
        here = self.split.part != "" if self.elsewhere is None else ~np.isin(self.split.part, ["", "held_out"])
        frames = [describe_people(self.people.take(here), self.split.part[here])]
        if self.elsewhere is not None:
            frames.append(describe_people(self.elsewhere, np.full(len(self.elsewhere), "held_out", dtype=object)))
        return pd.concat(frames, ignore_index=True)

    def depends_on(self, policy: Policy) -> dict[str, str]:
        """All that the decision follows from."""
        return {
            "spec": self.people.spec.digest,
            "cohort": self.people.fingerprint,
            "split": self.split.fingerprint,
            "model": self.model.digest,
            "policy": policy.digest,
            **({} if self.elsewhere is None else {"held-out data": self.elsewhere.fingerprint}),
            **{f"control {name}": bundle.digest for name, bundle in self.controls.items()},
            **({"champion": self.champion.digest} if self.champion else {}),
            **{f"reweighed {name}": bundle.digest for name, bundle in self.reweighed.items()},
        }


def load_case(
    cohort: str,
    data: Path | None,
    model: Path,
    controls: Mapping[str, Path],
    *,
    held_out_site: str | None = None,
    held_out_data: Path | None = None,
    registry: Path | None = None,
    reweighed: Mapping[str, Path] | None = None,
) -> Case:
    """Read cohort, model, controls and reweighed models, and the registry's champion, if it is not the model itself.

    Raises:
        InputError: One of them cannot be used, or they do not belong together.
    """
    people, split = read_and_split(cohort, data, held_out_site)
    from lightning_modules.bundle import check_same_inputs, load_bundle
    from lightning_modules.manifest import find_bundle

    bundles = {name: load_bundle(find_bundle(path)) for name, path in {"": model, **controls}.items()}
    mitigated = {name: load_bundle(find_bundle(path)) for name, path in (reweighed or {}).items()}
    for bundle in [*bundles.values(), *mitigated.values()]:
        check_same_inputs(bundle, people.spec)
    transferred = bool(bundles[""].provenance["depends_on"].get("pretrained"))  # a control is its own control
    same = [name for name in controls if transferred and bundles[name].digest == bundles[""].digest]
    raise_if([f"controls.{name}: is the model itself; give the control that finetune made without it" for name in same])
    elsewhere = read_cohort(people.spec.with_everybody_held_out(), held_out_data) if held_out_data else None
    known = set() if elsewhere is None else set(elsewhere.subject_id) & set(split.subject_id[split.part != ""])
    if known:
        raise InputError(
            f"held_out_data {held_out_data}: {len(known)} subject ids are those of the cohort that was trained on; "
            "leave these people out, or, where they are others, give their ids a prefix"
        )
    case = Case(people, split, bundles.pop(""), find_bundle(model), bundles, elsewhere, reweighed=mitigated)
    return case if registry is None else replace(case, **_champion(registry, case))


def _champion(registry: Path, case: Case) -> dict[str, Any]:
    """The champion's bundle and operating point; neither where there is none, or where it is the model itself."""
    from lightning_modules.bundle import check_same_inputs, load_bundle
    from lightning_modules.manifest import verify_bundle
    from validation.registry import Registry

    records = Registry(registry, verify_bundle)
    folder = records.champion_bundle()
    if folder is None:
        return {}
    bundle = load_bundle(folder)
    if bundle.digest == case.model.digest:
        return {}
    check_same_inputs(bundle, case.people.spec)
    return {"champion": bundle, "champion_threshold": records.champion_decision()["operating_point"]["threshold"]}


def unasked_controls(policy: Policy, controls: Mapping[str, Path]) -> list[str]:
    """Problems of controls that no check of the policy asks for, such as misspelt ones."""
    asked = sorted({name for rule in policy.checks for name in getattr(rule, "controls", [])})
    return [
        f"controls.{name}: no check of the policy {policy.name} asks for it; it asks for {', '.join(asked) or 'none'}"
        for name in controls
        if name not in asked
    ]
