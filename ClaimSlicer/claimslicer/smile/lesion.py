"""What a scar is made of: its MVO core and its border zone."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from claimslicer.labels import ScarLabel, infarct_mask, myocardium_mask
from claimslicer.smile.fields import Draws, Stream, random_field
from claimslicer.smile.wall import Wall
from claimslicer.studies.geometry import Geometry

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


def intensity_of(border_zone_mm: float, depth_mm: np.ndarray, mvo: np.ndarray, voxel_mm: float) -> np.ndarray:
    """Return how far (N,) each point is scar: rising through the border zone to 1 in the core and in MVO.

    The scar's edge lies half a voxel outside the centres of its outermost voxels, so these have some of it.
    """
    if border_zone_mm == 0:
        return np.ones(len(depth_mm), np.float32)
    rising = (depth_mm - voxel_mm / 2.0) / border_zone_mm
    return np.where(mvo, 1.0, np.clip(rising, 0.0, 1.0)).astype(np.float32)


def border_zone(
    scar: np.ndarray, labels: np.ndarray, geometry: Geometry, border_zone_mm: float
) -> np.ndarray:
    """Return how far (0–1, float32) each voxel of a drawn ``scar`` is scar: its rim beside viable wall less.

    ``scar`` (:class:`ScarLabel`) and ``labels`` (:class:`Label`) are ``(z, y, x)``; scar that the labels have
    already is neither rim nor viable wall. For a scar made by :func:`generate_scar` it is the same intensity.
    """
    from scipy.spatial import cKDTree

    present = infarct_mask(labels)
    new = (scar != ScarLabel.NONE) & ~present
    viable = myocardium_mask(labels) & ~present & ~new
    at = np.argwhere(new)
    depth_mm = np.full(len(at), np.inf)
    if viable.any():
        rim = cKDTree(geometry.index_to_physical(np.argwhere(viable)))
        depth_mm, _ = rim.query(geometry.index_to_physical(at))
    intensity = (scar != ScarLabel.NONE).astype(np.float32)
    mvo = scar[new] == ScarLabel.MVO
    intensity[new] = intensity_of(border_zone_mm, depth_mm, mvo, in_plane_mm(geometry))
    return intensity


def in_plane_mm(geometry: Geometry) -> float:
    """Return the larger spacing inside a slice: slices are thicker than that."""
    return sorted(geometry.spacing)[1]
