"""Judging again, from the files beside a decision on a model, whether it follows from its predictions."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pandas as pd

from cohorts.errors import InputError
from cohorts.files import canonical_json, digest_of_file
from validation.checks import Evidence
from validation.checks.integrity import FACTS
from validation.gate import as_data, evaluate
from validation.operating_point import operating_point
from validation.policy import Policy, parse_policy
from validation.predictions import CHAMPION, WEIGHT, check_predictions, sensitive_features
from validation.subsets import Subsets
from validation.tables import tables_of_predictions

SUBSETS = "subsets.parquet"


def check_against_predictions(decision: Mapping[str, Any], predictions: Path) -> list[str]:
    """Judge again from the table of predictions.

    Args:
        decision: From `read_decision`.
        predictions: The predictions.parquet that it was made from, with subsets.parquet beside it.

    Returns:
        Problems, none where operating point, findings and tables come out as they are stored. What came before the
        predictions, such as who was trained on, is taken as it is said; so are notes and the tables of all cohorts.
    """
    if not predictions.is_file():
        return [f"predictions {predictions}: are missing; they belong beside the decision, so validate again"]
    if digest_of_file(predictions) != decision["predictions"]["digest"]:
        return [
            f"predictions {predictions}: are not those that were judged (their digest does not fit); validate again"
        ]
    table = pd.read_parquet(predictions)
    subsets, problems = _subsets(decision, predictions.with_name(SUBSETS))
    policy = parse_policy(decision["policy"], "decision")
    problems += _contradictions(decision, table, policy)
    if problems:
        return problems
    held_out = table[table["part"] == "held_out"].reset_index(drop=True)
    evidence = Evidence(
        held_out,
        decision["operating_point"]["threshold"],
        decision["declared_groups"],
        {f["title"]: f["basis"] == "holds" for f in decision["findings"] if f["kind"] == "integrity"},
        champion_threshold=decision.get("champion_threshold"),
        has_model=decision["model"]["path"] is not None,
        subsets=None if subsets is None else Subsets.of(subsets, held_out),
    )
    if as_data(evaluate(policy, evidence)) != decision["findings"]:
        return ["decision: its findings do not follow from its predictions; validate again"]
    tables = json.loads(canonical_json(tables_of_predictions(policy, evidence)))
    changed = [name for name, rows in tables.items() if rows != decision["tables"].get(name)]
    return [f"decision: its table {name} does not follow from its predictions; validate again" for name in changed]


def _contradictions(decision: Mapping[str, Any], table: pd.DataFrame, policy: Policy) -> list[str]:
    """What a decision on a model says otherwise than its predictions, each named."""
    try:
        check_predictions(table)
        point = operating_point(table[table["part"] == "tuning"], policy.operating_point)
    except InputError as error:
        return error.problems
    champion = [decision.get(name) is None for name in ("champion", "champion_threshold")]
    facts = {finding["title"] for finding in decision["findings"] if finding["kind"] == "integrity"}
    held = {
        "whether subjects are weighted": (decision["cohort"].get("weight") is None) == (WEIGHT not in table),
        "what the operating point is": decision["operating_point"] == point,
        "whether there is a champion": champion == [CHAMPION not in table] * 2,
        "which sensitive features there are": set(decision["declared_groups"]) == set(sensitive_features(table)),
        "which facts must hold": facts == set(FACTS),
    }
    return [
        f"decision: says otherwise than its predictions {what}; validate again"
        for what, fits in held.items()
        if not fits
    ]


def _subsets(decision: Mapping[str, Any], file: Path) -> tuple[pd.DataFrame | None, list[str]]:
    """Scores under subsets that the decision was made from, if any; and why they cannot be had."""
    known = decision.get("subsets")
    if known is None:
        return None, []
    if not file.is_file() or digest_of_file(file) != known["digest"]:
        return None, [f"scores {file}: are missing, or are not those that were judged; validate again"]
    return pd.read_parquet(file), []
