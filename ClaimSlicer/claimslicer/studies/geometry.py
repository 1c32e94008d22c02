"""Where an array lies in the patient."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    import SimpleITK as sitk


@dataclass(frozen=True)
class Geometry:
    """Grid of a ``(z, y, x)`` array in patient space (LPS, millimetres), as ITK describes it.

    ``shape`` is in array order ``(z, y, x)``. ``spacing`` and ``origin`` are in ITK's order ``(x, y, z)``;
    ``direction`` holds the nine cosines row by row, its columns being the x, y and z axes of the grid.
    """

    shape: tuple[int, int, int]
    spacing: tuple[float, float, float] = (1.0, 1.0, 1.0)
    origin: tuple[float, float, float] = (0.0, 0.0, 0.0)
    direction: tuple[float, ...] = (1.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 1.0)

    @property
    def spacing_zyx(self) -> tuple[float, float, float]:
        """Spacing in array order, in mm."""
        return self.spacing[2], self.spacing[1], self.spacing[0]

    @property
    def voxel_volume_ml(self) -> float:
        """Volume of one voxel in ml (1 ml is 1000 mm³)."""
        return float(np.prod(self.spacing)) / 1000.0

    @property
    def matrix(self) -> np.ndarray:
        """The 3×3 matrix that takes an ``(x, y, z)`` index to millimetres from the origin."""
        return np.asarray(self.direction).reshape(3, 3) * np.asarray(self.spacing)

    def index_to_physical(self, index_zyx: np.ndarray) -> np.ndarray:
        """Take ``(..., 3)`` array indices (z, y, x; fractions allowed) to LPS millimetres (x, y, z)."""
        index_xyz = np.asarray(index_zyx, float)[..., ::-1]
        return index_xyz @ self.matrix.T + np.asarray(self.origin)

    def physical_to_index(self, point_lps: np.ndarray) -> np.ndarray:
        """Take ``(..., 3)`` LPS millimetres to fractional array indices (z, y, x)."""
        offset = np.asarray(point_lps, float) - np.asarray(self.origin)
        # One factorisation for all points; solving point by point takes ten times as long.
        index_xyz = np.linalg.solve(self.matrix, offset.reshape(-1, 3).T).T.reshape(offset.shape)
        return index_xyz[..., ::-1]

    def is_close(self, other: Geometry, tolerance_mm: float = 0.1) -> bool:
        """Say whether both grids have the same shape and their corners lie within ``tolerance_mm``."""
        if self.shape != other.shape:
            return False
        distance = np.linalg.norm(self.corners() - other.corners(), axis=1)
        return bool(distance.max() <= tolerance_mm)

    def corners(self) -> np.ndarray:
        """Return the eight corner voxels' centres, ``(8, 3)`` in LPS millimetres."""
        index = np.array(np.meshgrid(*[(0, n - 1) for n in self.shape], indexing="ij")).reshape(3, -1).T
        return self.index_to_physical(index)

    @classmethod
    def of_sitk(cls, image: sitk.Image) -> Geometry:
        """Return the grid of a 3-D SimpleITK image."""
        return cls(
            shape=tuple(reversed(image.GetSize())),
            spacing=image.GetSpacing(),
            origin=image.GetOrigin(),
            direction=image.GetDirection(),
        )

    def to_sitk(self, array: np.ndarray) -> sitk.Image:
        """Return ``array`` (z, y, x) as a SimpleITK image on this grid."""
        import SimpleITK as sitk

        image = sitk.GetImageFromArray(array.astype(np.uint8) if array.dtype == bool else array)
        image.SetSpacing(self.spacing)
        image.SetOrigin(self.origin)
        image.SetDirection(self.direction)
        return image
