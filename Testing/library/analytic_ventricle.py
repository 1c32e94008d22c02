"""A cylindrical left ventricle whose coordinates and volumes are known in closed form."""

from __future__ import annotations

import numpy as np
from claimslicer.anatomy.frame import LVFrame
from claimslicer.anatomy.landmarks import Insertions
from claimslicer.labels import Label
from claimslicer.studies import Geometry


def make_ventricle(
    spacing: tuple[float, float, float] = (1.0, 1.0, 8.0),
    inner_mm: float = 20.0,
    outer_mm: float = 32.0,
    slices: int = 10,
    cap_slices: int = 1,
) -> tuple[np.ndarray, LVFrame]:
    """Return labels (healthy wall) and the frame; z = 0 is the apex, whose first slices have no cavity."""
    half = outer_mm + 6.0
    nx, ny = (int(2 * half / s) + 1 for s in spacing[:2])
    geometry = Geometry((slices, ny, nx), spacing, (-11.0, 7.0, 30.0))
    y = (np.arange(ny) - (ny - 1) / 2) * spacing[1]
    x = (np.arange(nx) - (nx - 1) / 2) * spacing[0]
    radius = np.hypot(x[None, :], y[:, None])
    # Rows run downwards on the screen, bull's-eye angles counter-clockwise.
    angle = np.degrees(np.arctan2(-y[:, None], x[None, :])) % 360.0

    radius, angle = (np.broadcast_to(a, geometry.shape).copy() for a in (radius, angle))
    cap = (np.arange(slices) < cap_slices)[:, None, None]
    cavity = (radius < inner_mm) & ~cap
    wall = (radius < outer_mm) & ~cavity
    longitudinal = np.broadcast_to((np.arange(slices) + 0.5)[:, None, None] / slices, geometry.shape)
    transmural = np.where(cap, radius / outer_mm, (radius - inner_mm) / (outer_mm - inner_mm))
    frame = LVFrame(
        geometry=geometry,
        myocardium=wall,
        cavity=cavity,
        longitudinal=_inside(longitudinal, wall),
        circumferential=_inside(angle, wall),
        transmural=_inside(transmural, wall),
        segments=_segments(wall, angle, cap_slices),
        insertions=Insertions((0.0, 0.0, 0.0), (1.0, 0.0, 0.0)),
        rule="fixed",
        apex_first=True,
    )
    labels = np.zeros(geometry.shape, np.uint8)
    labels[cavity] = Label.CAVITY
    labels[wall] = Label.MYOCARDIUM
    return labels, frame


def _inside(values: np.ndarray, wall: np.ndarray) -> np.ndarray:
    return np.where(wall, values, np.nan).astype(np.float32)


def _segments(wall: np.ndarray, angle: np.ndarray, cap_slices: int) -> np.ndarray:
    """AHA numbers: the slices above the cap in thirds, apical first; 60° wedges from 60°, 90° from 45°."""
    slices = len(wall)
    ring_slices = np.arange(cap_slices, slices)
    apical, middle, _ = np.array_split(ring_slices, 3)
    segments = np.zeros(wall.shape, np.uint8)
    for z in range(slices):
        sixth = ((angle[z] - 60.0) % 360.0 // 60.0).astype(int)
        quarter = ((angle[z] - 45.0) % 360.0 // 90.0).astype(int)
        if z < cap_slices:
            number = np.full(sixth.shape, 17)
        elif z in apical:
            number = 13 + quarter
        else:
            number = (7 if z in middle else 1) + sixth
        segments[z] = np.where(wall[z], number, 0)
    return segments
