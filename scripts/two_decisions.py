"""Two decisions beside each other, at the terminal."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from cohorts.errors import InputError
from scripts.command_line import say
from scripts.summary import in_words


def tell_apart(paths: Sequence[str]) -> None:
    """Say what each of two decisions is, how their models differ on the same subjects, and where verdicts differ.

    Raises:
        InputError: They are not two, or one is no decision.
    """
    from validation.two_decisions import compare_decisions

    if len(paths) != 2:
        raise InputError(f"compare: give two decisions, such as a/decision.json b/decision.json (given: {len(paths)})")
    found = compare_decisions(*(path / "decision.json" if path.is_dir() else path for path in map(Path, paths)))
    for place, decision in zip(("first", "second"), found["decisions"], strict=True):
        say(
            f"{place:<8} {decision['verdict']:<12} {in_words(decision['auroc'])}, threshold "
            f"{decision['threshold']:g}, policy {decision['policy']}, model {decision['model'][:12]}, "
            f"{decision['created']}"
        )
    say("")
    if found["unpaired"]:
        say(f"not compared by subject: {found['unpaired']}")
    else:
        say("second minus first, paired on the same held-out subjects, each at its own threshold")
        for row in found["differences"]:
            say(f"  {row['metric']:<12} {row['scope']:<16} {_interval(row)}  {row['support']} {row['unit']}")
    say("")
    both = [row for row in found["verdicts"] if row["first"] and row["second"]]
    changed = [row for row in both if row["first"] != row["second"]]
    say(f"verdicts: {len(changed)} differ, {len(both) - len(changed)} are the same")
    for row in changed:
        say(f"  {row['first']} -> {row['second']}: {row['name']}")
    for place in ("first", "second"):
        alone = sum(bool(row[place]) for row in found["verdicts"]) - len(both)
        if alone:
            say(f"  {alone} more were asked for in the {place} decision alone")


def _interval(row: dict[str, Any]) -> str:
    figures = [row[name] for name in ("value", "lower", "upper")]
    if None in figures:
        return f"{'cannot be said':<26}"
    value, lower, upper = figures
    return f"{value:+.3f} [{lower:+.3f}, {upper:+.3f}]"
