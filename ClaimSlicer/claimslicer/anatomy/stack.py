"""A short-axis stack in one canonical order, whatever grid the study has.

Everything in this room works on a crop round the heart whose first axis runs from the apex to the base; what
it finds is put back on the study's own grid by :meth:`ShortAxisStack.restore`.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import ndimage

from claimslicer.anatomy.axis import ACROSS_DEG, off_axis_deg
from claimslicer.errors import AnatomyError
from claimslicer.labels import Label, myocardium_mask
from claimslicer.studies.geometry import Geometry

_THICK_SLICES = 1.5
"""From this ratio of spacings on, the coarsest axis is the slice axis without looking at the labels."""
_RING_GAP_DEG = 30.0
"""A wall whose largest hole seen from the centre is smaller counts as a full ring."""


@dataclass(frozen=True)
class ShortAxisStack:
    """Labels cropped to the heart, ``(slice, row, column)``, the apical slice first.

    ``geometry`` belongs to the crop. ``centres`` ``(n, 3)`` are the cavity's centres in LPS mm, one a slice,
    lightly smoothed and continued where there is no cavity. ``gaps_deg`` ``(n,)`` is the largest angle of
    each slice without any wall (360 where there is none), ``full_ring`` ``(n,)`` says where the wall closes.
    ``apex_first`` tells the order of the study's own array along ``slice_axis``.
    """

    labels: np.ndarray
    geometry: Geometry
    centres: np.ndarray
    gaps_deg: np.ndarray
    full_ring: np.ndarray
    slice_axis: int
    apex_first: bool
    _full_shape: tuple[int, int, int]
    _box: tuple[slice, slice, slice]

    @property
    def myocardium(self) -> np.ndarray:
        """The wall, bool, ``(slice, row, column)``."""
        return myocardium_mask(self.labels)

    @property
    def cavity(self) -> np.ndarray:
        """The LV blood pool, bool, ``(slice, row, column)``."""
        return np.equal(self.labels, Label.CAVITY)

    @property
    def has_cavity(self) -> np.ndarray:
        """Which slices hold cavity, bool ``(n,)``."""
        return np.asarray(self.cavity.any(axis=(1, 2)))

    @property
    def apex_to_base(self) -> np.ndarray:
        """Unit normal of the slices in LPS, from apex to base."""
        return np.asarray(self.geometry.direction).reshape(3, 3)[:, 2]

    def crop(self, array: np.ndarray) -> np.ndarray:
        """Take an array on the study's grid to the canonical crop."""
        moved = np.moveaxis(array[self._box], self.slice_axis, 0)
        return moved if self.apex_first else moved[::-1]

    def restore(self, array: np.ndarray, fill: float) -> np.ndarray:
        """Put an array of the canonical crop back on the study's grid, ``fill`` elsewhere."""
        ordered = array if self.apex_first else array[::-1]
        full = np.full(self._full_shape, fill, array.dtype)
        full[self._box] = np.moveaxis(ordered, 0, self.slice_axis)
        return full


def make_stack(labels: np.ndarray, geometry: Geometry, apex_first: bool | None = None) -> ShortAxisStack:
    """Bring ``labels`` ``(z, y, x)`` of :class:`~claimslicer.labels.Label` values into canonical order.

    ``apex_first`` overrules the slice order that is read off the labels (:func:`find_slice_order`).
    Raises :class:`AnatomyError` when the labels can't be those of a left ventricle in short-axis slices.
    """
    _check(labels, geometry)
    labels = labels.astype(np.uint8, copy=False)
    axis = find_slice_axis(labels, geometry)
    _check_across(labels, geometry, axis)
    box = _bounding_box(labels)
    canonical = np.moveaxis(labels[box], axis, 0)
    if apex_first is None:
        apex_first = find_slice_order(canonical, _reordered(geometry, box, axis, True))
    grid = _reordered(geometry, box, axis, apex_first)
    canonical = np.ascontiguousarray(canonical if apex_first else canonical[::-1])
    centres = _centres(canonical == Label.CAVITY, grid)
    gaps, full = _ring_gaps(canonical, grid, centres)
    return ShortAxisStack(canonical, grid, centres, gaps, full, axis, apex_first, geometry.shape, box)


