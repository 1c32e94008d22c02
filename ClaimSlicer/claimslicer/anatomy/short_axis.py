"""A short-axis stack out of a scan in another orientation, whose axis the labels or the segmenter find."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
from scipy import ndimage

from claimslicer.anatomy.axis import (
    USUAL_APEX_TO_BASE,
    LongAxis,
    find_long_axis,
    looks_planned_otherwise,
    refined,
)
from claimslicer.anatomy.reformat import SLICE_MM, reformat, short_axis_grid
from claimslicer.errors import StudyError
from claimslicer.events import SILENT, Events
from claimslicer.labels import Label
from claimslicer.studies.study import Study

NEAR_ENOUGH_DEG = 5.0
"""Where the axis turns by less from one round to the next, it is found."""
MOST_ROUNDS = 4
LEAST_AREA = 0.25
"""Of the widest slice's cavity: less is no part of the ventricle where only the segmenter says so."""
LONGEST_MM = 96.0
"""Most that is believed of a ventricle's length where only the segmenter says so."""


def to_short_axis(
    study: Study,
    segment: Callable[[Study], np.ndarray],
    *,
    apex_to_base: tuple[float, float, float] = USUAL_APEX_TO_BASE,
    events: Events = SILENT,
) -> Study:
    """Return ``study`` as a short-axis stack, with its labels where it has some.

    Without labels the scan is cut across the average heart's axis, ``segment`` gives the labels of that, the
    axis of those is taken, and so on until it stays. Raises StudyError where no left ventricle is found.
    """
    if study.labels is not None:
        axis = find_long_axis(study.labels, study.geometry)
        if axis is None:
            raise StudyError(f"The labels of '{study.name}' don't show the long axis; label more of it.")
        axis = refined(axis, study.labels, study.geometry)
        return reformat(study, short_axis_grid(study, axis, study.labels))
    middle = study.geometry.index_to_physical((np.array(study.geometry.shape) - 1) / 2)
    axis = LongAxis(np.array(apex_to_base) / np.linalg.norm(apex_to_base), middle)
    before: Study | None = None
    cut = reformat(study, short_axis_grid(study, axis))
    for turn in range(MOST_ROUNDS):
        events.progress("reformatting", turn / MOST_ROUNDS, "finding the ventricle's axis")
        try:
            labels = _ventricle(_largest_piece(segment(cut)))
        except StudyError:
            if before is None:
                raise
            return before  # turned too far: the cut before showed the ventricle
        if not (labels == Label.CAVITY).any():
            raise StudyError(f"No left ventricle was found in '{study.name}'; label it first.")
        centre = cut.geometry.index_to_physical(np.argwhere(labels == Label.CAVITY).mean(axis=0))
        # The middles of the cavity in the slices tell more than its ends, which a segmenter often misses.
        found = refined(replace(axis, centre=centre), labels, cut.geometry)
        turned = found.angle_to(axis.apex_to_base)
        before, cut = cut, reformat(study, short_axis_grid(cut, found, labels))
        axis = found
        if turned < NEAR_ENOUGH_DEG:
            break
    return cut


def check_slices(study: Study) -> None:
    """Raise StudyError where the grid is that of a 3-D scan along the body's axes, not of a short axis."""
    if looks_planned_otherwise(study.geometry):
        raise StudyError(
            f"The slices of '{study.name}' are thin and lie along the body's axes, not across the ventricle, "
            "so its labels would be wrong: make a short-axis stack first, with Reformat in the panel or "
            "--reformat FILE in the command line."
        )


def _ventricle(labels: np.ndarray) -> np.ndarray:
    """Return ``labels`` (apex first) of as many slices as a ventricle fills.

    Beyond its ends a segmenter, which learnt from slices of hearts alone, finds ventricles too: small ones
    below the apex, and atrium or vessels above the base.
    """
    areas = (labels == Label.CAVITY).sum(axis=(1, 2))
    wide = np.flatnonzero(areas >= LEAST_AREA * areas.max())
    if not areas.any():
        return labels
    kept = labels.copy()
    kept[: wide[0]] = Label.BACKGROUND
    kept[wide[0] + round(LONGEST_MM / SLICE_MM) :] = Label.BACKGROUND
    return kept


def _largest_piece(labels: np.ndarray) -> np.ndarray:
    """Return ``labels`` without what is apart from the largest piece."""
    pieces, count = ndimage.label(labels > 0)
    if count == 0:
        return labels
    return np.where(pieces == 1 + np.bincount(pieces.ravel())[1:].argmax(), labels, 0).astype(np.uint8)
