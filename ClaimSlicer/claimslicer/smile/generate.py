"""From a specification and a frame to a scar mask of exactly the asked volume."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from claimslicer.anatomy.frame import LVFrame
from claimslicer.brief import brief
from claimslicer.errors import SpecificationError
from claimslicer.labels import ScarLabel
from claimslicer.smile.bed import Bed
from claimslicer.smile.layers import layer_remark
from claimslicer.smile.lesion import in_plane_mm, intensity_of, mvo_core
from claimslicer.smile.patterns import PATTERNS
from claimslicer.smile.spec import ScarSpec
from claimslicer.smile.wall import Wall, distance_along_mm, distance_mm, wall_of
from claimslicer.studies import Geometry

ISLAND_ROUNDS = 3


@dataclass(frozen=True)
class ScarMask:
    """A scar on the study's grid; all arrays are ``(z, y, x)``.

    ``labels`` (uint8, :class:`ScarLabel`) is the new scar together with the existing one. ``intensity``
    (float32) is 1 in the core, 0 outside the scar, and between them in the border zone. ``added`` (bool) is
    the new scar alone. ``remark`` is a sentence where it isn't of the pattern asked for, which the wall then
    can't have, else empty.
    """

    spec: ScarSpec
    geometry: Geometry
    labels: np.ndarray
    intensity: np.ndarray
    added: np.ndarray
    remark: str = ""

    __repr__ = brief

    @property
    def volume_ml(self) -> float:
        """Volume of the new scar, MVO included: what the specification asked for."""
        return int(self.added.sum()) * self.geometry.voxel_volume_ml

    @property
    def total_volume_ml(self) -> float:
        """Volume of new and existing scar together, MVO included."""
        return int((self.labels > 0).sum()) * self.geometry.voxel_volume_ml

    @property
    def mvo_volume_ml(self) -> float:
        """Volume of the new scar's MVO core."""
        return int((self.labels[self.added] == ScarLabel.MVO).sum()) * self.geometry.voxel_volume_ml


def generate_scar(spec: ScarSpec, frame: LVFrame, existing: np.ndarray | None = None) -> ScarMask:
    """Make the scar that ``spec`` asks for in the wall of ``frame``.

    A random field shaped by the pattern is cut at the value that gives the asked volume, to within half a
    voxel, in the asked segments and transmural range only. ``existing`` (``(z, y, x)``, :class:`ScarLabel`)
    is kept as it is: new scar is added to it, never counts it, and never covers it.

    Raises :class:`SpecificationError` when a segment is not in the study, when the segments and the range
    cannot hold the asked volume, and when ``existing`` does not fit the frame.
    """
    voxel_ml = frame.geometry.voxel_volume_ml
    voxel_mm = in_plane_mm(frame.geometry)
    wall = wall_of(frame)
    taken = _existing_points(existing, frame, wall)
    candidates = _candidates(spec, wall, taken)
    wanted = _wanted_voxels(spec, wall, candidates, voxel_ml)
    is_scar = _grow(spec, wall, candidates, wanted, voxel_ml)
    scar = wall.part(is_scar)
    depth_mm = distance_mm(scar, wall.part(~is_scar & ~taken))
    mvo = mvo_core(spec, scar, depth_mm, voxel_mm)

    labels = np.zeros(frame.myocardium.shape, np.uint8) if existing is None else existing.astype(np.uint8)
    intensity = (labels > 0).astype(np.float32)
    added = np.zeros(labels.shape, bool)
    at = tuple(scar.index.T)
    labels[at] = np.where(mvo, ScarLabel.MVO, ScarLabel.SCAR)
    intensity[at] = intensity_of(spec.border_zone_mm, depth_mm, mvo, voxel_mm)
    added[at] = True
    fill = sum(wanted.values()) / int(candidates.sum())
    remark = layer_remark(spec, wall, is_scar, fill, voxel_mm)
    return ScarMask(spec, frame.geometry, labels, intensity, added, remark)


def _existing_points(existing: np.ndarray | None, frame: LVFrame, wall: Wall) -> np.ndarray:
    """Return which points (N, bool) already are scar."""
    if existing is None:
        return np.zeros(wall.size, bool)
    if existing.shape != frame.myocardium.shape:
        raise SpecificationError(
            f"The existing scar's grid {existing.shape} is not the study's {frame.myocardium.shape}: "
            "give a scar mask drawn on this study."
        )
    if np.any((existing > 0) & ~frame.myocardium):
        raise SpecificationError("The existing scar leaves the myocardium: correct the scar or the contours.")
    return existing[tuple(wall.index.T)] > 0


