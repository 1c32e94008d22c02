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

    def in_words(self) -> str:
        """Say where they come from and, unless a person marked them, how sure they are."""
        if self.source == "given":
            return "RV insertions as given."
        where = "from the RV label" if self.source == "rv-label" else "found in the image"
        words = f"RV insertions {where}, confidence {self.confidence:.0%}."
        if self.confidence < LOW_CONFIDENCE:
            words += " That is low: the segments may be turned."
        return words
