"""The scar's segmentation node: ours, rewritten while it is being authored, never once it is finished."""

from __future__ import annotations

import json
import zlib
from dataclasses import dataclass

import numpy as np
from claimslicer.smile import ScarSpec
from ClaimSlicerLib.made import VOLUME_ROLE, is_made, mark_made
from ClaimSlicerLib.mrml import BINARY_LABELMAP, add_segmentation, update_segmentation
from ClaimSlicerLib.segments import SCAR_STYLES
from ClaimSlicerLib.synthetic import mark_synthetic
from slicer import vtkMRMLScalarVolumeNode, vtkMRMLSegmentationNode
from slicer.i18n import tr as _
from vtk.util.numpy_support import vtk_to_numpy

KIND = "scar"
SPECIFICATION_ATTRIBUTE = "ClaimSlicer.Specification"
"""JSON of the specification that the scar was made from."""
FRAME_ATTRIBUTE = "ClaimSlicer.Frame"
"""The content hash of the frame that it was made on."""
SENTENCE_ATTRIBUTE = "ClaimSlicer.Sentence"
"""The scar in words."""
FINISHED_ATTRIBUTE = "ClaimSlicer.Finished"
"""Present on a scar that further moves of the sliders leave alone."""
OUTDATED_ATTRIBUTE = "ClaimSlicer.Outdated"
"""Present on a scar that isn't what the sliders ask for."""
FILL = 0.35
"""Opacity of a scar in the slices: the muscle is seen under it."""
PALE = 0.25
"""Opacity of such a scar."""
CHECKSUM_ATTRIBUTE = "ClaimSlicer.Checksum"
"""Of the mask as we left it: another one tells that it was edited by hand since."""


@dataclass(frozen=True)
class Made:
    """A scar mask from the worker: ``labels`` ``(z, y, x)`` and what it was made from."""

    labels: np.ndarray
    spec: ScarSpec
    frame_key: str
    sentence: str

    def is_in(self, node: vtkMRMLSegmentationNode | None) -> bool:
        """Say whether ``node`` was made from the same specification on the same frame."""
        return (
            is_made(node, KIND)
            and node.GetAttribute(FRAME_ATTRIBUTE) == self.frame_key
            and specification(node) == self.spec
        )


def show(
    made: Made, volume: vtkMRMLScalarVolumeNode, node: vtkMRMLSegmentationNode | None
) -> vtkMRMLSegmentationNode:
    """Put a mask into ``node`` if that may be rewritten, else into a new node; return the node."""
    if made.is_in(node):
        return node
    if may_rewrite(node, volume):
        update_segmentation(node, made.labels, volume, SCAR_STYLES)
    else:
        name = _("Scar for {name}").format(name=volume.GetName())
        node = add_segmentation(made.labels, volume, name, SCAR_STYLES)
        mark_made(node, KIND, volume)
        mark_synthetic(node)
        node.GetDisplayNode().SetOpacity2DFill(FILL)
    node.SetAttribute(SPECIFICATION_ATTRIBUTE, json.dumps(made.spec.to_dict()))
    node.SetAttribute(FRAME_ATTRIBUTE, made.frame_key)
    node.SetAttribute(CHECKSUM_ATTRIBUTE, _checksum(node))
    node.SetAttribute(SENTENCE_ATTRIBUTE, made.sentence)
    return node


def may_rewrite(node: vtkMRMLSegmentationNode | None, volume: vtkMRMLScalarVolumeNode) -> bool:
    """Say whether a node is our scar of this volume, neither finished nor edited by hand."""
    return (
        is_made(node, KIND)
        and node.GetNodeReference(VOLUME_ROLE) is volume
        and node.GetAttribute(FINISHED_ATTRIBUTE) is None
        and node.GetAttribute(CHECKSUM_ATTRIBUTE) == _checksum(node)
    )


def finish(node: vtkMRMLSegmentationNode | None) -> None:
    """Keep our scar as it is from now on."""
    if is_made(node, KIND):
        node.SetAttribute(FINISHED_ATTRIBUTE, "1")


def is_of(node: vtkMRMLSegmentationNode | None, spec: ScarSpec, frame_key: str | None) -> bool:
    """Say whether our scar was made from ``spec``, and on the frame of that key where one is known."""
    return (
        is_made(node, KIND)
        and specification(node) == spec
        and frame_key in (None, node.GetAttribute(FRAME_ATTRIBUTE))
    )


def show_outdated(node: vtkMRMLSegmentationNode | None, outdated: bool) -> None:
    """Draw our scar pale while it isn't what is asked for."""
    if not is_made(node, KIND) or node.GetDisplayNode() is None:
        return
    if outdated != (node.GetAttribute(OUTDATED_ATTRIBUTE) == "1"):
        node.SetAttribute(OUTDATED_ATTRIBUTE, "1" if outdated else None)
        node.GetDisplayNode().SetOpacity(PALE if outdated else 1.0)


def specification(node: vtkMRMLSegmentationNode) -> ScarSpec | None:
    """Return what a scar of ours was made from."""
    text = node.GetAttribute(SPECIFICATION_ATTRIBUTE)
    return None if text is None else ScarSpec.from_dict(json.loads(text))


def _checksum(node: vtkMRMLSegmentationNode) -> str:
    """Return a checksum of what is labelled where; empty margins, which saving cuts off, don't count."""
    segmentation = node.GetSegmentation()
    total = 0
    for key in segmentation.GetSegmentIDs():
        segment = segmentation.GetSegment(key)
        image = segment.GetRepresentation(BINARY_LABELMAP)
        if image is None or image.GetPointData().GetScalars() is None:
            continue
        low_i, high_i, low_j, high_j, low_k, high_k = image.GetExtent()
        shape = (high_k - low_k + 1, high_j - low_j + 1, high_i - low_i + 1)
        labels = vtk_to_numpy(image.GetPointData().GetScalars()).reshape(shape)
        places = np.argwhere(labels == segment.GetLabelValue()) + np.array((low_k, low_j, low_i))
        total = zlib.crc32(key.encode() + places.astype(np.int32).tobytes(), total)
    return f"{total:08x}"
