"""Label maps that lie in the same place as an image, but on another grid."""

from __future__ import annotations

import itertools
from dataclasses import replace

import numpy as np

from claimslicer.studies.geometry import Geometry

GRID_TOLERANCE_MM = 3.0
"""How far the corners of two grids may lie apart: rounded headers differ by less, wrong pairs by more."""
FULL_SHARE = 0.99
"""At least this share of what is drawn must lie inside the image."""


def reordered(array: np.ndarray, theirs: Geometry, mine: Geometry) -> np.ndarray | None:
    """Return ``array`` with axes swapped and turned to lie as ``mine``; None where no order does.

    This is what an export in the closest canonical orientation does to a grid.
    """
    corners = mine.corners()
    for order in itertools.permutations(range(3)):
        if tuple(theirs.shape[axis] for axis in order) != mine.shape:
            continue
        for turned in itertools.product((False, True), repeat=3):
            grid = _turned(theirs, order, turned)
            if np.linalg.norm(grid.corners() - corners, axis=1).max() <= GRID_TOLERANCE_MM:
                flips = tuple(slice(None, None, -1 if flip else 1) for flip in turned)
                return np.ascontiguousarray(array.transpose(order)[flips])
    return None


def _turned(grid: Geometry, order: tuple[int, ...], turned: tuple[bool, ...]) -> Geometry:
    """Return the grid of ``array.transpose(order)`` with some axes reversed."""
    axes = grid.matrix[:, ::-1]  # columns in array order
    origin = np.asarray(grid.origin, float)
    columns = []
    for axis, flip in zip(order, turned, strict=True):
        column = axes[:, axis]
        origin = origin + column * (grid.shape[axis] - 1) * flip
        columns.append(-column if flip else column)
    matrix = np.column_stack(columns[::-1])
    spacing = np.linalg.norm(matrix, axis=0)
    z, y, x = (grid.shape[axis] for axis in order)
    return replace(
        grid,
        shape=(z, y, x),
        spacing=(float(spacing[0]), float(spacing[1]), float(spacing[2])),
        origin=(float(origin[0]), float(origin[1]), float(origin[2])),
        direction=tuple((matrix / spacing).ravel().tolist()),
    )


def outside_mm(array: np.ndarray, theirs: Geometry, mine: Geometry) -> float:
    """Return how far what is drawn in ``array`` lies outside the image, in mm; 0 where it lies inside.

    Voxels of ``array`` up to :data:`GRID_TOLERANCE_MM` beyond the image's own count as inside, as does a
    hundredth of all.
    """
    drawn = np.argwhere(array != 0)
    if not len(drawn):
        return 0.0
    at = mine.physical_to_index(theirs.index_to_physical(drawn))
    low, high = -0.5, np.array(mine.shape) - 0.5
    beyond = np.maximum(np.maximum(low - at, at - high), 0) * mine.spacing_zyx
    # A thick voxel of labels may reach beyond the image by half its own size.
    distance = np.linalg.norm(beyond, axis=1)
    inside = distance <= GRID_TOLERANCE_MM
    return 0.0 if inside.mean() >= FULL_SHARE else float(distance.max())


def resampled(array: np.ndarray, theirs: Geometry, mine: Geometry, *, smooth: bool = False) -> np.ndarray:
    """Return ``array`` on the grid ``mine``, shape ``mine.shape``; 0 outside it.

    Labels take the value that most of an image voxel has, of up to 3 × 3 × 3 points in it, so that a finer
    grid loses no volume; with ``smooth``, grey levels are interpolated.
    """
    from scipy import ndimage

    if smooth:
        at = theirs.physical_to_index(mine.index_to_physical(np.moveaxis(np.indices(mine.shape), 0, -1)))
        return ndimage.map_coordinates(array.astype(np.float32), np.moveaxis(at, -1, 0), order=1, cval=0.0)
    # How many voxels of theirs one of mine passes, along each of its axes.
    passed = np.linalg.norm(np.linalg.solve(theirs.matrix, mine.matrix), axis=0)[::-1]
    counts = np.clip(np.rint(passed), 1, 3).astype(int)
    steps = [(np.arange(count) + 0.5) / count - 0.5 for count in counts]
    values = np.unique(array)
    votes = np.zeros((len(values), *mine.shape), np.uint8)
    base = np.moveaxis(np.indices(mine.shape), 0, -1)
    for offset in itertools.product(*steps):
        at = np.rint(theirs.physical_to_index(mine.index_to_physical(base + np.array(offset)))).astype(int)
        inside = np.all((at >= 0) & (at < theirs.shape), axis=-1)
        found = np.zeros(mine.shape, array.dtype)
        found[inside] = array[tuple(at[inside].T)]
        votes += found == values[:, None, None, None]
    return values[votes.argmax(axis=0)]
