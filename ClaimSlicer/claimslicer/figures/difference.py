"""What showing a difference image takes: its range, its colours, and where to look; no matplotlib."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from claimslicer.figures.palette import DIFFERENCE_COLOURS, RGB, blend
from claimslicer.studies import Geometry

WHOLE_HEART_MM = 100.0
"""Seen at least, so that a small scar is shown in its heart."""


def reach(difference: np.ndarray) -> float:
    """Return the largest absolute value: the colours run from −reach to reach, and nothing is cut off.

    1 where all is alike, so that the range is never empty.
    """
    return float(np.abs(difference).max(initial=0.0)) or 1.0


def difference_colours(count: int) -> list[RGB]:
    """Return ``count`` colours from −reach to reach: less is purple, more is orange, none is white."""
    return [blend(DIFFERENCE_COLOURS, index / (count - 1)) for index in range(count)]


@dataclass(frozen=True)
class Focus:
    """Where to look: a point in LPS millimetres and how wide the view should be, in mm."""

    centre: tuple[float, float, float]
    width_mm: float


def focus_of(changed: np.ndarray, geometry: Geometry, heart: np.ndarray | None = None) -> Focus | None:
    """Return the middle of ``heart``, or of what changed, in the slice with most change; None if nothing did.

    Both arrays are bool, ``(z, y, x)``.
    """
    if not changed.any():
        return None
    fullest = int(changed.sum((1, 2)).argmax())
    shown = changed if heart is None or not heart.any() else heart
    box = [(float(index.min()), float(index.max())) for index in np.nonzero(shown.any(0))]
    middle = np.array([fullest, *(sum(ends) / 2 for ends in box)])
    extent = max((high - low + 1) * mm for (low, high), mm in zip(box, geometry.spacing_zyx[1:], strict=True))
    x, y, z = geometry.index_to_physical(middle).tolist()
    return Focus((x, y, z), max(1.35 * extent, WHOLE_HEART_MM))
