"""The candidate for promotion: a bundle, the decision on it and the report of that, which must belong together."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from cohorts.errors import InputError, raise_if
from validation.decision import read_decision
from validation.judging_again import check_against_predictions
from validation.ledger import Entry
from validation.policy import parse_policy
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
    if not parse_policy(decision["policy"], f"decision {decision_path}").asks_integrity:
        raise InputError(
            f"decision {decision_path}: its policy has no check of integrity, so nothing shows that the held-out "
            "subjects were never trained on; add it, and validate again"
        )
    raise_if(
        _model_problems(decision, model, verify_bundle)
        + _report_problems(decision, decision_path.with_name("report.html"))
        + check_against_predictions(decision, decision_path.with_name("predictions.parquet"))
    )
    return decision


def check_comparison(decision: Mapping[str, Any], champion: str | None) -> None:
    """Refuse a model that was compared with another champion than the present one, unless it is that one.

    Args:
        decision: Whose `champion` is the digest of the bundle that was champion then, or None where none was. It may be
            absent only where the policy asks for no comparison.
        champion: Digest of the present champion's bundle.

    Raises:
        InputError: They differ, so that the comparison says nothing about what would be replaced.
    """
    asked = any(check["kind"] == "non_inferiority" for check in decision["policy"]["checks"])
    compared = decision.get("champion") if asked else decision.get("champion", champion)
    if champion in (compared, decision["model"]["digest"]):
        return
    compared, present = ((digest or "none")[:12] for digest in (compared, champion))
    raise InputError(
        f"decision: the model was compared with the champion {compared}, but that of the registry is {present}; "
        "validate again"
    )


def check_look(decision: Mapping[str, Any], entries: Sequence[Entry]) -> None:
    """Refuse a model whose look at the held-out cohort this registry never counted, where the policy has a budget.

    Raises:
        InputError: There is no such look.
    """
    if decision["policy"].get("looks") is None:
        return
    held_out = (decision.get("looks") or {}).get("held_out")
    look = {"action": "look", "held_out": held_out, "model": decision["model"]["digest"]}
    if not any(look.items() <= entry.items() for entry in entries):
        raise InputError(
            "decision: its policy has a budget of looks, and this registry has counted none of this model at its "
            "held-out cohort; validate again with this --registry"
        )


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
