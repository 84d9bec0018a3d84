"""Figures of the report as small inline SVG, the same bytes for the same numbers; their ink follows the page."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import ceil, floor, log10
from typing import Any

from markupsafe import Markup, escape

WIDTH, HEIGHT = 480, 300  # of a chart
LEFT, RIGHT, TOP, BOTTOM = 46, 10, 10, 42
RAIL = 160  # width of a strip
SHAPES = {  # around a point, so that a verdict has a shape and not a colour alone
    "PASS": "M{x} 3a5 5 0 1 0 .1 0z",
    "": "M{x} 3a5 5 0 1 0 .1 0z",
    "FAIL": "M{x} 8m-5-5l10 10m0-10l-10 10",
    "INSUFFICIENT": "M{x} 2l6 6l-6 6l-6-6z",
    "ERROR": "M{x} 3m-5 0h10v10h-10z",
}


@dataclass(frozen=True)
class Scale:
    """Where values lie on a strip.

    Attributes:
        low, high: Values at its ends.
    """

    low: float
    high: float

    @classmethod
    def of(cls, rows: Sequence[Mapping[str, Any]], marks: Sequence[float | None] = (), step: float = 0.1) -> "Scale":
        """The steps that hold all bounds of some rows, and all marks."""
        values = [row[name] for row in rows for name in ("value", "lower", "upper")] + list(marks)
        known = [value for value in values if value is not None] or [0.0, 1.0]
        low, high = floor(min(known) / step + 1e-9) * step, ceil(max(known) / step - 1e-9) * step
        return cls(round(low, 10), round(max(high, low + step), 10))

    def place(self, value: float) -> float:
        """Position on a strip, kept within it."""
        share = (value - self.low) / (self.high - self.low)
        return round(6 + (RAIL - 12) * min(1.0, max(0.0, share)), 1)


def strip(row: Mapping[str, Any], scale: Scale, *, verdict: str = "", marks: Mapping[str, float | None]) -> Markup:
    """An estimate and its interval on a line; what it says stands beside it as text.

    Args:
        row: With value, lower and upper, each of which may be None.
        scale: Of all strips of a table.
        verdict: Of the row; it makes the point's shape.
        marks: Class of a line, such as floor, to where it is drawn.
    """
    parts = [f'<path class="rail" d="M6 8H{RAIL - 6}"/>']
    parts += [f'<path class="{name}" d="M{scale.place(at):g} 0V16"/>' for name, at in marks.items() if at is not None]
    if row["value"] is not None:
        shape = SHAPES.get(verdict, SHAPES[""]).format(x=f"{scale.place(row['value']):g}")
        interval = ""
        if row["lower"] is not None and row["upper"] is not None:
            interval = f'<path class="ci" d="M{scale.place(row["lower"]):g} 8H{scale.place(row["upper"]):g}"/>'
        parts.append(f'<g class="{verdict.replace(" ", "-") or "plain"}">{interval}<path d="{shape}"/></g>')
    return Markup(f'<svg class="strip" viewBox="0 0 {RAIL} 16" aria-hidden="true">{"".join(parts)}</svg>')


@dataclass(frozen=True)
class Series:
    """A line or points of a chart.

    Attributes:
        name: In the legend; none where it is "".
        x, y: Places; a None in y is left out.
        lower, upper: A band around a line, whiskers of points; empty for none.
        style: Class: solid, dashed, dotted or points.
    """

    name: str
    x: Sequence[float]
    y: Sequence[float | None]
    lower: Sequence[float | None] = ()
    upper: Sequence[float | None] = ()
    style: str = "solid"


@dataclass(frozen=True)
class Frame:
    """Two axes, and where values lie between them.

    Attributes:
        x, y: Ranges; what lies beyond that of y is drawn at its edge.
        xlabel, ylabel: Names of the axes.
        size: Part of the usual width and height.
        counted: Whether x is a count, so that its ticks are whole numbers.
    """

    x: Scale
    y: Scale
    xlabel: str
    ylabel: str
    size: float = 1
    counted: bool = False

    @property
    def width(self) -> int:
        """Of the whole figure."""
        return int(WIDTH * self.size)

    @property
    def height(self) -> int:
        """Of the whole figure."""
        return int(HEIGHT * self.size)

    def across(self, value: float) -> float:
        """Horizontal place."""
        return LEFT + (self.width - LEFT - RIGHT) * (value - self.x.low) / (self.x.high - self.x.low)

    def up(self, value: float) -> float:
        """Vertical place."""
        share = (min(self.y.high, max(self.y.low, value)) - self.y.low) / (self.y.high - self.y.low)
        return self.height - BOTTOM - (self.height - TOP - BOTTOM) * share

    def axes(self) -> str:
        """Lines, ticks and names."""
        floor_, end = self.height - BOTTOM, self.width - RIGHT
        parts = [f'<path class="rail" d="M{LEFT} {TOP}V{floor_}H{end}"/>']
        for tick in ticks(self.x, 1 if self.counted else 0):
            parts.append(f'<text x="{self.across(tick):.0f}" y="{floor_ + 16}" class="mid">{tick:g}</text>')
        for tick in ticks(self.y):
            parts.append(f'<text x="{LEFT - 6}" y="{self.up(tick) + 4:.0f}" class="end">{tick:g}</text>')
            parts.append(f'<path class="grid" d="M{LEFT} {self.up(tick):.0f}H{end}"/>')
        parts.append(f'<text x="{(LEFT + end) // 2}" y="{self.height - 6}" class="mid">{escape(self.xlabel)}</text>')
        turned = f'transform="translate(12 {floor_ // 2}) rotate(-90)"'
        return "".join(parts) + f'<text {turned} class="mid">{escape(self.ylabel)}</text>'


def chart(series: Sequence[Series], frame: Frame, label: str) -> Markup:
    """Lines, bands and points over two axes, drawn in their order; `label` is for a reader who does not see it."""
    parts, at = [frame.axes()], TOP + 8
    for number, one in enumerate(series):
        body = _points(one, frame) if one.style == "points" else _line(one, frame)
        parts.append(f'<g class="s{number} {one.style}">{body}')
        if one.name:
            end = frame.width - RIGHT
            parts.append(f'<path d="M{end - 24} {at}h24"/><text x="{end - 30}" y="{at + 4}" class="end">')
            parts.append(f"{escape(one.name)}</text>")
            at += 16
        parts.append("</g>")
    head = f'<svg class="chart" viewBox="0 0 {frame.width} {frame.height}" role="img" aria-label="{escape(label)}">'
    return Markup(head + "".join(parts) + "</svg>")


def ticks(scale: Scale, least: float = 0) -> list[float]:
    """Round numbers within a range, five or so, no closer than `least`.

    Example:
        >>> ticks(Scale(0, 1)), ticks(Scale(-0.05, 0.4))
        ([0.0, 0.2, 0.4, 0.6, 0.8, 1.0], [0.0, 0.1, 0.2, 0.3, 0.4])
    """
    rough = max(least, (scale.high - scale.low) / 5)
    power = 10.0 ** floor(log10(rough))
    step = next(factor * power for factor in (1, 2, 5, 10) if factor * power >= rough * 0.99)
    first, last = ceil(scale.low / step - 1e-9), floor(scale.high / step + 1e-9)
    return [round(number * step, 10) + 0.0 for number in range(first, last + 1)]


def _line(one: Series, frame: Frame) -> str:
    places = [(frame.across(a), frame.up(b)) for a, b in zip(one.x, one.y, strict=True) if b is not None]
    line = "M" + "L".join(f"{a:.1f} {b:.1f}" for a, b in places) if places else ""
    if not one.lower:
        return f'<path d="{line}"/>'
    edges = zip(one.x, one.lower, one.upper, strict=True)
    known = [(a, low, high) for a, low, high in edges if low is not None and high is not None]
    around = [(a, high) for a, _, high in known] + [(a, low) for a, low, _ in reversed(known)]
    band = "M" + "L".join(f"{frame.across(a):.1f} {frame.up(b):.1f}" for a, b in around) + "z" if around else ""
    return f'<path class="band-of" d="{band}"/><path d="{line}"/>'


def _points(one: Series, frame: Frame) -> str:
    found = []
    for a, b, low, high in zip(one.x, one.y, one.lower, one.upper, strict=True):
        if b is not None and low is not None and high is not None:
            found.append(f'<path d="M{frame.across(a):.1f} {frame.up(low):.1f}V{frame.up(high):.1f}"/>')
            found.append(f'<circle cx="{frame.across(a):.1f}" cy="{frame.up(b):.1f}" r="3"/>')
    return "".join(found)
