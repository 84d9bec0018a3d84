"""The steps of validate: fix the operating point, score the held-out cohort, decide, report."""

import os
from typing import Any

import numpy as np
import pandas as pd

from cohorts.checks import notes_on
from cohorts.cohort import Cohort
from cohorts.files import canonical_json, digest_of_file, read_json, write_table, write_whole
from scripts.case import Case
from scripts.dashboard import DashboardOptions, log_decision, start_run
from scripts.stage import Stage
from validation.checks import Evidence
from validation.decision import decide
from validation.operating_point import operating_point
from validation.policy import Policy
from validation.predictions import check_predictions, describe_people, make_predictions
from validation.report import render

PREDICTIONS, OPERATING_POINT, DECISION, REPORT = (
    "predictions.parquet",
    "operating_point.json",
    "decision.json",
    "report.html",
)


def judge(
    stage: Stage, case: Case, policy: Policy, *, dashboard: DashboardOptions, options: dict[str, Any]
) -> dict[str, Any]:
    """Fix the operating point, score the held-out cohort, write report and decision.

    Returns:
        The decision.
    """
    everybody = case.described()
    tuning = _predictions(case, case.people.take(case.split.rows("sparse_tuning")), "tuning")
    point = operating_point(tuning, policy.operating_point)
    if not (stage.folder / OPERATING_POINT).exists():  # once written it is never written again
        write_whole(stage.folder / OPERATING_POINT, canonical_json(point))
    kept = read_json(stage.folder / OPERATING_POINT, "the operating point")
    held_out = _predictions(case, case.held_out, "held_out")
    table = pd.concat([tuning, held_out], ignore_index=True)
    check_predictions(table)
    write_table(stage.folder / PREDICTIONS, table)
    written = read_json(stage.folder / OPERATING_POINT, "the operating point")
    evidence = Evidence(
        held_out, written["threshold"], case.people.spec.declared_groups, _facts(case, written == point)
    )
    decision = decide(policy, evidence, everybody, case.people.modalities, _record(stage, case, policy, kept))
    report = render(decision)
    write_whole(stage.folder / REPORT, report)
    run = start_run(dashboard, stage.folder, "validate", case.people.spec.name, options)
    try:
        write_whole(stage.folder / DECISION, canonical_json(decision))
        log_decision(run, decision, stage.folder, [DECISION, REPORT])
    finally:
        run.finish()
    return decision


def _predictions(case: Case, chosen: Cohort, part: str) -> pd.DataFrame:
    from lightning_modules.scoring import score

    people = describe_people(chosen, np.full(len(chosen), part, dtype=object))
    out_of_bag = part == "tuning"
    controls = {control: score(bundle, chosen, out_of_bag=out_of_bag) for control, bundle in case.controls.items()}
    return make_predictions(people, score(case.model, chosen, out_of_bag=out_of_bag), controls)


def _facts(case: Case, point_kept: bool) -> dict[str, bool]:
    bundles = [case.model, *case.controls.values()]
    same_split = all(bundle.provenance["depends_on"]["split"] == case.split.fingerprint for bundle in bundles)
    recipe = ("masking", "training", "calibration")
    recipes = [{key: bundle.provenance["options"].get(key) for key in recipe} for bundle in bundles]
    same_network = all(
        b.options == case.model.options and r == recipes[0] for b, r in zip(bundles, recipes, strict=True)
    )
    no_pretrained = not any(bundle.provenance["depends_on"].get("pretrained") for bundle in case.controls.values())
    rows = case.split.rows
    held_out = set(case.held_out.subject_id)
    trained = set(case.split.subject_id[rows("rich_train", "rich_tuning", "sparse_train", "sparse_tuning")])
    return {
        "Model and controls were trained and tuned on exactly the subjects of this split": same_split,
        "No subject is both held out and trained or tuned on": not (held_out & trained),
        "Controls are the model's network, trained with the model's options": same_network,
        "No control started from a pretrained network": no_pretrained,
        "The operating point that was fixed before scoring is the one that the tuning subjects give": point_kept,
    }


def _notes_on_elsewhere(case: Case) -> list[str]:
    if case.elsewhere is None:
        return []
    print_ = case.elsewhere.fingerprint[:12]
    return [f"judged on all people of another data folder (fingerprint {print_}), not on the spec's held-out cohort"]


def _notes_on_policy(policy: Policy) -> list[str]:
    if not policy.owner.startswith("PLACEHOLDER"):
        return []
    return [
        f"policy {policy.name}: has no owner yet, so nobody answers for its numbers; copy it, decide them, and sign"
    ]


def _record(stage: Stage, case: Case, policy: Policy, point: dict[str, Any]) -> dict[str, Any]:
    from lightning_modules.bundle import versions

    spec = case.people.spec
    return {
        "model": {
            "digest": case.model.digest,
            "path": os.path.relpath(case.model_folder.resolve(), stage.folder.resolve()),
        },
        "cohort": {
            **{
                key: getattr(spec, key)
                for key in ("name", "title", "source", "licence", "leakage_notes", "label", "label_name", "weight")
            },
            "spec": spec.digest,
            "fingerprint": case.people.fingerprint,
            "split": case.split.fingerprint,
        },
        "controls": {name: bundle.digest for name, bundle in case.controls.items()},
        "operating_point": point,
        "predictions": {"digest": digest_of_file(stage.folder / PREDICTIONS)},
        "notes": [*notes_on(case.people), *_notes_on_elsewhere(case), *_notes_on_policy(policy)],
        "provenance": {
            "command": "r2s-validate --config config.yaml",
            "versions": versions(),
            "training": dict(case.model.provenance),
        },
    }
