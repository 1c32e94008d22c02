"""What a scar is made of: its MVO core and its border zone."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from scipy.spatial import cKDTree

from claimslicer.smile.fields import Draws, Stream, random_field
from claimslicer.smile.wall import Wall

if TYPE_CHECKING:
    from claimslicer.smile.spec import ScarSpec

MVO_DEPTH = 0.8
"""MVO keeps to the inner part of the wall: the cores of the EMIDEC studies never touch the epicardium."""
MVO_GRAIN_MM = 20.0


def depth_inside_mm(wall: Wall, scar: np.ndarray) -> np.ndarray:
    """Return the distance (N,) in mm of each scar point to the nearest viable wall point.

    It is infinite outside ``scar`` (N, bool), and everywhere where nothing of the wall is viable.
    """
    depth = np.full(wall.size, np.inf)
    if not scar.all():
        depth[scar], _ = cKDTree(wall.position_mm[~scar]).query(wall.position_mm[scar])
    return depth


def mvo_core(
    spec: ScarSpec, wall: Wall, scar: np.ndarray, depth_mm: np.ndarray, voxel_mm: float
) -> np.ndarray:
    """Return the points (N, bool) of the MVO core, the asked fraction of ``scar`` (N, bool).

    It lies where the scar is deepest and on the inner side of the wall. It keeps off the scar's outer border
    and off the epicardium as long as the asked fraction leaves room for that.
    """
    count = round(spec.mvo_fraction * int(scar.sum()))
    within = np.minimum(depth_mm / wall.thickness_mm, 1.0)
    rough = random_field(wall, Draws(spec.seed, Stream.MVO), MVO_GRAIN_MM)
    outer = (depth_mm <= 1.01 * voxel_mm) | (wall.depth > MVO_DEPTH)
    score = np.where(scar, within - 0.7 * wall.depth + 0.1 * rough - 10.0 * outer, -np.inf)
    core = np.zeros(wall.size, bool)
    core[wall.stable_order(score)[:count]] = True
    return core


def intensity_of(spec: ScarSpec, depth_mm: np.ndarray, mvo: np.ndarray, voxel_mm: float) -> np.ndarray:
    """Return how far (N,) each point is scar: rising through the border zone to 1 in the core and in MVO.

    The scar's edge lies half a voxel outside the centres of its outermost voxels, so these have some of it.
    """
    if spec.border_zone_mm == 0:
        return np.ones(len(depth_mm), np.float32)
    rising = (depth_mm - voxel_mm / 2.0) / spec.border_zone_mm
    return np.where(mvo, 1.0, np.clip(rising, 0.0, 1.0)).astype(np.float32)
