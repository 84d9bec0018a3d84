"""The candidate for promotion: a bundle, the decision on it and the report of that, which must belong together."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from cohorts.errors import InputError, raise_if
from validation.decision import read_decision
from validation.judging_again import check_against_predictions
from validation.report import render


def read_candidate(decision_path: Path, model: Path, verify_bundle: Callable[[Path], str]) -> dict[str, Any]:
    """Read a decision, and judge again all that can be judged again from what lies beside it.

    Args:
        decision_path: A decision.json, with report.html and predictions.parquet beside it.
        model: Folder of the bundle that it judges.
        verify_bundle: Checks a bundle folder against its manifest and returns its digest, or raises InputError.

    Returns:
        The decision, whatever its verdict.

    Raises:
        InputError: Decision, predictions, report or bundle were changed, or do not belong together.
    """
    decision = read_decision(decision_path)
    raise_if(
        _model_problems(decision, model, verify_bundle)
        + _report_problems(decision, decision_path.with_name("report.html"))
        + check_against_predictions(decision, decision_path.with_name("predictions.parquet"))
    )
    return decision


def _model_problems(decision: Mapping[str, Any], model: Path, verify_bundle: Callable[[Path], str]) -> list[str]:
    try:
        digest = verify_bundle(model)
    except InputError as error:
        return error.problems
    if digest == decision["model"]["digest"]:
        return []
    return [
        f"model {model}: is the bundle {digest[:12]}, but {decision['model']['digest'][:12]} was judged; "
        "give that one with --model"
    ]


def _report_problems(decision: Mapping[str, Any], report: Path) -> list[str]:
    if not report.is_file():
        return [f"report {report}: is missing; it belongs beside the decision, so validate again"]
    if report.read_text(encoding="utf-8") != render(decision):
        return [f"report {report}: is not the report of this decision; validate again"]
    return []
