"""A short-axis stack out of a scan in any other orientation."""

from __future__ import annotations

import numpy as np
from scipy import ndimage

from claimslicer.anatomy.axis import LongAxis
from claimslicer.labels import Label
from claimslicer.studies.geometry import Geometry
from claimslicer.studies.study import NOTES, Study

SLICE_MM = 8.0
"""Distance and thickness of the slices made, as short-axis stacks are usually acquired."""
SIDE_MM = 200.0
"""Side of a slice made; smaller where the scan is."""
MARGIN_MM = 16.0
"""How far the stack reaches beyond the ventricle at both ends."""
PIXEL_MM = (1.0, 2.0)
_SAMPLES = 5


def short_axis_grid(study: Study, axis: LongAxis, labels: np.ndarray | None = None) -> Geometry:
    """Return a short-axis grid across ``axis``: apex first, the patient's left on the viewer's right.

    It reaches over the ventricle of ``labels``, or 140 mm along the axis without them.
    """
    z = axis.apex_to_base / np.linalg.norm(axis.apex_to_base)
    left = np.array([1.0, 0.0, 0.0]) if abs(z[0]) < 0.95 else np.array([0.0, 1.0, 0.0])
    x = left - (left @ z) * z
    x /= np.linalg.norm(x)
    y = np.cross(z, x)
    low, high = -70.0, 70.0
    if labels is not None:
        drawn = np.isin(labels, (Label.CAVITY, Label.MYOCARDIUM, Label.INFARCT, Label.MVO))
        along = (study.geometry.index_to_physical(np.argwhere(drawn)) - axis.centre) @ z
        low, high = along.min() - MARGIN_MM, along.max() + MARGIN_MM
    pixel = float(np.clip(min(study.geometry.spacing), *PIXEL_MM))
    slices = max(2, round((high - low) / SLICE_MM) + 1)
    count = round(SIDE_MM / pixel)
    origin = axis.centre + low * z - (count - 1) / 2 * pixel * (x + y)
    return Geometry(
        shape=(slices, count, count),
        spacing=(pixel, pixel, SLICE_MM),
        origin=(float(origin[0]), float(origin[1]), float(origin[2])),
        direction=tuple(np.column_stack([x, y, z]).ravel().tolist()),
    )


def reformat(study: Study, grid: Geometry) -> Study:
    """Return ``study`` on ``grid``: grey levels averaged over each slice's thickness, labels by majority.

    What lies outside the scan has its lowest grey level. The values are float32, and the metadata say what
    was done.
    """
    offsets = ((np.arange(_SAMPLES) + 0.5) / _SAMPLES - 0.5).tolist()
    base = np.moveaxis(np.indices(grid.shape), 0, -1).astype(float)
    lowest = float(study.image.min())
    image = np.zeros(grid.shape, np.float64)
    votes = None if study.labels is None else np.zeros((max(Label) + 1, *grid.shape), np.uint8)
    for offset in offsets:
        points = grid.index_to_physical(base + np.array([offset, 0, 0]))
        at = np.moveaxis(study.geometry.physical_to_index(points), -1, 0)
        image += ndimage.map_coordinates(study.image.astype(np.float32), at, order=1, cval=lowest)
        if votes is not None and study.labels is not None:
            found = ndimage.map_coordinates(study.labels, at, order=0, cval=0)
            votes += found == np.arange(len(votes))[:, None, None, None]
    note = (
        f"This is a short-axis stack of {grid.shape[0]} slices, {SLICE_MM:g} mm apart, computed from a scan "
        "in another orientation."
    )
    before = study.metadata.get(NOTES)
    return Study(
        name=study.name,
        image=(image / _SAMPLES).astype(np.float32),
        geometry=grid,
        labels=None if votes is None else votes.argmax(axis=0).astype(np.uint8),
        source=study.source,
        synthetic=study.synthetic,
        metadata={**study.metadata, NOTES: f"{before} {note}" if before else note},
    )