def _candidates(spec: ScarSpec, wall: Wall, taken: np.ndarray) -> np.ndarray:
    """Return the points (N, bool) that may become scar."""
    absent = [str(k) for k in spec.segments if not np.any(wall.segment == k)]
    if absent:
        raise SpecificationError(f"This study shows no wall of segment {', '.join(absent)}: leave it out.")
    low, high = spec.transmurality
    in_range = (wall.depth >= low) & (wall.depth <= high)
    return np.isin(wall.segment, spec.segments) & in_range & ~taken


def _wanted_voxels(
    spec: ScarSpec, wall: Wall, candidates: np.ndarray, voxel_ml: float
) -> dict[tuple[int, ...], int]:
    """Return how many voxels are asked of each group of segments, each group being cut by itself."""
    groups: dict[tuple[int, ...], float]
    if isinstance(spec.percent, Mapping):
        groups = {(k,): share / 100 * np.sum(wall.segment == k) for k, share in spec.percent.items()}
    elif spec.percent is not None:
        groups = {spec.segments: spec.percent / 100 * np.isin(wall.segment, spec.segments).sum()}
    else:
        groups = {spec.segments: (spec.volume_ml or 0.0) / voxel_ml}
    counts = {group: max(1, round(float(voxels))) for group, voxels in groups.items()}
    for group, count in counts.items():
        room = int(np.isin(wall.segment[candidates], group).sum())
        if count > room:
            raise SpecificationError(_too_much(spec, group, count * voxel_ml, room * voxel_ml))
    return counts


def _too_much(spec: ScarSpec, group: tuple[int, ...], asked_ml: float, room_ml: float) -> str:
    name = f"Segment {group[0]}" if len(group) == 1 else f"Segments {', '.join(map(str, group))}"
    low, high = (round(100 * value) for value in spec.transmurality)
    # Rounded down, so that the maximum named can be asked for.
    most = np.floor(room_ml * 100) / 100
    return (
        f"{name} can hold at most {most:.2f} ml of new scar from {low} to {high} % of the wall, but "
        f"{asked_ml:.2f} ml were asked: ask for less, add segments or widen the transmural range."
    )


def _grow(
    spec: ScarSpec, wall: Wall, candidates: np.ndarray, wanted: dict[tuple[int, ...], int], voxel_ml: float
) -> np.ndarray:
    """Return the points (N, bool) of the new scar: those of the highest score, few islands."""
    pattern = PATTERNS[spec.pattern]
    chosen = np.isin(wall.segment, spec.segments)
    bed = _bed(spec, wall, chosen, candidates, wanted)
    score = np.where(candidates[chosen], pattern.score(bed), -np.inf)
    scar = _cut(bed.wall, score, wanted)
    for _ in range(ISLAND_ROUNDS):
        part = bed.wall.label(scar)
        size_ml = np.bincount(part) * voxel_ml
        size_ml[np.argmax(size_ml[1:]) + 1] = np.inf
        island = scar & (size_ml[part] < pattern.smallest_island_ml)
        if not island.any():
            break
        # Still candidates, but the last ones: a bed that is asked for as a whole is filled as a whole.
        score = np.where(island, score - 1e3, score)
        scar = _cut(bed.wall, score, wanted)
    result = np.zeros(wall.size, bool)
    result[chosen] = scar
    return result


def _bed(
    spec: ScarSpec,
    wall: Wall,
    chosen: np.ndarray,
    candidates: np.ndarray,
    wanted: dict[tuple[int, ...], int],
) -> Bed:
    """Return the chosen part of the wall, with how much of it is asked for."""
    fill = {}
    for group, count in wanted.items():
        room = np.isin(wall.segment[candidates], group).sum()
        fill.update(dict.fromkeys(group, float(count / room)))
    inside, outside = wall.part(chosen), wall.part(~chosen)
    mean_fill = sum(wanted.values()) / candidates.sum()
    border_mm = distance_along_mm(inside, outside)
    return Bed(inside, spec.transmurality, spec.texture, spec.seed, border_mm, fill, float(mean_fill))


def _cut(wall: Wall, score: np.ndarray, wanted: dict[tuple[int, ...], int]) -> np.ndarray:
    """Return the points (N, bool) of the highest score in each group, as many as are wanted of it."""
    scar = np.zeros(wall.size, bool)
    order = wall.stable_order(score)
    for group, count in wanted.items():
        scar[order[np.isin(wall.segment[order], group)][:count]] = True
    return scar
