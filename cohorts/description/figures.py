"""Figures of a description, from its plain data: what is suppressed there is not in a figure either."""

from collections.abc import Mapping, Sequence
from typing import Any

from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter

from cohorts.description.tables import EVERYBODY
from cohorts.figures import COHORTS, FAINT, HATCHES, INK, MARKERS, ONE, svg

WIDTH = 8.2  # inches, at 72 to an inch: the width of the page
MOST_DIFFERENCES = 20


def pattern_figure(rows: Sequence[Mapping[str, Any]], modalities: Sequence[str], roles: Sequence[str]) -> str:
    """Patterns as columns: bars with the share of each cohort, dots for what is present (after UpSet: Lex et al., IEEE
    TVCG 20, 2014, 1983-1992).

    Args:
        rows: Of a description.
        modalities: From the top down.
        roles: In order.
    """
    names = list(dict.fromkeys(row["pattern"] for row in rows))
    below = 0.24 * len(modalities) + 0.2
    figure = Figure(figsize=(WIDTH, 2.0 + below))
    bars, dots = figure.subplots(2, 1, sharex=True, height_ratios=[2.0, below])
    height = 0.8 / len(roles)
    for number, role in enumerate(roles):
        values = [100 * (row["value"] or 0) for row in rows if row["role"] == role]
        places = [place - 0.4 + height * (number + 0.5) for place in range(len(names))]
        style = {"color": "none", "edgecolor": COHORTS[role], "hatch": HATCHES[role]} if HATCHES[role] else {}
        bars.bar(places, values, height * 0.92, label=role.replace("_", " "), **(style or {"color": COHORTS[role]}))
        for row, place in zip((row for row in rows if row["role"] == role), places, strict=True):
            if row["value"] is None:
                bars.text(place, 0.5, "<", ha="center", va="bottom", fontsize=8, color=COHORTS[role])
    bars.set_ylabel("share of the cohort, %", fontsize=9)
    bars.legend(frameon=False, fontsize=9)
    _dots(dots, names, {row["pattern"]: row["present"] for row in rows}, modalities)
    figure.subplots_adjust(hspace=0.04)
    bars.tick_params(bottom=False)
    return svg(figure)


def _dots(axes: Any, names: list[str], present: dict[str, list[str] | None], modalities: Sequence[str]) -> None:
    height = {name: len(modalities) - 1 - number for number, name in enumerate(modalities)}
    for place, name in enumerate(names):
        having = present[name]
        if having is None:
            axes.text(place, (len(modalities) - 1) / 2, "all others", rotation=90, ha="center", va="center", fontsize=9)
            continue
        there = [height[modality] for modality in having]
        absent = [at for modality, at in height.items() if modality not in having]
        if there:
            axes.plot([place, place], [min(there), max(there)], color=INK, linewidth=1.5)
        axes.plot([place] * len(there), there, "o", color=INK, markersize=7)
        axes.plot([place] * len(absent), absent, "o", color="none", markeredgecolor=FAINT, markersize=3.5)
    axes.set_yticks(range(len(modalities)), list(reversed(modalities)))
    axes.set_ylim(-0.7, len(modalities) - 0.3)
    axes.set_xticks([])
    axes.spines[:].set_visible(False)
    axes.tick_params(left=False)


