"""Walls, levels and coronary territories in words, and the AHA segments they mean."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from types import MappingProxyType

from claimslicer.anatomy.aha import LEVELS, SEGMENTS, TERRITORIES, Level

Column = Mapping[Level, frozenset[int]]
"""The segments of a wall at each level."""

LEVEL_WORDS: Mapping[str, Level] = MappingProxyType(
    {
        **{
            "basal": "basal",
            "base": "basal",
            "mid": "mid",
            "mid-ventricular": "mid",
            "midventricular": "mid",
        },
        **{"mid-cavity": "mid", "apical": "apical", "apex": "apex"},
    }
)


def _overlaps(first: int, second: int) -> bool:
    a, b = SEGMENTS[first], SEGMENTS[second]
    apart = abs((a.centre_deg - b.centre_deg + 180.0) % 360.0 - 180.0)
    return apart < a.width_deg / 2.0


def _column(basal: Iterable[int]) -> Column:
    """Return a wall from base to apex: at the apical level, the segments round the middle of its own."""
    basal = frozenset(basal)
    apical = frozenset(
        k for k in SEGMENTS if SEGMENTS[k].level == "apical" and any(_overlaps(k, b) for b in basal)
    )
    return {"basal": basal, "mid": frozenset(k + 6 for k in basal), "apical": apical, "apex": frozenset({17})}


SIX_WALLS: Mapping[str, Column] = MappingProxyType(
    {SEGMENTS[k].name.removeprefix("basal "): _column({k}) for k in range(1, 7)}
)
_WIDE_WALLS: Mapping[str, Column] = MappingProxyType(
    {
        "circumferential": _column(range(1, 7)),
        "septal": _column({2, 3}),
        "lateral": _column({5, 6}),
    }
)
_TERRITORIES: Mapping[str, Column] = MappingProxyType(
    {
        artery.lower(): {
            level: frozenset(k for k in segments if SEGMENTS[k].level == level) for level in LEVELS
        }
        for artery, segments in TERRITORIES.items()
    }
)
WALL_WORDS: Mapping[str, Column] = MappingProxyType(
    {
        **SIX_WALLS,
        **_WIDE_WALLS,
        **_TERRITORIES,
        "septum": _WIDE_WALLS["septal"],
        "posterior": SIX_WALLS["inferior"],
        "posterolateral": SIX_WALLS["inferolateral"],
    }
)
"""What the reader understands as a wall; the posterior ones are the names from before 2002."""


def segments_of(walls: Collection[str], levels: Collection[Level]) -> frozenset[int]:
    """Return the segments of some walls at some levels; all walls, or basal to apical, where none is."""
    columns = [WALL_WORDS[wall] for wall in walls] or [_WIDE_WALLS["circumferential"]]
    return frozenset(k for column in columns for level in levels or LEVELS[:3] for k in column[level])


def describe_place(segments: Collection[int]) -> tuple[str, str]:
    """Return words for a set of segments: what stands before "infarct", and what after it.

    One set of walls over some levels is said as in ("inferolateral", "mid to apical"); anything else level
    by level, as in ("", "of the basal inferior and mid inferolateral segments"). :func:`segments_of` and the
    reader of :mod:`claimslicer.smile.words` give back the very same segments.
    """
    chosen = frozenset(segments)
    levels = [level for level in LEVELS if any(SEGMENTS[k].level == level for k in chosen)]
    walls = _walls_of(chosen, levels)
    if walls:
        return join(walls), _levels_text(levels)
    if chosen == {17}:
        return "", "of the apex"
    parts = []
    for level in levels:
        here = [k for k in chosen if SEGMENTS[k].level == level]
        parts.append("apex" if level == "apex" else f"{level} {join(_walls_here(here, level))}")
    return "", f"of the {join(parts)}" + ("" if levels[-1] == "apex" else " segments")


def _walls_of(chosen: frozenset[int], levels: Sequence[Level]) -> list[str]:
    """Return the walls that make up ``chosen`` at every one of ``levels``, if there are any."""
    first = levels[0]
    if first == "apex":
        return []
    walls = _walls_here([k for k in chosen if SEGMENTS[k].level == first], first)
    return walls if segments_of(walls, levels) == chosen else []


def _walls_here(segments: Collection[int], level: Level) -> list[str]:
    """Return the fewest wall words for the segments of one level."""
    left, words = set(segments), []
    for word, column in {**_WIDE_WALLS, **SIX_WALLS}.items():
        if column[level] <= left:
            words.append(word)
            left -= column[level]
    return words


def _levels_text(levels: Sequence[Level]) -> str:
    first, last = LEVELS.index(levels[0]), LEVELS.index(levels[-1])
    if len(levels) > 1 and last - first + 1 == len(levels):
        return f"{levels[0]} to {levels[-1]}"
    return join(levels)


def join(words: Sequence[str]) -> str:
    """Return "a", "a and b", or "a, b and c"."""
    return " and ".join([", ".join(words[:-1]), words[-1]] if len(words) > 1 else words)
