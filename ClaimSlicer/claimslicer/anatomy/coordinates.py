"""Longitudinal and transmural coordinates, raw angles, and AHA segments, on a canonical stack."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import ndimage

from claimslicer.anatomy.aha import segments_at
from claimslicer.anatomy.stack import ShortAxisStack
from claimslicer.errors import AnatomyError

_OPEN_TILT_DEG = 25.0
"""A stack is planned across the long axis; a fitted tilt below this is put down to breath-hold shifts."""
_EDGE_DEG = 15.0
"""The wall within this angle of a hole's edge gives the radii with which the hole is bridged."""


@dataclass(frozen=True)
class LongAxis:
    """The long axis of a stack, all along it in mm.

    ``direction`` is a unit vector in LPS from apex to base and ``centres`` ``(n, 3)`` a point of it in each
    slice. ``apex`` and ``base`` bound the wall, ``cavity_end`` is where the cavity ends towards the apex, and
    ``lower_third`` and ``upper_third`` cut the part with a full ring into equal thirds.
    """

    direction: np.ndarray
    centres: np.ndarray
    apex: float
    base: float
    cavity_end: float
    lower_third: float
    upper_third: float

    def height(self, points: np.ndarray) -> np.ndarray:
        """Return how far ``(..., 3)`` LPS points lie along the axis, in mm."""
        return points @ self.direction

    def offset(self, points: np.ndarray) -> np.ndarray:
        """Return ``(..., 3)`` vectors in mm from the axis to LPS points, perpendicular to its direction."""
        at = self.height(self.centres)
        height = np.clip(self.height(points), at[0], at[-1])
        centre = np.stack([np.interp(height, at, self.centres[:, i]) for i in range(3)], axis=-1)
        vector = points - centre
        return vector - self.height(vector)[..., None] * self.direction

    def angle(self, points: np.ndarray) -> np.ndarray:
        """Return degrees counter-clockwise as seen from the apex, from an arbitrary but fixed start."""
        first, second = _in_plane(self.direction)
        vector = self.offset(points)
        return np.degrees(np.arctan2(vector @ second, vector @ first))

    def point_at(self, centre: np.ndarray, degrees: float, radius: float) -> tuple[float, float, float]:
        """Return the LPS point ``radius`` mm from ``centre`` in the direction of a raw angle."""
        first, second = _in_plane(self.direction)
        point = centre + radius * (np.cos(np.radians(degrees)) * first + np.sin(np.radians(degrees)) * second)
        return float(point[0]), float(point[1]), float(point[2])


