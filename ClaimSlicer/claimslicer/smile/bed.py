"""The bed of a scar: the chosen part of the wall, and how central each of its points is."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from claimslicer.smile.fields import Draws, Stream, random_field
from claimslicer.smile.texture import Texture
from claimslicer.smile.wall import Wall

FOCUS_GRAIN_MM = 60.0
FOCUS_WANDER = 0.7
SHAPE_GRAIN_MM = 25.0
SMALL_FILL = 0.12
"""Below this share of what the bed can hold, a scar's outline is as rough in proportion to its size."""


@dataclass(frozen=True)
class Bed:
    """What a pattern sees.

    ``wall`` holds the N points of the chosen segments, at any depth; ``transmurality``, ``texture`` and
    ``seed`` are the specification's. ``border_mm`` (N,) are the points' distances along the wall to the
    nearest that was not chosen. ``fill`` is the share of what the bed can hold that is asked for, by segment,
    and ``mean_fill`` that of all of it.
    """

    wall: Wall
    transmurality: tuple[float, float]
    texture: Texture
    seed: int
    border_mm: np.ndarray
    fill: dict[int, float]
    mean_fill: float

    @cached_property
    def depth(self) -> np.ndarray:
        """Depth (N,) inside the transmural range: 0 at its inner face, 1 at its outer face."""
        low, high = self.transmurality
        return (self.wall.depth - low) / (high - low)

    @cached_property
    def centrality(self) -> np.ndarray:
        """Closeness (N,) to the focus: 1 at the focus, falling to 0 at the border of the chosen segments.

        It is b / (b + d), with b the distance to the border and d the distance to the focus of the same
        connected part, so its level sets go over from discs into the bed's own outline. Where the wall ends,
        at the base, there is no border; b is never taken to be more than the LV's radius. Both distances are
        along the wall, so that depth is left to the pattern: the outer wall is no closer to the focus than
        the inner one.
        """
        result = np.zeros(self.wall.size)
        part = self.wall.label(np.ones(self.wall.size, bool))
        border = np.minimum(self.border_mm, self.wall.radius_mm)
        # Distances beyond half a radius don't count here, or every focus would lie at the borderless base.
        likely = np.minimum(border, self.wall.radius_mm / 2.0) * np.exp(FOCUS_WANDER * self._wander)
        for number in range(1, part.max() + 1):
            here = np.flatnonzero(part == number)
            focus = here[np.argmax(likely[here])]
            place = self.wall.unrolled_mm
            distance = np.linalg.norm(place[here] - place[focus], axis=1)
            result[here] = border[here] / (border[here] + distance)
        return result

    @cached_property
    def reach_mm(self) -> float:
        """Distance from the focus to the bed's border, which is where centrality has fallen to 0."""
        border = np.minimum(self.border_mm, self.wall.radius_mm)
        return float(border[np.argmax(self.centrality)])

    @property
    def _wander(self) -> np.ndarray:
        return random_field(self.wall, self.draws(Stream.FOCUS), FOCUS_GRAIN_MM)

    @property
    def roughness(self) -> float:
        """How much of the irregularity and grain a scar has, 0–1: all of it unless it is small in its bed."""
        return float(np.sqrt(min(self.mean_fill / SMALL_FILL, 1.0)))

    @cached_property
    def irregularity(self) -> np.ndarray:
        """Field (N,) of standard deviation 1, the same through the wall, that makes outlines irregular."""
        return random_field(self.wall, self.draws(Stream.SHAPE), SHAPE_GRAIN_MM)

    @cached_property
    def grain(self) -> np.ndarray:
        """Field (N,) of the texture's grain; standard deviation 1."""
        texture = self.texture
        through_mm = texture.grain_mm / texture.anisotropy
        return random_field(self.wall, self.draws(Stream.GRAIN), texture.grain_mm, through_mm)

    def draws(self, *key: int) -> Draws:
        """Return the random numbers of the specification's seed for one use."""
        return Draws(self.seed, *key)
