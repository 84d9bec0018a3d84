"""Measure the project on this machine, and write the figures as JSON; compare figures within one run only."""

import sys
from argparse import ArgumentParser
from importlib import import_module

from scripts.command_line import run

NAMES = {
    "audit": "the bootstrap by group beside fairlearn's, and a decision on many rows",
    "coverage": "how often each interval of the judge holds the truth, by simulation",
    "gate": "how often a worse group passes and equal groups fail, by simulation",
    "loading": "batches from memory and from Parquet, binning of events, fingerprint and checks",
    "quality": "our networks beside their controls and tuned baselines, on the same splits",
    "regret": "distance to the best score that there is, as the sparse cohort grows",
}


def main() -> None:
    """Command line: the first word says what is measured, and the rest are its options."""
    words = sys.argv[1:]
    if words and words[0] in NAMES:
        name = words[0]
        sys.exit(run(getattr(import_module(f"scripts.benchmarks.{name}"), name), words[1:]))
    parser = ArgumentParser(prog="r2s-benchmark", description=__doc__, epilog=_names())
    parser.add_argument("name", choices=list(NAMES), help="What to measure; `NAME --help` shows its options.")
    parser.parse_args(words or ["--help"])


def _names() -> str:
    return (
        "; ".join(f"{name}: {what}" for name, what in NAMES.items())
        + "; example: "
        + ("python scripts/benchmark.py loading --out loading.json")
    )


if __name__ == "__main__":
    main()
