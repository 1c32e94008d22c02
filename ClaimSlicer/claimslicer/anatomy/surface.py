"""The wall of the left ventricle as triangles, for 3-D views."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from scipy import ndimage
from scipy.spatial import cKDTree

from claimslicer.anatomy.frame import LVFrame

_MARGIN = 2
"""Pixels kept free round the wall, so that its surface is closed."""
_SMOOTHING_STEPS, _PASS_BAND = 20, 0.1
"""Enough to take the pixels' stairs away; a windowed sinc filter doesn't shrink what it smooths."""


@dataclass(frozen=True)
class WallSurface:
    """A closed surface whose triangles run counter-clockwise as seen from outside.

    ``points`` is float32 ``(N, 3)`` in LPS millimetres, ``triangles`` int32 ``(M, 3)``. ``voxel`` int32
    ``(N,)`` is the wall's voxel nearest to each point, as an index into the flattened grid, so that another
    frame of the same wall needs no new surface; ``segment`` uint8 ``(N,)`` is that voxel's AHA segment.
    """

    points: np.ndarray
    triangles: np.ndarray
    segment: np.ndarray
    voxel: np.ndarray


def wall_surface(frame: LVFrame) -> WallSurface:
    """Return the surface of the wall of ``frame``; it ends half a slice beyond the outermost slices.

    Between slices the outer and the inner contour are interpolated by their signed distances (Raya and
    Udupa, IEEE Transactions on Medical Imaging 1990, 9:32), so thick slices leave no steps. Needs VTK.
    """
    order = [frame.slice_axis, *(axis for axis in range(3) if axis != frame.slice_axis)]
    wall, cavity = (mask.transpose(order) for mask in (frame.myocardium, frame.cavity))
    spacing = np.array(frame.geometry.spacing_zyx)[order]
    (box,) = ndimage.find_objects(wall.astype(np.uint8))
    pad = ((0, 0), (_MARGIN, _MARGIN), (_MARGIN, _MARGIN))
    steps = max(1, math.ceil(spacing[0] / (2 * spacing[1:].min())))
    distance = _wall_distance(np.pad(wall[box], pad), np.pad(cavity[box], pad), spacing[1:], steps)

    points, triangles = _zero_level(distance, np.array([spacing[0] / steps, *spacing[1:]]))
    start = np.array([side.start for side in box]) - (1, _MARGIN, _MARGIN)
    index = points / spacing + start
    points = frame.geometry.index_to_physical(index[:, np.argsort(order)])
    if _signed_volume(points, triangles) < 0:
        triangles = triangles[:, ::-1]
    voxels = np.argwhere(frame.myocardium)
    _, nearest = cKDTree(frame.geometry.index_to_physical(voxels)).query(points)
    voxel = np.ravel_multi_index(tuple(voxels[nearest].T), frame.segments.shape)
    return WallSurface(
        points=points.astype(np.float32),
        triangles=triangles.astype(np.int32),
        segment=frame.segments.ravel()[voxel],
        voxel=voxel.astype(np.int32),
    )


def _wall_distance(wall: np.ndarray, cavity: np.ndarray, pixel_mm: np.ndarray, steps: int) -> np.ndarray:
    """Return the distance in mm to the wall's contours, positive inside, ``steps`` planes for each slice.

    It begins one slice before the first and ends one after the last. There the outer contour has turned
    inside out, so it closes half way; the inner one goes on as it is.
    """
    outer, inner = (_slice_distances(mask, pixel_mm) for mask in (wall | cavity, cavity))
    outer = np.concatenate([-np.abs(outer[:1]), outer, -np.abs(outer[-1:])])
    inner = np.concatenate([inner[:1], inner, inner[-1:]])
    at = np.arange((len(outer) - 1) * steps + 1) / steps
    below = np.minimum(at.astype(int), len(outer) - 2)
    share = (at - below)[:, None, None]
    outer, inner = ((1 - share) * values[below] + share * values[below + 1] for values in (outer, inner))
    return np.minimum(outer, -inner)


def _slice_distances(mask: np.ndarray, pixel_mm: np.ndarray) -> np.ndarray:
    """Return each slice's signed distance to the contour of ``mask``; a slice without one closes its
    nearest neighbour's.
    """
    filled = np.flatnonzero(mask.any((1, 2)))
    result = np.full(mask.shape, -np.inf)
    for k in filled:
        result[k] = ndimage.distance_transform_edt(mask[k], pixel_mm)
        result[k] -= ndimage.distance_transform_edt(~mask[k], pixel_mm)
    for k in np.setdiff1d(np.arange(len(mask)), filled) if len(filled) else ():
        result[k] = -np.abs(result[filled[np.abs(filled - k).argmin()]])
    return np.maximum(result, -np.linalg.norm(np.array(mask.shape[1:]) * pixel_mm))


def _zero_level(values: np.ndarray, spacing: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the smoothed surface ``values`` = 0: points ``(N, 3)`` in mm along the axes, and triangles."""
    from vtkmodules.util.numpy_support import numpy_to_vtk, vtk_to_numpy
    from vtkmodules.vtkCommonDataModel import vtkImageData
    from vtkmodules.vtkFiltersCore import vtkFlyingEdges3D, vtkWindowedSincPolyDataFilter

    image = vtkImageData()
    image.SetDimensions(*reversed(values.shape))
    image.SetSpacing(*reversed(spacing.tolist()))
    image.GetPointData().SetScalars(numpy_to_vtk(np.ascontiguousarray(values, np.float32).ravel(), deep=True))
    edges = vtkFlyingEdges3D()
    edges.SetInputData(image)
    edges.SetValue(0, 0.0)
    edges.ComputeNormalsOff()
    edges.ComputeGradientsOff()
    smooth = vtkWindowedSincPolyDataFilter()
    smooth.SetInputConnection(edges.GetOutputPort())
    smooth.SetNumberOfIterations(_SMOOTHING_STEPS)
    smooth.SetPassBand(_PASS_BAND)
    smooth.NormalizeCoordinatesOn()
    smooth.Update()
    surface = smooth.GetOutput()
    points = vtk_to_numpy(surface.GetPoints().GetData())[:, ::-1].astype(float)
    return points, vtk_to_numpy(surface.GetPolys().GetConnectivityArray()).reshape(-1, 3)


def _signed_volume(points: np.ndarray, triangles: np.ndarray) -> float:
    """Return the volume within a closed surface, negative when its triangles are turned inside out."""
    a, b, c = (points[triangles[:, k]] for k in range(3))
    return float(np.einsum("ij,ij", a, np.cross(b, c)) / 6)
