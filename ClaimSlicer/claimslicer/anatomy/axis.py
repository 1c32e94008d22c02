"""The ventricle's long axis as the labels show it, and whether a study's slices lie across it."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from claimslicer.labels import Label, myocardium_mask
from claimslicer.studies.geometry import Geometry

BOTH_ENDS_OPEN = 0.3
"""Where area vectors add up to less than this share of the open area, the cavity is open at both ends."""
ACROSS_DEG = 40.0
"""Slices turned further than this from across the ventricle are no short axis: 84 EMIDEC and 15 MyoPS stacks
lie within 30°, axial, coronal and sagittal slices of the average heart 49–69° off."""
USUAL_APEX_TO_BASE = (-0.65, 0.67, 0.36)
"""The average heart's long axis (LPS): the mean of 15 planned stacks of MyoPS 2020."""
_SLAB_MM = 4.0


@dataclass(frozen=True)
class LongAxis:
    """The long axis: ``apex_to_base`` is a unit vector, ``centre`` the cavity's middle, both LPS (mm)."""

    apex_to_base: np.ndarray
    centre: np.ndarray

    def angle_to(self, direction: np.ndarray) -> float:
        """Return the angle in degrees, 0–90, to a line along ``direction``."""
        cosine = abs(self.apex_to_base @ direction) / np.linalg.norm(direction)
        return float(np.degrees(np.arccos(min(cosine, 1.0))))


def find_long_axis(labels: np.ndarray, geometry: Geometry) -> LongAxis | None:
    """Find the long axis from where the wall leaves the cavity open, on any grid.

    The wall closes the cavity all round and at the apex, so the faces of the cavity that no wall covers make
    up the base; their area vectors add up to the normal of that opening, whatever its shape.
    """
    cavity, wall = labels == Label.CAVITY, myocardium_mask(labels)
    if not cavity.any() or not wall.any():
        return None
    lengths = np.array(geometry.spacing_zyx)
    area, total = np.zeros(3), np.zeros(3)
    for axis in range(3):
        face = np.prod(np.delete(lengths, axis))
        for sign in (1, -1):
            beside = _beside(wall | cavity, axis, sign)
            open_faces = face * np.count_nonzero(cavity & ~beside)
            area[axis] += sign * open_faces
            total[axis] += open_faces
    if np.linalg.norm(area) < BOTH_ENDS_OPEN * total.sum():
        # Slices of the middle alone: both ends are open, and only the axis of the grid can be told.
        if total.max() < 0.7 * total.sum() or not total.any():
            return None
        area = np.where(total == total.max(), total, 0)
    direction = np.asarray(geometry.direction).reshape(3, 3) @ area[::-1]
    length = np.linalg.norm(direction)
    centre = geometry.index_to_physical(np.argwhere(cavity).mean(axis=0))
    return LongAxis(direction / length, centre)


def refined(axis: LongAxis, labels: np.ndarray, geometry: Geometry) -> LongAxis:
    """Return ``axis`` laid through the middles of the cavity's cross-sections, where they can be told.

    The base's opening may lie askew; the line of the middles doesn't. Meant for grids that are fine along
    every axis.
    """
    points = geometry.index_to_physical(np.argwhere(labels == Label.CAVITY))
    for _ in range(4):
        along = (points - axis.centre) @ axis.apex_to_base
        low, high = np.percentile(along, [2, 98])
        # Near the base a cut askew pulls the middle aside, near the apex there is little to see.
        edges = np.arange(low + 0.1 * (high - low), low + 0.7 * (high - low), _SLAB_MM)
        slabs = [points[(along >= edge) & (along < edge + _SLAB_MM)] for edge in edges]
        middles = np.array([slab.mean(axis=0) for slab in slabs if len(slab) >= 10])
        if len(middles) < 4:
            break
        line = np.linalg.svd(middles - middles.mean(axis=0))[2][0]
        line *= np.sign(line @ axis.apex_to_base)
        axis = replace(axis, apex_to_base=line, centre=axis.centre)
    return axis


def off_axis_deg(labels: np.ndarray, geometry: Geometry, slice_axis: int) -> float:
    """Return by how many degrees slices along the array axis ``slice_axis`` miss the short axis.

    0 where the labels don't tell.
    """
    axis = find_long_axis(labels, geometry)
    normal = np.asarray(geometry.direction).reshape(3, 3)[:, 2 - slice_axis]
    return 0.0 if axis is None else axis.angle_to(normal)


def looks_planned_otherwise(geometry: Geometry) -> bool:
    """Say whether a grid is that of a 3-D scan along the body's axes, not of a planned short axis.

    Its slices are thin, and they lie across a body axis to within 15°. Collections that lost the patient's
    orientation lie along its axes too, but have thick slices.
    """
    direction = np.abs(np.asarray(geometry.direction).reshape(3, 3)[:, 2])
    thin = geometry.spacing[2] < 4.0 and geometry.spacing[2] < 2.5 * max(geometry.spacing[:2])
    return thin and float(np.degrees(np.arccos(min(direction.max(), 1.0)))) < 15.0


def _beside(mask: np.ndarray, axis: int, sign: int) -> np.ndarray:
    """Return, for each voxel, whether the one beside it along ``axis`` is in ``mask``."""
    moved = np.roll(mask, -sign, axis)
    edge: list[slice | int] = [slice(None)] * 3
    edge[axis] = -1 if sign > 0 else 0
    moved[tuple(edge)] = False
    return moved
