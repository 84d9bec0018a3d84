"""Figures of benchmarks: every model's AUROC minus ours, and the distance to the Bayes score by size of the cohort."""

from itertools import cycle
from typing import Any

from matplotlib.figure import Figure

from cohorts.figures import COHORTS, FAINT, INK, MARKERS, svg

ENOUGH_SPLITS = 5
LINES = [*zip(COHORTS.values(), MARKERS.values(), strict=True), (FAINT, "^")]
CONDITIONS = {
    "test, natural": ("as measured", "#2f6da8", "o"),
    "test, removed 0.3": ("each modality removed with probability 0.3", "#c2641a", "D"),
    "test, removed 0.6": ("with probability 0.6", "#7d6bb0", "s"),
}


def draw(runs: dict[str, Any]) -> str:
    """SVG of all runs that compare models with ours; a bar is a 95 % interval, and needs five splits."""
    shown = {title: run for title, run in runs.items() if _differences(run)}
    if not shown:
        return ""
    heights = [len(_differences(run)) for run in shown.values()]
    figure = Figure(figsize=(7.2, 0.9 + 0.36 * sum(heights) + 0.8 * len(shown)), layout="constrained")
    grid = figure.subplots(len(shown), 1, squeeze=False, height_ratios=heights)
    for axes, (title, run) in zip(grid[:, 0], shown.items(), strict=True):
        _panel(axes, title, run)
    handles, labels = grid[0, 0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", frameon=False, fontsize=8)
    return svg(figure)


def _differences(run: dict[str, Any]) -> list[str]:
    return [name for name, found in run["models"].items() if "attention_minus_this" in found.get("test, natural", {})]


def _panel(axes: Any, title: str, run: dict[str, Any]) -> None:
    names = _differences(run)
    axes.axvline(0, color=INK, linewidth=0.8)
    for number, (condition, (label, colour, marker)) in enumerate(CONDITIONS.items()):
        found = [run["models"][name][condition]["attention_minus_this"]["auroc"] for name in names]
        places = [place + 0.22 * (number - 1) for place in range(len(names))]
        middle = [-part["mean"] for part in found]
        low = [-part.get("high", part["mean"]) for part in found]
        high = [-part.get("low", part["mean"]) for part in found]
        if len(run["splits"]) >= ENOUGH_SPLITS:
            axes.hlines(places, low, high, color=colour, linewidth=1.2)
        axes.plot(middle, places, marker, color=colour, markersize=4, label=label)
    axes.set_yticks(range(len(names)), [name.replace("_", " ") for name in names])
    axes.invert_yaxis()
    axes.grid(axis="x", color=FAINT, alpha=0.2)
    ours = run["models"]["attention"]["test, natural"]["auroc"]["mean"]
    plural = "s" if len(run["splits"]) > 1 else ""
    axes.set_title(f"{title}, {len(run['splits'])} split{plural}: attention has {ours:.3f}", fontsize=9, loc="left")
    axes.set_xlabel("AUROC minus that of attention", fontsize=8)


def draw_regret(runs: list[dict[str, Any]], curve: dict[str, dict[str, dict[str, float]]]) -> str:
    """SVG of how far each model is from the Bayes score as the sparse cohort grows; small marks are single truths."""
    figure = Figure(figsize=(7.2, 3.6), layout="constrained")
    axes = figure.subplots()
    for (name, by_number), (colour, marker) in zip(curve.items(), cycle(LINES)):
        label = "pretrained and fine-tuned" if name == "attention" else name.replace("_", " ")
        numbers = sorted(map(int, by_number))
        means = [by_number[str(number)]["auroc_regret"] for number in numbers]
        axes.plot(numbers, means, marker=marker, color=colour, markersize=4, linewidth=1.4, label=label)
        mine = [(run["num_sparse"], run["overall"]["auroc_regret"]) for run in runs if run["model"] == name]
        axes.plot(*zip(*mine, strict=True), marker, color=colour, markersize=2.5, alpha=0.5)
    axes.set_xscale("log")
    axes.set_xticks(numbers, [f"{number:,}" for number in numbers])
    axes.minorticks_off()
    axes.set_ylim(bottom=0)
    axes.grid(axis="y", color=FAINT, alpha=0.2)
    axes.set_xlabel("sparse people", fontsize=9)
    axes.set_ylabel("AUROC missing to the Bayes score", fontsize=9)
    axes.legend(frameon=False, fontsize=9)
    return svg(figure)
