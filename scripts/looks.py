"""The look that a judgement takes at its held-out cohort, in the ledger of a registry."""

from pathlib import Path
from typing import Any

from cohorts.errors import InputError
from validation.ledger import Ledger
from validation.looks import earlier_looks, look, record_outcome
from validation.policy import Policy


def take_look(registry: Path | None, key: Path | None, policy: Policy, *, held_out: str, model: str) -> dict[str, Any]:
    """Count a look, before the held-out cohort is scored.

    Args:
        registry: Whose ledger counts; None for none.
        key: Private key of a signed registry.
        policy: Whose budget holds.
        held_out: Fingerprint of the held-out cohort.
        model: Digest of what is to be scored.

    Returns:
        held_out, number (None where nobody counts), budget (None for any number), and earlier, the looks before this.

    Raises:
        InputError: The policy has a budget and there is no registry to count, or the budget is used up.
    """
    if registry is None:
        if policy.looks is not None:
            raise InputError(
                f"policy {policy.name}: allows {policy.looks} models to look at one held-out cohort, which the ledger "
                "of a registry counts; give --registry"
            )
        return {"held_out": held_out, "number": None, "budget": None, "earlier": []}
    ledger = Ledger(registry, key)
    number = look(ledger, held_out=held_out, model=model, budget=policy.looks)
    earlier = earlier_looks(ledger, held_out=held_out, model=model)
    return {"held_out": held_out, "number": number, "budget": policy.looks, "earlier": earlier}


def tell_outcome(registry: Path | None, key: Path | None, held_out: str, decision: dict[str, Any]) -> None:
    """Write down what came of a look, if somebody counts; what is written down already is not written again."""
    if registry is not None:
        record_outcome(Ledger(registry, key), held_out=held_out, decision=decision)
