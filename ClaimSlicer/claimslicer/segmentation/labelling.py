"""Labelling a left ventricle slice by slice, and how sure the labellers are of it."""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import cached_property

import numpy as np
import torch
from scipy import ndimage

from claimslicer.errors import StudyError
from claimslicer.events import SILENT, Events
from claimslicer.labels import Label, myocardium_mask
from claimslicer.segmentation.locate import Point, centres_near_axis, likely_places, no_left_ventricle
from claimslicer.segmentation.model import SegmenterModel
from claimslicer.segmentation.preprocessing import (
    cut,
    heart_grid,
    left_ventricle_centre,
    normalise,
    put_back,
    slice_centres,
    with_phases,
)
from claimslicer.segmentation.rules import largest_part
from claimslicer.segmentation.views import VIEWS_POLAR, VIEWS_SQUARE, View
from claimslicer.studies import Study
from claimslicer.studies.phase import Phase

RECENTRINGS, STILL_MM = 6, 1.5
"""How often the labeller's patches are laid anew at most, and the movement that isn't worth it."""


class Labelling:
    """The labellers of a segmenter on one study, at one ``place``: roughly cavity and wall, ``(z, y, x)``.

    Grey levels are taken from around its ``centre``, (y, x) in voxels. ``phase`` is told to labellers that
    know phases.
    """

    def __init__(
        self, segmenter: SegmenterModel, study: Study, place: np.ndarray, phase: Phase | None = None
    ) -> None:
        self._segmenter, self._study, self._place, self._phase = segmenter, study, place, phase
        self._spacing = (study.geometry.spacing[1], study.geometry.spacing[0])
        self._settings = segmenter.settings.labeller
        self.centre = left_ventricle_centre(place)
        self._stack = normalise(study.image, self.centre, self._spacing)
        self._views = VIEWS_POLAR if self._settings.rays else VIEWS_SQUARE

    def probabilities(self, events: Events = SILENT) -> np.ndarray:
        """Return class probabilities ``(5, z, y, x)`` on the study's grid, in all views.

        Raises StudyError where the ventricle gets lost.
        """
        return self._vote(self._centres, self._views, events)

    def doubt(self) -> float:
        """Return the mean entropy, 0–1, of the wall that is found here in one view, 1 without any."""
        try:
            found = self._vote(self._centres, self._views[:1])
        except StudyError:
            return 1.0
        wall = myocardium_mask(found.argmax(0))
        return float(entropy(found, len(found))[wall].mean()) if wall.any() else 1.0

    @cached_property
    def _centres(self) -> list[Point]:
        """Round which voxel of each slice to look.

        Polar patches are laid round the middles of the place, which the locator knows to a centimetre, then
        round those of the ventricle that is found there, until they stay where they are. Raises StudyError
        where it gets lost.
        """
        if not self._settings.rays:
            return slice_centres(self._place, self._settings)
        centres = centres_near_axis(self._place, self._spacing)
        for _ in range(RECENTRINGS):
            found = self._vote(centres, self._views[:1], members=1)
            left_ventricle = largest_part(ndimage.label(found[Label.BACKGROUND] < 0.5)[0])
            if not left_ventricle.any():
                raise no_left_ventricle(self._study, self._segmenter.weights)
            before = centres
            centres = centres_near_axis(left_ventricle, self._spacing)
            if (np.abs(np.subtract(centres, before)) * self._spacing).max() < STILL_MM:
                break
        return centres

    def _vote(
        self,
        centres: Sequence[Point],
        views: Sequence[View],
        events: Events = SILENT,
        members: int | None = None,
    ) -> np.ndarray:
        """Return the mean over labellers, the first ``members`` or all, and views.

        Beyond the patches all is background.
        """
        grids = [heart_grid(centre, self._spacing, self._settings) for centre in centres]
        seen = with_phases(cut(self._stack, grids), [self._phase] * len(grids), self._settings)
        total = torch.zeros((len(seen), self._settings.classes, *self._settings.patch_shape))
        labellers = list(self._segmenter.networks.labellers)[:members]
        for number, view in enumerate(views):
            events.progress("segmenting", 0.2 + 0.8 * number / len(views), "labelling")
            for labeller in labellers:
                total += view.ask(labeller, seen, self._segmenter.device)
        return put_back(total / (len(views) * len(labellers)), grids, self._study.image.shape[1:])


def find_left_ventricle(segmenter: SegmenterModel, study: Study, phase: Phase | None = None) -> Labelling:
    """Return the labellers where the left ventricle is. Raises StudyError where there is none.

    Where the locator sees several, it is the one whose wall a polar labeller is surest of.
    """
    places = likely_places(segmenter, study)
    if not segmenter.settings.labeller.rays:
        places = places[:1]
    found = [Labelling(segmenter, study, place, phase) for place in places]
    return found[0] if len(found) == 1 else min(found, key=Labelling.doubt)


def entropy(probabilities: np.ndarray, classes: int) -> np.ndarray:
    """Return the entropy of ``(c, z, y, x)``, float32: 0 where one class is sure, 1 where all are even."""
    nats = -(probabilities * np.log(np.maximum(probabilities, 1e-8))).sum(0)
    return np.minimum(nats / math.log(classes), 1).astype(np.float32)
