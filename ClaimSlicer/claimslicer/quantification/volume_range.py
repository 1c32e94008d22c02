"""The range of the infarct's volume that a segmenter gives, from the recipe beside its labels."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from claimslicer.errors import StudyError

KEY = "infarct_ml"
"""The recipe's entry, ``{"expected": ml, "low": ml, "high": ml}``: low and high hold 5 to 95 %."""


@dataclass(frozen=True)
class VolumeRange:
    """Expected volume of infarct, MVO included, and its 5–95 % range, in ml."""

    expected: float
    low: float
    high: float

    def __post_init__(self) -> None:
        """Refuse ends in the wrong order."""
        if not 0 <= self.low <= self.expected <= self.high < float("inf"):
            raise StudyError(
                f"The recipe beside the labels gives an infarct of {self.expected:g} ml between "
                f"{self.low:g} and {self.high:g} ml, which is no range: segment the study again."
            )

    @classmethod
    def of_recipe(cls, recipe: Mapping[str, Any]) -> VolumeRange | None:
        """Read the range from a recipe; None where it holds none. Raises StudyError for a broken one."""
        entry = recipe.get(KEY)
        if entry is None:
            return None
        try:
            return cls(float(entry["expected"]), float(entry["low"]), float(entry["high"]))
        except (KeyError, TypeError, ValueError) as error:
            raise StudyError(
                "The recipe beside the labels holds an infarct volume that isn't expected, low and high in "
                "ml: segment the study again."
            ) from error

    def totals(self) -> dict[str, float]:
        """Return the three numbers by their names in a report."""
        return {
            "infarct_ml_low": self.low,
            "infarct_ml_expected": self.expected,
            "infarct_ml_high": self.high,
        }
