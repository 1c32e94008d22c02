"""The blood pool's edge beside a scar: what its voxels hold of the wall is scar then.

Readers draw the endocardium a voxel outside the blood, so wall and trabeculae lie in the cavity's label, too.
Left as they are, they part a painted scar from the blood by a dark line; beside real infarcts they are as
bright as blood.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import ndimage

from claimslicer.labels import Label, ScarLabel

NEARBY_MM = 2.0
"""SD of the weights with which the scar beside a voxel is averaged."""


@dataclass(frozen=True)
class Endocardium:
    """``wall`` (float32, ``(z, y, x)``) is the share of wall in the cavity's voxels near a scar, 0 elsewhere;
    ``blood`` the blood pool's median in remote SDs, ``nearby`` :data:`NEARBY_MM` in voxels of the slice.
    """

    wall: np.ndarray
    blood: float
    nearby: tuple[float, float]

    @classmethod
    def of(
        cls,
        units: np.ndarray,
        labels: np.ndarray,
        scar: np.ndarray,
        blood: float,
        spacing_yx: tuple[float, float],
        reach_mm: float,
    ) -> Endocardium:
        """Look at the cavity within ``reach_mm`` of ``scar`` in its slice; arrays are ``(z, y, x)``.

        In ``units`` (remote SDs) a voxel of wall has 0 and one of blood has ``blood``: what lies between is
        as much wall as it is nearer to it.
        """
        wall = np.zeros(scar.shape, np.float32)
        used = np.flatnonzero((scar != ScarLabel.NONE).any((1, 2)))
        for z in used if reach_mm > 0 and blood > 0 else ():
            distance = ndimage.distance_transform_edt(scar[z] == ScarLabel.NONE, sampling=spacing_yx)
            near = (labels[z] == Label.CAVITY) & (distance <= reach_mm)
            wall[z] = near * np.clip(1 - units[z] / blood, 0, 1)
        row_mm, column_mm = spacing_yx
        return cls(wall, blood, (NEARBY_MM / row_mm, NEARBY_MM / column_mm))

    @property
    def mask(self) -> np.ndarray:
        """The voxels that change, bool."""
        return self.wall > 0

    def as_blood(self, units: np.ndarray) -> np.ndarray:
        """Return ``units`` with blood in place of the wall: beside real infarcts the edge is as bright."""
        return units + self.wall * np.float32(self.blood)

    def as_scar(self, filled: np.ndarray, shown: np.ndarray, inside: np.ndarray) -> np.ndarray:
        """Return ``filled`` (what :meth:`as_blood` made) with scar in place of the wall.

        It is as bright as ``shown`` is near by in the mask ``inside``, and never darker than healthy wall.
        """
        sigma = (0.0, *self.nearby)
        total = ndimage.gaussian_filter(np.where(inside, shown, 0.0), sigma)
        level = total / np.maximum(ndimage.gaussian_filter(inside.astype(np.float32), sigma), 1e-6)
        return filled + self.wall * (np.maximum(level, 0.0) - np.float32(self.blood))
