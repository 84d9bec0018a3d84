"""Figures of a comparison of fusions as inline SVG, the same bytes for the same numbers."""

from collections.abc import Mapping, Sequence
from typing import Any

from matplotlib.figure import Figure

from cohorts.figures import FAINT, INK, ONE, svg

WIDTH = 8.2  # inches, at 72 to an inch: the width of the page
STYLES: dict[str, dict[str, Any]] = {  # readable in black and white, and on light and dark pages
    "attention": {"color": "#2f6da8", "marker": "o", "linestyle": "-"},
    "late": {"color": "#c2641a", "marker": "D", "linestyle": "-"},
    "intermediate": {"color": "#7d6bb0", "marker": "s", "linestyle": "-"},
    "early": {"color": "#a32020", "marker": "X", "linestyle": "-"},
    "early_unmasked": {"color": "#a32020", "marker": "X", "linestyle": ":"},
    "logistic_masked": {"color": FAINT, "marker": "v", "linestyle": "--"},
    "boosting_masked": {"color": FAINT, "marker": "^", "linestyle": "-."},
}
NAMES = {
    "early": "early",
    "intermediate": "intermediate",
    "late": "late",
    "attention": "attention",
    "early_unmasked": "early, trained without masking",
    "logistic": "logistic regression",
    "logistic_masked": "logistic regression, masked copies",
    "boosting": "boosted trees",
    "boosting_masked": "boosted trees, masked copies",
}
LABELS = {"auroc": "AUROC", "log_loss": "log loss"}


def degradation_figure(rows: Sequence[Mapping[str, Any]], metric: str) -> str:
    """A figure by the number of modalities removed, a line a model, with intervals.

    Args:
        rows: The curves of a comparison.
        metric: "auroc" or "log_loss".
    """
    figure = Figure(figsize=(WIDTH, 3.6))
    axes = figure.subplots()
    models = [model for model in STYLES if any(row["model"] == model for row in rows)]
    removed = sorted({row["removed"] for row in rows})
    for number, model in enumerate(models):
        of_model = [row for row in rows if row["model"] == model and row[metric]["value"] is not None]
        shift = 0.05 * (number - (len(models) - 1) / 2)
        places = [row["removed"] + shift for row in of_model]
        values = [row[metric]["value"] for row in of_model]
        for place, row in zip(places, of_model, strict=True):
            bounds = [row[metric]["lower"], row[metric]["upper"]]
            if None not in bounds:
                axes.plot([place, place], bounds, color=STYLES[model]["color"], linewidth=0.8, alpha=0.6)
        axes.plot(places, values, label=NAMES[model], linewidth=1.6, markersize=5, **STYLES[model])
    axes.set_xticks(removed)
    axes.set_xlabel("modalities removed", fontsize=9)
    axes.set_ylabel(f"{LABELS[metric]}, held-out people", fontsize=9)
    axes.legend(frameon=False, fontsize=8, loc="upper left", bbox_to_anchor=(1, 1))
    return svg(figure)


def shapley_figure(rows: Sequence[Mapping[str, Any]]) -> str:
    """What each modality gave, with intervals.

    Args:
        rows: Of the explanation of a comparison, from the top down.
    """
    ordered = list(reversed(rows))
    figure = Figure(figsize=(WIDTH, 0.9 + 0.26 * len(ordered)))
    axes = figure.subplots()
    places = range(len(ordered))
    axes.barh(places, [row["value"] for row in ordered], 0.6, color=ONE, alpha=0.55)
    for place, row in zip(places, ordered, strict=True):
        if row["lower"] is not None:
            axes.plot([row["lower"], row["upper"]], [place, place], color=INK, linewidth=1.2)
    axes.axvline(0, color=INK, linewidth=0.8)
    axes.set_yticks(places, [row["modality"] for row in ordered])
    axes.set_xlabel("mean gain in log loss (Shapley value), held-out people", fontsize=9)
    return svg(figure)
