"""The report: one offline HTML file that follows from the decision alone, with the decision embedded as JSON."""

import json
from collections.abc import Mapping, Sequence
from itertools import groupby
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from cohorts.files import canonical_json
from cohorts.templates import STYLES
from validation.audit import METRICS
from validation.decision import reasons, too_small, worst_group
from validation.figures import availability_bars, forest
from validation.gate import worst

TEMPLATES = Path(__file__).parent / "templates"
SYMBOLS = {"PASS": "✔", "FAIL": "✖", "INSUFFICIENT": "?", "ERROR": "!", "NOT APPLICABLE": "–"}
MEANINGS = {
    "PASS": "every lower bound reaches its threshold",
    "FAIL": "at least one upper bound is under its threshold",
    "INSUFFICIENT": "the data cannot decide; nothing failed for certain",
    "ERROR": "something is undefined, missing or changed",
}


def render(decision: Mapping[str, Any]) -> str:
    """HTML of a decision. It loads nothing, and shows no count or figure that the decision suppressed."""
    decision = json.loads(canonical_json(decision))  # as it is read from its file, keys sorted
    environment = Environment(loader=FileSystemLoader([TEMPLATES, STYLES]), autoescape=True, undefined=StrictUndefined)
    environment.filters |= {"number": _number, "share": _share}
    embedded = json.dumps(decision, sort_keys=True).replace("<", "\\u003c")
    return environment.get_template("report.html.j2").render(
        decision=decision,
        reasons=reasons(decision),
        worst_group=worst_group(decision),
        too_small=too_small(decision),
        checks=_checks(decision),
        symbols=SYMBOLS,
        meanings=MEANINGS,
        people=_nested(decision["tables"]["people"], "feature"),
        groups=_pivot(decision["tables"]["groups"]),
        metrics=list(METRICS),
        availability_figure=Markup(availability_bars(decision["tables"]["availability"], decision["modalities"])),
        availability_by_group=_pivot_modalities(decision["tables"]["availability_by_group"]),
        embedded=Markup(embedded),
    )


def _checks(decision: Mapping[str, Any]) -> list[dict[str, Any]]:
    checks = []
    for number, rule in enumerate(decision["policy"]["checks"]):
        findings = [finding for finding in decision["findings"] if finding["check"] == number]
        drawn = [finding for finding in findings if finding["threshold"] is not None]
        figure = ""
        if len(drawn) > 1 and any(finding["value"] is not None for finding in drawn):
            ordered = sorted(drawn, key=lambda f: (f["lower"] is None, f["lower"] or 0))
            figure = Markup(forest(ordered, drawn[0]["threshold"], drawn[0]["title"]))
        checks.append(
            {
                "name": _rule_name(rule),
                "verdict": worst([finding["verdict"] for finding in findings]),
                "findings": findings,
                "figure": figure,
            }
        )
    return checks


def _rule_name(rule: Mapping[str, Any]) -> str:
    words = {key: value for key, value in rule.items() if key != "kind"}
    metric = str(words.pop("metric", "")).replace("auroc", "AUROC")
    rest = ", ".join(f"{key.replace('_', ' ')} {_listed(value)}" for key, value in words.items())
    return f"{str(rule['kind']).replace('_', ' ')}{': ' if metric else ''}{metric}{f' ({rest})' if rest else ''}"


def _listed(value: Any) -> str:
    return ", ".join(value) if isinstance(value, list) else f"{value:g}"


def _nested(rows: Sequence[dict[str, Any]], key: str) -> dict[str, list[dict[str, Any]]]:
    return {name: list(part) for name, part in groupby(rows, key=lambda row: row[key])}


def _pivot(rows: Sequence[dict[str, Any]]) -> dict[str, list[dict[str, Any]]]:
    """Feature to one row a group, with its metrics side by side."""
    found: dict[str, list[dict[str, Any]]] = {}
    for (feature, _), part in groupby(rows, key=lambda row: (row["feature"], row["group"])):
        cells = list(part)
        found.setdefault(feature, []).append({**cells[0], "metrics": {cell["metric"]: cell for cell in cells}})
    return found


def _pivot_modalities(rows: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    found = []
    for _, part in groupby(rows, key=lambda row: (row["feature"], row["group"])):
        cells = list(part)
        found.append({**cells[0], "shares": {cell["modality"]: _availability(cell) for cell in cells}})
    return found


def _availability(cell: Mapping[str, Any]) -> str:
    """A share, or what may be said of it where a handful have the modality or lack it."""
    if cell["value"] is not None:
        return _share(cell["value"])
    few, nearly_all = (str(cell[name]).startswith("<") for name in ("num_present", "num_absent"))
    return "–" if few == nearly_all else "few" if few else "nearly all"


def _number(value: Any, digits: int = 2) -> str:
    return "–" if value is None else value if isinstance(value, str) else f"{value:.{digits}f}".replace("-", "−")


def _share(value: Any) -> str:
    return "–" if value is None else f"{100 * value:.0f} %"
