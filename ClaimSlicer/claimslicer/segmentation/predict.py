"""Segmentation of an LGE study: find the left ventricle, then label its surroundings slice by slice."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import torch
from scipy import ndimage, optimize
from torch import nn

from claimslicer.devices import choose_device
from claimslicer.errors import StudyError
from claimslicer.events import SILENT, Events
from claimslicer.labels import Label, myocardium_mask
from claimslicer.models.registry import DEFAULT_MODEL
from claimslicer.patches import with_neighbours
from claimslicer.quantification.calibration import Scaling
from claimslicer.segmentation.model import SegmenterModel, load_segmenter
from claimslicer.segmentation.nnunet.labels import internal_labels
from claimslicer.segmentation.nnunet.model import NnunetModel, find_nnunet
from claimslicer.segmentation.preprocessing import (
    cut,
    heart_grid,
    left_ventricle_centre,
    normalise,
    put_back,
    slice_centres,
    whole_slice_grid,
)
from claimslicer.segmentation.rules import clean_labels
from claimslicer.studies import Study
from claimslicer.studies.provenance import make_recipe

Point = tuple[float, float]

LEAST_LOCATED = 0.3
"""The locator's probability from which a voxel belongs to the left ventricle: it errs on the small side."""

MOST_PLACES, LEAST_SHARE = 3, 0.15
"""How many places are looked at, and how likely they must be against the likeliest."""

RECENTRINGS, STILL_MM = 6, 1.5
"""How often the labeller's patches are laid anew at most, and the movement that isn't worth it."""

ASTRAY_MM, AXIS_MM, TILT_MM = 8.0, 4.0, 1.5
"""How far from the LV's axis a slice's centre may lie, how far it is thought to, and the axis's tilt a slice.

In 85 hearts of EMIDEC the centres lie at most 3.6 mm from it, and it tilts by 1.1 mm a slice at most.
"""

LARGEST_WALL_UNCERTAINTY = 0.45
"""Above it, before calibration, it is no left ventricle: validation hearts have 0.19–0.30, noise 0.6."""


@dataclass(frozen=True)
class SegmentationResult:
    """``labels`` uint8 0–4 and ``uncertainty`` float32 (entropy of the class probabilities, 0 sure – 1 even).

    ``probabilities`` is float32 ``(5, z, y, x)``; ``centre_yx`` the LV centre in voxels; ``recipe`` JSON
    types. Uncertainty and probabilities are scaled where the model's card holds a calibration; labels are
    chosen before, since the losses teach infarct to be found rather than its frequency: chosen after, they
    missed more of it (Dice 0.59 instead of 0.64 on the ten pathological validation patients).
    """

    labels: np.ndarray
    uncertainty: np.ndarray
    probabilities: np.ndarray
    centre_yx: tuple[float, float]
    recipe: dict[str, Any]


@dataclass(frozen=True)
class Prediction:
    """What the networks say of a study, before rules and calibration.

    ``labels`` uint8 0–4; ``probabilities`` float32 ``(5, z, y, x)``, of which the model knows ``classes``;
    ``weights`` and ``packages`` are for recipes.
    """

    labels: np.ndarray
    probabilities: np.ndarray
    classes: int
    centre_yx: tuple[float, float]
    scaling: Scaling | None
    weights: Mapping[str, Any]
    packages: Mapping[str, Any]


def segment(
    study: Study,
    *,
    model: str | Path | None = None,
    device: str = "auto",
    clean: bool | None = None,
    events: Events = SILENT,
) -> SegmentationResult:
    """Label cavity, myocardium, infarct and MVO of ``study`` from its image alone.

    ``model`` is a name or path of the program's own models, or a folder of nnU-Net's results: that one's own
    predictor is then used. ``clean`` says whether the rules of :mod:`claimslicer.segmentation.rules` are
    applied; None stands for yes, but for nnU-Net's models, whose labels are left as ``nnUNetv2_predict`` has
    them.

    Raises:
        StudyError: no left ventricle was found.
        ModelError: the weights can't be used.
    """
    nnunet = find_nnunet(model)
    clean = nnunet is None if clean is None else clean
    if nnunet is None:
        found = predict(study, load_segmenter(model, device), events)
    else:
        found = _predict_with_nnunet(nnunet, study, device, events)
    labels = found.labels
    if clean:
        infarct = found.probabilities[Label.INFARCT] + found.probabilities[Label.MVO]
        labels = clean_labels(labels, infarct, study.geometry)
    wall = myocardium_mask(labels)
    if not wall.any() or (nnunet is None and _unsure(found, wall)):
        raise _not_found(study, found.weights)
    settings = {"centre_yx": found.centre_yx, "clean": clean, "scaling": found.scaling}
    recipe = make_recipe("segment", study, settings, weights=found.weights, **found.packages)
    scaled = found.scaling.apply(found.probabilities) if found.scaling else found.probabilities
    events.progress("segmenting", 1.0, "done")
    return SegmentationResult(labels, _entropy(scaled, found.classes), scaled, found.centre_yx, recipe)


