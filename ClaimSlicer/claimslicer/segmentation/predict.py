"""Segmentation of an LGE study: find the left ventricle, then label its surroundings slice by slice."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import torch
from scipy import ndimage
from torch import nn

from claimslicer.devices import choose_device
from claimslicer.errors import StudyError
from claimslicer.events import SILENT, Events
from claimslicer.labels import Label, infarct_mask, myocardium_mask
from claimslicer.patches import with_neighbours
from claimslicer.segmentation.model import SegmenterModel, load_segmenter
from claimslicer.segmentation.nnunet.labels import internal_labels
from claimslicer.segmentation.nnunet.model import NnunetModel, find_nnunet
from claimslicer.segmentation.preprocessing import (
    heart_grid,
    left_ventricle_centre,
    normalise,
    whole_slice_grid,
)
from claimslicer.studies import Geometry, Study
from claimslicer.studies.provenance import make_recipe

SMALLEST_INFARCT_ML = 1.0
"""Smaller islands of infarct are labelled healthy: they hold 0.5 % of the infarct in the training labels."""

LEAST_INFARCT_PROBABILITY = 2 / 3
"""Islands whose mean probability of infarct is lower are labelled healthy."""

LARGEST_WALL_UNCERTAINTY = 0.45
"""Above it what was found is no left ventricle: validation hearts have 0.19–0.33, pure noise 0.5."""


@dataclass(frozen=True)
class SegmentationResult:
    """``labels`` uint8 0–4 and ``uncertainty`` float32 (entropy of the class probabilities, 0 sure – 1 even).

    ``probabilities`` is float32 ``(5, z, y, x)``; ``centre_yx`` the LV centre in voxels; ``recipe`` JSON
    types.
    """

    labels: np.ndarray
    uncertainty: np.ndarray
    probabilities: np.ndarray
    centre_yx: tuple[float, float]
    recipe: dict[str, Any]


def segment(
    study: Study, *, model: str | Path | None = None, device: str = "auto", events: Events = SILENT
) -> SegmentationResult:
    """Label cavity, myocardium, infarct and MVO of ``study`` from its image alone.

    ``model`` is a name or path of the program's own models, or a folder of nnU-Net's results: that one's own
    predictor is then used.

    Raises:
        StudyError: no left ventricle was found.
        ModelError: the weights can't be used.
    """
    if (nnunet := find_nnunet(model)) is not None:
        return _segment_with_nnunet(nnunet, study, device, events)
    segmenter = load_segmenter(model, device)
    events.progress("segmenting", 0.0, "finding the left ventricle")
    centre = find_left_ventricle(segmenter, study)
    probabilities = _label_probabilities(segmenter, study, centre, events)
    infarct = probabilities[Label.INFARCT] + probabilities[Label.MVO]
    labels = clean_labels(probabilities.argmax(0).astype(np.uint8), infarct, study.geometry)
    entropy = _entropy(probabilities, len(probabilities))
    wall = myocardium_mask(labels)
    if not wall.any() or entropy[wall].mean() > LARGEST_WALL_UNCERTAINTY:
        raise StudyError(_NOT_FOUND.format(study.name))
    recipe = make_recipe("segment", study, {"centre_yx": centre}, weights=segmenter.weights)
    events.progress("segmenting", 1.0, "done")
    return SegmentationResult(labels, entropy, probabilities, centre, recipe)


def _segment_with_nnunet(model: NnunetModel, study: Study, device: str, events: Events) -> SegmentationResult:
    """Label ``study`` as ``nnUNetv2_predict`` does, nothing cleaned. Raises StudyError as :func:`segment`."""
    from claimslicer.segmentation.nnunet.predict import predict

    events.progress("segmenting", 0.1, "nnU-Net")
    labels, probabilities = predict(model, study, choose_device(device))
    if not myocardium_mask(labels).any():
        raise StudyError(_NOT_FOUND.format(study.name))
    centre = left_ventricle_centre(labels != Label.BACKGROUND)
    settings = {"centre_yx": centre}
    recipe = make_recipe("segment", study, settings, weights=model.weights, nnunetv2=version("nnunetv2"))
    events.progress("segmenting", 1.0, "done")
    classes = len(internal_labels(model.dataset))
    return SegmentationResult(labels, _entropy(probabilities, classes), probabilities, centre, recipe)


def _entropy(probabilities: np.ndarray, classes: int) -> np.ndarray:
    """Return the entropy of ``(c, z, y, x)``, float32: 0 where one class is sure, 1 where all are even."""
    entropy = -(probabilities * np.log(np.maximum(probabilities, 1e-8))).sum(0) / math.log(classes)
    return np.minimum(entropy, 1).astype(np.float32)


_NOT_FOUND = "No left ventricle was found in '{}'; is it a short-axis LGE study?"


def find_left_ventricle(segmenter: SegmenterModel, study: Study) -> tuple[float, float]:
    """Return the (y, x) voxel of the LV centre, over all slices. Raises StudyError."""
    spacing = (study.geometry.spacing[1], study.geometry.spacing[0])
    grid = whole_slice_grid(study.image.shape[1:], spacing, segmenter.settings.locator)
    stack = with_neighbours(grid.sample(normalise(study.image, None, spacing)))
    found = _probabilities(segmenter.networks.locator, stack, segmenter.device)[:, 1:]
    back, inside = grid.put_back(found[:, 0], study.image.shape[1:])
    components, count = ndimage.label((back.numpy() > 0.5) & inside.numpy())
    if count == 0:
        raise StudyError(_NOT_FOUND.format(study.name))
    sizes = np.bincount(components.ravel())[1:]
    return left_ventricle_centre(components == sizes.argmax() + 1)


def _label_probabilities(
    segmenter: SegmenterModel, study: Study, centre: tuple[float, float], events: Events
) -> np.ndarray:
    """Return class probabilities ``(5, z, y, x)`` on the study's grid; beyond the patch all is background."""
    spacing = (study.geometry.spacing[1], study.geometry.spacing[0])
    grid = heart_grid(centre, spacing, segmenter.settings.labeller)
    stack = with_neighbours(grid.sample(normalise(study.image, centre, spacing)))
    classes = segmenter.settings.labeller.classes
    total = torch.zeros((len(stack), classes, *grid.size))
    labellers = segmenter.networks.labellers
    for number, turned in enumerate(_turns(stack)):
        events.progress("segmenting", 0.1 + 0.1 * number, f"view {number + 1} of 8")
        for labeller in labellers:
            total += _turn(_probabilities(labeller, turned, segmenter.device), number, back=True)
    back, inside = grid.put_back((total / (8 * len(labellers))).flatten(0, 1), study.image.shape[1:])
    probabilities = back.unflatten(0, (-1, classes)).permute(1, 0, 2, 3).numpy()
    probabilities[:, :, ~inside.numpy()] = 0.0
    probabilities[0, :, ~inside.numpy()] = 1.0
    return probabilities


