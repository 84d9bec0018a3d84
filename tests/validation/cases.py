"""Predictions with known properties, policies, decisions and bundles for the judge's tests; no model is needed."""

import hashlib
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from cohorts.files import canonical_json, digest_of_file, digest_of_text, write_whole
from lightning_modules.manifest import CONTENT, MANIFEST, WEIGHTS, verify_bundle
from validation.checks import Evidence
from validation.checks.integrity import FACTS
from validation.decision import decide
from validation.operating_point import operating_point
from validation.policy import Policy, parse_policy
from validation.report import render

DECLARED = {"sex": ["female", "male"], "age": ["<50", "50+"]}
CHECKS: list[dict[str, Any]] = [
    {"kind": "integrity"},
    {"kind": "floor", "metric": "auroc", "floor": 0.7},
    {"kind": "no_negative_transfer", "controls": ["scratch"], "margin": 0.03},
    {"kind": "floor_by_group", "metric": "sensitivity", "floor": 0.7},
    {"kind": "gap_by_group", "metric": "sensitivity", "margin": 0.15},
    {"kind": "pattern_floor", "floor": 0.6},
]


def make_policy(*checks: dict[str, Any], **fields: Any) -> Policy:
    content = {
        "name": "test",
        "owner": "somebody",
        "intended_use": "tests",
        "operating_point": {"value": 0.85},
        "checks": list(checks) or CHECKS,
        **fields,
    }
    return parse_policy(content, "policy test")


def make_held_out(num_subjects: int = 2000, *, separation: float = 2.0, seed: int = 0) -> pd.DataFrame:
    """Held-out predictions: binormal scores, two sensitive features, two patterns, one control."""
    rng = np.random.default_rng(seed)
    label = (rng.random(num_subjects) < 0.4).astype(int)
    signal = separation * label + rng.standard_normal(num_subjects)
    return pd.DataFrame(
        {
            "subject_id": [f"patient-{number:05d}" for number in range(num_subjects)],
            "part": "held_out",
            "site": rng.choice(["east", "west"], num_subjects),
            "label": label,
            "score": 1 / (1 + np.exp(separation / 2 - signal)),
            "pattern": rng.choice(["labs", "labs+ecg"], num_subjects),
            "sensitive.sex": rng.choice(["female", "male"], num_subjects),
            "sensitive.age": rng.choice(["<50", "50+"], num_subjects),
            "control.scratch": 1 / (1 + np.exp(separation / 2 - signal - 0.3 * rng.standard_normal(num_subjects))),
        }
    )


def with_weights(held_out: pd.DataFrame, seed: int = 0) -> pd.DataFrame:
    """The same subjects with sampling weights from 1 to 5; those of the positives differ from those of the others."""
    draws = np.random.default_rng(seed).beta(1, 2 + held_out["label"].to_numpy())
    return held_out.assign(weight=1 + 4 * draws)


def make_evidence(held_out: pd.DataFrame, threshold: float = 0.3, **facts: bool) -> Evidence:
    return Evidence(held_out, threshold, DECLARED, facts or {"all is as it was": True})


POINT = {"threshold": 0.3, "rule": "test", "digest": "0" * 64}


def make_decision(
    held_out: pd.DataFrame,
    policy: Policy,
    model: str,
    predictions: str = "0" * 64,
    point: dict[str, Any] = POINT,
    **facts: bool,
) -> dict[str, Any]:
    people = held_out.drop(columns=["score", "control.scratch"])
    weight = "design.w" if "weight" in held_out else None
    record = {
        "model": {"digest": model, "path": "../bundle"},
        "cohort": {
            **dict.fromkeys(["name", "title", "source", "licence", "leakage_notes", "label", "label_name"], "test"),
            **dict.fromkeys(["spec", "fingerprint", "split"], "0" * 64),
            "weight": weight,
        },
        "controls": {"scratch": "0" * 64},
        "operating_point": point,
        "predictions": {"digest": predictions},
        "notes": [],
        "provenance": {"command": "test", "versions": {"python": "3"}, "training": {}},
    }
    evidence = make_evidence(held_out, point["threshold"], **facts)
    return decide(policy, evidence, people, ["labs", "ecg"], record)


@dataclass(frozen=True)
class Candidate:
    """A bundle with its decision, as promote finds them."""

    bundle: Path
    decision: Path
    digest: str


@cache
def _judged(separation: float, num_subjects: int, weighted: bool) -> tuple[bytes, dict[str, Any]]:
    """Predictions as a Parquet file, and the decision on them for some model; made once, as it takes its time."""
    held_out, tuning = (
        make_held_out(num, separation=separation, seed=seed) for num, seed in ((num_subjects, 0), (300, 1))
    )
    tuning = tuning.assign(part="tuning", subject_id="tuned-" + tuning["subject_id"])
    held_out, tuning = (with_weights(people) if weighted else people for people in (held_out, tuning))
    content, policy = pd.concat([tuning, held_out]).to_parquet(index=False), make_policy()
    facts, point = dict.fromkeys(FACTS, True), operating_point(tuning, policy.operating_point)
    digest = hashlib.sha256(content).hexdigest()
    return content, make_decision(held_out, policy, "0" * 64, digest, point, **facts)


def sealed(decision: dict[str, Any]) -> dict[str, Any]:
    """A decision with the digest of its content."""
    body = {key: value for key, value in decision.items() if key != "digest"}
    return {**body, "digest": digest_of_text(canonical_json(body))}


def make_candidate(
    folder: Path,
    name: str = "first",
    separation: float = 2.0,
    num_subjects: int = 2000,
    *,
    weighted: bool = False,
    rendered: bool = True,
    **changes: Any,
) -> Candidate:
    """A bundle folder and its decision, with changes; the name seeds the bundle's bytes."""
    bundle, judged = folder / name / "bundle", folder / name / "validate"
    bundle.mkdir(parents=True)
    judged.mkdir()
    (bundle / WEIGHTS).write_bytes(f"weights of {name}".encode())
    (bundle / CONTENT).write_text(f"content of {name}")
    write_whole(bundle / MANIFEST, canonical_json({file: digest_of_file(bundle / file) for file in (WEIGHTS, CONTENT)}))
    digest = verify_bundle(bundle)
    predictions, decision = _judged(separation, num_subjects, weighted)
    (judged / "predictions.parquet").write_bytes(predictions)
    decision = sealed({**decision, "model": {"digest": digest, "path": "../bundle"}, **changes})
    write_whole(judged / "decision.json", canonical_json(decision))
    write_whole(judged / "report.html", render(decision) if rendered else f"<h1>Report on {name}</h1>")
    return Candidate(bundle, judged / "decision.json", digest)


def flip(file: Path, position: int = -5) -> None:
    """Change one bit of a file."""
    content = bytearray(file.read_bytes())
    content[position] ^= 1
    file.write_bytes(bytes(content))
