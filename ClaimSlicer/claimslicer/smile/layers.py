"""The layers of the wall, which pattern a scar in them speaks for, and whether it is the one asked for."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from claimslicer.smile.wall import Wall

if TYPE_CHECKING:
    from claimslicer.smile.spec import ScarSpec

LAYERS = ("subendocardial", "mid-wall", "subepicardial")
"""Inner, middle and outer third of the wall."""

PATCHES = 4
"""A scar of this many parts, the largest of them no more than half, is patchy."""

TOUCHING = 0.6
"""Scar is subendocardial where it fills the inner layer at least this much as densely as the fullest one."""

HALF_FULL = 0.5
LAYERED_VOXELS = 3.5


def layer_voxels(wall: Wall, members: np.ndarray) -> np.ndarray:
    """Return how many (17, 3) of the points ``members`` (N, bool) lie in each segment's layers."""
    layer = np.minimum((3.0 * wall.depth[members]).astype(int), 2)
    cell = 3 * (wall.segment[members].astype(int) - 1) + layer
    return np.bincount(cell, minlength=51).reshape(17, 3)


def measured_pattern(wall: Wall, scar: np.ndarray) -> str:
    """Return the pattern that the scar's parts and its shares of the layers speak for."""
    sizes = np.sort(np.bincount(wall.label(scar))[1:])
    if len(sizes) >= PATCHES and sizes[-1] <= sizes.sum() / 2:
        return "patchy"
    touched = np.isin(wall.segment, wall.segment[scar])
    scarred, voxels = (layer_voxels(wall, members).sum(axis=0) for members in (scar, touched))
    inner, middle, outer = scarred / np.maximum(voxels, 1)
    if inner >= TOUCHING * max(middle, outer):
        return "ischaemic"
    return "mid-wall" if middle >= outer else "subepicardial"


def layer_remark(spec: ScarSpec, wall: Wall, scar: np.ndarray, fill: float, voxel_mm: float) -> str:
    """Return a sentence where the ``scar`` (N, bool) isn't of the pattern asked for, and why; else "".

    ``fill`` is the share asked of what the segments can hold, ``voxel_mm`` the voxel's size in the slice.
    """
    found = measured_pattern(wall, scar)
    if spec.pattern in (found, "claim"):
        return ""
    names = {"ischaemic": "subendocardial"}
    asked, is_now = (names.get(name, name) for name in (spec.pattern, found))
    low, high = spec.transmurality
    voxels = wall.thickness_mm / voxel_mm
    if spec.pattern == "patchy":
        why = "there is no room for separate patches: choose more segments" + (" or less scar" * (fill > 0.2))
    elif (low, high) != (0.0, 1.0):
        why = f"it may lie from {100 * low:.0f} to {100 * high:.0f} % of the wall only: widen that range"
    elif fill > HALF_FULL:
        why = f"it takes {100 * fill:.0f} % of what the segments can hold: choose more segments or less scar"
    elif voxels < LAYERED_VOXELS:
        why = f"the wall is only {voxels:.1f} voxels thick, too few to tell layers apart"
    else:
        why = "the wall left no other room: choose other segments or another seed"
    return f"The scar came out {is_now}, not {asked}, as measured in the mask: {why}."
