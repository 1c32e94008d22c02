"""The recipe of the CLAIM paper (Ramzan et al. 2025, section 2.2): a porous blob in each region."""

import numpy as np

from claimslicer.smile.bed import Bed
from claimslicer.smile.fields import Stream, random_field

KERNELS = (1, 3, 5, 7)
"""Sides of the square that blobs are eroded with, in voxels of the slice."""
SMOOTHING_VOXELS = 1.0
TIE_BREAK = 0.01


def claim(bed: Bed) -> np.ndarray:
    """Score (N,): eroded blobs of all chosen segments, merged, holes filled and smoothed.

    As in the paper, each segment gets a blob of its own, of the texture's anisotropy and as porous as the
    volume asked of the segment allows, eroded by a square of random side; then merging, hole filling and
    Gaussian smoothing inside the wall. Unlike there, the smoothed blobs are a score, so what is asked for is
    obtained; islands are removed when the score is cut.
    """
    from scipy import ndimage  # here, as Slicer imports this file when it starts

    merged = np.logical_or.reduce([_blob(bed, segment, fill) for segment, fill in bed.fill.items()])
    smooth = _smoothed_in_wall(bed, ndimage.binary_fill_holes(bed.wall.to_grid(merged), np.ones((1, 3, 3))))
    return smooth + TIE_BREAK * bed.irregularity


def _blob(bed: Bed, segment: int, fill: float) -> np.ndarray:
    """Return the points (N, bool) of one segment's blob.

    Beyond the segment the blob is taken to go on, so erosion opens its pores and does not eat the wall's
    faces.
    """
    from scipy import ndimage

    texture = bed.texture
    draws = bed.draws(Stream.BLOB, segment)
    side = KERNELS[draws.integer(0, len(KERNELS) - 1)]
    inside = bed.wall.segment == segment
    field = np.full(bed.wall.size, np.inf)
    through_mm = texture.grain_mm / texture.anisotropy
    field[inside] = random_field(bed.wall.part(inside), draws, texture.grain_mm, through_mm)
    box = bed.wall.to_grid(field, outside=np.inf)
    eroded = bed.wall.from_grid(ndimage.minimum_filter(box, (1, side, side), mode="constant", cval=np.inf))
    return inside & (eroded >= np.quantile(eroded[inside], 1.0 - fill))


def _smoothed_in_wall(bed: Bed, box: np.ndarray) -> np.ndarray:
    """Return ``box`` at the points, smoothed within its slices by weights that stop at the wall."""
    from scipy import ndimage

    sigma = (0.0, SMOOTHING_VOXELS, SMOOTHING_VOXELS)
    wall = bed.wall.to_grid(np.ones(bed.wall.size))
    smooth = ndimage.gaussian_filter(box * wall, sigma, mode="constant")
    weight = ndimage.gaussian_filter(wall, sigma, mode="constant")
    return bed.wall.from_grid(smooth) / bed.wall.from_grid(weight)
