"""The caption of any scar mask, measured by rule, and the specification that the caption reads back into.

A mask is measured in its LV frame by AHA segment and wall layer (17 × 3, as LGESynthNet's captions are), and
said in the words of :mod:`claimslicer.smile.words`, so that ``parse(caption(mask, frame))`` equals
``specification(mask, frame)``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from claimslicer.errors import SpecificationError
from claimslicer.labels import ScarLabel
from claimslicer.smile.layers import layer_voxels, measured_pattern
from claimslicer.smile.lesion import in_plane_mm
from claimslicer.smile.spec import ScarSpec
from claimslicer.smile.wall import Wall, distance_mm, wall_of
from claimslicer.smile.words import describe

if TYPE_CHECKING:
    from claimslicer.anatomy.frame import LVFrame

MINOR = 0.02
"""Segments that hold at most this share of the scar, all together, go unnamed: an edge crosses a border."""

_OUTLIERS = (0.1, 0.04, 0.0)
"""Shares of the scar that may lie outside the named depths, tried in this order until the scar has room."""


def caption(mask: np.ndarray, frame: LVFrame, intensity: np.ndarray | None = None) -> str:
    """Return the sentence that says what scar ``mask`` (:class:`ScarLabel`, ``(z, y, x)``) holds.

    Arguments and errors are those of :func:`specification`. Besides what the specification keeps, the
    sentence tells the volume in ml, its share of the LV's mass, and the class of the mean transmurality where
    there is scar.
    """
    from claimslicer.quantification.chords import wall_chords
    from claimslicer.quantification.quantify import TRANSMURALITY_CLASSES, transmurality_class

    spec = specification(mask, frame, intensity)
    along = wall_chords(mask != ScarLabel.NONE, frame).transmurality
    mean = float(along[along > 0].mean()) if (along > 0).any() else None
    ml = int((mask != ScarLabel.NONE).sum()) * frame.geometry.voxel_volume_ml
    sentence = describe(
        spec, volume_ml=round(ml, 3), lv_ml=sum(frame.segment_ml().values()), transmurality=mean
    )
    whole = spec.transmurality == (0.0, 1.0)
    if whole and mean and transmurality_class(mean) != TRANSMURALITY_CLASSES[-1]:
        # Without a range, a reader takes the class of the mean for a limit.
        sentence += ", from 0 to 100 % of the wall"
    return sentence


def specification(mask: np.ndarray, frame: LVFrame, intensity: np.ndarray | None = None) -> ScarSpec:
    """Measure ``mask`` (:class:`ScarLabel`, ``(z, y, x)``) as what :func:`generate_scar` would be asked for.

    The share of each segment, the depths and the MVO's part are measured; the pattern follows from the
    layers; the border zone is measured in ``intensity`` (0–1, same shape) where that is given. The values
    have few digits, and are such that the wall can hold them.

    Raises :class:`SpecificationError` for a mask that is empty, leaves the wall, or fits another grid.
    """
    _check(mask, frame)
    wall = wall_of(frame)
    scar = mask[tuple(wall.index.T)] != ScarLabel.NONE
    if not scar.any():
        raise SpecificationError("The scar lies in no AHA segment: check the slices that the labels cover.")
    counts = _main_segments(wall, scar)
    wall_counts = np.bincount(wall.segment, minlength=18)
    mvo = int((mask == ScarLabel.MVO).sum()) / int((mask != ScarLabel.NONE).sum())
    border = {} if intensity is None else {"border_zone_mm": _border_mm(wall, scar, mask, intensity, frame)}
    return ScarSpec(
        percent={k: _rounded_down(100.0 * n / wall_counts[k]) for k, n in counts.items()},
        transmurality=_depths(wall, scar, counts, in_plane_mm(frame.geometry)),
        pattern=measured_pattern(wall, scar),
        mvo_fraction=round(100.0 * mvo, 1) / 100.0,
        **border,  # type: ignore[arg-type]
    )


def layer_shares(mask: np.ndarray, frame: LVFrame) -> np.ndarray:
    """Return which share (17, 3) of each AHA segment's three :data:`LAYERS` is scar; NaN where there is no
    wall.

    ``mask`` is a scar mask of the study that ``frame`` belongs to.
    """
    _check(mask, frame)
    wall = wall_of(frame)
    voxels = layer_voxels(wall, np.ones(wall.size, bool))
    scarred = layer_voxels(wall, mask[tuple(wall.index.T)] != ScarLabel.NONE)
    return np.where(voxels > 0, scarred / np.maximum(voxels, 1), np.nan)


def _check(mask: np.ndarray, frame: LVFrame) -> None:
    if mask.shape != frame.myocardium.shape:
        raise SpecificationError(
            f"The scar mask's grid {mask.shape} is not the study's {frame.myocardium.shape}: "
            "give a mask drawn on this study."
        )
    if not (mask != ScarLabel.NONE).any():
        raise SpecificationError("The scar mask is empty: there is nothing to describe.")
    if np.any((mask != ScarLabel.NONE) & ~frame.myocardium):
        raise SpecificationError("The scar leaves the myocardium: correct the mask or the contours.")


def _main_segments(wall: Wall, scar: np.ndarray) -> dict[int, int]:
    """Return the scar's voxels in each segment worth naming."""
    counts = np.bincount(wall.segment[scar], minlength=18)
    rising = np.argsort(counts, kind="stable")
    minor = rising[np.cumsum(counts[rising]) <= MINOR * counts.sum()]
    return {k: int(counts[k]) for k in range(1, 18) if counts[k] and k not in minor}


