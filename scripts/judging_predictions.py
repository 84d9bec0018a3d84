"""The steps of validate for predictions that another tool made: no model is there, and what needs one is not asked."""

from typing import Any

from cohorts.files import digest_of_file, write_table
from scripts.case_record import PREDICTIONS, notes_on_policy, provenance
from scripts.given_predictions import Given
from scripts.judging_model import conclude, fix_operating_point
from scripts.stage import Stage
from validation.checks import Evidence
from validation.operating_point import given_point, operating_point
from validation.policy import Policy
from validation.predictions import WEIGHT


def judge_given(
    stage: Stage,
    given: Given,
    policy: Policy,
    looks: dict[str, Any],
    options: dict[str, Any],
) -> dict[str, Any]:
    """Judge predictions of another tool, as `scripts.judging_model.judge` does those of a model.

    Returns:
        The decision.
    """
    table, part = given.table, given.table["part"]
    if given.threshold is None:
        wanted = operating_point(table[part == "tuning"], policy.operating_point)
    else:
        wanted = given_point(given.threshold)
    point = fix_operating_point(stage, wanted)
    write_table(stage.folder / PREDICTIONS, table)
    held_out = table[part == "held_out"].reset_index(drop=True)
    facts = {
        "No subject is both held out and tuned on": True,  # a subject stands in one row, of one part
        "The operating point that was fixed before is the one that was given, or that the tuning subjects give": (
            point == wanted
        ),
    }
    evidence = Evidence(held_out, point["threshold"], given.declared, facts, given.champion_threshold, has_model=False)
    record = _record(stage, given, policy, point) | {"looks": looks}
    return conclude(stage, policy, evidence, table, given.modalities, record, options)


def _record(stage: Stage, given: Given, policy: Policy, point: dict[str, Any]) -> dict[str, Any]:
    described = ("title", "source", "licence", "leakage_notes", "label", "label_name")
    about = {key: getattr(given.spec, key) if given.spec else "" for key in described}
    return {
        "model": {"digest": digest_of_file(given.file), "path": None},
        "cohort": {
            **about,
            "name": given.spec.name if given.spec else given.file.stem,
            "label_name": about["label_name"] or "label 1",
            "label": about["label"] or "label",
            "weight": WEIGHT if WEIGHT in given.table else None,
            "spec": given.spec.digest if given.spec else "not given",
            "fingerprint": given.fingerprint,
            "split": "not given",
        },
        "controls": {},
        "champion": None,
        "champion_threshold": given.champion_threshold,
        "operating_point": point,
        "predictions": {"digest": digest_of_file(stage.folder / PREDICTIONS)},
        "notes": [
            "another tool made these predictions: how its model was trained, and whether it saw the held-out subjects, "
            "is not known here",
            *notes_on_policy(policy),
        ],
        "provenance": provenance({}),
    }
