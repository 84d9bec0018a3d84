"""Figures of the report: what is drawn lies where its number says, and a verdict has a shape of its own."""

import re

import pytest

from validation.charts import calibration, degradation, net_benefit
from validation.figures import SHAPES, Frame, Scale, Series, chart, strip, ticks

SCALE = Scale(0.5, 1.0)


def test_points_bounds_and_marks_lie_in_proportion_on_a_strip() -> None:
    drawn = strip({"value": 0.75, "lower": 0.5, "upper": 1.0}, SCALE, verdict="PASS", marks={"floor": 0.75})
    assert '<path class="ci" d="M6 8H154"/>' in drawn
    assert '<path class="floor" d="M80 0V16"/>' in drawn
    assert '<path d="M80 3a5' in drawn


def test_what_is_beyond_the_scale_is_drawn_at_its_end_and_nothing_is_drawn_of_nothing() -> None:
    assert (SCALE.place(0.2), SCALE.place(3.0)) == (6, 154)
    nothing = strip({"value": None, "lower": None, "upper": None}, SCALE, marks={"floor": None})
    assert nothing.count("<path") == 1


def test_every_verdict_has_a_shape_of_its_own_except_a_plain_point() -> None:
    assert SHAPES["PASS"] == SHAPES[""]
    assert len(set(SHAPES.values())) == len(SHAPES) - 1


def test_a_scale_holds_every_bound_and_mark() -> None:
    scale = Scale.of(
        [{"value": 0.71, "lower": 0.62, "upper": 0.78}, {"value": None, "lower": None, "upper": None}], [0.55]
    )
    assert (scale.low, scale.high) == (0.5, 0.8)
    assert Scale.of([]) == Scale(0.0, 1.0)
    flat = Scale.of([{"value": 0.7, "lower": 0.7, "upper": 0.7}])
    assert flat.high > flat.low


@pytest.mark.parametrize(("low", "high"), [(0, 1), (-0.1, 0.4), (0, 0.03), (0.6, 0.7), (0, 31)])
def test_ticks_are_within_the_range_and_neither_few_nor_many(low: float, high: float) -> None:
    found = ticks(Scale(low, high))
    assert 2 <= len(found) <= 7
    assert low <= found[0] < found[-1] <= high


def test_a_chart_is_of_texts_and_names_are_escaped() -> None:
    frame = Frame(Scale(0, 2), Scale(0, 1), "<x>", "y", counted=True)
    drawn = chart([Series("<b>", [0, 1, 2], [0.5, None, 1.0], [0.4, None, 0.9], [0.6, None, 1.0])], frame, '"label"')
    assert "<b>" not in drawn
    assert 'aria-label="&#34;label&#34;"' in drawn
    assert [text for text in re.findall(r'class="mid">(.*?)<', drawn)][:3] == ["0", "1", "2"]


def test_charts_of_nothing_are_nothing() -> None:
    hidden = {"threshold": 0.5, "value": None, "lower": None, "upper": None, "treat_all": None}
    assert (calibration([]), net_benefit([hidden]), degradation([])) == ([], "", "")


def test_a_decision_curve_of_a_rare_outcome_fills_its_chart() -> None:
    rows = [{"threshold": t / 100, "value": 0.02, "lower": 0.01, "upper": 0.03, "treat_all": 0.02} for t in (1, 2)]
    assert ">0.03<" in net_benefit(rows)
