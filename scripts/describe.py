"""Describe a cohort before a model sees it: a page for people, and the same as JSON."""

import sys
from pathlib import Path
from textwrap import wrap
from typing import Any

from scripts.command_line import run, say
from scripts.stage import open_stage

PAGE, DATA = "description.html", "description.json"
WIDEST = 118  # characters of a line at the terminal
MOST_SAID = 3


def describe(cohort: str, out: Path, data: Path | None = None) -> None:
    """Describe a cohort: people, patterns of presence, rich against sparse, checks, and where to start with fusion.

    Writes description.html, which needs no network, and description.json. Nothing of fewer than 11 people is shown.
    Exit code: 0 when the page was made, whatever the checks say; 2 when the cohort cannot be read.

    Args:
        cohort: Path of a cohort spec, or name of a catalog entry (synthetic, heart_disease, nhanes, physionet2012).
        out: Folder to make: page, JSON and resolved config.
        data: Folder that holds the tables of the spec; not needed for synthetic.

    Example:
        python scripts/describe.py --cohort synthetic --out runs/described
    """
    options = dict(locals())
    from cohorts.description.content import SCHEMA
    from cohorts.description.content import describe as describe_cohort
    from cohorts.description.page import render
    from cohorts.files import canonical_json, read_json, write_whole
    from cohorts.readers import read_cohort
    from cohorts.spec import load_spec

    people = read_cohort(load_spec(cohort), data)
    depends_on = {"spec": people.spec.digest, "cohort": people.fingerprint, "schema": SCHEMA}
    stage = open_stage(out, PAGE, options, depends_on)
    if stage.done:
        say(f"describe: already done, in {out}")
    else:
        description = describe_cohort(people)
        write_whole(out / DATA, canonical_json(description))
        write_whole(out / PAGE, render(description))
    for line in summary(read_json(out / DATA, "a description")):
        say("\n".join(wrap(line, WIDEST, subsequent_indent=" " * 13, break_on_hyphens=False)))
    say(f"page         {out / PAGE}")


def summary(description: dict[str, Any]) -> list[str]:
    """What somebody at the terminal should know, in lines."""
    everybody = [row for row in description["people"] if row["feature"] == "everybody"]
    concerns = description["concerns"]
    severities = [concern["severity"] for concern in concerns]
    lines = [
        f"cohort       {description['cohort']['name']}: {description['cohort']['title']}",
        *[f"{row['role'].replace('_', ' '):<12} {_people(row)}" for row in everybody],
        *_patterns(description),
        f"checks       {', '.join(_counted(severities.count(name), name) for name in ('error', 'warning'))}",
        *[f"  {found['severity']}: {found['sentence']}" for found in concerns[:MOST_SAID]],
    ]
    if len(concerns) > MOST_SAID:
        lines.append(f"  and {len(concerns) - MOST_SAID} more on the page")
    holds = next(rule for rule in description["strategy"]["rules"] if rule["applied"])
    return [*lines, f"strategy     start with {holds['strategy']} fusion: {holds['when']}"]


def _people(row: dict[str, Any]) -> str:
    share = "" if row["value"] is None else f", {'about ' if row['approximate'] else ''}{row['value']:.0%} positive"
    return f"{row['num_subjects']} people{share}"


def _patterns(description: dict[str, Any]) -> list[str]:
    lines = []
    for role in ("rich", "sparse"):
        rows = [row for row in description["patterns"] if row["role"] == role and row["value"]]
        found = sorted((row for row in rows if row["present"] is not None), key=lambda row: -row["value"])[:2]
        said = [f"{'about ' if row['approximate'] else ''}{row['value']:.0%} {row['name']}" for row in found]
        lines += [f"patterns     {role}: {'; '.join(said)}"] if said else []
    return lines


def _counted(count: int, word: str) -> str:
    return f"{count} {word}{'' if count == 1 else 's'}"


def main() -> None:
    """Command line."""
    sys.exit(run(describe))


if __name__ == "__main__":
    main()
