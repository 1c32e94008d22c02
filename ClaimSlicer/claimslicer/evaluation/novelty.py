"""How far a scar is from its nearest neighbour among the training scars, and seeds from each other."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
from scipy import ndimage

from claimslicer.evaluation.autocorrelation import FEWEST_VOXELS
from claimslicer.labels import infarct_mask
from claimslicer.synthesis.normalisation import remote_scale

PATCH_MM, PATCH_SIZE = 2.0, 32
"""Pixels of 2 mm, 64 mm wide: the largest scar of one slice fits in."""


def scar_patches(image: np.ndarray, labels: np.ndarray, pixel_mm: tuple[float, float]) -> np.ndarray:
    """Return a patch for each slice of scar, MVO included: ``(slices, 32, 32)`` float32.

    Grey levels in remote SDs within the scar, NaN around it, the scar's centroid in the middle.
    ``image`` and ``labels`` are ``(z, y, x)``, ``pixel_mm`` is a pixel's height and width. Slices with fewer
    than 12 voxels of scar are left out.
    """
    scar = infarct_mask(labels)
    units = remote_scale(image, labels).forward(image)
    offsets = (np.arange(PATCH_SIZE) - (PATCH_SIZE - 1) / 2) * PATCH_MM
    patches = []
    for z in np.flatnonzero(scar.sum((1, 2)) >= FEWEST_VOXELS):
        middle = np.argwhere(scar[z]).mean(0)
        axes = [c + offsets / mm for c, mm in zip(middle, pixel_mm, strict=True)]
        at = np.meshgrid(*axes, indexing="ij")
        inside = ndimage.map_coordinates(scar[z].astype(np.uint8), at, order=0) > 0
        values = ndimage.map_coordinates(units[z], at, order=1, mode="nearest")
        patches.append(np.where(inside, values, np.nan))
    return np.array(patches, np.float32).reshape(-1, PATCH_SIZE, PATCH_SIZE)


def with_symmetries(patches: Iterable[np.ndarray]) -> np.ndarray:
    """Return all slices of several scars in the eight quarter turns and mirrors: ``(n, 32 * 32)`` float32."""
    stacks = [stack for stack in patches if len(stack)]
    if not stacks:
        return np.empty((0, PATCH_SIZE**2), np.float32)
    every = np.concatenate(stacks)
    turned = [np.rot90(view, k, (1, 2)) for view in (every, every[:, ::-1]) for k in range(4)]
    return np.concatenate(turned).reshape(-1, PATCH_SIZE**2)


def nearest_distance(patches: np.ndarray, training: np.ndarray) -> float:
    """Return how far a scar is from the training scars: the mean over its slices of the nearest's distance.

    ``patches`` are those of one study, ``training`` comes from :func:`with_symmetries`. The distance of two
    slices is the root of the squared differences over the voxels of either scar, divided by the slice's own
    squared grey levels; where one has no scar it counts as remote myocardium. 0 is a copy, 1 as far as from
    no scar at all. NaN without slices on either side.
    """
    if not len(patches) or not len(training):
        return float("nan")
    levels = np.nan_to_num(training, nan=0.0)
    nearest = []
    for patch in patches.reshape(len(patches), -1):
        inside = np.isfinite(patch)
        own = np.where(inside, patch, 0.0)
        squares = ((levels - own) ** 2).sum(1).min() / max(float((own**2).sum()), 1e-12)
        nearest.append(np.sqrt(squares))
    return float(np.mean(nearest))


def seed_diversity(scars: np.ndarray) -> float:
    """Return how much seeds differ in one mask; ``scars`` is ``(seeds, voxels)``, grey levels in remote SDs.

    Root mean squared difference of two seeds ÷ (√2 × SD of the grey levels of all of them): 0 where all
    seeds give the same, 1 where they are as different as independent draws. NaN for one seed, and where
    every voxel of every seed is alike.
    """
    if len(scars) < 2 or not np.ptp(scars) > 0:
        return float("nan")
    pairs = [(a, b) for a in range(len(scars)) for b in range(a)]
    mean_square = np.mean([((scars[a] - scars[b]) ** 2).mean() for a, b in pairs])
    return float(np.sqrt(mean_square) / (np.sqrt(2.0) * scars.std()))
