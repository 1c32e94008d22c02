"""Geometry of the bull's-eye: places, areas and hits."""

import math
import subprocess
import sys

import pytest
from claimslicer.figures.bullseye import SECTORS, hit_test
from hypothesis import given
from hypothesis import strategies as st


def test_every_segment_is_hit_at_its_label_and_inside_its_outline():
    assert sorted(SECTORS) == list(range(1, 18))
    for number, sector in SECTORS.items():
        assert hit_test(*sector.label_position) == number
        cx, cy = sector.label_position
        for x, y in sector.outline():
            # A hair towards the label from the border.
            assert hit_test(x + 1e-3 * (cx - x), y + 1e-3 * (cy - y)) == number


def test_areas_fill_the_circle():
    assert sum(s.area for s in SECTORS.values()) == pytest.approx(math.pi)
    assert SECTORS[17].area == pytest.approx(math.pi / 16)
    assert SECTORS[1].area == pytest.approx(math.pi * (1 - 0.75**2) / 6)
    for sector in SECTORS.values():
        points = sector.outline(step_deg=0.5)
        twice = sum(a[0] * b[1] - b[0] * a[1] for a, b in zip(points, points[1:] + points[:1], strict=True))
        assert twice / 2 == pytest.approx(sector.area, rel=1e-4)


def test_orientation_is_anterior_up_and_septum_left():
    assert SECTORS[1].label_position[1] > 0.8 and abs(SECTORS[1].label_position[0]) < 1e-9
    assert SECTORS[4].label_position[1] < -0.8
    assert all(SECTORS[k].label_position[0] < -0.3 for k in (2, 3, 8, 9, 14))
    assert all(SECTORS[k].label_position[0] > 0.3 for k in (5, 6, 11, 12, 16))
    # The anterior insertion, 120°, parts segments 1 and 2.
    x, y = math.cos(math.radians(120)), math.sin(math.radians(120))
    assert {hit_test(0.9 * x + d, 0.9 * y + d) for d in (-0.01, 0.01)} == {1, 2}


@given(st.floats(0, 1), st.floats(-720, 720))
def test_each_point_of_the_disc_lies_in_exactly_one_sector(radius, degrees):
    x, y = radius * math.cos(math.radians(degrees)), radius * math.sin(math.radians(degrees))
    if math.hypot(x, y) <= 1:
        assert sum(s.contains(x, y) for s in SECTORS.values()) == 1


@given(st.floats(1.0001, 50), st.floats(0, 360))
def test_outside_hits_nothing(radius, degrees):
    assert (
        hit_test(radius * math.cos(math.radians(degrees)), radius * math.sin(math.radians(degrees))) is None
    )


def test_geometry_needs_neither_matplotlib_nor_qt():
    code = (
        "import sys, claimslicer.figures.bullseye\n"
        "print(sorted(m for m in sys.modules if m.partition('.')[0] in ('matplotlib', 'torch', 'qt', 'vtk')))"
    )
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert loaded.stdout.strip() == "[]"
