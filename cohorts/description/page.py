"""The page of a description: one offline HTML file that follows from its plain data, which it embeds as JSON."""

import json
from collections.abc import Mapping, Sequence
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from cohorts.description.figures import (
    MOST_DIFFERENCES,
    availability_figure,
    difference_figure,
    pattern_figure,
    size_figure,
)
from cohorts.description.tables import EVERYBODY
from cohorts.files import canonical_json
from cohorts.templates import STYLES

SYMBOLS = {"error": "✖", "warning": "▲"}


def render(description: Mapping[str, Any]) -> str:
    """HTML of a description, which loads nothing and shows nothing that is not in it.

    Args:
        description: From `cohorts.description.describe`.
    """
    found = json.loads(canonical_json(description))  # as it is read from its file
    environment = Environment(
        loader=FileSystemLoader(STYLES),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {"share": _share, "number": _number, "whose": _whose, "gap": _gap}
    modalities, roles = [row["modality"] for row in found["modalities"]], found["roles"]
    drawn = any(row["difference"] is not None for row in found["differences"])
    severities = [concern["severity"] for concern in found["concerns"]]
    return environment.get_template("description.html.j2").render(
        found=found,
        symbols=SYMBOLS,
        counted={severity: severities.count(severity) for severity in SYMBOLS},
        concerns=_concerns(found["concerns"]),
        people=_by(found["people"], "feature"),
        availability=_availability(found["availability"]),
        everybody=EVERYBODY,
        features=_by(found["features"], "modality"),
        most_differences=MOST_DIFFERENCES,
        pattern_figure=Markup(pattern_figure(found["patterns"], modalities, roles)),
        availability_figure=Markup(availability_figure(found["availability"], modalities, roles)),
        difference_figure=Markup(difference_figure(found["differences"]) if drawn else ""),
        size_figure=Markup(size_figure(found["modalities"])),
        pattern_rows=_pattern_rows(found["patterns"]),
        embedded=Markup(json.dumps(found, sort_keys=True).replace("<", "\\u003c")),
    )


def _by(rows: Sequence[dict[str, Any]], key: str) -> dict[str, list[dict[str, Any]]]:
    parts: dict[str, list[dict[str, Any]]] = {}
    for row in rows:
        parts.setdefault(row[key], []).append(row)
    return parts


def _concerns(concerns: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """Severity and kind, each once, to the sentences of that kind."""
    kinds = list(dict.fromkeys((concern["severity"], concern["kind"]) for concern in concerns))
    return [
        {
            "severity": severity,
            "kind": kind,
            "sentences": [c["sentence"] for c in concerns if (c["severity"], c["kind"]) == (severity, kind)],
        }
        for severity, kind in kinds
    ]


def _availability(rows: Sequence[dict[str, Any]]) -> dict[str, dict[str, Any]]:
    """Feature to its groups, as (role, group), and for each modality the cells of these groups."""
    tables = {}
    for feature, part in _by(rows, "feature").items():
        groups = list(dict.fromkeys((row["role"], row["group"]) for row in part))
        cells = {(row["modality"], row["role"], row["group"]): row for row in part}
        tables[feature] = {
            "groups": groups,
            "rows": {name: [cells[name, *group] for group in groups] for name in _by(part, "modality")},
        }
    return tables


def _pattern_rows(rows: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    return [{**cells[0], "cells": cells} for cells in _by(rows, "pattern").values()]


def _share(row: Mapping[str, Any]) -> str:
    """A share with its interval where there is one; "≈" where it comes from lower limits.

    Example:
        >>> _share({"value": 0.624, "lower": 0.58, "upper": 0.661, "approximate": False})
        '62 % [58, 66]'
    """
    if row["value"] is None:
        return "–"
    interval = f" [{100 * row['lower']:.0f}, {100 * row['upper']:.0f}]" if row.get("lower") is not None else ""
    return f"{'≈' if row['approximate'] else ''}{100 * row['value']:.0f} %{interval}"


def _whose(row: Mapping[str, Any]) -> str:
    """The share who have a modality, or what may be said of it."""
    if row["value"] is not None:
        return _share(row)
    return _few_or_nearly_all(row, "num_present", "num_absent")


def _gap(row: Mapping[str, Any]) -> str:
    """The share of those who have a modality who lack one of its values."""
    if row["value"] is not None:
        return "none" if row["num_absent"] == 0 else f"{100 * row['value']:.0f} %"
    return _few_or_nearly_all(row, "num_absent", "num_present")


def _few_or_nearly_all(row: Mapping[str, Any], part: str, rest: str) -> str:
    few, nearly_all = (str(row[name]).startswith("<") for name in (part, rest))
    return "–" if few == nearly_all else "few" if few else "nearly all"


def _number(value: float | None) -> str:
    return "–" if value is None else f"{value:.3g}".replace("-", "−")