def availability_figure(rows: Sequence[Mapping[str, Any]], modalities: Sequence[str], roles: Sequence[str]) -> str:
    """Share of each cohort who have each modality, with Wilson's intervals; where it is hidden, "few" or "nearly all".

    Args:
        rows: Of a description; those of everybody are drawn.
        modalities: From the top down.
        roles: In order.
    """
    figure = Figure(figsize=(WIDTH, 0.9 + 0.13 * len(modalities) * (1 + len(roles))))
    axes = figure.subplots()
    step = 0.75 / len(roles)
    for row in rows:
        if row["feature"] != EVERYBODY:
            continue
        place = (
            len(modalities) - 1 - modalities.index(row["modality"]) + 0.375 - step * (roles.index(row["role"]) + 0.5)
        )
        colour = COHORTS[row["role"]]
        if row["value"] is None:
            nearly_all = str(row["num_absent"]).startswith("<")
            few = "few" if str(row["num_present"]).startswith("<") else "not shown"
            words, at, side = ("nearly all", 99, "right") if nearly_all else (few, 1, "left")
            axes.text(at, place, words, ha=side, va="center", fontsize=8, color=colour)
            continue
        axes.plot([100 * row["lower"], 100 * row["upper"]], [place, place], color=colour, linewidth=2)
        axes.plot(100 * row["value"], place, MARKERS[row["role"]], color=colour, markersize=5, clip_on=False)
    for between in range(1, len(modalities)):
        axes.axhline(between - 0.5, color=FAINT, linewidth=0.3)
    for role in roles:
        axes.plot([], [], MARKERS[role], color=COHORTS[role], markersize=5, label=role.replace("_", " "))
    axes.legend(frameon=False, fontsize=9, loc="lower center", bbox_to_anchor=(0.5, 1), ncols=len(roles))
    axes.set_yticks(range(len(modalities)), list(reversed(modalities)))
    axes.set_ylim(-0.5, len(modalities) - 0.5)
    axes.set_xlim(-1, 101)
    axes.set_xlabel("share who have it, %", fontsize=9)
    return svg(figure)


def difference_figure(rows: Sequence[Mapping[str, Any]]) -> str:
    """The largest standardised differences, a row a feature; those of sensitive features with a diamond and a word.

    Args:
        rows: Of a description, the largest first.
    """
    drawn = [row for row in rows if row["difference"] is not None][:MOST_DIFFERENCES]
    figure = Figure(figsize=(WIDTH, 0.8 + 0.23 * len(drawn)))
    axes = figure.subplots()
    for place, row in enumerate(reversed(drawn)):
        axes.plot([0, row["difference"]], [place, place], color=FAINT, linewidth=1)
        axes.plot(row["difference"], place, "D" if row["sensitive"] else "o", color=ONE, markersize=6)
    labels = [f"{row['modality']}: {row['feature']}{' (sensitive)' if row['sensitive'] else ''}" for row in drawn]
    axes.set_yticks(range(len(drawn)), list(reversed(labels)))
    axes.axvline(0, color=INK, linewidth=0.8)
    for limit in (-0.1, 0.1):
        axes.axvline(limit, color=FAINT, linewidth=0.8, linestyle=":")
    axes.set_ylim(-0.6, len(drawn) - 0.4)
    axes.set_xlabel("sparse minus rich, in standard deviations", fontsize=9)
    return svg(figure)


def size_figure(rows: Sequence[Mapping[str, Any]]) -> str:
    """Inputs of each modality on a logarithmic scale, with their effective rank.

    Args:
        rows: The modalities of a description.
    """
    figure = Figure(figsize=(WIDTH, 0.8 + 0.24 * len(rows)))
    axes = figure.subplots()
    ordered = sorted(rows, key=lambda row: row["num_inputs"])
    places = range(len(ordered))
    axes.barh(places, [row["num_inputs"] for row in ordered], 0.6, color=ONE, alpha=0.55, label="inputs")
    ranked = [(place, row["effective_rank"]) for place, row in enumerate(ordered) if row["effective_rank"]]
    axes.plot([r for _, r in ranked], [p for p, _ in ranked], "D", color=INK, markersize=5, label="effective rank")
    for place, row in enumerate(ordered):
        axes.annotate(
            f"{row['num_inputs']}", (row["num_inputs"], place), (4, 0), textcoords="offset points", va="center"
        )
    axes.set_xscale("log")
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axes.set_xlim(0.8, 3 * max(row["num_inputs"] for row in ordered))
    axes.set_yticks(places, [row["modality"] for row in ordered])
    axes.legend(frameon=False, fontsize=9, loc="lower right")
    axes.set_xlabel("number of inputs (logarithmic)", fontsize=9)
    return svg(figure)
