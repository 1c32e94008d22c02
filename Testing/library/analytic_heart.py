"""A left ventricle in closed form, sampled on any grid, with the exact AHA segment of every voxel."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from claimslicer.anatomy import Insertions
from claimslicer.labels import Label
from claimslicer.studies import Geometry
from scipy import ndimage


@dataclass(frozen=True)
class HeartShape:
    """Lengths in mm and angles in degrees; half ellipsoids cut at the base, where they are widest.

    ``turn_deg`` turns the heart in the standard view. Below ``open_base_mm`` of the base the ring lacks the
    sector from 60° to 150°. ``drift`` is how far the axis leans, in mm of x per mm of height.
    """

    radius: float = 32.0
    wall: float = 10.0
    length: float = 84.0
    cap: float = 9.0
    septal_arc: float = 120.0
    turn_deg: float = 7.3
    open_base_mm: float = 0.0
    drift: float = 0.0
    right_ventricle: bool = False


@dataclass(frozen=True)
class AnalyticHeart:
    """Labels and exact truth, ``(z, y, x)``; ``sure`` excludes voxels within one of a segment border."""

    labels: np.ndarray
    geometry: Geometry
    insertions: Insertions
    segments: np.ndarray
    segments_septal: np.ndarray
    sure: np.ndarray
    sure_septal: np.ndarray
    degrees: np.ndarray
    depth: np.ndarray

    @property
    def wall(self) -> np.ndarray:
        """The myocardium, bool."""
        return self.labels == Label.MYOCARDIUM


def make_heart(
    slices: int = 9, spacing: tuple[float, float, float] = (1.5, 1.5, 10.0), shape: HeartShape | None = None
) -> AnalyticHeart:
    """Sample the heart; its slices are spread evenly from the epicardial tip to the base.

    Slices run from apex to base, x to the viewer's right, y down, so the RV lies at negative x.
    """
    shape = shape or HeartShape()
    thick = spacing[2]
    half = shape.radius + 28.0
    ny, nx = (int(2 * half / s) + 1 for s in (spacing[1], spacing[0]))
    base = shape.length
    bottom = base - (slices - 0.5) * thick
    geometry = Geometry((slices, ny, nx), spacing, (-half + 3.1, -half - 2.7, bottom))
    points = geometry.index_to_physical(np.moveaxis(np.indices(geometry.shape), 0, -1))
    u, v, w = np.moveaxis(points, -1, 0)
    u = u - shape.drift * (w - 0.5 * base)
    radius, degrees = np.hypot(u, v), (np.degrees(np.arctan2(-v, u)) - shape.turn_deg) % 360.0

    epi, endo = _radius(w, shape.radius, base, 0.0), _radius(w, shape.radius - shape.wall, base, shape.cap)
    labels = np.zeros(geometry.shape, np.uint8)
    labels[radius < epi] = Label.MYOCARDIUM
    opened = (w > base - shape.open_base_mm) & (degrees > 60.0) & (degrees < 150.0)
    labels[(radius < epi) & opened] = Label.BACKGROUND
    labels[radius < endo] = Label.CAVITY
    inferior = 120.0 + shape.septal_arc
    if shape.right_ventricle:
        beside = (degrees > 120.0) & (degrees < inferior) & (w > 0.25 * base)
        labels[beside & (radius >= epi) & (radius < epi + 22.0)] = Label.RIGHT_VENTRICLE

    thirds = (base - shape.open_base_mm - shape.cap) / 3.0
    level = np.select([w < shape.cap, w < shape.cap + thirds, w < shape.cap + 2 * thirds], [0, 1, 2], 3)
    low, high = (
        np.select([at < shape.cap, at < shape.cap + thirds, at < shape.cap + 2 * thirds], [0, 1, 2], 3)
        for at in (w - 0.5 * thick, w + 0.5 * thick)
    )
    fixed = _segments(level, degrees)
    septal = _segments(level, _stretched(degrees, shape.septal_arc))
    wall = labels == Label.MYOCARDIUM
    clear = wall & (low == high)
    return AnalyticHeart(
        labels=labels,
        geometry=geometry,
        insertions=Insertions(_point(shape, 120.0), _point(shape, inferior)),
        segments=np.where(wall, fixed, 0),
        segments_septal=np.where(wall, septal, 0),
        sure=clear & ~_at_border(fixed),
        sure_septal=clear & ~_at_border(septal),
        degrees=degrees,
        depth=(radius - endo) / np.maximum(epi - endo, 1e-6),
    )


def _radius(w: np.ndarray, widest: float, base: float, tip: float) -> np.ndarray:
    part = np.clip((base - w) / (base - tip), -1.0, 1.0)
    return np.where((w >= tip) & (w <= base), widest * np.sqrt(1.0 - part**2), 0.0)


def _segments(level: np.ndarray, degrees: np.ndarray) -> np.ndarray:
    """Write the definition out: six walls from 60° on for basal and mid, four from 45° on for apical."""
    sixth, quarter = ((degrees - 60.0) % 360.0 // 60.0), ((degrees - 45.0) % 360.0 // 90.0)
    return np.select([level == 3, level == 2, level == 1], [1 + sixth, 7 + sixth, 13 + quarter], 17).astype(
        int
    )


def _stretched(degrees: np.ndarray, arc: float) -> np.ndarray:
    past = (degrees - 120.0) % 360.0
    return (
        120.0 + np.where(past < arc, past / arc * 120.0, 120.0 + (past - arc) / (360.0 - arc) * 240.0)
    ) % 360.0


def _at_border(segments: np.ndarray) -> np.ndarray:
    """Say which voxels have another segment among their eight neighbours in the slice."""
    size = (1, 3, 3)
    return ndimage.maximum_filter(segments, size) != ndimage.minimum_filter(segments, size)


def _point(shape: HeartShape, degrees: float) -> tuple[float, float, float]:
    """Return the LPS point of the epicardium at a bull's-eye angle, 60 % up the axis."""
    angle, w = np.radians(degrees + shape.turn_deg), 0.6 * shape.length
    radius = float(_radius(np.array(w), shape.radius, shape.length, 0.0))
    u = radius * np.cos(angle) + shape.drift * (w - 0.5 * shape.length)
    return float(u), float(-radius * np.sin(angle)), w