def _in_plane(direction: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return two unit vectors across ``direction``; the second is counter-clockwise seen along it."""
    first = np.cross(direction, np.eye(3)[np.argmin(np.abs(direction))])
    first /= np.linalg.norm(first)
    return first, np.cross(first, direction)


def fit_long_axis(stack: ShortAxisStack) -> LongAxis:
    """Fit the long axis of ``stack`` and cut it into thirds over the slices with a full ring.

    Slices keep one level each unless the fitted line is tilted by more than 25° against their normal.
    Where fewer than three slices have a full ring, the open ones with cavity count as well. Raises
    :class:`AnatomyError` when fewer than three slices hold cavity.
    """
    with_cavity = np.flatnonzero(stack.has_cavity & (stack.gaps_deg < 360.0))
    if len(with_cavity) < 3:
        raise AnatomyError(
            f"Only {len(with_cavity)} slice(s) hold both cavity and myocardium, and basal, mid and apical "
            "levels need at least three; label more slices."
        )
    rings = np.flatnonzero(stack.full_ring)
    rings = rings if len(rings) >= 3 else with_cavity
    direction = _axis_direction(stack)
    half = 0.5 * stack.geometry.spacing[2] * float(direction @ stack.apex_to_base)
    wall, cavity = (
        stack.geometry.index_to_physical(np.argwhere(mask)) @ direction
        for mask in (stack.myocardium, stack.cavity)
    )
    ring = stack.centres[rings] @ direction
    low, high = ring.min() - half, ring.max() + half
    return LongAxis(
        direction=direction,
        centres=stack.centres,
        apex=float(wall.min() - half),
        base=float(wall.max() + half),
        cavity_end=float(cavity.min() - half),
        lower_third=float(low + (high - low) / 3.0),
        upper_third=float(high - (high - low) / 3.0),
    )


def _axis_direction(stack: ShortAxisStack) -> np.ndarray:
    """Return the slices' normal, or the line fitted through the centres where it is clearly tilted."""
    slices = np.flatnonzero(stack.has_cavity)
    weights = np.sqrt(stack.cavity.sum(axis=(1, 2))[slices])
    line = np.polyfit(slices, stack.centres[slices], 1, w=weights)[0]
    line /= np.linalg.norm(line)
    tilt = np.degrees(np.arccos(np.clip(line @ stack.apex_to_base, -1.0, 1.0)))
    return line if tilt > _OPEN_TILT_DEG else stack.apex_to_base


def assign_segments(axis: LongAxis, height: np.ndarray, bullseye_deg: np.ndarray) -> np.ndarray:
    """Return AHA segment numbers (uint8) for heights in mm along ``axis`` and bull's-eye angles."""
    basal, mid, apical, apex = (
        segments_at(level, bullseye_deg) for level in ("basal", "mid", "apical", "apex")
    )
    tiny = 1e-6 * (axis.base - axis.apex)
    return np.select(
        [height < axis.cavity_end - tiny, height < axis.lower_third - tiny, height < axis.upper_third - tiny],
        [apex, apical, mid],
        basal,
    )


def transmural_depth(stack: ShortAxisStack) -> np.ndarray:
    """Return 0 (endocardium) to 1 (epicardium) for each voxel of the wall, NaN elsewhere, float32.

    The depth is d_endo / (d_endo + d_epi), distances in mm to the faces of the nearest voxels of the cavity
    and of the outside; within the slice, as thick slices ask for, and in three dimensions in the apical cap.
    Holes in an open ring are bridged, so that the wall beside an outflow tract isn't taken for its surface.
    """
    depth = np.full(stack.labels.shape, np.nan, np.float32)
    wall, cavity = stack.myocardium, stack.cavity
    with_cavity = np.flatnonzero(stack.has_cavity)
    spacing = stack.geometry.spacing_zyx
    for k in np.flatnonzero(wall.any(axis=(1, 2))).tolist():
        if k < with_cavity[0]:
            continue
        inner = cavity[with_cavity[np.argmin(np.abs(with_cavity - k))]]
        outer = ~(wall[k] | inner)
        if not stack.full_ring[k]:
            inner, outer = _bridge_hole(stack, k, inner, outer)
        depth[k][wall[k]] = _depth_ratio(wall[k], inner, outer, spacing[1:])
    if wall[: with_cavity[0]].any():
        _fill_cap(depth, wall, cavity, with_cavity[0], spacing)
    return depth


def _fill_cap(
    depth: np.ndarray, wall: np.ndarray, cavity: np.ndarray, first: int, spacing: tuple[float, ...]
) -> None:
    """Write the depth of the wall below slice ``first``, where the cavity ends, into ``depth``."""
    block = slice(0, first + 1)
    # Padding stands for the outside below the apex.
    cap, inner = (np.pad(mask[block], ((1, 0), (1, 1), (1, 1))) for mask in (wall, cavity))
    whole = _depth_ratio(cap, inner, ~(cap | inner), spacing)
    values = np.full(cap.shape, np.nan, np.float32)
    values[cap] = whole
    below = values[1:-1, 1:-1, 1:-1]
    depth[:first][wall[:first]] = below[wall[:first]]


def _depth_ratio(
    wall: np.ndarray, inner: np.ndarray, outer: np.ndarray, spacing: tuple[float, ...]
) -> np.ndarray:
    """Return d_endo / (d_endo + d_epi) of the voxels of ``wall``, in the order of ``argwhere``."""
    # One voxel beyond wall and cavity is far enough: whatever lies farther out is not the nearest.
    first, last = (f(np.argwhere(wall | inner), axis=0) for f in (np.min, np.max))
    box = tuple(slice(max(low - 1, 0), high + 2) for low, high in zip(first, last, strict=True))
    endo = _distance_to_faces(wall[box], inner[box], spacing)
    epi = _distance_to_faces(wall[box], outer[box], spacing)
    return (endo / (endo + epi)).astype(np.float32)


def _distance_to_faces(wall: np.ndarray, target: np.ndarray, spacing: tuple[float, ...]) -> np.ndarray:
    """Return mm from the centre of each voxel of ``wall`` to the nearest face of a voxel of ``target``."""
    if not target.any():
        raise AnatomyError("The ventricle fills a whole slice; give images that reach beyond it.")
    # On a lattice of half voxels, where voxels are closed boxes, distances from centres to boxes are exact.
    boxes = target
    for axis in range(target.ndim):
        halves = np.repeat(boxes, 2, axis=axis)
        after, before = ([(0, 0)] * target.ndim for _ in range(2))
        after[axis], before[axis] = (0, 1), (1, 0)
        boxes = np.pad(halves, after) | np.pad(halves, before)
    distance = ndimage.distance_transform_edt(~boxes, sampling=[s / 2.0 for s in spacing])
    return distance[(slice(1, None, 2),) * target.ndim][wall]


def _bridge_hole(
    stack: ShortAxisStack, k: int, inner: np.ndarray, outer: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Return cavity and outside of slice ``k`` as if its wall went on across its largest hole."""
    spacing = np.asarray(stack.geometry.spacing_zyx[1:])
    centre = stack.geometry.physical_to_index(stack.centres[k])[1:]
    offset = (np.moveaxis(np.indices(inner.shape), 0, -1) - centre) * spacing
    radius, angle = (
        np.hypot(offset[..., 0], offset[..., 1]),
        np.degrees(np.arctan2(offset[..., 0], offset[..., 1])),
    )
    wall = stack.myocardium[k]
    wall_angle = np.sort(angle[wall])
    jumps = np.append(np.diff(wall_angle), wall_angle[0] + 360.0 - wall_angle[-1])
    start, width = wall_angle[np.argmax(jumps)], jumps.max()
    along = (angle - start) % 360.0
    near_edge = [wall & (np.abs((along - edge + 180.0) % 360.0 - 180.0) < _EDGE_DEG) for edge in (0.0, width)]
    endo, epi = (
        np.interp(along, [0.0, width], [pick(radius[edge]) for edge in near_edge])
        for pick in (np.min, np.max)
    )
    hole = (along > 0) & (along < width)
    return inner | (hole & (radius < endo)), outer & ~(hole & (radius <= epi))
