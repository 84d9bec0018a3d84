"""Judging again, from the files beside a decision, whether its findings follow from its predictions."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pandas as pd

from cohorts.files import digest_of_file
from validation.checks import Evidence
from validation.gate import as_data, evaluate
from validation.policy import parse_policy
from validation.predictions import WEIGHT
from validation.subsets import Subsets

SUBSETS = "subsets.parquet"


def check_against_predictions(decision: Mapping[str, Any], predictions: Path) -> list[str]:
    """Judge again from the table of predictions.

    Args:
        decision: From `read_decision`.
        predictions: The predictions.parquet that it was made from.

    Returns:
        Problems, none where every finding comes out as it is stored.
    """
    if not predictions.is_file():
        return [f"predictions {predictions}: are missing; they belong beside the decision, so validate again"]
    if digest_of_file(predictions) != decision["predictions"]["digest"]:
        return [
            f"predictions {predictions}: are not those that were judged (their digest does not fit); validate again"
        ]
    table = pd.read_parquet(predictions)
    subsets, problems = _subsets(decision, predictions.with_name(SUBSETS))
    if problems:
        return problems
    if (decision["cohort"].get("weight") is None) != (WEIGHT not in table):
        return ["decision: says otherwise than its predictions whether subjects are weighted; validate again"]
    facts = {f["title"]: f["basis"] == "holds" for f in decision["findings"] if f["kind"] == "integrity"}
    held_out = table[table["part"] == "held_out"].reset_index(drop=True)
    evidence = Evidence(
        held_out,
        decision["operating_point"]["threshold"],
        decision["declared_groups"],
        facts,
        champion_threshold=decision.get("champion_threshold"),
        has_model=decision["model"]["path"] is not None,
        subsets=None if subsets is None else Subsets.of(subsets, held_out),
    )
    found = as_data(evaluate(parse_policy(decision["policy"], "decision"), evidence))
    return (
        []
        if found == decision["findings"]
        else ["decision: its findings do not follow from its predictions; validate again"]
    )


def _subsets(decision: Mapping[str, Any], file: Path) -> tuple[pd.DataFrame | None, list[str]]:
    """Scores under subsets that the decision was made from, if any; and why they cannot be had."""
    known = decision.get("subsets")
    if known is None:
        return None, []
    if not file.is_file() or digest_of_file(file) != known["digest"]:
        return None, [f"scores {file}: are missing, or are not those that were judged; validate again"]
    return pd.read_parquet(file), []
