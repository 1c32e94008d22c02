"""Geometry of the 17-segment bull's-eye in plain Python: where each segment lies, and which one a point hits.

Coordinates are those of a unit circle: x to the viewer's right, y upwards, the base at radius 1, the apex in
the middle, anterior on top and the septum on the left. Whoever draws it scales it (and turns y round where
the screen's y runs downwards).
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from claimslicer.anatomy.aha import (
    FIRST_SEGMENT,
    SEGMENTS,
    SEGMENTS_PER_LEVEL,
    TERRITORIES,
    Level,
    neighbours,
)

Point = tuple[float, float]

RING_RADII: Mapping[Level, tuple[float, float]] = MappingProxyType(
    {"apex": (0.0, 0.25), "apical": (0.25, 0.5), "mid": (0.5, 0.75), "basal": (0.75, 1.0)}
)
"""Inner and outer radius of each level."""

WALL_LABELS: Mapping[str, Point] = MappingProxyType(
    {"anterior": (0.0, 1.0), "septal": (-1.0, 0.0), "inferior": (0.0, -1.0), "lateral": (1.0, 0.0)}
)
"""Directions of the four walls, for labels outside the circle."""

WALL_NAMES: Mapping[str, str] = MappingProxyType(
    {"anterior": "Anterior", "septal": "Septum", "inferior": "Inferior", "lateral": "Lateral"}
)

SEPTUM_DEG = (120.0, 240.0)
"""From the anterior to the inferior RV insertion: the right ventricle lies outside this arc."""


@dataclass(frozen=True)
class Sector:
    """One segment's place: radii, and angles in degrees counter-clockwise from the viewer's right."""

    segment: int
    inner: float
    outer: float
    start_deg: float
    width_deg: float

    @property
    def is_disc(self) -> bool:
        """True for the apex, which is a whole disc."""
        return self.inner == 0.0

    @property
    def area(self) -> float:
        """Area on the unit circle."""
        return math.radians(self.width_deg) / 2.0 * (self.outer**2 - self.inner**2)

    @property
    def label_position(self) -> Point:
        """Where a text about the segment is centred."""
        if self.is_disc:
            return 0.0, 0.0
        return _polar((self.inner + self.outer) / 2.0, self.start_deg + self.width_deg / 2.0)

    def outline(self, step_deg: float = 3.0) -> list[Point]:
        """Return the closed border as a polygon (the last point meets the first), arcs in steps."""
        steps = max(1, math.ceil(self.width_deg / step_deg))
        angles = [self.start_deg + self.width_deg * i / steps for i in range(steps + 1)]
        outer = [_polar(self.outer, a) for a in angles]
        if self.is_disc:
            return outer[:-1]
        return outer + [_polar(self.inner, a) for a in reversed(angles)]

    def contains(self, x: float, y: float) -> bool:
        """Say whether a point lies inside; borders belong to one sector each, the circle's rim included."""
        radius = math.hypot(x, y)
        if not (self.inner <= radius < self.outer or radius == self.outer == 1.0):
            return False
        # The second % sends 360.0, which a tiny negative angle is rounded to, back to 0.
        angle = math.degrees(math.atan2(y, x)) % 360.0 % 360.0
        end = self.start_deg + self.width_deg
        return self.start_deg <= angle < end or angle < end - 360.0


def _polar(radius: float, degrees: float) -> Point:
    return radius * math.cos(math.radians(degrees)), radius * math.sin(math.radians(degrees))


def _sector(number: int) -> Sector:
    segment = SEGMENTS[number]
    inner, outer = RING_RADII[segment.level]
    start = (segment.centre_deg - segment.width_deg / 2.0) % 360.0
    return Sector(number, inner, outer, start, segment.width_deg)


SECTORS: Mapping[int, Sector] = MappingProxyType({number: _sector(number) for number in SEGMENTS})


def hit_test(x: float, y: float) -> int | None:
    """Return the segment at a point of the unit circle, or None outside."""
    return next((number for number, sector in SECTORS.items() if sector.contains(x, y)), None)


def _ring(level: Level) -> frozenset[int]:
    return frozenset(range(FIRST_SEGMENT[level], FIRST_SEGMENT[level] + SEGMENTS_PER_LEVEL[level]))


def _wall(name: str) -> frozenset[int]:
    """Return a wall's segments in all rings; anteroseptal and inferoseptal count as septal, and so on."""
    end = {"septal": ("septal",), "lateral": ("lateral",)}.get(name, (f" {name}",))
    return frozenset(k for k, segment in SEGMENTS.items() if segment.name.endswith(end))


GROUPS: Mapping[str, frozenset[int]] = MappingProxyType(
    {
        **{"Basal": _ring("basal"), "Mid": _ring("mid"), "Apical": _ring("apical")},
        **{WALL_NAMES[name]: _wall(name) for name in WALL_NAMES},
        **{name: frozenset(segments) for name, segments in TERRITORIES.items()},
    }
)
"""Segments that are often chosen together: rings, walls and coronary territories."""


def step(segment: int, dx: int, dy: int) -> int:
    """Return the segment that an arrow key leads to: the neighbour lying most in that direction, or itself.

    ``dx`` is 1 for right and -1 for left, ``dy`` 1 for up and -1 for down.
    """
    x, y = SECTORS[segment].label_position

    def alignment(other: int) -> float:
        there = SECTORS[other].label_position
        away = there[0] - x, there[1] - y
        return round((away[0] * dx + away[1] * dy) / math.hypot(*away), 6)

    best = max(neighbours(segment), key=alignment)
    return best if alignment(best) > 0.3 else segment
