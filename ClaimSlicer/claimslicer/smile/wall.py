"""The LV wall as a list of points: all that SMILE computes is computed on these, not on the voxel grid."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from claimslicer.anatomy.frame import LVFrame


@dataclass(frozen=True)
class Wall:
    """The N myocardial voxels of a frame.

    ``index`` is (N, 3) in array order; ``position_mm`` (N, 3) is in LPS; ``angle_rad``, ``longitudinal``,
    ``depth`` (0 endocardium, 1 epicardium) and ``segment`` are (N,). ``length_mm``, ``radius_mm`` and
    ``thickness_mm`` are the LV's own: apex to base, mid-wall radius, and mean wall thickness; with them the
    ventricular coordinates are turned into millimetres along and through the wall. ``radii_mm`` are the
    coefficients of the quadratic that gives the mid-wall radius at a longitudinal coordinate.
    """

    index: np.ndarray
    position_mm: np.ndarray
    angle_rad: np.ndarray
    longitudinal: np.ndarray
    depth: np.ndarray
    segment: np.ndarray
    length_mm: float
    radius_mm: float
    thickness_mm: float
    radii_mm: tuple[float, float, float]

    @cached_property
    def unrolled_mm(self) -> np.ndarray:
        """Places (N, 3) in mm on the mid-wall surface, the same for all depths of one place of the wall.

        Distances between them are distances along the wall, as a chord cuts them short. The surface is that
        of a body of revolution: its radius at each height is the LV's own there, by a quadratic fit.
        """
        radius = np.maximum(np.polyval(self.radii_mm, self.longitudinal), 0.2 * self.radius_mm)
        along = self.longitudinal * self.length_mm
        return np.stack([radius * np.cos(self.angle_rad), radius * np.sin(self.angle_rad), along], axis=1)

    @property
    def size(self) -> int:
        """Number of voxels."""
        return len(self.depth)

    def part(self, members: np.ndarray) -> Wall:
        """Return the points of ``members`` (N, bool) as a wall of the same LV."""
        return replace(
            self,
            index=self.index[members],
            position_mm=self.position_mm[members],
            angle_rad=self.angle_rad[members],
            longitudinal=self.longitudinal[members],
            depth=self.depth[members],
            segment=self.segment[members],
        )

    def to_grid(self, values: np.ndarray, outside: float = 0) -> np.ndarray:
        """Return ``values`` (N,) on the smallest ``(z, y, x)`` box that holds the wall."""
        first = self.index.min(axis=0)
        box = np.full(self.index.max(axis=0) - first + 1, outside, values.dtype)
        box[tuple((self.index - first).T)] = values
        return box

    def from_grid(self, box: np.ndarray) -> np.ndarray:
        """Return the values (N,) of a box made by :meth:`to_grid`."""
        return box[tuple((self.index - self.index.min(axis=0)).T)]

    def label(self, members: np.ndarray) -> np.ndarray:
        """Return the number (N,) of the connected part (26 neighbours) of ``members`` (N, bool), or 0."""
        from scipy import ndimage  # here, as Slicer imports this file when it starts

        numbered, _ = ndimage.label(self.to_grid(members), np.ones((3, 3, 3)))
        return self.from_grid(numbered)

    def stable_order(self, score: np.ndarray) -> np.ndarray:
        """Return the indices by falling ``score``; ties go by coordinates, never by array layout."""
        return np.lexsort((self.depth, self.angle_rad, self.longitudinal, -score))


def wall_of(frame: LVFrame) -> Wall:
    """Return the wall of ``frame`` as points; voxels that belong to no AHA segment are left out."""
    index = np.argwhere(frame.segments > 0)
    at = tuple(index.T)
    longitudinal = frame.longitudinal[at].astype(float)
    depth = frame.transmural[at].astype(float)
    position = frame.geometry.index_to_physical(index)
    length, radius, thickness, radii = _dimensions(position, longitudinal, depth)
    return Wall(
        index=index,
        position_mm=position,
        angle_rad=np.radians(frame.circumferential[at].astype(float)),
        longitudinal=longitudinal,
        depth=depth,
        segment=frame.segments[at],
        length_mm=length,
        radius_mm=radius,
        thickness_mm=thickness,
        radii_mm=radii,
    )


def distance_mm(points: Wall, others: Wall) -> np.ndarray:
    """Return the distance (N,) in mm of each of N ``points`` to the nearest of ``others``; infinite if
    none.
    """
    return _nearest(points.position_mm, others.position_mm)


def distance_along_mm(points: Wall, others: Wall) -> np.ndarray:
    """Return the distance (N,) along the wall, in mm, of each of N ``points`` to the nearest of ``others``.

    How deep in the wall they lie doesn't count. Infinite if there are no others.
    """
    return _nearest(points.unrolled_mm, others.unrolled_mm)


def _nearest(points: np.ndarray, others: np.ndarray) -> np.ndarray:
    from scipy.spatial import cKDTree

    if len(others) == 0:
        return np.full(len(points), np.inf)
    # One query per tree: a quick build pays more than a good tree.
    tree = cKDTree(others, balanced_tree=False, compact_nodes=False)
    distance, _ = tree.query(points)
    return distance


def _dimensions(
    position: np.ndarray, longitudinal: np.ndarray, depth: np.ndarray
) -> tuple[float, float, float, tuple[float, float, float]]:
    """Return apex-to-base length, mid-wall radius and wall thickness in mm, and the radius along the axis.

    All by least squares. Position is regressed on the longitudinal coordinate: the slope is the long axis.
    What is left is the distance from that axis, which regressed on depth gives the endocardial radius and
    the thickness; what is left of that, regressed on the longitudinal coordinate and its square, gives the
    radius along the axis.
    """
    centred = longitudinal - longitudinal.mean()
    spread = max(float(centred @ centred), 1e-12)
    slope = centred @ (position - position.mean(axis=0)) / spread
    residual = position - position.mean(axis=0) - centred[:, None] * slope
    design = np.stack([np.ones_like(depth), depth], axis=1)
    distance = np.linalg.norm(residual, axis=1)
    (inner, thickness), *_ = np.linalg.lstsq(design, distance, rcond=None)
    at_mid_wall = distance - thickness * (depth - 0.5)
    radii, *_ = np.linalg.lstsq(np.stack([longitudinal**2, longitudinal, design[:, 0]], 1), at_mid_wall, None)
    return (
        max(float(np.linalg.norm(slope)), 1.0),
        max(float(inner + thickness / 2), 1.0),
        max(float(thickness), 1.0),
        (float(radii[0]), float(radii[1]), float(radii[2])),
    )
