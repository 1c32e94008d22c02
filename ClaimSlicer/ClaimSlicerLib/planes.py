"""The plane that slice views lie in: that of a volume's own slices, whatever its orientation.

Slicer's *Rotate to volume plane* turns a view to the volume's axes that are nearest to how the view lies now.
Of a heart whose short axis is nearly coronal an axial view then shows a long axis.
"""

from __future__ import annotations

import itertools

import numpy as np
import slicer

from ClaimSlicerLib.mrml import ijk_to_ras, volume_geometry

ALONG = 1e-3
"""Slices passed on a way of 1 mm in a view that still lies along them."""
PRESETS = (
    ((-1, 0, 0), (0, 1, 0), (0, 0, 1)),
    ((-1, 0, 0), (0, 0, 1), (0, 1, 0)),
    ((0, -1, 0), (0, 0, 1), (-1, 0, 0)),
)
"""To the right, up and through the picture of axial, coronal and sagittal views, in RAS."""
UP = np.array([-0.1, 1.0, 1.1])
"""What long axes turn upwards: rather the head than the chest, rather the chest than the left (RAS)."""


def slice_planes(volume: slicer.vtkMRMLVolumeNode) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return how views lie along the slices of ``volume`` and, twice, across them.

    Each is 3 × 3; its columns point to the right, up and through the picture, in RAS. Left and right, up and
    down are as in the axial, coronal or sagittal view that is nearest.
    """
    axes = ijk_to_ras(volume_geometry(volume))[:3, :3]
    axes = axes / np.linalg.norm(axes, axis=0)
    normal = axes[:, 2]
    right, up, through = max(map(np.array, PRESETS), key=lambda preset: abs(preset[2] @ normal))
    x, y = max(
        (
            (x_sign * axes[:, x], y_sign * axes[:, 1 - x])
            for x, x_sign, y_sign in itertools.product((0, 1), (1, -1), (1, -1))
        ),
        key=lambda pair: pair[0] @ right + pair[1] @ up,
    )
    z = normal if normal @ through > 0 else -normal
    upwards = z if z @ UP > 0 else -z
    return (
        np.column_stack((x, y, z)),
        np.column_stack((x, upwards, y)),
        np.column_stack((-y, upwards, x)),
    )


def lay(view: slicer.vtkMRMLSliceNode, plane: np.ndarray) -> None:
    """Turn a slice view into a plane of :func:`slice_planes`; its middle stays where it is."""
    to_ras = view.GetSliceToRAS()
    for (row, column), value in np.ndenumerate(plane):
        to_ras.SetElement(row, column, value)
    view.UpdateMatrices()


def lies_along(view: slicer.vtkMRMLSliceNode, volume: slicer.vtkMRMLVolumeNode) -> bool:
    """Say whether a view lies along the volume's slices."""
    to_slices = np.linalg.inv(ijk_to_ras(volume_geometry(volume)))[2, :3]
    plane = slicer.util.arrayFromVTKMatrix(view.GetSliceToRAS())[:3, :2]
    return bool(np.abs(to_slices @ plane).sum() < ALONG)
