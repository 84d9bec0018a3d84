"""Promote a judged model to champion, sign or waive its decision, go back to the one before, or check the record."""

import sys
from pathlib import Path

from cohorts.files import write_whole
from scripts.command_line import config_text, run, say


def promote(
    registry: Path,
    decision: Path | None = None,
    model: Path | None = None,
    sign_off: str | None = None,
    role: str | None = None,
    note: str | None = None,
    waive: str | None = None,
    signers: list[str] | None = None,
    expires: str | None = None,
    rollback: bool = False,
    verify: bool = False,
    history: bool = False,
    make_key: Path | None = None,
    key: Path | None = None,
) -> str | None:
    """Promote the model of a decision whose verdict is PASS; refuse any other, with every reason.

    A FAIL or an ERROR is never promoted, an INSUFFICIENT only with a waiver that two people signed and that holds.
    Exit code: 0 done, 2 bad input or something changed, 3 FAIL, 4 INSUFFICIENT, 5 ERROR.

    Args:
        registry: Registry folder; made when something is first written.
        decision: A decision.json that validate wrote. Alone, its model is promoted.
        model: Bundle that the decision judges, where it was moved since.
        sign_off: Name of somebody who answers for the decision, with --role and --note; promotes nothing.
        role: As what somebody signs.
        note: What somebody who signs has to say, or why the registry is rolled back.
        waive: Reason to allow an INSUFFICIENT, with --signers and --expires; promotes nothing yet.
        signers: Names of the two people who waive.
        expires: Last day of the waiver, as YYYY-MM-DD, at most 365 days away.
        rollback: Make the last other champion, which passed or whose waiver holds, champion again.
        verify: Check ledger, signatures, bundles, decisions, pointer and waiver.
        history: List the ledger.
        make_key: File to write a new private key to, with which everything is signed from then on.
        key: File of the private key of a signed registry.

    Example:
        python scripts/promote.py --decision runs/judged/decision.json --registry runs/registry
    """
    options = dict(locals())
    from scripts.promoting import check, kind_of, record

    kind = kind_of(options)
    from lightning_modules.manifest import verify_bundle
    from validation.registry import Refused, Registry

    records = Registry(registry, verify_bundle, key)
    if kind in ("verify", "history"):
        check(records, kind)
        return None
    try:
        record(records, kind, options)
    except Refused as refused:
        say(f"promote: refused, {refused.verdict}")
        for reason in refused.reasons:
            say(f"  {reason}")
        return refused.verdict
    write_whole(registry / "config.yaml", config_text(options))
    return None


def main() -> None:
    """Command line."""
    sys.exit(run(promote))


if __name__ == "__main__":
    main()
