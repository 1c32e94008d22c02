"""What the network found, as nodes: the labels as a segmentation, the uncertainty as an overlay."""

from __future__ import annotations

import json

import numpy as np
import slicer
from claimslicer.figures.palette import blend
from claimslicer.labels import Label
from claimslicer.review import Review
from claimslicer.studies.provenance import sha256_of_array
from ClaimSlicerLib.colours import colour_table
from ClaimSlicerLib.made import is_made, mark_made
from ClaimSlicerLib.mrml import add_segmentation, add_volume, volume_geometry
from ClaimSlicerLib.overlays import outline
from ClaimSlicerLib.segments import LABEL_STYLES
from ClaimSlicerLib.synthetic import RECIPE_ATTRIBUTE, is_synthetic
from slicer.i18n import tr as _

from SegmentationModuleLib.review import write_review

KIND = "segmentation"
UNCERTAINTY = "uncertainty"
UNCERTAINTY_ROLE = "ClaimSlicer.Uncertainty"
"""Node reference from a segmentation to the uncertainty that came with it."""
COLOURS = "ClaimSlicerUncertainty"
UNSURE_COLOURS = ("#FFF3B0", "#F59F00", "#E8590C", "#862E9C")
COUNT = 64
STYLES = tuple(style for style in LABEL_STYLES if style.value != Label.RIGHT_VENTRICLE)


def add_labels(
    labels: np.ndarray,
    volume: slicer.vtkMRMLScalarVolumeNode,
    review: Review | None = None,
    recipe: dict | None = None,
) -> slicer.vtkMRMLSegmentationNode:
    """Add predicted ``labels`` as a segmentation of ``volume``; to review unless ``review`` is given."""
    name = _("{name} segmentation").format(name=volume.GetName())
    styles = LABEL_STYLES if (labels == Label.RIGHT_VENTRICLE).any() else STYLES
    node = add_segmentation(labels, volume, name, styles)
    mark_made(node, KIND, volume)
    outline(node)
    if recipe is not None:
        node.SetAttribute(RECIPE_ATTRIBUTE, json.dumps(recipe))
    write_review(node, review or Review(content=sha256_of_array(labels)))
    return node


def add_uncertainty(
    values: np.ndarray, volume: slicer.vtkMRMLScalarVolumeNode, labels: slicer.vtkMRMLSegmentationNode
) -> slicer.vtkMRMLScalarVolumeNode:
    """Add the uncertainty (0 sure – 1 undecided) that came with ``labels``; it isn't shown yet."""
    name = _("{name} uncertainty").format(name=volume.GetName())
    node = add_volume(
        values.astype(np.float32), volume_geometry(volume), name, synthetic=is_synthetic(volume)
    )
    mark_made(node, UNCERTAINTY, volume)
    labels.SetNodeReferenceID(UNCERTAINTY_ROLE, node.GetID())
    display = node.GetDisplayNode()
    display.SetAndObserveColorNodeID(_colour_node().GetID())
    display.SetAutoWindowLevel(False)
    display.SetWindowLevelMinMax(0.0, 1.0)
    return node


def uncertainty_of(labels: slicer.vtkMRMLNode | None) -> slicer.vtkMRMLScalarVolumeNode | None:
    """Return the uncertainty that came with ``labels``, None where there is none."""
    return None if labels is None else labels.GetNodeReference(UNCERTAINTY_ROLE)


def show_uncertainty(node: slicer.vtkMRMLScalarVolumeNode | None, opacity: float) -> None:
    """Lay ``node`` over the images of all slice views, or take our overlay off; others' stay as they are."""
    for composite in slicer.util.getNodesByClass("vtkMRMLSliceCompositeNode"):
        above = slicer.mrmlScene.GetNodeByID(composite.GetForegroundVolumeID() or "")
        if node is not None:
            composite.SetForegroundVolumeID(node.GetID())
            composite.SetForegroundOpacity(opacity)
        elif is_made(above, UNCERTAINTY):
            composite.SetForegroundVolumeID(None)


def _colour_node() -> slicer.vtkMRMLColorTableNode:
    """Return the scene's one table for uncertainty; where the networks are sure it lets the image through."""
    places = [index / (COUNT - 1) for index in range(COUNT)]
    return colour_table(
        COLOURS,
        _("CLAIM uncertainty"),
        ((f"{place:.2f}", (*blend(UNSURE_COLOURS, place), min(1.0, 4.0 * place))) for place in places),
    )
