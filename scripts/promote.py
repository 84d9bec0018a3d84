"""Promote a judged model to champion, go back to the one before, or check the record."""

import sys
from pathlib import Path

from cohorts.errors import InputError
from cohorts.files import write_whole
from scripts.command_line import config_text, run, say


def promote(
    registry: Path,
    decision: Path | None = None,
    model: Path | None = None,
    rollback: bool = False,
    verify: bool = False,
    history: bool = False,
) -> str | None:
    """Promote the model of a decision whose verdict is PASS; refuse any other, with every reason.

    Exit code: 0 done, 2 bad input or something changed, 3 FAIL, 4 INSUFFICIENT, 5 ERROR.

    Args:
        registry: Registry folder; made at the first promotion.
        decision: A decision.json that validate wrote.
        model: Bundle that the decision judges, where it was moved since.
        rollback: Make the champion before the present one champion again.
        verify: Check ledger, bundles, decisions and pointer.
        history: List the ledger.

    Example:
        python scripts/promote.py --decision runs/judged/decision.json --registry runs/registry
    """
    options = dict(locals())
    asked = [name for name in ("decision", "rollback", "verify", "history") if options[name]]
    if len(asked) != 1:
        found = " and ".join(f"--{name}" for name in asked) or "none of them"
        raise InputError(f"promote: give one of --decision, --rollback, --verify and --history (given: {found})")
    from lightning_modules.manifest import find_bundle, verify_bundle
    from validation.registry import Refused, Registry

    records = Registry(registry, verify_bundle)
    if decision:
        from validation.decision import read_decision

        judged = find_bundle(model) if model else decision.parent / read_decision(decision)["model"]["path"]
        try:
            entry = records.promote(decision, judged)
        except Refused as refused:
            say(f"promote: refused, {refused.verdict}")
            for reason in refused.reasons:
                say(f"  {reason}")
            return refused.verdict
        say(f"promote: champion is {entry['bundle'][:12]}, entry {entry['number']} of the ledger in {registry}")
    elif rollback:
        entry = records.rollback()
        say(f"rollback: champion is {entry['bundle'][:12]} again, entry {entry['number']} of the ledger in {registry}")
    else:
        entries = records.verify() if verify else records.history()
        for entry in entries:
            bundle, judged = entry["bundle"][:12], entry["decision"][:12]
            say(f"{entry['number']:>4}  {entry['time']}  {entry['action']:<8}  bundle {bundle}  decision {judged}")
        if verify:
            champion, last = entries[-1]["bundle"][:12], entries[-1]["digest"]
            say(f"verify: {len(entries)} entries, every bundle and decision is what it was; champion {champion}")
            say(f"verify: the last entry's digest is {last}; keep it elsewhere, and a ledger cut short shows")
    if decision or rollback:
        write_whole(registry / "config.yaml", config_text(options))
    return None


def main() -> None:
    """Command line."""
    sys.exit(run(promote))


if __name__ == "__main__":
    main()
