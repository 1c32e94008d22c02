"""Segmentation of an LGE study, by the program's own networks or by nnU-Net's."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np

from claimslicer.brief import brief
from claimslicer.devices import choose_device, computed_on
from claimslicer.errors import ModelError
from claimslicer.events import SILENT, Events
from claimslicer.labels import Label, myocardium_mask
from claimslicer.quantification.calibration import Scaling
from claimslicer.segmentation.labelling import entropy, find_left_ventricle
from claimslicer.segmentation.locate import no_left_ventricle
from claimslicer.segmentation.model import SegmenterModel, load_segmenter
from claimslicer.segmentation.nnunet.labels import internal_labels
from claimslicer.segmentation.nnunet.model import NnunetModel, find_nnunet
from claimslicer.segmentation.preprocessing import left_ventricle_centre
from claimslicer.segmentation.rules import clean_labels
from claimslicer.studies import Study
from claimslicer.studies.phase import Phase
from claimslicer.studies.provenance import make_recipe

LARGEST_WALL_UNCERTAINTY = 0.45
"""Above it, before calibration, it is no left ventricle: validation hearts have 0.19–0.30, noise 0.6."""
LARGEST_VENTRICLE_ML = 800.0
"""Cavity and wall together: the 85 hearts of EMIDEC, dilated ones among them, have 114 to 466 ml."""


@dataclass(frozen=True)
class SegmentationResult:
    """``labels`` uint8 0–4 and ``uncertainty`` float32 (entropy of the class probabilities, 0 sure – 1 even).

    ``probabilities`` is float32 ``(5, z, y, x)``; ``centre_yx`` the LV centre in voxels; ``recipe`` JSON
    types. ``warning`` is a sentence where what was found is too large for a left ventricle, else empty.
    Uncertainty and probabilities are scaled where the model's card holds a calibration; labels are
    chosen before, since the losses teach infarct to be found rather than its frequency: chosen after, they
    missed more of it (Dice 0.59 instead of 0.64 on the ten pathological validation patients).
    """

    labels: np.ndarray
    uncertainty: np.ndarray
    probabilities: np.ndarray
    centre_yx: tuple[float, float]
    recipe: dict[str, Any]
    warning: str = ""
    __repr__ = brief


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
    judge: bool = False,
    phase: Phase | None = None,
    events: Events = SILENT,
) -> SegmentationResult:
    """Label cavity, myocardium, infarct and MVO of ``study`` from its image alone.

    ``model`` is a name or path of the program's own models, or a folder of nnU-Net's results: that one's own
    predictor is then used. ``clean`` says whether the rules of :mod:`claimslicer.segmentation.rules` are
    applied; None stands for yes, but for nnU-Net's models, whose labels are left as ``nnUNetv2_predict`` has
    them. ``phase`` says whether the infarct is acute or chronic, to models that know phases; they also do
    without. A result with a ``warning`` is told by an event ``warning`` too.

    As ``judge`` of synthetic scars only those labellers vote that learnt from none, where there are such.

    Raises:
        StudyError: no left ventricle was found.
        ModelError: the weights can't be used, or know no phases where one is given.
    """
    nnunet = find_nnunet(model)
    clean = nnunet is None if clean is None else clean
    if nnunet is None:
        segmenter = load_segmenter(model, device, judge=judge)
        if phase and not segmenter.settings.labeller.phase:
            raise _no_phases(segmenter.weights)
        found = predict(study, segmenter, events, phase)
    elif phase:
        raise _no_phases(nnunet.weights)
    else:
        found = _predict_with_nnunet(nnunet, study, device, events)
    labels = found.labels
    if clean:
        infarct = found.probabilities[Label.INFARCT] + found.probabilities[Label.MVO]
        labels = clean_labels(labels, infarct, study.geometry)
    wall = myocardium_mask(labels)
    if not wall.any() or (nnunet is None and _unsure(found, wall)):
        raise no_left_ventricle(study, found.weights)
    settings = {"centre_yx": found.centre_yx, "clean": clean, "scaling": found.scaling}
    settings |= {"phase": phase} if phase else {}
    computed = computed_on(choose_device(device))
    recipe = make_recipe(
        "segment", study, settings, weights=found.weights, computed=computed, **found.packages
    )
    scaled = found.scaling.apply(found.probabilities) if found.scaling else found.probabilities
    events.progress("segmenting", 1.0, "done")
    if warning := _too_large(labels, study):
        events.emit("warning", study=study.name, message=warning)
    uncertainty = entropy(scaled, found.classes)
    return SegmentationResult(labels, uncertainty, scaled, found.centre_yx, recipe, warning)


def predict(
    study: Study, segmenter: SegmenterModel, events: Events = SILENT, phase: Phase | None = None
) -> Prediction:
    """Return what the program's own networks say of ``study``, told ``phase`` where they know phases.

    Raises StudyError without a left ventricle.
    """
    events.progress("segmenting", 0.0, "finding the left ventricle")
    left_ventricle = find_left_ventricle(segmenter, study, phase)
    probabilities = left_ventricle.probabilities(events)
    labels = probabilities.argmax(0).astype(np.uint8)
    classes, centre = len(probabilities), left_ventricle.centre
    return Prediction(labels, probabilities, classes, centre, segmenter.scaling, segmenter.weights, {})


def _predict_with_nnunet(model: NnunetModel, study: Study, device: str, events: Events) -> Prediction:
    """Return what ``nnUNetv2_predict`` does. Raises StudyError as :func:`predict`."""
    from claimslicer.segmentation.nnunet.predict import predict as predict_with_nnunet

    events.progress("segmenting", 0.1, "nnU-Net")
    labels, probabilities = predict_with_nnunet(model, study, choose_device(device))
    if not labels.any():
        raise no_left_ventricle(study, model.weights)
    centre = left_ventricle_centre(labels != Label.BACKGROUND)
    classes = len(internal_labels(model.dataset))
    packages = {"nnunetv2": version("nnunetv2")}
    return Prediction(labels, probabilities, classes, centre, None, model.weights, packages)


def _no_phases(weights: Mapping[str, Any]) -> ModelError:
    return ModelError(
        f"The model '{weights['name']}' knows no phases: don't say acute or chronic, or take a model trained "
        "with 'phase_condition: true'."
    )


def _unsure(found: Prediction, wall: np.ndarray) -> bool:
    """Return whether what was found is too vague for a left ventricle, before it is calibrated."""
    return bool(entropy(found.probabilities, found.classes)[wall].mean() > LARGEST_WALL_UNCERTAINTY)


def _too_large(labels: np.ndarray, study: Study) -> str:
    """Return a sentence where cavity and wall fill more than any left ventricle does, else an empty one."""
    volume_ml = np.count_nonzero(labels) * study.geometry.voxel_volume_ml
    if volume_ml <= LARGEST_VENTRICLE_ML:
        return ""
    return (
        f"What was found in '{study.name}' fills {volume_ml:.0f} ml, more than any left ventricle: is the "
        "model trained too little, or the voxels' size wrong?"
    )
