"""What tells how a ventricle is turned: its two RV insertion points, and how angles are counted from them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

AngleRule = Literal["fixed", "septal"]
InsertionSource = Literal["rv-label", "image", "given"]
LOW_CONFIDENCE = 0.5
"""Insertion points found with less are worth a look."""


@dataclass(frozen=True)
class Insertions:
    """The two RV insertion points in LPS millimetres, where they come from, and how sure they are (0–1)."""

    anterior: tuple[float, float, float]
    inferior: tuple[float, float, float]
    source: InsertionSource = "given"
    confidence: float = 1.0
