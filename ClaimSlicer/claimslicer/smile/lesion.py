"""What a scar is made of: its MVO core and its border zone."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from claimslicer.smile.fields import Draws, Stream, random_field
from claimslicer.smile.wall import Wall

if TYPE_CHECKING:
    from claimslicer.smile.spec import ScarSpec

MVO_DEPTH = 0.8
"""MVO keeps to the inner part of the wall: the cores of the EMIDEC studies never touch the epicardium."""
MVO_GRAIN_MM = 20.0


def mvo_core(spec: ScarSpec, scar: Wall, depth_mm: np.ndarray, voxel_mm: float) -> np.ndarray:
    """Return which points (N, bool) of ``scar`` are its MVO core: the asked fraction.

    ``depth_mm`` (N,) is the distance to the nearest viable wall, ``voxel_mm`` the voxel's size in the slice.
    The core lies where the scar is deepest and on the inner side of the wall. It keeps off the scar's outer
    border and off the epicardium as long as the asked fraction leaves room for that.
    """
    within = np.minimum(depth_mm / scar.thickness_mm, 1.0)
    rough = random_field(scar, Draws(spec.seed, Stream.MVO), MVO_GRAIN_MM)
    outer = (depth_mm <= 1.01 * voxel_mm) | (scar.depth > MVO_DEPTH)
    score = within - 0.7 * scar.depth + 0.1 * rough - 10.0 * outer
    core = np.zeros(scar.size, bool)
    core[scar.stable_order(score)[: round(spec.mvo_fraction * scar.size)]] = True
    return core


def intensity_of(spec: ScarSpec, depth_mm: np.ndarray, mvo: np.ndarray, voxel_mm: float) -> np.ndarray:
    """Return how far (N,) each point is scar: rising through the border zone to 1 in the core and in MVO.

    The scar's edge lies half a voxel outside the centres of its outermost voxels, so these have some of it.
    """
    if spec.border_zone_mm == 0:
        return np.ones(len(depth_mm), np.float32)
    rising = (depth_mm - voxel_mm / 2.0) / spec.border_zone_mm
    return np.where(mvo, 1.0, np.clip(rising, 0.0, 1.0)).astype(np.float32)