def predict(study: Study, segmenter: SegmenterModel, events: Events = SILENT) -> Prediction:
    """Return what the program's own networks say of ``study``. Raises StudyError without a left ventricle."""
    events.progress("segmenting", 0.0, "finding the left ventricle")
    left_ventricle = find_left_ventricle(segmenter, study)
    centre = left_ventricle_centre(left_ventricle)
    labelling = _Labelling(segmenter, study, centre)
    probabilities = labelling.vote(labelling.centres(left_ventricle), labelling.views, events)
    labels = probabilities.argmax(0).astype(np.uint8)
    classes = len(probabilities)
    return Prediction(labels, probabilities, classes, centre, segmenter.scaling, segmenter.weights, {})


def _predict_with_nnunet(model: NnunetModel, study: Study, device: str, events: Events) -> Prediction:
    """Return what ``nnUNetv2_predict`` does. Raises StudyError as :func:`predict`."""
    from claimslicer.segmentation.nnunet.predict import predict as predict_with_nnunet

    events.progress("segmenting", 0.1, "nnU-Net")
    labels, probabilities = predict_with_nnunet(model, study, choose_device(device))
    if not labels.any():
        raise _not_found(study, model.weights)
    centre = left_ventricle_centre(labels != Label.BACKGROUND)
    classes = len(internal_labels(model.dataset))
    packages = {"nnunetv2": version("nnunetv2")}
    return Prediction(labels, probabilities, classes, centre, None, model.weights, packages)


def _unsure(found: Prediction, wall: np.ndarray) -> bool:
    """Return whether what was found is too vague for a left ventricle, before it is calibrated."""
    return bool(_entropy(found.probabilities, found.classes)[wall].mean() > LARGEST_WALL_UNCERTAINTY)


def _entropy(probabilities: np.ndarray, classes: int) -> np.ndarray:
    """Return the entropy of ``(c, z, y, x)``, float32: 0 where one class is sure, 1 where all are even."""
    entropy = -(probabilities * np.log(np.maximum(probabilities, 1e-8))).sum(0) / math.log(classes)
    return np.minimum(entropy, 1).astype(np.float32)


def _not_found(study: Study, weights: Mapping[str, Any]) -> StudyError:
    trained = "" if weights["name"] == DEFAULT_MODEL else ", or is the model trained too little"
    return StudyError(
        f"No left ventricle was found in '{study.name}'; is it a short-axis LGE study{trained}?"
    )


@dataclass(frozen=True)
class View:
    """A way to look at patches ``(z, 3, h, w)``: columns mirrored, quarter turns, slice order reversed."""

    mirrored: bool = False
    quarters: int = 0
    reversed: bool = False

    def of(self, stack: torch.Tensor) -> torch.Tensor:
        """Return ``stack`` so seen."""
        stack = torch.rot90(stack.flip(3) if self.mirrored else stack, self.quarters, (2, 3))
        return stack.flip(1) if self.reversed else stack

    def back(self, found: torch.Tensor) -> torch.Tensor:
        """Return what was found in :meth:`of`, ``(z, c, h, w)``, in the place of the patches."""
        found = torch.rot90(found, -self.quarters, (2, 3))
        return found.flip(3) if self.mirrored else found


VIEWS_SQUARE = tuple(View(number >= 4, number % 4, bool(number % 2)) for number in range(8))
VIEWS_POLAR = tuple(View(number >= 2, 0, bool(number % 2)) for number in range(4))


def find_left_ventricle(segmenter: SegmenterModel, study: Study) -> np.ndarray:
    """Return roughly where cavity and wall are, bool ``(z, y, x)``. Raises StudyError where they aren't.

    Where the locator sees several, it is the one whose wall a polar labeller is surest of.
    """
    places = _places(segmenter, study)
    if len(places) == 1 or not segmenter.settings.labeller.rays:
        return places[0]
    return min(places, key=lambda place: _doubt(segmenter, study, place))


