"""The RV insertion points: from an RV label, checked when given, and the angles counted from them."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from scipy import ndimage

from claimslicer.anatomy.coordinates import LongAxis, fit_long_axis
from claimslicer.anatomy.landmarks import AngleRule, Insertions
from claimslicer.anatomy.stack import ShortAxisStack, make_stack
from claimslicer.errors import AnatomyError
from claimslicer.labels import Label
from claimslicer.studies.geometry import Geometry

_SHORTEST_ARC_DEG, _LONGEST_ARC_DEG = 40.0, 175.0
"""Septal arcs of real hearts are about 90° to 140°."""
_FARTHEST_MM = 20.0
"""A point farther than this from the wall is not where the RV joins it."""
_TOUCH_PIXELS = 0.5
"""Wall voxels no more than this farther from the RV than the nearest one count as touched by it."""


def insertions_from_rv(
    labels: np.ndarray, geometry: Geometry, *, apex_first: bool | None = None, mirrored: bool = False
) -> Insertions:
    """Find the insertions as the two ends of the outer wall that the RV label touches.

    Angles are medians over the slices with a full ring and RV. Which end is anterior follows from where
    things are in the patient: seen from the apex with the RV on the left, anterior is up. ``mirrored`` says
    that the header's orientation shows the heart as in a mirror. The confidence falls with the spread between
    slices.
    Raises :class:`AnatomyError` when no slice has both a wall and RV.
    """
    stack = make_stack(labels, geometry, apex_first)
    axis = fit_long_axis(stack)
    ends = {k: _touched_ends(stack, axis, k) for k in np.flatnonzero(stack.full_ring).tolist()}
    slices = [k for k, end in ends.items() if end is not None]
    found = np.array([ends[k] for k in slices])
    if not slices:
        raise AnatomyError(
            "The RV label touches no slice of the left ventricle; give the two insertion points."
        )
    middle = _circular_median(found)
    # Counter-clockwise as seen from the apex, the septum runs from the anterior to the inferior insertion.
    spread = np.abs((found - middle + 180.0) % 360.0 - 180.0).mean()
    points = [_epicardial_point(stack, axis, slices[len(slices) // 2], angle) for angle in middle]
    result = Insertions(points[0], points[1], "rv-label", float(np.clip(1.0 - spread / 45.0, 0.0, 1.0)))
    return swapped(result) if mirrored else result


def swapped(insertions: Insertions) -> Insertions:
    """Return the insertions with anterior and inferior exchanged."""
    return replace(insertions, anterior=insertions.inferior, inferior=insertions.anterior)


def _touched_ends(stack: ShortAxisStack, axis: LongAxis, k: int) -> tuple[float, float] | None:
    """Return the raw angles between which the RV touches the wall of slice ``k``, counter-clockwise."""
    right = stack.labels[k] == Label.RIGHT_VENTRICLE
    if not right.any():
        return None
    spacing = stack.geometry.spacing_zyx[1:]
    rim = stack.myocardium[k] & ~ndimage.binary_erosion(stack.myocardium[k] | stack.cavity[k])
    distance = ndimage.distance_transform_edt(~right, sampling=spacing)
    touched = np.argwhere(rim & (distance <= distance[rim].min() + _TOUCH_PIXELS * max(spacing)))
    points = stack.geometry.index_to_physical(np.column_stack([np.full(len(touched), k), touched]))
    centroid = stack.geometry.index_to_physical(np.array([k, *ndimage.center_of_mass(right)]))
    towards = float(axis.angle(centroid))
    relative = (axis.angle(points) - towards + 180.0) % 360.0 - 180.0
    relative = relative[np.abs(relative) < 120.0]
    if len(relative) < 2:
        return None
    return towards + float(relative.min()), towards + float(relative.max())


def _circular_median(angles: np.ndarray) -> np.ndarray:
    """Return the median down the columns of ``angles`` in degrees, whatever turn they are counted in."""
    reference = np.degrees(np.angle(np.exp(1j * np.radians(angles)).mean(axis=0)))
    return reference + np.median((angles - reference + 180.0) % 360.0 - 180.0, axis=0)


def _epicardial_point(
    stack: ShortAxisStack, axis: LongAxis, k: int, angle: float
) -> tuple[float, float, float]:
    """Return the LPS point of the outer wall of slice ``k`` nearest to ``angle``."""
    inside = stack.myocardium[k] | stack.cavity[k]
    rim = np.argwhere(stack.myocardium[k] & ~ndimage.binary_erosion(inside))
    points = stack.geometry.index_to_physical(np.column_stack([np.full(len(rim), k), rim]))
    apart = np.abs((axis.angle(points) - angle + 180.0) % 360.0 - 180.0)
    radius = float(np.median(np.linalg.norm(axis.offset(points[apart <= max(10.0, apart.min())]), axis=1)))
    return axis.point_at(stack.centres[k], angle, radius)


def septal_arc(
    stack: ShortAxisStack, axis: LongAxis, insertions: Insertions, mirrored: bool
) -> tuple[float, float]:
    """Return the raw angle of the anterior insertion and the arc from there to the inferior one, in degrees.

    Raises :class:`AnatomyError` for points that are not beside the wall, are too close together or too far
    apart, or lie the wrong way round.
    """
    points = np.array([insertions.anterior, insertions.inferior], float)
    for point, name in zip(points, ("anterior", "inferior"), strict=True):
        _check_beside_wall(stack, axis, point, name)
    anterior, inferior = axis.angle(points)
    turn = -1.0 if mirrored else 1.0
    arc = float(turn * (inferior - anterior) % 360.0)
    if min(arc, 360.0 - arc) < _SHORTEST_ARC_DEG:
        raise AnatomyError(
            f"The two insertion points are only {min(arc, 360.0 - arc):.0f}° apart round the ventricle; "
            "place one at each end of the septum."
        )
    if _LONGEST_ARC_DEG < arc < 360.0 - _LONGEST_ARC_DEG:
        raise AnatomyError(
            "The two insertion points face each other across the ventricle, so either side could be the "
            "septum; place them where the right ventricle's wall joins."
        )
    if arc > 180.0:
        raise AnatomyError(
            "The insertion points lie the wrong way round for this patient orientation and order of slices: "
            "check which end of the stack is the apex, else exchange anterior and inferior. Where the header "
            "is wrong, the command line takes --mirrored."
        )
    return float(anterior), arc


def _check_beside_wall(stack: ShortAxisStack, axis: LongAxis, point: np.ndarray, name: str) -> None:
    """Refuse a point that is not a number, above or below the stack, or far from the wall."""
    if not np.isfinite(point).all():
        raise AnatomyError(f"The {name} insertion point is not a number; give three LPS coordinates in mm.")
    wall = np.argwhere(stack.myocardium)
    slice_distance = np.abs(stack.geometry.physical_to_index(point)[0] - wall[:, 0])
    wall = wall[slice_distance == slice_distance.min()]
    radii = np.linalg.norm(axis.offset(stack.geometry.index_to_physical(wall)), axis=1)
    radius = float(np.linalg.norm(axis.offset(point)))
    if slice_distance.min() > 1.0 or radius > radii.max() + _FARTHEST_MM:
        raise AnatomyError(
            f"The {name} insertion point lies outside the left ventricle's slices or far from its wall; "
            "move it (LPS coordinates in mm) to where the right ventricle joins the wall."
        )
    if radius < 0.5 * radii.min():
        raise AnatomyError(
            f"The {name} insertion point lies in the middle of the cavity; move it to the outer wall where "
            "the right ventricle joins."
        )


def bullseye_angle(raw: np.ndarray, start: float, arc: float, rule: AngleRule, mirrored: bool) -> np.ndarray:
    """Turn raw angles into bull's-eye degrees [0, 360): 120 at the anterior insertion, septum following.

    With "septal" the septum's ``arc`` is stretched to 120° and the free wall to the other 240°.
    """
    past = ((start - raw) if mirrored else (raw - start)) % 360.0
    if rule == "septal":
        past = np.interp(past, [0.0, arc, 360.0], [0.0, 120.0, 360.0])
    return (120.0 + past) % 360.0
