"""Figures of the report as inline SVG, the same bytes for the same numbers."""

from collections.abc import Sequence
from typing import Any

import matplotlib
from matplotlib.figure import Figure

from cohorts.figures import svg

COLOURS = {
    "PASS": "#2a6f4e",
    "FAIL": "#a32020",
    "INSUFFICIENT": "#8a6100",
    "ERROR": "#5b2a86",
    "NOT APPLICABLE": "#555555",
    "": "#33557a",
}
MARKERS = {"PASS": "o", "FAIL": "X", "INSUFFICIENT": "D", "ERROR": "s", "NOT APPLICABLE": "_", "": "o"}


def forest(rows: Sequence[dict[str, Any]], threshold: float | None, xlabel: str) -> str:
    """Estimates with their intervals, one row a group, and the threshold as a line.

    Args:
        rows: With scope, value, lower, upper and verdict ("" for none); rows without a value are labelled, not drawn.
        threshold: Where the lower bounds must reach.
        xlabel: What is estimated.
    """
    figure = Figure(figsize=(7.2, 0.7 + 0.32 * len(rows)))
    axes = figure.subplots()
    for position, row in enumerate(reversed(rows)):
        if row["value"] is None:
            axes.text(
                0.5,
                position,
                "too few to say",
                transform=axes.get_yaxis_transform(),
                ha="center",
                va="center",
                color="#555",
            )
            continue
        colour = COLOURS[row["verdict"]]
        axes.plot([row["lower"], row["upper"]], [position, position], color=colour, linewidth=2)
        axes.plot(row["value"], position, MARKERS[row["verdict"]], color=colour, markersize=6)
    if threshold is not None:
        axes.axvline(threshold, color="#333", linestyle="--", linewidth=1)
    axes.set_yticks(range(len(rows)), [row["scope"] for row in reversed(rows)])
    axes.set_ylim(-0.6, len(rows) - 0.4)
    axes.set_xlabel(xlabel)
    return svg(figure)


def availability_bars(rows: Sequence[dict[str, Any]], modalities: Sequence[str]) -> str:
    """Share of each part of the cohorts who have each modality.

    Args:
        rows: With group, modality and value (None where suppressed).
        modalities: In order, first at the top.
    """
    groups = list(dict.fromkeys(row["group"] for row in rows))
    shares = {(row["group"], row["modality"]): _drawn(row) for row in rows}
    figure = Figure(figsize=(7.2, 0.9 + 0.16 * len(modalities) * max(2, len(groups))))
    axes = figure.subplots()
    height = 0.8 / len(groups)
    for number, group in enumerate(groups):
        places = [len(modalities) - 1 - m + 0.4 - height * (number + 0.5) for m in range(len(modalities))]
        values = [100 * shares[group, modality] for modality in modalities]
        axes.barh(
            places,
            values,
            height * 0.9,
            label=group,
            color=matplotlib.colormaps["viridis"](number / max(1, len(groups) - 1) * 0.8),
        )
    axes.set_yticks(range(len(modalities)), list(reversed(modalities)))
    axes.set_xlim(0, 100)
    axes.set_xlabel("share who have it, %")
    axes.legend(frameon=False, fontsize=8, loc="upper left", bbox_to_anchor=(1, 1))
    return svg(figure)


def _drawn(row: dict[str, Any]) -> float:
    """A share; where it is suppressed, a handful who have the modality, or who lack it, are drawn as nobody."""
    if row["value"] is not None:
        return float(row["value"])
    return 1.0 if str(row["num_absent"]).startswith("<") else 0.0
