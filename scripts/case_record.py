"""What the judge is told of a case beside its predictions: facts of integrity, digests, and where all came from."""

import os
from collections.abc import Mapping
from typing import Any

from cohorts.checks import notes_on
from cohorts.files import digest_of_file
from scripts.case import Case
from scripts.stage import Stage
from validation.checks.integrity import FACTS
from validation.judging_again import SUBSETS
from validation.policy import Policy

PREDICTIONS = "predictions.parquet"
USUAL = 11  # people of whom a figure is shown
RECIPE = ("masking", "training", "calibration")


def facts_of(case: Case, *, point_kept: bool) -> dict[str, bool]:
    """Sentence to whether it holds.

    Args:
        case: Model, controls and split.
        point_kept: Whether the operating point that was fixed is the one that the tuning subjects give.
    """
    bundles = [case.model, *case.controls.values()]
    same_split = all(bundle.provenance["depends_on"]["split"] == case.split.fingerprint for bundle in bundles)
    recipes = [{key: bundle.provenance["options"].get(key) for key in RECIPE} for bundle in bundles]
    same_network = all(
        b.options == case.model.options and r == recipes[0] for b, r in zip(bundles, recipes, strict=True)
    )
    no_pretrained = not any(bundle.provenance["depends_on"].get("pretrained") for bundle in case.controls.values())
    rows = case.split.rows
    held_out = set(case.held_out.subject_id)
    trained = set(case.split.subject_id[rows("rich_train", "rich_tuning", "sparse_train", "sparse_tuning")])
    holds = (same_split, not (held_out & trained), same_network, no_pretrained, point_kept)
    return dict(zip(FACTS, holds, strict=True))


def record_of(stage: Stage, case: Case, policy: Policy, point: Mapping[str, Any]) -> dict[str, Any]:
    """Digests, descriptions and provenance, as plain data for the decision."""
    spec = case.people.spec
    described = ("name", "title", "source", "licence", "leakage_notes", "label", "label_name", "weight")
    return {
        "model": {
            "digest": case.model.digest,
            "path": os.path.relpath(case.model_folder.resolve(), stage.folder.resolve()),
        },
        "cohort": {
            **{key: getattr(spec, key) for key in described},
            "spec": spec.digest,
            "fingerprint": case.people.fingerprint,
            "split": case.split.fingerprint,
        },
        "controls": {name: bundle.digest for name, bundle in case.controls.items()},
        "champion": case.champion.digest if case.champion else None,
        "champion_threshold": case.champion_threshold,
        "operating_point": dict(point),
        "predictions": {"digest": digest_of_file(stage.folder / PREDICTIONS)},
        "subsets": {"digest": digest_of_file(stage.folder / SUBSETS)},
        "notes": [
            *notes_on(case.people),
            *_notes_on_controls(case),
            *_notes_on_elsewhere(case),
            *notes_on_policy(policy),
        ],
        "provenance": provenance(dict(case.model.provenance)),
    }


def provenance(training: Mapping[str, Any]) -> dict[str, Any]:
    """How to judge again, with which versions, and how the model was trained."""
    from lightning_modules.bundle import versions

    return {
        "command": "r2s-validate --config OUT/config.yaml --out NEW, where it was run before",
        "versions": versions(),
        "training": dict(training),
    }


def notes_on_policy(policy: Policy) -> list[str]:
    """That nobody answers for the numbers of a shipped policy, or that it shows figures of few people."""
    notes = []
    if policy.owner.startswith("PLACEHOLDER"):
        notes.append(
            f"policy {policy.name}: has no owner yet, so nobody answers for its numbers; copy it, decide them, and sign"
        )
    if policy.smallest_group < USUAL:
        notes.append(f"policy {policy.name}: shows figures of {policy.smallest_group} people and more, not of {USUAL}")
    return notes


def _notes_on_controls(case: Case) -> list[str]:
    """Which control was trained otherwise than the model, and in what."""
    own = case.model.provenance["options"]
    notes = []
    for name, bundle in case.controls.items():
        theirs = bundle.provenance["options"]
        other = [f"{part}.{key}" for part in RECIPE for key in _differing(own.get(part), theirs.get(part))]
        other += [] if bundle.options == case.model.options else ["network"]
        if other:
            notes.append(f"control {name}: was trained otherwise than the model, in {', '.join(other)}")
    return notes


def _differing(one: Any, other: Any) -> list[str]:
    one, other = one or {}, other or {}
    return [key for key in sorted({*one, *other}) if one.get(key) != other.get(key)]


def _notes_on_elsewhere(case: Case) -> list[str]:
    if case.elsewhere is None:
        return []
    print_ = case.elsewhere.fingerprint[:12]
    return [f"judged on all people of another data folder (fingerprint {print_}), not on the spec's held-out cohort"]
