"""The charts of the report, from the tables of a decision."""

from collections.abc import Mapping, Sequence
from typing import Any

from validation.figures import Frame, Scale, Series, chart

Rows = Sequence[Mapping[str, Any]]
BELOW = 0.25  # how far under 0 a decision curve is drawn, as a share of how far above


def calibration(rows: Rows) -> list[dict[str, Any]]:
    """A small chart for each group that has a curve, all on the same axes."""
    curves = [row for row in rows if row["bins"]]
    points = [{**point, "value": point["score"]} for row in curves for point in row["bins"]]
    scale = Scale(0, Scale.of(points).high)
    charts = []
    for row in curves:
        name = row["group"] if row["feature"] == "all" else f"{row['feature']} {row['group']}"
        x, y, lower, upper = ([point[key] for point in row["bins"]] for key in ("score", "rate", "lower", "upper"))
        series = [
            Series("", [0, scale.high], [0, scale.high], style="dotted"),
            Series("", x, y, lower, upper, style="points"),
        ]
        label = f"Observed rate against predicted risk, {name}; the table below says the same"
        frame = Frame(scale, scale, "predicted risk", "observed rate", size=0.6)
        charts.append({"name": name, "chart": chart(series, frame, label)})
    return charts


def net_benefit(rows: Rows) -> str:
    """Model, everybody and nobody; "" where no threshold has a figure."""
    known = [row for row in rows if row["value"] is not None]
    if not known:
        return ""
    highest = max(0.01, *(max(row["treat_all"], row["upper"]) for row in known))
    high = Scale.of([], [0.0, highest], step=0.1 if highest > 0.1 else 0.01).high
    scale = Scale(-BELOW * high, high)
    x, model, lower, upper, everybody = (
        [row[key] for row in rows] for key in ("threshold", "value", "lower", "upper", "treat_all")
    )
    within = [None if value is None or value < scale.low else value for value in everybody]
    series = [
        Series("model", x, model, lower, upper),
        Series("treat everybody", x, within, style="dashed"),
        Series("treat nobody", x, [0.0 for _ in x], style="dotted"),
    ]
    label = "Net benefit of the model, of treating everybody and of treating nobody; the table below says the same"
    return chart(series, Frame(Scale(0, max(x)), scale, "threshold probability", "net benefit"), label)


def degradation(rows: Rows) -> str:
    """Mean over the subsets of each size, from the worst to the best; "" without rows."""
    if not rows:
        return ""
    x, mean, lowest, highest = ([row[key] for row in rows] for key in ("num_removed", "mean", "worst", "best"))
    series = [Series("mean of all subsets; band: worst to best", x, mean, lowest, highest)]
    label = "AUROC by the number of modalities removed; the table below says the same"
    scale = Scale.of([], [*mean, *lowest, *highest])
    frame = Frame(Scale(0, max(1, *x)), scale, "modalities removed", "AUROC", counted=True)
    return chart(series, frame, label)