def _check(labels: np.ndarray, geometry: Geometry) -> None:
    """Refuse labels and grids that no frame can be built on."""
    if labels.ndim != 3:
        raise AnatomyError(f"The labels have {labels.ndim} dimensions; give one three-dimensional label map.")
    if labels.shape != tuple(geometry.shape):
        raise AnatomyError(
            f"The labels measure {labels.shape} voxels but their grid says {tuple(geometry.shape)}; "
            "give the labels that belong to this study."
        )
    if not np.isfinite(labels).all() or not np.isin(np.unique(labels), list(Label)).all():
        raise AnatomyError(
            "The label map holds values other than the whole numbers 0 to 5; read it with read_labels, "
            "which translates other conventions."
        )
    numbers = (*geometry.spacing, *geometry.origin, *geometry.direction)
    if (
        not np.isfinite(numbers).all()
        or min(geometry.spacing) <= 0
        or np.linalg.matrix_rank(geometry.matrix) < 3
    ):
        raise AnatomyError("The study's spacing or direction is not usable; correct its header.")
    for present, name in (
        (myocardium_mask(labels).any(), "myocardium"),
        ((labels == Label.CAVITY).any(), "cavity"),
    ):
        if not present:
            raise AnatomyError(
                f"The labels hold no left-ventricular {name}; segment the study first or give labels that do."
            )


def _check_across(labels: np.ndarray, geometry: Geometry, axis: int) -> None:
    """Refuse slices that don't lie across the ventricle: segments and transmurality would be wrong."""
    off = off_axis_deg(labels, geometry, axis)
    if off > ACROSS_DEG:
        raise AnatomyError(
            f"The slices lie {off:.0f}° off the ventricle's short axis, so segments and transmurality can't "
            "be told on them; make a short-axis stack first: Reformat in the panel, --reformat FILE in the "
            "command line."
        )


def find_slice_axis(labels: np.ndarray, geometry: Geometry) -> int:
    """Return the array axis across which the short-axis slices lie.

    That is the coarsest axis; where spacings are alike, the one in whose slices the wall encloses most of
    the cavity (a long-axis view is open at the base).
    """
    spacing = np.asarray(geometry.spacing_zyx)
    coarse = int(np.argmax(spacing))
    if spacing[coarse] >= _THICK_SLICES * np.delete(spacing, coarse).max():
        return coarse
    box = _bounding_box(labels)
    wall, cavity = myocardium_mask(labels[box]), labels[box] == Label.CAVITY
    enclosed = [
        sum(
            int((ndimage.binary_fill_holes(w) & c).sum())
            for w, c in zip(np.moveaxis(wall, axis, 0), np.moveaxis(cavity, axis, 0), strict=True)
        )
        for axis in range(3)
    ]
    return int(np.argmax(enclosed))


def find_slice_order(labels: np.ndarray, geometry: Geometry) -> bool:
    """Say whether the first slice of ``labels`` ``(slice, row, column)`` is the apical one.

    Signs are weighed together: the ventricle, and an RV where one is labelled, widen toward the base; a disc
    of wall without cavity is the apex; an open ring is the base. Raises :class:`AnatomyError` on a draw.
    """
    wall, cavity = myocardium_mask(labels), labels == Label.CAVITY
    present = np.flatnonzero((wall | cavity).any(axis=(1, 2)))
    area = (wall | cavity).sum(axis=(1, 2))[present]
    score = _trend(area)
    right = (labels == Label.RIGHT_VENTRICLE).sum(axis=(1, 2))[present]
    if right.any():
        score += _trend(right)
    _, full = _ring_gaps(labels, geometry, _centres(cavity, geometry))
    has_cavity = cavity.any(axis=(1, 2))
    for end, sign in ((present[0], 1.0), (present[-1], -1.0)):
        closed_cap = not has_cavity[end] and _is_disc(wall[end])
        score += sign * (float(closed_cap) - 0.5 * float(has_cavity[end] and not full[end]))
    if abs(score) < 0.05:
        raise AnatomyError(
            "The labels don't tell which end of the stack is the apex; say so (Slices in the panel, "
            "--apex-first or --apex-last), or label more slices."
        )
    return bool(score > 0)


