"""What a benchmark writes: the machine, the figures, and which goals they meet."""

import os
import platform
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

from cohorts.files import canonical_json, write_whole
from scripts.command_line import say

LIBRARIES = ("torch", "numpy", "pyarrow", "pandas", "duckdb")


def this_machine() -> dict[str, Any]:
    """What a reader needs to judge the figures by; no names of host, user or folder."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    libraries = {name: version(name) for name in LIBRARIES}
    return {"cores": cores, "system": platform.system(), "python": platform.python_version(), **libraries}


def write_with_goals(out: Path, found: dict[str, Any], goals: Sequence[tuple[str, str, float]]) -> None:
    """Write figures with their goals, each a figure ("part.name"), "at_least" or "at_most", and a limit; and tell."""
    found["goals"] = [_goal(found, *each) for each in goals]
    write_whole(out, canonical_json(found))
    for each in found["goals"]:
        say(f"{'met' if each['met'] else 'MISSED'}: {each['figure']} {each['value']} ({each['rule']} {each['limit']})")


def _goal(found: dict[str, Any], figure: str, rule: str, limit: float) -> dict[str, Any]:
    part, name = figure.split(".")
    value = found[part][name]
    met = value >= limit if rule == "at_least" else value <= limit
    return {"figure": figure, "value": value, "rule": rule.replace("_", " "), "limit": limit, "met": met}
