"""Transmurality along wall chords, sampled in ventricular coordinates."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from claimslicer.anatomy.frame import LVFrame

CHORDS_PER_SLICE = 120
"""3° each: no chord straddles a border of the fixed 60° and 90° wedges."""
SAMPLES_PER_CHORD = 40


@dataclass(frozen=True)
class Chords:
    """Wall chords from endocardium to epicardium; all arrays have shape ``(chords,)``.

    ``slice_index`` is the chord's place along the frame's slice axis, ``angle_deg`` its circumferential
    coordinate, ``segment`` the AHA segment at its middle, and ``transmurality`` infarct thickness ÷ wall
    thickness (0–1) within that segment.
    """

    slice_index: np.ndarray
    angle_deg: np.ndarray
    segment: np.ndarray
    transmurality: np.ndarray


def wall_chords(infarct: np.ndarray, frame: LVFrame) -> Chords:
    """Measure ``infarct`` (bool, shape of the frame) along every chord of every slice.

    A chord is one angle of one slice. It is sampled at equal steps of the transmural coordinate and each
    sample takes the voxel nearest to it, so the share of infarcted samples is infarct thickness ÷ wall
    thickness. (Counting voxels instead would favour the epicardium, where the same angle holds more of them.)
    Where the ring is open there are no chords.
    """
    stack = _Stack(
        pixel_mm=tuple(np.delete(frame.geometry.spacing_zyx, frame.slice_axis)),
        **{name: np.moveaxis(getattr(frame, name), frame.slice_axis, 0) for name in _ARRAYS},
    )
    infarct = np.moveaxis(infarct, frame.slice_axis, 0)
    parts = [_slice_chords(infarct, stack, k) for k in range(len(infarct)) if stack.myocardium[k].any()]
    if not parts:
        empty = np.empty(0)
        return Chords(empty.astype(int), empty, empty.astype(np.uint8), empty)
    return Chords(*(np.concatenate(columns) for columns in zip(*parts, strict=True)))


@dataclass(frozen=True)
class _Stack:
    """The frame's arrays with the slices first, and the pixels' sides in mm."""

    pixel_mm: tuple[float, float]
    myocardium: np.ndarray
    cavity: np.ndarray
    circumferential: np.ndarray
    transmural: np.ndarray
    segments: np.ndarray


_ARRAYS = ("myocardium", "cavity", "circumferential", "transmural", "segments")


def _slice_chords(infarct: np.ndarray, stack: _Stack, k: int) -> tuple[np.ndarray, ...]:
    from scipy.spatial import cKDTree

    wall = stack.myocardium[k]
    wall_deg = stack.circumferential[k][wall]
    inner, outer = _mean_radii(wall, stack.cavity[k], float(np.prod(stack.pixel_mm)))

    # The wall is laid on a round ring of its own mean size, so that distances there are close to millimetres.
    thickness = outer - inner
    radius = inner + thickness * stack.transmural[k][wall]
    tree = cKDTree(_polar(radius, wall_deg))

    angles = (np.arange(CHORDS_PER_SLICE) + 0.5) * 360.0 / CHORDS_PER_SLICE
    depths = inner + thickness * (np.arange(SAMPLES_PER_CHORD) + 0.5) / SAMPLES_PER_CHORD
    samples = _polar(depths[None, :], angles[:, None])
    nearest = tree.query(samples)[1]
    middle = nearest[:, SAMPLES_PER_CHORD // 2]

    gap_mm = _arc_mm(wall_deg[middle], angles, (inner + outer) / 2)
    exists = gap_mm <= 1.5 * np.hypot(*stack.pixel_mm)
    segments = stack.segments[k][wall][nearest]
    segment = segments[:, SAMPLES_PER_CHORD // 2]
    # A chord on a border keeps to its own segment, so that none gets infarct that lies in its neighbour.
    own = segments == segment[:, None]
    transmurality = (infarct[k][wall][nearest] & own).sum(axis=1) / own.sum(axis=1)
    slices = np.full(CHORDS_PER_SLICE, k)
    return tuple(column[exists] for column in (slices, angles, segment, transmurality))


def _mean_radii(wall: np.ndarray, cavity: np.ndarray, pixel_mm2: float) -> tuple[float, float]:
    """Radii (mm) of the circles that have the cavity's area, and the cavity's and the wall's together."""
    cavity_mm2 = float(cavity.sum()) * pixel_mm2
    return np.sqrt(cavity_mm2 / np.pi), np.sqrt((cavity_mm2 + float(wall.sum()) * pixel_mm2) / np.pi)


def _polar(radius: np.ndarray, angle_deg: np.ndarray) -> np.ndarray:
    angle = np.deg2rad(angle_deg)
    return np.stack([radius * np.cos(angle), radius * np.sin(angle)], axis=-1)


def _arc_mm(a_deg: np.ndarray, b_deg: np.ndarray, radius_mm: float) -> np.ndarray:
    difference = np.abs((a_deg - b_deg + 180.0) % 360.0 - 180.0)
    return np.deg2rad(difference) * radius_mm
