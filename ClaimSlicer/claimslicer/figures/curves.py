"""Curves of a training laid out in pixels: axes with round numbers, lines thinned to what a screen shows.

Plain Python, drawn elsewhere: the panel uses Qt.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

COLOURS = ("#2F8FCF", "#D55E00", "#009E73", "#CC79A7")
"""After Okabe and Ito, told apart by colour-blind readers as well; the blue lighter, for dark windows."""
_ROUND = (1.0, 2.0, 2.5, 5.0, 10.0)


@dataclass(frozen=True)
class Series:
    """A named curve of points (step, value); ``faint`` ones lie behind and have no place in the legend."""

    name: str
    points: Sequence[tuple[int, float]]
    colour: str
    faint: bool = False


@dataclass(frozen=True)
class Line:
    """A series in pixels."""

    points: tuple[tuple[float, float], ...]
    colour: str
    faint: bool


@dataclass(frozen=True)
class Chart:
    """In pixels: the axes' box, ticks (position, text), lines, and the legend (name, last value, colour).

    ``marks`` are where upright lines stand.
    """

    title: str
    left: float
    top: float
    width: float
    height: float
    x_ticks: tuple[tuple[float, str], ...]
    y_ticks: tuple[tuple[float, str], ...]
    lines: tuple[Line, ...]
    legend: tuple[tuple[str, str, str], ...]
    marks: tuple[float, ...] = ()


def chart(
    title: str,
    series: Sequence[Series],
    box: tuple[float, float, float, float],
    steps: int,
    *,
    from_zero: bool = False,
    marks: Sequence[int] = (),
) -> Chart:
    """Lay ``series`` out in ``box`` (left, top, width, height) with an x axis from 0 to ``steps``.

    Upright lines stand at the steps ``marks``; no curve is drawn across all that lies between two of them.

    The y axis takes in all points, and 0 where ``from_zero``. Without any points the axes stay empty.
    """
    left, top, width, height = box
    values = [value for one in series for _, value in one.points if math.isfinite(value)]
    low, high = (min(values), max(values)) if values else (0.0, 1.0)
    y_values = round_ticks(min(low, 0.0) if from_zero else low, high, max(2, int(height // 28)))
    bottom_value, top_value = min(y_values[0], low), max(y_values[-1], high)
    last = max(steps, *(one.points[-1][0] for one in series if one.points), 1)

    def at(step: float, value: float) -> tuple[float, float]:
        rise = (value - bottom_value) / (top_value - bottom_value)
        return left + width * step / last, top + height * (1 - rise)

    lines = tuple(
        Line(tuple(at(*point) for point in thinned(part, int(width))), one.colour, one.faint)
        for one in series
        for part in _parts(one.points, marks)
    )
    x_values = round_ticks(0, last, max(2, int(width // 70)))
    return Chart(
        title,
        *box,
        tuple(
            (at(value, bottom_value)[0], step_text(value))
            for value in x_values
            if value <= last and value % 1 == 0
        ),
        tuple((at(0, value)[1], number_text(value, y_values)) for value in y_values) if values else (),
        lines,
        tuple(
            (one.name, legend_text(one.points[-1][1]), one.colour)
            for one in series
            if one.points and not one.faint
        ),
        tuple(at(step, bottom_value)[0] for step in marks),
    )


def _parts(points: Sequence[tuple[int, float]], marks: Sequence[int]) -> list[list[tuple[int, float]]]:
    """Split ``points`` where two marks lie between one and the next."""
    parts: list[list[tuple[int, float]]] = [[]]
    for point in points:
        if parts[-1] and sum(parts[-1][-1][0] <= mark < point[0] for mark in marks) > 1:
            parts.append([])
        parts[-1].append(point)
    return parts


def round_ticks(low: float, high: float, count: int) -> list[float]:
    """Return about ``count`` round numbers, equally far apart, the outer ones at or beyond low and high."""
    # A level curve has an axis too, and so has one whose values differ by rounding alone.
    level = high - low <= 1e-9 * max(abs(low), abs(high))
    span = max(abs(high), 1.0) * 0.1 if level else high - low
    rough = span / count
    size = 10.0 ** math.floor(math.log10(rough))
    step = next(factor * size for factor in _ROUND if factor * size >= rough * 0.999)
    first, last = math.floor(low / step + 1e-9), math.ceil((low + span) / step - 1e-9)
    return [round(index * step, 12) for index in range(first, last + 1)]


def thinned(points: Sequence[tuple[int, float]], pixels: int) -> list[tuple[int, float]]:
    """Return points for a line ``pixels`` wide: of many, the lowest and highest of each two pixels' worth."""
    points = [point for point in points if math.isfinite(point[1])]
    per_bin = max(1, len(points) * 2 // max(pixels, 2))
    if per_bin < 4:
        return points
    kept = []
    for start in range(0, len(points), per_bin):
        part = points[start : start + per_bin]
        kept += sorted({min(part, key=lambda p: p[1]), max(part, key=lambda p: p[1])})
    if kept[-1] != points[-1]:
        kept.append(points[-1])
    return kept


def number_text(value: float, among: Sequence[float]) -> str:
    """Return ``value`` with as many decimals as tell it from its neighbours."""
    step = abs(among[1] - among[0]) if len(among) > 1 else 1.0
    decimals = max(0, -math.floor(math.log10(step) + 1e-9))
    if round(step, decimals) != round(step, 10):  # 0.25 needs one more than 0.2
        decimals += 1
    return f"{value:.{decimals}f}"


def step_text(value: float) -> str:
    """Return a number of steps, thousands as k."""
    return f"{value / 1000:g}k" if value >= 10000 else f"{value:g}"


def legend_text(value: float) -> str:
    """Return ``value`` with three digits, none behind the third decimal."""
    if value == 0 or not math.isfinite(value):
        return f"{value:g}"
    return f"{value:.{min(3, max(0, 2 - math.floor(math.log10(abs(value)))))}f}"
