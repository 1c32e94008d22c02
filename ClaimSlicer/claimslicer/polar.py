"""Polar patches of a slice: rings and rays about a point in the left ventricle, and the way back.

On such a patch the wall is a band and turning the heart is a shift along it, which a convolution ignores: the
network needn't learn every orientation.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch

from claimslicer.patches import sample_at, turn_matrix

WRAP = 8
"""Rays of either end that are repeated beyond the other, so that there is no seam."""


@dataclass(frozen=True)
class PolarGrid:
    """Where a polar patch lies on a slice; rows are rings, from the centre outwards, columns are rays.

    ``centre_yx`` in voxels, ``spacing_yx`` the slice's pixel size in mm, ``ring_mm`` the distance of rings,
    the first of which lies at half of it. ``rotation`` (radians), ``flip`` and ``stretch`` turn, mirror and
    enlarge the heart as in :class:`claimslicer.patches.PatchGrid`.
    """

    centre_yx: tuple[float, float]
    spacing_yx: tuple[float, float]
    rings: int
    rays: int
    ring_mm: float
    rotation: float = 0.0
    flip: bool = False
    stretch: float = 1.0

    @property
    def size(self) -> tuple[int, int]:
        """Rows and columns of the patch, repeated rays included."""
        return self.rings, self.rays + 2 * WRAP

    def sample(self, volume: torch.Tensor, mode: str = "bilinear") -> torch.Tensor:
        """Cut ``(n, h, w)`` float slices to ``(n, *size)``; beyond the image its border goes on."""
        radius = (np.arange(self.rings) + 0.5)[:, None] * self.ring_mm
        angle = (np.arange(self.size[1]) - WRAP) * (2 * np.pi / self.rays)
        offset_mm = np.stack([radius * np.sin(angle), radius * np.cos(angle)], -1)
        index = offset_mm @ self._turn().T / np.asarray(self.spacing_yx)
        return sample_at(volume, index + np.asarray(self.centre_yx), mode)

    def put_back(self, patch: torch.Tensor, shape_yx: tuple[int, int]) -> tuple[torch.Tensor, torch.Tensor]:
        """Take ``(n, *size)`` back to the slice's ``shape_yx``; also return the bool mask that it covers."""
        rows, columns = np.indices(shape_yx, dtype=float)
        offset_mm = (np.stack([rows, columns], -1) - np.asarray(self.centre_yx)) * np.asarray(self.spacing_yx)
        y, x = np.moveaxis(offset_mm @ np.linalg.inv(self._turn()).T, -1, 0)
        ring = np.hypot(y, x) / self.ring_mm - 0.5
        ray = np.arctan2(y, x) % (2 * np.pi) * (self.rays / (2 * np.pi)) + WRAP
        inside = ring <= self.rings - 1
        return sample_at(patch, np.stack([ring, ray], -1), "bilinear"), torch.from_numpy(inside)

    def _turn(self) -> np.ndarray:
        return turn_matrix(self.rotation, self.flip) / self.stretch
