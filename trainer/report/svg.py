"""Small charts as SVG text: lines, dots and bars in one frame with labelled axes."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from html import escape
from typing import Literal

import numpy as np
from numpy.typing import NDArray

_WIDTH, _HEIGHT = 420, 300
_LEFT, _RIGHT, _TOP, _BOTTOM = 62, 12, 12, 46
_TICKS = 5
_MARK_RADIUS, _POINT_RADIUS = 6.5, 3.5
"""Of a mark, and of a line's only point, which is seen within it."""

_MAX_POINTS = 600
"""More cannot be told apart at this size, and would only make the page heavy."""


@dataclass(frozen=True, slots=True)
class Axis:
    """One side of the frame.

    Attributes:
      label: what it measures, with its unit.
      low: at its beginning.
      high: at its end, above low.
      whole: whether only whole numbers have a meaning.
    """

    label: str
    low: float = 0.0
    high: float = 1.0
    whole: bool = False


@dataclass(frozen=True, slots=True)
class Series:
    """Points of one kind.

    Attributes:
      name: for the legend, where the series is when it has both this and a point.
      x: (K,).
      y: (K,); what is not finite is left out.
      kind: "bars" stand on the x axis' line, "dots" are not joined, "mark" is a ring around one point.
      colour: 1 or 2, or 0 for what is only there to compare with.
      bar_width: in units of x.
      radii: of the dots, (K,), in units of the drawing, which is 420 wide.
    """

    name: str
    x: Sequence[float] | NDArray[np.float64]
    y: Sequence[float] | NDArray[np.float64]
    kind: Literal["line", "dashed", "dots", "bars", "mark"] = "line"
    colour: int = 1
    bar_width: float = 0.0
    radii: Sequence[float] | NDArray[np.float64] = ()

    @property
    def finite(self) -> NDArray[np.bool_]:
        """Which points can be drawn, (K,)."""
        return np.asarray(np.isfinite(self.x) & np.isfinite(self.y))


def chart(title: str, x_axis: Axis, y_axis: Axis, *series: Series) -> str:
    """Draws a chart as one figure element: title, SVG, legend."""
    frame = _Frame(x_axis, y_axis)
    drawn = "".join(part for one in series for part in frame.drawn(one))
    legend = "".join(
        f'<span><i class="c{one.colour} {one.kind}"></i>{escape(one.name)}</span>'
        for one in series
        if one.name and one.finite.any()
    )
    return (
        f"<figure class=chart><h3>{escape(title)}</h3>"
        f'<svg viewBox="0 0 {_WIDTH} {_HEIGHT}" role="img" aria-label="{escape(title)}">'
        f"{''.join(frame.axes())}{drawn}</svg>"
        f"<figcaption>{legend}</figcaption></figure>"
    )


class _Frame:
    """Places values of two axes in pixels."""

    def __init__(self, x_axis: Axis, y_axis: Axis) -> None:
        self._x, self._y = x_axis, y_axis

    def axes(self) -> Iterator[str]:
        bottom, right = _HEIGHT - _BOTTOM, _WIDTH - _RIGHT
        for value in _ticks(self._x):
            at = self._across(value)
            yield f'<line class=grid x1="{at:.1f}" x2="{at:.1f}" y1="{_TOP}" y2="{bottom}"/>'
            yield f'<text x="{at:.1f}" y="{bottom + 19}" text-anchor="middle">{value:g}</text>'
        for value in _ticks(self._y):
            at = self._up(value)
            yield f'<line class=grid x1="{_LEFT}" x2="{right}" y1="{at:.1f}" y2="{at:.1f}"/>'
            yield f'<text x="{_LEFT - 6}" y="{at + 4:.1f}" text-anchor="end">{value:g}</text>'
        middle, centre = (_LEFT + right) / 2, (_TOP + bottom) / 2
        yield f'<text x="{middle}" y="{_HEIGHT - 8}" text-anchor="middle">{escape(self._x.label)}</text>'
        turned = f'transform="translate(13 {centre}) rotate(-90)"'
        yield f'<text {turned} text-anchor="middle">{escape(self._y.label)}</text>'

    def drawn(self, series: Series) -> Iterator[str]:
        x, y, finite = np.asarray(series.x, np.float64), np.asarray(series.y, np.float64), series.finite
        points = list(zip(x[finite].tolist(), y[finite].tolist(), strict=True))
        style = f"c{series.colour} {series.kind}"
        if series.kind == "bars":
            for across, up in points:
                yield self._bar(across, up, series.bar_width, style)
        elif series.kind in {"mark", "dots"}:
            radii = np.asarray(series.radii)[finite].tolist() if len(series.radii) else [_MARK_RADIUS] * len(points)
            for (across, up), radius in zip(points, radii, strict=True):
                yield self._dot(across, up, radius, style)
        elif points:
            kept = points if len(points) <= _MAX_POINTS else _thinned(points)
            path = " ".join(f"{self._across(across):.1f},{self._up(up):.1f}" for across, up in kept)
            yield f'<polyline class="{style}" points="{path}"/>'
            if len(points) == 1:  # a line of one point is not seen
                yield self._dot(*points[0], _POINT_RADIUS, style)

    def _bar(self, across: float, up: float, width: float, style: str) -> str:
        left, top = self._across(across - width / 2), self._up(up)
        size = f'width="{self._across(across + width / 2) - left:.1f}" height="{_HEIGHT - _BOTTOM - top:.1f}"'
        return f'<rect class="{style}" x="{left:.1f}" y="{top:.1f}" {size}><title>{up:g}</title></rect>'

    def _dot(self, across: float, up: float, radius: float, style: str) -> str:
        place = f'cx="{self._across(across):.1f}" cy="{self._up(up):.1f}" r="{radius:.1f}"'
        return f'<circle class="{style}" {place}><title>{across:.4g}, {up:.4g}</title></circle>'

    def _across(self, value: float) -> float:
        return _LEFT + (_WIDTH - _LEFT - _RIGHT) * _position(value, self._x)

    def _up(self, value: float) -> float:
        return _HEIGHT - _BOTTOM - (_HEIGHT - _TOP - _BOTTOM) * _position(value, self._y)


def _position(value: float, axis: Axis) -> float:
    return min(1.0, max(0.0, (value - axis.low) / (axis.high - axis.low)))


def _ticks(axis: Axis) -> list[float]:
    """Returns round values within an axis: multiples of 1, 2 or 5 times a power of ten."""
    rough = max((axis.high - axis.low) / _TICKS, 1.0 if axis.whole else 0.0)
    power = 10.0 ** math.floor(math.log10(rough))
    step = next(factor * power for factor in (1, 2, 5, 10) if factor * power >= rough * 0.99)
    first, last = math.ceil(axis.low / step - 1e-9), math.floor(axis.high / step + 1e-9)
    return [round(number * step, 10) for number in range(first, last + 1)]


def _thinned(points: list[tuple[float, float]]) -> list[tuple[float, float]]:
    rows = np.linspace(0, len(points) - 1, _MAX_POINTS).round().astype(int)
    return [points[row] for row in rows]
