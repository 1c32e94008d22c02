"""The grain of a scar."""

from __future__ import annotations

from dataclasses import dataclass

from claimslicer.smile.checks import in_range, set_checked


@dataclass(frozen=True)
class Texture:
    """The grain of a scar.

    ``grain_mm`` is the width of a grain along the wall, ``anisotropy`` how many times longer it is along the
    wall than through it, and ``porosity`` (0–1) how far viable islands break the scar up: 0 is compact.
    """

    anisotropy: float = 2.0
    """How many times longer a grain is along the wall than through it."""
    porosity: float = 0.1
    """How far viable islands break the scar up, from 0 (compact) to 1."""
    grain_mm: float = 8.0
    """The width of a grain along the wall."""

    def __post_init__(self) -> None:
        set_checked(self, "anisotropy", in_range("texture anisotropy", self.anisotropy, 0.1, 20.0))
        set_checked(self, "porosity", in_range("texture porosity", self.porosity, 0.0, 1.0))
        set_checked(self, "grain_mm", in_range("texture grain in mm", self.grain_mm, 1.0, 60.0))
