"""The AHA 17-segment model: the one table of names, levels, angles, territories and neighbours.

Cerqueira et al., Circulation 2002, 105:539. Angles are in degrees as the bull's-eye is drawn: 0 on the
viewer's right, counter-clockwise, the right ventricle on the left, so the anterior RV insertion lies at 120°.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Literal, get_args

import numpy as np

Level = Literal["basal", "mid", "apical", "apex"]
Territory = Literal["LAD", "RCA", "LCX"]

LEVELS: tuple[Level, ...] = get_args(Level)
SEGMENTS_PER_LEVEL: Mapping[Level, int] = MappingProxyType({"basal": 6, "mid": 6, "apical": 4, "apex": 1})
FIRST_SEGMENT: Mapping[Level, int] = MappingProxyType({"basal": 1, "mid": 7, "apical": 13, "apex": 17})

TERRITORIES: Mapping[Territory, tuple[int, ...]] = MappingProxyType(
    {
        "LAD": (1, 2, 7, 8, 13, 14, 17),
        "RCA": (3, 4, 9, 10, 15),
        "LCX": (5, 6, 11, 12, 16),
    }
)
"""Segments of each coronary artery by the 2002 standard; they overlap in real patients."""

_SIX_WALLS = ("anterior", "anteroseptal", "inferoseptal", "inferior", "inferolateral", "anterolateral")
_FOUR_WALLS = ("anterior", "septal", "inferior", "lateral")


@dataclass(frozen=True)
class Segment:
    """One of the 17 segments; ``centre_deg`` and ``width_deg`` are bull's-eye degrees."""

    number: int
    name: str
    level: Level
    centre_deg: float
    width_deg: float
    territory: Territory


def _make_segment(number: int) -> Segment:
    level: Level = next(name for name in reversed(LEVELS) if number >= FIRST_SEGMENT[name])
    count = SEGMENTS_PER_LEVEL[level]
    position = number - FIRST_SEGMENT[level]
    walls = {6: _SIX_WALLS, 4: _FOUR_WALLS}.get(count)
    return Segment(
        number=number,
        name=f"{level} {walls[position]}" if walls else "apex",
        level=level,
        centre_deg=(90.0 + position * 360.0 / count) % 360.0,
        width_deg=360.0 / count,
        territory=next(artery for artery, segments in TERRITORIES.items() if number in segments),
    )


SEGMENTS: Mapping[int, Segment] = MappingProxyType({k: _make_segment(k) for k in range(1, 18)})


def _touch(first: Segment, second: Segment) -> bool:
    """Say whether two segments share a border: beside each other in a ring, or one above the other."""
    steps = abs(LEVELS.index(first.level) - LEVELS.index(second.level))
    apart = abs((first.centre_deg - second.centre_deg + 180.0) % 360.0 - 180.0)
    reach = (first.width_deg + second.width_deg) / 2.0
    return (steps == 0 and apart <= reach) or (steps == 1 and apart < reach)


ADJACENCY: frozenset[tuple[int, int]] = frozenset(
    (a, b) for a in SEGMENTS for b in SEGMENTS if a < b and _touch(SEGMENTS[a], SEGMENTS[b])
)
"""The 36 pairs of segments that share a border, the smaller number first."""


def neighbours(number: int) -> tuple[int, ...]:
    """Return the segments that share a border with segment ``number``, ascending."""
    return tuple(sorted(b if a == number else a for a, b in ADJACENCY if number in (a, b)))


def segments_at(level: Level, degrees: np.ndarray) -> np.ndarray:
    """Return the segment numbers (uint8) of ``level`` at bull's-eye angles ``degrees``, of the same shape."""
    width = 360.0 / SEGMENTS_PER_LEVEL[level]
    from_first_border = (np.asarray(degrees, float) - (90.0 - width / 2.0)) % 360.0
    position = np.minimum(from_first_border // width, SEGMENTS_PER_LEVEL[level] - 1)
    return (FIRST_SEGMENT[level] + position).astype(np.uint8)
