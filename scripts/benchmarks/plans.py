"""Who is trained, tuned and tested on in a benchmark, and which modalities the tested ones are left with."""

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from cohorts.cohort import Cohort
from cohorts.errors import InputError
from cohorts.readers import read_cohort
from cohorts.spec import CohortSpec, Roles, load_spec
from cohorts.splits import Split, folds, leave_one_site_out

RATES = (0.3, 0.6)
NATURAL = "natural"
LEAST = 11  # of each class in what is tested on, so that no figure speaks of fewer


@dataclass(frozen=True)
class Plan:
    """One split of a benchmark.

    Attributes:
        name: Of the fold or of the site.
        split: Its part held_out is tested on.
        seed: Of everything random in the models that are fitted to it.
        tested: Name to positions of subjects, int (n,): `test`, and `held_out` where the spec has such a cohort.
    """

    name: str
    split: Split
    seed: int
    tested: dict[str, np.ndarray]

    def kept(self, people: Cohort) -> dict[tuple[str, str], np.ndarray]:
        """(tested, condition) to presence, bool (n, M): as it is, and with modalities removed; the same every time."""
        found = {}
        for tested, rows in self.tested.items():
            presence = people.presence[rows]
            found[tested, NATURAL] = presence
            for rate in RATES:
                rng = np.random.default_rng([self.seed, int(100 * rate), len(rows)])
                found[tested, f"removed {rate}"] = remove(presence, np.full(len(rows), rate), rng)
        return found


def remove(presence: np.ndarray, rate: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Presence after each modality was removed with its subject's probability, but never a subject's last one.

    Args:
        presence: bool (N, M).
        rate: float (N,).
        rng: Draws.

    Returns:
        bool (N, M).
    """
    kept = presence & (rng.random(presence.shape) >= rate[:, None])
    last = np.where(presence, rng.random(presence.shape), -1.0).argmax(axis=1)
    bare = ~kept.any(axis=1) & presence.any(axis=1)
    kept[np.flatnonzero(bare), last[bare]] = True
    return kept


def read_people(cohort: str, data: Path | None, *, join_held_out: bool) -> Cohort:
    """The cohort of a spec, without survey weights: benchmarks speak of the people that there are.

    Args:
        cohort: Path of a spec, or name of a catalog entry.
        data: Folder of its tables.
        join_held_out: Whether the held-out cohort becomes part of the sparse one.
    """
    spec = load_spec(cohort).model_copy(update={"weight": None})
    return read_cohort(_joined(spec) if join_held_out else spec, data)


def _joined(spec: CohortSpec) -> CohortSpec:
    rich, sparse, held_out = spec.roles.rich, spec.roles.sparse, spec.roles.held_out
    if not (isinstance(rich, str) and isinstance(sparse, str) and isinstance(held_out, str)):
        raise InputError(f"join_held_out: the roles of {spec.name} must be expressions, and held_out one of them")
    roles = Roles(rich=rich, sparse=f"({sparse}) OR ({held_out})", held_out=None)
    split = spec.split.model_copy(update={"held_out_fraction": 0.2})  # a spec needs one; folds do not use it
    return spec.model_copy(update={"roles": roles, "split": split})


def with_fewer_sparse(plan: Plan, people: Cohort, number: int) -> Plan:
    """A plan whose models have only so many sparse subjects, tuning included; shares of tuning and label are kept.

    Raises:
        InputError: There are not so many.
    """
    part = plan.split.part.copy()
    sparse = plan.split.rows("sparse_train", "sparse_tuning")
    if not 50 <= number <= len(sparse):
        raise InputError(f"num_sparse: must be between 50 and {len(sparse)}, which {plan.name} has (value: {number})")
    rng = np.random.default_rng([plan.seed, 7])
    order = rng.permutation(sparse)
    order = order[np.lexsort((people.label[order], part[order].astype(str)))]
    steps = np.floor((np.arange(len(order) + 1) + 0.5) * number / len(order))
    part[order[np.diff(steps) == 0]] = ""
    return replace(plan, split=Split(plan.split.subject_id, part))


def make_plans(people: Cohort, num_folds: int, num_repeats: int, *, by_site: bool) -> list[Plan]:
    """Repeated k-fold over the sparse cohort, or one plan a site.

    A site, or a held-out cohort, with fewer than 11 of either class is not tested on.
    """
    if by_site:
        return [
            Plan(site, split, seed, {"test": split.rows("held_out")})
            for site, split in leave_one_site_out(people)
            if _enough(people, split.rows("held_out"))
            for seed in range(num_repeats)
        ]
    held_out = np.flatnonzero(people.role == "held_out")
    more = {"held_out": held_out} if len(held_out) and _enough(people, held_out) else {}
    splits = folds(people, num_folds=num_folds, num_repeats=num_repeats)
    return [
        Plan(
            f"repeat {number // num_folds}, fold {number % num_folds}",
            split,
            number // num_folds,
            {"test": split.rows("held_out"), **more},
        )
        for number, split in enumerate(splits)
    ]


def _enough(people: Cohort, rows: np.ndarray) -> bool:
    positive = people.label[rows].sum()
    return bool(min(positive, len(rows) - positive) >= LEAST)