def _places(segmenter: SegmenterModel, study: Study) -> list[np.ndarray]:
    """Return the parts, bool ``(z, y, x)``, that the locator takes for a left ventricle, the likeliest first.

    Raises StudyError without any.
    """
    spacing = (study.geometry.spacing[1], study.geometry.spacing[0])
    grid = whole_slice_grid(study.image.shape[1:], spacing, segmenter.settings.locator)
    stack = with_neighbours(grid.sample(normalise(study.image, None, spacing)))
    found = torch.zeros((len(stack), *grid.size))
    for view in VIEWS_SQUARE:
        found += view.back(_probabilities(segmenter.networks.locator, view.of(stack), segmenter.device))[:, 1]
    back, inside = grid.put_back(found / len(VIEWS_SQUARE), study.image.shape[1:])
    located = back.numpy() * inside.numpy()
    parts, count = ndimage.label(located > LEAST_LOCATED)
    if count == 0:
        raise _not_found(study, segmenter.weights)
    weights = np.bincount(parts.ravel(), located.ravel())[1:]
    likely = [k for k in np.argsort(-weights)[:MOST_PLACES] if weights[k] > LEAST_SHARE * weights.max()]
    return [parts == k + 1 for k in likely]


def _doubt(segmenter: SegmenterModel, study: Study, place: np.ndarray) -> float:
    """Return the mean entropy, 0–1, of the wall that a labeller finds at a place, 1 without any."""
    labelling = _Labelling(segmenter, study, left_ventricle_centre(place))
    try:
        found = labelling.vote(labelling.centres(place), labelling.views[:1])
    except StudyError:
        return 1.0
    wall = myocardium_mask(found.argmax(0))
    return float(_entropy(found, len(found))[wall].mean()) if wall.any() else 1.0


class _Labelling:
    """The labellers of a segmenter on one study, whose grey levels are taken from around ``centre``."""

    def __init__(self, segmenter: SegmenterModel, study: Study, centre: Point) -> None:
        self._segmenter, self._study = segmenter, study
        self._spacing = (study.geometry.spacing[1], study.geometry.spacing[0])
        self._stack = normalise(study.image, centre, self._spacing)
        self._settings = segmenter.settings.labeller
        self.views = VIEWS_POLAR if self._settings.rays else VIEWS_SQUARE

    def centres(self, left_ventricle: np.ndarray) -> list[Point]:
        """Return round which voxel of each slice to look, given roughly where the LV is.

        Polar patches are laid round the middles of ``left_ventricle``, which the locator knows to a
        centimetre, then round those of the ventricle that is found there, until they stay where they are.
        Raises StudyError where it gets lost.
        """
        if not self._settings.rays:
            return slice_centres(left_ventricle, self._settings)
        centres = centres_near_axis(left_ventricle, self._spacing)
        for _ in range(RECENTRINGS):
            found = self.vote(centres, self.views[:1], members=1)
            left_ventricle = _largest_part(found[Label.BACKGROUND] < 0.5)
            if not left_ventricle.any():
                raise _not_found(self._study, self._segmenter.weights)
            before = centres
            centres = centres_near_axis(left_ventricle, self._spacing)
            if (np.abs(np.subtract(centres, before)) * self._spacing).max() < STILL_MM:
                break
        return centres

    def vote(
        self,
        centres: Sequence[Point],
        views: Sequence[View],
        events: Events = SILENT,
        members: int | None = None,
    ) -> np.ndarray:
        """Return class probabilities ``(5, z, y, x)`` on the study's grid, the mean over labellers and views.

        Beyond the patches all is background.
        """
        grids = [heart_grid(centre, self._spacing, self._settings) for centre in centres]
        seen = cut(self._stack, grids)
        total = torch.zeros((len(seen), self._settings.classes, *self._settings.patch_shape))
        labellers = list(self._segmenter.networks.labellers)[:members]
        for number, view in enumerate(views):
            events.progress("segmenting", 0.2 + 0.8 * number / len(views), "labelling")
            for labeller in labellers:
                total += view.back(_probabilities(labeller, view.of(seen), self._segmenter.device))
        return put_back(total / (len(views) * len(labellers)), grids, self._study.image.shape[1:])


def _largest_part(mask: np.ndarray) -> np.ndarray:
    """Return the largest connected part of ``mask``, none of an empty one."""
    components, count = ndimage.label(mask)
    if count == 0:
        return mask
    return components == np.bincount(components.ravel())[1:].argmax() + 1


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


def _probabilities(network: nn.Module, stack: torch.Tensor, device: torch.device) -> torch.Tensor:
    with torch.inference_mode():
        return torch.softmax(network(stack.to(device)), 1).cpu()
