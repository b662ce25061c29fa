"""Charts are well-formed, and put values where they belong."""

import xml.etree.ElementTree as ET

import numpy as np
import pytest

from trainer.report.svg import Axis, Series, chart

_UNIT = Axis("unit")


def _drawing(*series: Series, x_axis: Axis = _UNIT, y_axis: Axis = _UNIT) -> ET.Element:
    figure = chart("A & B", x_axis, y_axis, *series)
    svg = figure[figure.index("<svg") : figure.index("</svg>") + 6].replace("class=grid", 'class="grid"')
    return ET.fromstring(svg)  # noqa: S314  our own text


def _points(line: ET.Element) -> list[tuple[float, float]]:
    return [tuple(map(float, pair.split(","))) for pair in line.attrib["points"].split()]


def test_a_line_runs_through_its_values() -> None:
    (line,) = _drawing(Series("one", [0, 0.5, 1], [0, 1, 0])).findall("polyline")
    (left, bottom), (middle, top), (right, _) = _points(line)

    assert left < middle < right
    assert middle == pytest.approx((left + right) / 2, abs=0.1)
    assert top < bottom  # y grows downwards in SVG


def test_axes_have_labels_and_round_ticks() -> None:
    texts = [text.text for text in _drawing(x_axis=Axis("epoch", 1, 60), y_axis=Axis("loss", 0, 0.84)).findall("text")]

    assert texts[:3] == ["20", "40", "60"]
    assert texts[3:8] == ["0", "0.2", "0.4", "0.6", "0.8"]
    assert texts[8:] == ["epoch", "loss"]


def test_what_is_counted_has_whole_ticks() -> None:
    texts = [text.text for text in _drawing(x_axis=Axis("epoch", 1, 2, whole=True)).findall("text")]
    assert texts[:2] == ["1", "2"]
    assert texts[2] == "0"  # of the other axis


def test_what_is_no_number_is_left_out() -> None:
    drawing = _drawing(
        Series("line", [0, 0.5, 1], [0, np.nan, 1]),
        Series("dots", [0, 0.5, 1], [np.nan, 1, 0], "dots", radii=[1, 2, 3]),
        Series("nothing", [], []),
    )
    (line,) = drawing.findall("polyline")

    assert len(_points(line)) == 2
    assert [dot.attrib["r"] for dot in drawing.findall("circle")] == ["2.0", "3.0"]


def test_bars_stand_on_the_axis() -> None:
    low, high = _drawing(Series("", [0.25, 0.75], [0.5, 1], "bars", bar_width=0.4)).findall("rect")

    assert float(high.attrib["height"]) == pytest.approx(2 * float(low.attrib["height"]), abs=0.2)
    ends = [float(bar.attrib["y"]) + float(bar.attrib["height"]) for bar in (low, high)]
    assert ends[0] == pytest.approx(ends[1], abs=0.2)


def test_long_lines_are_thinned_to_what_can_be_seen() -> None:
    (line,) = _drawing(Series("one", np.linspace(0, 1, 100_000), np.linspace(0, 1, 100_000))).findall("polyline")

    points = _points(line)
    assert len(points) == 600
    assert points[-1][0] == 408  # where the frame ends


def test_a_single_value_is_still_seen() -> None:
    assert len(_drawing(Series("one epoch", [1], [0.5])).findall("circle")) == 1


def test_the_legend_tells_of_what_is_drawn() -> None:
    html = chart("A", _UNIT, _UNIT, Series("here", [0], [0]), Series("gone", [], []), Series("nan", [0], [np.nan]))

    assert ">here<" in html
    assert ">gone<" not in html
    assert ">nan<" not in html


def test_names_are_escaped() -> None:
    assert "<h3>A &amp; B</h3>" in chart("A & B", Axis("x"), Axis("y"), Series("<b>", [0], [0]))
    assert "<b>" not in chart("A & B", Axis("x"), Axis("y"), Series("<b>", [0], [0]))
