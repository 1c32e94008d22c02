"""Curves laid out in pixels."""

import math
import random

import pytest
from claimslicer.figures.curves import (
    Series,
    chart,
    legend_text,
    number_text,
    round_ticks,
    step_text,
    thinned,
)

BOX = (40.0, 20.0, 300.0, 100.0)


def test_points_lie_where_the_axes_say():
    series = Series("loss", [(0, 2.0), (500, 1.0), (1000, 0.0)], "#0072B2")
    drawn = chart("Loss", [series], BOX, 1000, marks=(500,))
    assert drawn.lines[0].points == ((40.0, 20.0), (190.0, 70.0), (340.0, 120.0))
    assert (70.0, "1") in drawn.y_ticks
    assert (190.0, "500") in drawn.x_ticks
    assert drawn.legend == (("loss", "0", "#0072B2"),)
    assert drawn.marks == (190.0,)


def test_no_line_passes_over_a_stage_without_points():
    series = Series("loss", [(5, 2.0), (10, 1.0), (30, 2.0), (31, 1.0)], "#0072B2")
    assert [len(line.points) for line in chart("Loss", [series], BOX, 40, marks=(10, 29)).lines] == [2, 2]
    assert [len(line.points) for line in chart("Loss", [series], BOX, 40, marks=(10, 30)).lines] == [4]


def test_all_lines_and_ticks_stay_in_the_box():
    draw = random.Random(1)
    points = [(step, draw.gauss(0, 10)) for step in range(0, 2000, 10)] + [(2000, math.nan)]
    drawn = chart(
        "Loss", [Series("a", points, "#000000"), Series("b", [(5, 3.0)], "#111111", True)], BOX, 900
    )
    for x, y in (point for line in drawn.lines for point in line.points):
        assert 40 <= x <= 340
        assert 20 <= y <= 120
    assert all(20 <= y <= 120 for y, _ in drawn.y_ticks)
    assert all(40 <= x <= 340 for x, _ in drawn.x_ticks)
    assert [name for name, *_ in drawn.legend] == ["a"]


def test_without_points_there_are_only_steps():
    drawn = chart("Loss", [Series("a", [], "#000000")], BOX, 200)
    assert drawn.y_ticks == ()
    assert drawn.legend == ()
    assert drawn.x_ticks[0] == (40.0, "0")


@pytest.mark.parametrize("second", [0.5, 0.5 + 1e-16, 0.5 - 1e-15])
def test_a_level_curve_has_an_axis_too(second):
    drawn = chart("Loss", [Series("a", [(0, 0.5), (10, second)], "#000000")], BOX, 10)
    assert len(drawn.y_ticks) >= 2
    assert len({text for _, text in drawn.y_ticks}) == len(drawn.y_ticks)


@pytest.mark.parametrize(
    ("low", "high", "count"), [(0, 1, 4), (0.31, 0.74, 3), (-7, 1234, 5), (1e-6, 3e-6, 3), (2, 2, 4)]
)
def test_ticks_are_round_and_enclose_the_values(low, high, count):
    ticks = round_ticks(low, high, count)
    assert ticks[0] <= low + 1e-12
    assert ticks[-1] >= high - 1e-12
    assert 2 <= len(ticks) <= count + 3
    step = ticks[1] - ticks[0]
    mantissa = step / 10 ** math.floor(math.log10(step) + 1e-9)
    assert any(mantissa == pytest.approx(good) for good in (1, 2, 2.5, 5, 10))


def test_thinning_keeps_peaks_ends_and_order():
    points = [(step, 1.0) for step in range(100_000)]
    points[54_321] = (54_321, 9.0)
    kept = thinned(points, 300)
    assert len(kept) < 700
    assert (54_321, 9.0) in kept
    assert kept[-1] == points[-1]
    assert [step for step, _ in kept] == sorted(step for step, _ in kept)


def test_numbers_for_people():
    assert [number_text(value, (0.0, 0.25)) for value in (0.0, 0.25)] == ["0.00", "0.25"]
    assert number_text(400, (0, 200)) == "400"
    assert [step_text(value) for value in (0, 2500, 14000)] == ["0", "2500", "14k"]
    assert [legend_text(value) for value in (0.51234, 12.345, 0.0, 1234.5, 0.00291)] == [
        "0.512",
        "12.3",
        "0",
        "1234",
        "0.003",
    ]