def _trend(values: np.ndarray) -> float:
    """Return the rank correlation of ``values`` with their position, −1 to 1."""
    if len(values) < 2 or np.ptp(values) == 0:
        return 0.0
    position = np.arange(len(values), dtype=float)
    difference = np.sign(values[None, :].astype(float) - values[:, None]) * np.sign(
        position[None, :] - position[:, None]
    )
    return float(difference.sum() / (len(values) * (len(values) - 1)))


def _is_disc(wall: np.ndarray) -> bool:
    """Say whether a slice of wall covers its own centre, as the apical cap does and a crescent does not."""
    if not wall.any():
        return False
    row, column = np.rint(np.argwhere(wall).mean(axis=0)).astype(int)
    return bool(wall[row, column])


def _bounding_box(labels: np.ndarray) -> tuple[slice, slice, slice]:
    """Return the box of everything labelled, with one voxel of margin."""
    boxes = ndimage.find_objects((labels > 0).astype(np.uint8))[0]
    z, y, x = (
        slice(max(s.start - 1, 0), min(s.stop + 1, n)) for s, n in zip(boxes, labels.shape, strict=True)
    )
    return z, y, x


def _reordered(geometry: Geometry, box: tuple[slice, slice, slice], axis: int, apex_first: bool) -> Geometry:
    """Return the grid of the crop ``box`` with ``axis`` in front, turned if the base comes first."""
    order = [axis, *(a for a in range(3) if a != axis)]
    corner = np.array([s.start for s in box], float)
    directions = np.asarray(geometry.direction).reshape(3, 3)[:, ::-1][:, order]
    if not apex_first:
        corner[axis] = box[axis].stop - 1
        directions = directions * [-1.0, 1.0, 1.0]
    shape = [box[a].stop - box[a].start for a in order]
    spacing = [geometry.spacing_zyx[a] for a in order]
    return Geometry(
        shape=(shape[0], shape[1], shape[2]),
        spacing=(spacing[2], spacing[1], spacing[0]),
        origin=tuple(geometry.index_to_physical(corner)),
        direction=tuple(directions[:, ::-1].ravel()),
    )


def _centres(cavity: np.ndarray, geometry: Geometry) -> np.ndarray:
    """Return the cavity's centre in each slice ``(n, 3)``, LPS mm, continued where there is none."""
    area = cavity.sum(axis=(1, 2))
    known = np.flatnonzero(area)
    raw = np.array([ndimage.center_of_mass(cavity[k]) for k in known])
    smooth = raw.copy()
    smooth[1:-1] = (raw[:-2] + 2.0 * raw[1:-1] + raw[2:]) / 4.0
    every = np.arange(len(cavity))
    in_plane = np.stack([np.interp(every, known, smooth[:, i]) for i in range(2)], axis=1)
    if len(known) > 1:
        slope = np.polyfit(known, raw, 1, w=np.sqrt(area[known]))[0]
        beyond = every - np.clip(every, known[0], known[-1])
        in_plane += beyond[:, None] * slope
    return geometry.index_to_physical(np.column_stack([every, in_plane]))


def _ring_gaps(labels: np.ndarray, geometry: Geometry, centres: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the largest angle without wall of each slice in degrees, and which slices have a full ring."""
    gaps, full = np.full(len(labels), 360.0), np.zeros(len(labels), bool)
    pixel = max(geometry.spacing[:2])
    has_cavity = (labels == Label.CAVITY).any(axis=(1, 2))
    centres_yx = geometry.physical_to_index(centres)[:, 1:]
    for k, wall in enumerate(myocardium_mask(labels)):
        offset = (np.argwhere(wall) - centres_yx[k]) * geometry.spacing_zyx[1:]
        if len(offset) < 2:
            continue
        angle = np.sort(np.degrees(np.arctan2(offset[:, 0], offset[:, 1])))
        gaps[k] = max(np.diff(angle).max(), angle[0] + 360.0 - angle[-1])
        # Near the apex neighbouring voxels of a closed ring are themselves many degrees apart.
        one_voxel = np.degrees(pixel / np.median(np.linalg.norm(offset, axis=1)).clip(min=pixel))
        full[k] = has_cavity[k] and gaps[k] <= _RING_GAP_DEG + one_voxel
    return gaps, full
