"""The setting of a comparison: whom models are compared on, what is hidden from them, and what the axes say of it."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from cohorts.cohort import Cohort
from cohorts.description.recommendation import CAUTION, SOURCE, axes_of, dynamics_of, sizes_of, suggest
from cohorts.errors import raise_if
from cohorts.missingness import pattern_names
from cohorts.splits import Split
from lightning_modules.bundle import versions
from lightning_modules.subsets import common_modalities, deployed_presence, subsets_within

PARTS = {"tuning": "sparse_tuning", "held_out": "held_out"}
NUM_DRAWS = 20
FEW = range(1, 11)  # counts of people that are not shown


@dataclass(frozen=True)
class Setting:
    """Whom all models are compared on, and what is hidden from them.

    Attributes:
        people: The cohort.
        split: Who is in which part.
        kept: Share of those who have a modality who keep it at deployment, (M,).
        common: Modalities whose subsets are looked at, bool (M,).
        subsets: bool (S, M), each within the common ones.
    """

    people: Cohort
    split: Split
    kept: np.ndarray
    common: np.ndarray
    subsets: np.ndarray

    def part(self, name: str) -> Cohort:
        """People of a part."""
        return self.people.take(self.split.rows(PARTS[name]))

    def complete(self, name: str) -> np.ndarray:
        """Who of a part has all common modalities, bool (N,)."""
        return np.asarray(self.part(name).presence[:, self.common].all(axis=1))

    def shown(self, name: str) -> np.ndarray:
        """What people of a part show at deployment, bool (K, N, M): as it is, or drawn for a stated availability."""
        presence = self.part(name).presence
        if (self.kept == 1).all():
            return presence[None]
        return deployed_presence(presence, self.kept, num_draws=NUM_DRAWS)

    def availability(self, stated: Mapping[str, float]) -> list[dict[str, Any]]:
        """Rows with modality, share of the sparse cohort who have it, stated share, and the one that was drawn."""
        now = self.people.presence[self.people.role == "sparse"]
        rows = zip(self.people.modalities, now.mean(axis=0), now.sum(axis=0), self.kept, strict=True)
        return [
            {
                "modality": name,
                "sparse": round(float(share), 2) if min(having, len(now) - having) not in FEW else None,
                "stated": stated.get(name),
                "kept": round(float(kept), 2),
            }
            for name, share, having, kept in rows
        ]

    @property
    def names(self) -> list[str]:
        """Names of the subsets."""
        return pattern_names(self.subsets, self.people.modalities).tolist()


def make_setting(people: Cohort, split: Split, availability: Mapping[str, float]) -> Setting:
    """The setting for a stated availability.

    Raises:
        InputError: The availability names an unknown modality, or is no share.
    """
    unknown = [name for name in availability if name not in people.modalities]
    raise_if(
        [f"availability.{n}: no such modality; the spec has {', '.join(people.modalities)}" for n in unknown]
        + [f"availability.{n}: must be from 0 to 1 (value: {v})" for n, v in availability.items() if not 0 <= v <= 1]
    )
    now = people.presence[split.rows("sparse_train", "sparse_tuning")].mean(axis=0)
    stated = np.array([availability.get(name, 1.0) for name in people.modalities])
    kept = np.where(now > 0, np.minimum(1.0, stated / np.maximum(now, 1e-9)), 1.0)
    held_out = people.take(split.rows(PARTS["held_out"]))
    common = common_modalities(held_out.presence, held_out.label)
    return Setting(people, split, kept, common, subsets_within(common))


def record(setting: Setting, stated: Mapping[str, float]) -> dict[str, Any]:
    """What the page says of cohort, deployment and origin."""
    spec = setting.people.spec
    return {
        "cohort": {key: getattr(spec, key) for key in ("name", "title", "source", "licence", "label", "label_name")},
        "axes": axes_for(setting),
        "availability": setting.availability(stated),
        "modalities": setting.people.modalities,
        "common": [m for m, there in zip(setting.people.modalities, setting.common, strict=True) if there],
        "provenance": {"command": "r2s-compare-fusions --config config.yaml", "versions": versions()},
    }


def axes_for(setting: Setting) -> dict[str, Any]:
    """What the three axes suggest for the deployment, as plain data."""
    people = setting.people
    axes = axes_of(people, sizes_of(people), dynamics_of(people))
    sparse = people.presence[people.role == "sparse"]
    shown = sparse[None] if (setting.kept == 1).all() else deployed_presence(sparse, setting.kept, num_draws=NUM_DRAWS)
    axes = replace(axes, complete=float(shown.all(axis=-1).mean()), mean_availability=float(shown.mean()))
    _, rule = suggest(axes)
    shares: dict[str, float | None] = {
        name: round(getattr(axes, name), 2) for name in ("complete", "mean_availability", "ratio", "moving")
    }
    few = int(sparse.all(axis=1).sum())
    if min(few, len(sparse) - few) in FEW:
        shares["complete"] = None
    return {
        "axes": shares,
        "suggestion": rule.strategy,
        "when": rule.when,
        "why": rule.why,
        "source": SOURCE,
        "caution": CAUTION,
    }