def _turns(stack: torch.Tensor) -> Iterator[torch.Tensor]:
    """Yield the eight quarter turns and mirror images; half of them with the slice order reversed."""
    for number in range(8):
        view = _turn(stack, number)
        yield view.flip(1) if number % 2 else view


def _turn(stack: torch.Tensor, number: int, back: bool = False) -> torch.Tensor:
    quarter, mirror = number % 4, number >= 4
    if back:
        stack = torch.rot90(stack, -quarter, (2, 3))
        return stack.flip(3) if mirror else stack
    return torch.rot90(stack.flip(3) if mirror else stack, quarter, (2, 3))


def _probabilities(network: nn.Module, stack: torch.Tensor, device: torch.device) -> torch.Tensor:
    with torch.inference_mode():
        return torch.softmax(network(stack.to(device)), 1).cpu()


def clean_labels(labels: np.ndarray, infarct_probability: np.ndarray, geometry: Geometry) -> np.ndarray:
    """Keep the largest left ventricle, and the islands of infarct that are large and sure enough.

    All are ``(z, y, x)``: ``labels`` uint8 0–4, ``infarct_probability`` that of infarct or MVO.
    """
    labels = labels.copy()
    everywhere = ndimage.generate_binary_structure(3, 3)
    parts, count = ndimage.label(labels != Label.BACKGROUND, everywhere)
    if count > 1:
        labels[parts != np.bincount(parts.ravel())[1:].argmax() + 1] = Label.BACKGROUND
    islands, count = ndimage.label(infarct_mask(labels), everywhere)
    sizes = np.bincount(islands.ravel(), minlength=count + 1)
    sure = np.bincount(islands.ravel(), infarct_probability.ravel()) / np.maximum(sizes, 1)
    doubtful = (sizes * geometry.voxel_volume_ml < SMALLEST_INFARCT_ML) | (sure < LEAST_INFARCT_PROBABILITY)
    doubtful[0] = False
    labels[doubtful[islands]] = Label.MYOCARDIUM
    return labels
