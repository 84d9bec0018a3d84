"""The steps of validate: fix the operating point, score the held-out cohort, decide, report."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

from cohorts.cohort import Cohort
from cohorts.files import canonical_json, read_json, write_table, write_whole
from scripts.baselines import baseline_scores
from scripts.case import Case
from scripts.case_record import PREDICTIONS, facts_of, record_of
from scripts.dashboard import log_decision, start_run
from scripts.mitigations import mitigations
from scripts.stage import Stage
from scripts.subset_scores import subset_scores
from validation.checks import Evidence
from validation.checks.comparisons import SimpleBaselines
from validation.decision import decide
from validation.judging_again import SUBSETS
from validation.operating_point import operating_point
from validation.policy import Policy
from validation.predictions import (
    BASELINE,
    CHAMPION,
    CONTROL,
    check_predictions,
    describe_people,
    make_predictions,
)
from validation.report import render
from validation.subsets import Subsets

OPERATING_POINT, DECISION, REPORT = "operating_point.json", "decision.json", "report.html"


def judge(
    stage: Stage,
    case: Case,
    policy: Policy,
    looks: dict[str, Any],
    options: dict[str, Any],
) -> dict[str, Any]:
    """Judge a model: fix the operating point, score the held-out cohort, conclude.

    Args:
        stage: Folder to write to.
        case: Model, people and all others.
        policy: The rules.
        looks: The look that was taken at the held-out cohort, and those before it.
        options: Of validate.

    Returns:
        The decision.
    """
    tuning = _predictions(case, case.people.take(case.split.rows("sparse_tuning")), "tuning")
    point = operating_point(tuning, policy.operating_point)
    kept = fix_operating_point(stage, point)
    table = pd.concat([tuning, _predictions(case, case.held_out, "held_out")], ignore_index=True)
    if any(isinstance(check, SimpleBaselines) for check in policy.checks):
        baselines = baseline_scores(case, stage.folder)
        table = table.assign(**baselines.filter(like=BASELINE))  # both: tuning, then held out, in the cohort's order
    check_predictions(table)
    write_table(stage.folder / PREDICTIONS, table)
    subsets = subset_scores(case.model, case.held_out)
    write_table(stage.folder / SUBSETS, subsets)
    held_out = table[table["part"] == "held_out"].reset_index(drop=True)
    evidence = Evidence(
        held_out,
        kept["threshold"],
        case.people.spec.declared_groups,
        facts_of(case, point_kept=kept == point),
        champion_threshold=case.champion_threshold,
        subsets=Subsets.of(subsets, held_out),
    )
    tried, notes = mitigations(case, policy, table, kept["threshold"], options["mitigate"] or ())
    record = record_of(stage, case, policy, kept) | {"looks": looks}
    record["notes"] += notes
    people, modalities = case.described(), case.people.modalities
    return conclude(stage, policy, evidence, people, modalities, record, options, tried)


def fix_operating_point(stage: Stage, point: dict[str, Any]) -> dict[str, Any]:
    """Write the operating point, before anybody who is held out is scored; once written it is never written again.

    Returns:
        The one that is written.
    """
    if not (stage.folder / OPERATING_POINT).exists():
        write_whole(stage.folder / OPERATING_POINT, canonical_json(point))
    return dict(read_json(stage.folder / OPERATING_POINT, "the operating point"))


def conclude(
    stage: Stage,
    policy: Policy,
    evidence: Evidence,
    people: pd.DataFrame,
    modalities: Sequence[str],
    record: dict[str, Any],
    options: dict[str, Any],
    mitigation: pd.DataFrame | None = None,
) -> dict[str, Any]:
    """Decide, write report and decision, and mirror both in the dashboard.

    Returns:
        The decision.
    """
    decision = decide(policy, evidence, people, modalities, record, mitigation)
    write_whole(stage.folder / REPORT, render(decision))
    run = start_run(options["dashboard"], stage.folder, "validate", decision["cohort"]["name"], options)
    try:
        write_whole(stage.folder / DECISION, canonical_json(decision))
        log_decision(run, decision, stage.folder, [DECISION, REPORT])
    finally:
        run.finish()
    return decision


def _predictions(case: Case, chosen: Cohort, part: str) -> pd.DataFrame:
    from lightning_modules.scoring import score

    people = describe_people(chosen, np.full(len(chosen), part, dtype=object))
    bundles = {"score": case.model, **{CONTROL + name: bundle for name, bundle in case.controls.items()}}
    bundles |= {CHAMPION: case.champion} if case.champion else {}
    scores = {name: score(bundle, chosen, out_of_bag=part == "tuning") for name, bundle in bundles.items()}
    return make_predictions(people, scores)
