"""Looks at a held-out cohort: every model that is scored there makes it less of one, so that they are counted.

Who tries twenty models on the same people and keeps the best has selected on them. A look is written down before
anything is scored, so that a judgement that was stopped, or whose decision was thrown away, counts as well. What this
does not show is a look with another registry, or with code that asks none.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from cohorts.errors import InputError
from validation.ledger import Entry, Ledger


def look(ledger: Ledger, *, held_out: str, model: str, budget: int | None = None) -> int:
    """Count a look, before the held-out cohort is scored.

    Args:
        ledger: Of the registry that counts.
        held_out: Fingerprint of the held-out cohort.
        model: Digest of the bundle that is to be scored.
        budget: How many models may look; None for any number.

    Returns:
        The number of this model's look, from 1; a model that has looked before keeps its number, and is not counted
        again.

    Raises:
        InputError: The budget is used up. Nothing was written.
    """
    counted = _first_looks(ledger.entries(), held_out)
    if model in counted:
        return list(counted).index(model) + 1
    _check_budget(held_out, len(counted), budget)
    with ledger.writing() as entries:
        counted = _first_looks(entries, held_out)
        if model not in counted:
            _check_budget(held_out, len(counted), budget)
            ledger.append(entries, "look", held_out=held_out, model=model)
            return len(counted) + 1
    return list(counted).index(model) + 1


def earlier_looks(ledger: Ledger, *, held_out: str, model: str) -> list[dict[str, Any]]:
    """Looks of other models before this one's, oldest first, for the report to show their trend.

    Returns:
        For each: number, time and model (a digest); verdict and auroc (value, lower, upper) of the model's last
        decision there, each None where none was recorded. A model that has not looked yet comes after all.
    """
    entries = ledger.entries()
    outcomes = {
        entry["model"]: entry for entry in entries if entry["action"] == "judged" and entry["held_out"] == held_out
    }
    found = []
    for number, (other, entry) in enumerate(_first_looks(entries, held_out).items(), start=1):
        if other == model:
            break
        outcome = outcomes.get(other, {})
        found.append(
            {
                "number": number,
                "time": entry["time"],
                "model": other,
                "verdict": outcome.get("verdict"),
                "auroc": outcome.get("auroc"),
            }
        )
    return found


def record_outcome(ledger: Ledger, *, held_out: str, decision: Mapping[str, Any]) -> None:
    """Write down what came of a look; a decision that is written down already is not written again.

    Args:
        ledger: Of the registry that counts.
        held_out: Fingerprint of the held-out cohort.
        decision: From `decide`; its digest, verdict and AUROC are kept, as the decision shows them.
    """
    with ledger.writing() as entries:
        if any(entry["action"] == "judged" and entry["decision"] == decision["digest"] for entry in entries):
            return
        shown = [row for row in decision["tables"]["performance"] if row["metric"] == "auroc"]
        figures = [{key: row[key] for key in ("value", "lower", "upper")} for row in shown]
        ledger.append(
            entries,
            "judged",
            held_out=held_out,
            model=decision["model"]["digest"],
            decision=decision["digest"],
            verdict=decision["verdict"],
            auroc=figures[0] if figures and None not in figures[0].values() else None,
        )


def _first_looks(entries: Sequence[Entry], held_out: str) -> dict[str, Entry]:
    """Model to the entry of its look, in order."""
    looks = [entry for entry in entries if entry["action"] == "look" and entry["held_out"] == held_out]
    return {entry["model"]: entry for entry in looks}


def _check_budget(held_out: str, used: int, budget: int | None) -> None:
    if budget is not None and used >= budget:
        raise InputError(
            f"held-out cohort {held_out[:12]}: {used} models have looked at it, and the policy's budget is {budget}; "
            "hold out people whom nobody has looked at, such as those of a later year"
        )
