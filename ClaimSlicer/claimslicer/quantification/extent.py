"""How far infarct goes: through the wall, over the endocardium, in shells, in sectors of any number."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from claimslicer.anatomy.frame import LVFrame
from claimslicer.errors import SpecificationError
from claimslicer.quantification.chords import CHORDS_PER_SLICE, Chords, wall_chords
from claimslicer.quantification.shape import contact_mm, slice_distance_mm

LAYER_DEPTHS = tuple(range(10, 100, 10))
"""Depths in % of the wall at which the shells lie, endocardium 0 to epicardium 100; each is 10 % thick."""
TRACE = 0.01
"""A segment counts as infarcted above this mean transmurality."""


@dataclass(frozen=True)
class Transmurality:
    """Over chords that meet the region, 0–1: mean by line, weighted by wall, by area, largest; or None."""

    mean: float | None
    weighted: float | None
    area: float | None
    largest: float | None


@dataclass(frozen=True)
class Layer:
    """A shell of the wall: its middle's depth in %, its ml, and what of it is infarct, core, border zone.

    ``segments`` is the infarcted share (0–1) of the shell in each AHA segment that it shows.
    """

    depth_percent: int
    wall_ml: float
    infarct_ml: float
    infarct_percent: float
    segments: dict[int, float]


@dataclass(frozen=True)
class Sector:
    """One sector of one slice; ``slice`` counts from 1 as the file's slices do, ``sector`` from its start."""

    slice: int
    sector: int
    start_deg: float
    wall_ml: float
    infarct_ml: float
    infarct_percent: float
    transmurality: float | None


def transmurality(region: np.ndarray, frame: LVFrame, chords: Chords | None = None) -> Transmurality:
    """Measure ``region`` (bool, (z, y, x)) through the wall; ``chords`` are those of :func:`wall_chords`.

    By line: thickness ÷ wall thickness of each 3° chord. Weighted: the same, each chord by the area of wall
    in its 3°. By area: region ÷ wall in the 3° of those chords together, which weighs the epicardium more.
    """
    chords = chords or wall_chords(region, frame)
    met = chords.transmurality > 0
    if not met.any():
        return Transmurality(None, None, None, None)
    wall, inside = (_per_chord(mask & frame.myocardium, frame) for mask in (frame.myocardium, region))
    place = (chords.slice_index[met], (chords.angle_deg[met] * CHORDS_PER_SLICE / 360.0).astype(int))
    depth, area = chords.transmurality[met], wall[place].astype(float)
    total = area.sum()
    return Transmurality(
        mean=float(depth.mean()),
        weighted=float((depth * area).sum() / total) if total else float(depth.mean()),
        area=float(inside[place].sum() / total) if total else None,
        largest=float(depth.max()),
    )


def _per_chord(mask: np.ndarray, frame: LVFrame) -> np.ndarray:
    """Count the voxels of ``mask`` in each 3° of each slice: (slices, chords)."""
    where = np.argwhere(mask)
    angle = (frame.circumferential[mask] * CHORDS_PER_SLICE / 360.0).astype(int) % CHORDS_PER_SLICE
    slices = mask.shape[frame.slice_axis]
    flat = where[:, frame.slice_axis] * CHORDS_PER_SLICE + angle
    return np.bincount(flat, minlength=slices * CHORDS_PER_SLICE).reshape(slices, CHORDS_PER_SLICE)


def endocardium(infarct: np.ndarray, frame: LVFrame) -> tuple[float, float]:
    """Return the area in cm² of the endocardium, and of what of it borders ``infarct`` (bool, (z, y, x)).

    Each slice's border of cavity and wall × the slices' distance; the apex's tip, which no slice shows, is
    not among it.
    """
    distance = slice_distance_mm(frame)
    whole, part = (
        contact_mm(frame.cavity, mask, frame) * distance / 100.0
        for mask in (frame.myocardium, infarct & frame.myocardium)
    )
    return whole, part


def layers(infarct: np.ndarray, frame: LVFrame) -> tuple[Layer, ...]:
    """Return the shells round 10, 20 … 90 % of the wall, each from 5 % before to 5 % beyond."""
    ml = frame.geometry.voxel_volume_ml
    depth = 100.0 * frame.transmural[frame.myocardium]
    scar, segment = infarct[frame.myocardium], frame.segments[frame.myocardium]
    result = []
    for middle in LAYER_DEPTHS:
        inside = (depth >= middle - 5) & (depth < middle + 5)
        wall, hit = (np.bincount(segment[m], minlength=18) for m in (inside, inside & scar))
        voxels = int(inside.sum())
        result.append(
            Layer(
                depth_percent=middle,
                wall_ml=voxels * ml,
                infarct_ml=int(hit.sum()) * ml,
                infarct_percent=100.0 * int(hit.sum()) / voxels if voxels else 0.0,
                segments={k: float(hit[k] / wall[k]) for k in range(1, 18) if wall[k]},
            )
        )
    return tuple(result)


def sectors(infarct: np.ndarray, frame: LVFrame, per_slice: int, start_deg: float = 120.0) -> list[Sector]:
    """Part each slice's wall into ``per_slice`` equal sectors from ``start_deg``, counter-clockwise.

    120° is the anterior RV insertion. Raises SpecificationError for fewer than 1 or more than 120 sectors.
    """
    if not 1 <= per_slice <= CHORDS_PER_SLICE:
        raise SpecificationError(f"A slice has 1 to {CHORDS_PER_SLICE} sectors, not {per_slice}.")
    ml, width = frame.geometry.voxel_volume_ml, 360.0 / per_slice
    chords = wall_chords(infarct, frame)
    of_chord = ((chords.angle_deg - start_deg) % 360.0 // width).astype(int) % per_slice
    rows = []
    wall, scar, angle = (
        np.moveaxis(a, frame.slice_axis, 0) for a in (frame.myocardium, infarct, frame.circumferential)
    )
    for z in np.flatnonzero(wall.any(axis=(1, 2))):
        where = ((angle[z][wall[z]] - start_deg) % 360.0 // width).astype(int) % per_slice
        count = np.bincount(where, minlength=per_slice)
        hit = np.bincount(where[scar[z][wall[z]]], minlength=per_slice)
        for k in range(per_slice):
            depth = chords.transmurality[(chords.slice_index == z) & (of_chord == k)]
            rows.append(
                Sector(
                    slice=int(z) + 1,
                    sector=k + 1,
                    start_deg=(start_deg + k * width) % 360.0,
                    wall_ml=float(count[k] * ml),
                    infarct_ml=float(hit[k] * ml),
                    infarct_percent=100.0 * float(hit[k] / count[k]) if count[k] else 0.0,
                    transmurality=float(depth.mean()) if len(depth) else None,
                )
            )
    return rows
