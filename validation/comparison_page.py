"""The page of a comparison: one offline HTML file that follows from its plain data, which it embeds as JSON."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from cohorts.files import canonical_json
from cohorts.templates import STYLES
from validation.comparison_figures import LABELS, NAMES, degradation_figure, shapley_figure

TEMPLATES = Path(__file__).parent / "templates"


def render(comparison: Mapping[str, Any]) -> str:
    """HTML of a comparison, which loads nothing and shows nothing that is not in it.

    Args:
        comparison: From `validation.comparison.compare`, with its explanation.
    """
    found = json.loads(canonical_json(comparison))  # as it is read from its file
    environment = Environment(
        loader=FileSystemLoader([TEMPLATES, STYLES]),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {"figure": figure, "signed": signed, "share": _share, "plain": plain}
    curves = found["curves"]
    return environment.get_template("comparison.html.j2").render(
        found=found,
        names=NAMES,
        labels=LABELS,
        sentence=sentence(found),
        deployed=_beside(found["deployed"]),
        removed=sorted({row["removed"] for row in curves}),
        curve_rows=_by_model(curves),
        degradation={metric: Markup(degradation_figure(curves, metric)) for metric in LABELS if curves},
        shapley_figure=Markup(shapley_figure(ranked(found["explanation"]))),
        explanation=found["explanation"],
        embedded=Markup(json.dumps(found, sort_keys=True).replace("<", "\\u003c")),
    )


def sentence(found: Mapping[str, Any]) -> str:
    """What is recommended, what the axes suggest, and whether they differ."""
    said = found["recommendation"]
    best, suggested = said["fusion"], said["suggested"]
    if said["agree"]:
        return f"The axes suggest {suggested} fusion, and the tuning people measured no other as better."
    gap = said["minus_suggested"].get("tuning")
    figures = f" ({signed(gap['log_loss'])} against {suggested} fusion)" if gap else ""
    verdict = (
        "the tuning people can tell them apart"
        if said["told_apart"]
        else "the tuning people cannot tell them apart, so either may be taken"
    )
    return (
        f"The axes suggest {suggested} fusion; among the tuning people {best} fusion has the lowest log loss{figures}. "
        f"{verdict[0].upper()}{verdict[1:]}."
    )


def ranked(rows: Sequence[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    """Of an explanation, the modalities that have a figure, the most at the top."""
    shown = [row for row in rows if row["modality"] is not None and row["value"] is not None]
    return sorted(shown, key=lambda row: (-row["value"], row["modality"]))


def figure(estimate: Mapping[str, Any] | None, digits: int = 3) -> str:
    """A figure with its interval.

    Example:
        >>> figure({"value": 0.8123, "lower": 0.79, "upper": 0.83})
        '0.812 [0.790, 0.830]'
    """
    return _shown(estimate, "", digits)


def signed(estimate: Mapping[str, Any] | None, digits: int = 3) -> str:
    """A difference with its interval and its sign.

    Example:
        >>> signed({"value": -0.0123, "lower": -0.03, "upper": 0.01})
        '−0.012 [−0.030, +0.010]'
    """
    return _shown(estimate, "+", digits)


def _shown(estimate: Mapping[str, Any] | None, sign: str, digits: int) -> str:
    if estimate is None or estimate["value"] is None:
        return "–"
    value, lower, upper = (
        None if estimate[key] is None else f"{estimate[key]:{sign}.{digits}f}".replace("-", "−")
        for key in ("value", "lower", "upper")
    )
    return f"{value} [{lower}, {upper}]" if lower is not None else str(value)


def plain(value: float | None, digits: int = 3) -> str:
    """A number without an interval.

    Example:
        >>> plain(-0.0123), plain(None)
        ('−0.012', '–')
    """
    return "–" if value is None else f"{value:.{digits}f}".replace("-", "−")


def _share(value: float | None) -> str:
    return "–" if value is None else f"{100 * value:.0f} %"


def _beside(rows: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """A row a model, with its figures of each part beside each other."""
    models: dict[str, dict[str, Any]] = {}
    for row in rows:
        models.setdefault(row["model"], {})[row["part"]] = row
    return [{"model": model, "parts": parts} for model, parts in models.items()]


def _by_model(rows: Sequence[dict[str, Any]]) -> dict[str, list[dict[str, Any]]]:
    found: dict[str, list[dict[str, Any]]] = {}
    for row in rows:
        found.setdefault(row["model"], []).append(row)
    return found