def regridded(array: np.ndarray, order: tuple[int, int, int], flips: tuple[bool, bool, bool]) -> np.ndarray:
    """Return ``array`` with its axes in another order and some of them turned round."""
    moved = np.transpose(array, order)
    return np.flip(moved, [axis for axis in range(3) if flips[axis]])


def regridded_geometry(
    geometry: Geometry, order: tuple[int, int, int], flips: tuple[bool, bool, bool]
) -> Geometry:
    """Return the grid that belongs to :func:`regridded` arrays: every voxel stays where it is."""
    axes = np.reshape(geometry.direction, (3, 3))[:, ::-1][:, list(order)]
    corner = np.zeros(3)
    for axis, flip in enumerate(flips):
        if flip:
            corner[order[axis]] = geometry.shape[order[axis]] - 1
            axes[:, axis] *= -1
    spacing = [geometry.spacing_zyx[a] for a in order]
    shape = tuple(geometry.shape[a] for a in order)
    return Geometry(
        shape=(shape[0], shape[1], shape[2]),
        spacing=(spacing[2], spacing[1], spacing[0]),
        origin=tuple(geometry.index_to_physical(corner)),
        direction=tuple(axes[:, ::-1].ravel()),
    )


def moved_geometry(geometry: Geometry, rotation: np.ndarray, shift: np.ndarray) -> Geometry:
    """Return the grid carried through the patient by a rotation (or mirror) and a shift in mm."""
    direction = rotation @ np.reshape(geometry.direction, (3, 3))
    origin = rotation @ np.asarray(geometry.origin) + shift
    return Geometry(geometry.shape, geometry.spacing, tuple(origin), tuple(direction.ravel()))


def moved_insertions(insertions: Insertions, rotation: np.ndarray, shift: np.ndarray) -> Insertions:
    """Carry both points along."""
    anterior, inferior = (
        tuple(float(v) for v in rotation @ np.asarray(p) + shift)
        for p in (insertions.anterior, insertions.inferior)
    )
    return Insertions(anterior, inferior)