def _rounded_down(percent: float) -> float:
    """Return a percentage with the digits that a sentence has, never more than there is room for."""
    step = 0.1 if percent >= 1.0 else 0.01
    return max(round(float(np.floor(percent / step + 1e-9)) * step, 2), 0.01)


def _depths(wall: Wall, scar: np.ndarray, counts: dict[int, int], voxel_mm: float) -> tuple[float, float]:
    """Return the depths, in steps of 5 %, between which the scar lies but for outliers, and has room.

    Within half a voxel of a face of the wall is that face.
    """
    named = np.isin(wall.segment, list(counts))
    depth = wall.depth[scar & named]
    face = min(0.5 * voxel_mm / wall.thickness_mm, 0.2)
    for outliers in _OUTLIERS:
        # Never between two voxels: of a few, that would leave out all.
        ends = (
            np.quantile(depth, outliers / 2.0, method="lower"),
            np.quantile(depth, 1.0 - outliers / 2.0, method="higher"),
        )
        low = 0.0 if ends[0] <= face else round(float(np.floor(20.0 * ends[0])) / 20.0, 2)
        high = 1.0 if ends[1] >= 1.0 - face else round(float(np.ceil(20.0 * ends[1] + 1e-6)) / 20.0, 2)
        inside = (wall.depth >= low) & (wall.depth <= high)
        room = np.bincount(wall.segment[inside], minlength=18)
        if all(room[k] >= count for k, count in counts.items()):
            return low, min(high, 1.0)
    return 0.0, 1.0


def _border_mm(
    wall: Wall, scar: np.ndarray, mask: np.ndarray, intensity: np.ndarray, frame: LVFrame
) -> float:
    """Return the depth of the border zone in mm: how slowly ``intensity`` rises from the scar's edge."""
    if intensity.shape != mask.shape:
        raise SpecificationError(
            f"The scar mask has {mask.shape} voxels and its intensity {intensity.shape}."
        )
    at = tuple(wall.index[scar].T)
    depth_mm = distance_mm(wall.part(scar), wall.part(~scar)) - in_plane_mm(frame.geometry) / 2.0
    shown = intensity[at]
    rising = (shown > 0) & (shown < 1) & (mask[at] != ScarLabel.MVO) & np.isfinite(depth_mm)
    if not rising.any():
        return 0.0
    return round(float(np.median(depth_mm[rising] / shown[rising])), 1)
