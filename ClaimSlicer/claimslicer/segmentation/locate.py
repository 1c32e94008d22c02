"""Where the left ventricle lies: the places that may be it, and its middle in each slice."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from scipy import ndimage, optimize

from claimslicer.errors import StudyError
from claimslicer.models.registry import DEFAULT_MODEL
from claimslicer.patches import with_neighbours
from claimslicer.segmentation.model import SegmenterModel
from claimslicer.segmentation.preprocessing import left_ventricle_centre, normalise, whole_slice_grid
from claimslicer.segmentation.views import VIEWS_SQUARE
from claimslicer.studies import Study

Point = tuple[float, float]
"""A (y, x) place in voxels."""

LEAST_LOCATED = 0.3
"""The locator's probability from which a voxel belongs to the left ventricle: it errs on the small side."""

MOST_PLACES, LEAST_SHARE = 3, 0.15
"""How many places are looked at, and how likely they must be against the likeliest."""

ASTRAY_MM, AXIS_MM, TILT_MM = 8.0, 4.0, 1.5
"""How far from the LV's axis a slice's centre may lie, how far it is thought to, and the axis's tilt a slice.

In 85 hearts of EMIDEC the centres lie at most 3.6 mm from it, and it tilts by 1.1 mm a slice at most.
"""


def likely_places(segmenter: SegmenterModel, study: Study) -> list[np.ndarray]:
    """Return the parts, bool ``(z, y, x)``, that the locator takes for a left ventricle, the likeliest first.

    Each is roughly cavity and wall. Raises StudyError without any.
    """
    spacing = (study.geometry.spacing[1], study.geometry.spacing[0])
    grid = whole_slice_grid(study.image.shape[1:], spacing, segmenter.settings.locator)
    stack = with_neighbours(grid.sample(normalise(study.image, None, spacing)))
    found = torch.zeros((len(stack), *grid.size))
    for view in VIEWS_SQUARE:
        found += view.ask(segmenter.networks.locator, stack, segmenter.device)[:, 1]
    back, inside = grid.put_back(found / len(VIEWS_SQUARE), study.image.shape[1:])
    located = back.numpy() * inside.numpy()
    parts, count = ndimage.label(located > LEAST_LOCATED)
    if count == 0:
        raise no_left_ventricle(study, segmenter.weights)
    weights = np.bincount(parts.ravel(), located.ravel())[1:]
    likely = [k for k in np.argsort(-weights)[:MOST_PLACES] if weights[k] > LEAST_SHARE * weights.max()]
    return [parts == k + 1 for k in likely]


def centres_near_axis(left_ventricle: np.ndarray, spacing_yx: tuple[float, float]) -> list[Point]:
    """Return the (y, x) voxel of the LV centre in each slice of a mask ``(z, y, x)``, which holds some.

    It is the middle of the mask, unless that is empty or lies farther than :data:`ASTRAY_MM` from the LV's
    axis: then it is the axis, a straight line through all slices from which outliers are left out.
    """
    area = left_ventricle.sum((1, 2))
    heights, weights = np.arange(len(area)) - (len(area) - 1) / 2, np.sqrt(area / area.max())
    own_mm = np.zeros((len(area), 2))
    for z in np.flatnonzero(area):
        own_mm[z] = np.multiply(left_ventricle_centre(left_ventricle[z : z + 1]), spacing_yx)

    def axis(line: np.ndarray) -> np.ndarray:
        return line[:2] + heights[:, None] * line[2:]

    def residuals(line: np.ndarray) -> np.ndarray:
        beside = (axis(line) - own_mm) * weights[:, None] / AXIS_MM
        return np.concatenate([beside.ravel(), line[2:] / TILT_MM])

    start = np.append(np.median(own_mm[area > 0], axis=0), (0.0, 0.0))
    line_mm = axis(optimize.least_squares(residuals, start, loss="cauchy").x)
    astray = (np.linalg.norm(own_mm - line_mm, axis=1) > ASTRAY_MM) | (area == 0)
    return [(float(y), float(x)) for y, x in np.where(astray[:, None], line_mm, own_mm) / spacing_yx]


def no_left_ventricle(study: Study, weights: Mapping[str, Any]) -> StudyError:
    """Return what is raised where a model, known by its ``weights``, finds none."""
    trained = "" if weights["name"] == DEFAULT_MODEL else ", or is the model trained too little"
    return StudyError(
        f"No left ventricle was found in '{study.name}'; is it a short-axis LGE study{trained}?"
    )
