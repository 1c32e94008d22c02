"""The way to Slicer's Segment Editor, with the labels and the image chosen there."""

from __future__ import annotations

import slicer
from claimslicer.errors import StudyError
from slicer.i18n import tr as _

TAG = "SegmentEditor"
"""The singleton tag by which the module Segment Editor finds its parameters."""


def open_in_segment_editor(
    labels: slicer.vtkMRMLNode | None, volume: slicer.vtkMRMLScalarVolumeNode | None
) -> None:
    """Show ``labels`` over ``volume`` in the Segment Editor. Raises StudyError for what it can't edit."""
    if labels is None or volume is None:
        raise StudyError(_("Choose the volume and its labels first."))
    if not labels.IsA("vtkMRMLSegmentationNode"):
        raise StudyError(
            _("{name} is a label map: import it into a segmentation in the module Segmentations.").format(
                name=labels.GetName()
            )
        )
    node = slicer.mrmlScene.GetSingletonNode(TAG, "vtkMRMLSegmentEditorNode")
    if node is None:
        node = slicer.mrmlScene.CreateNodeByClass("vtkMRMLSegmentEditorNode")
        node.UnRegister(None)
        node.SetSingletonTag(TAG)
        node = slicer.mrmlScene.AddNode(node)
    # The module takes both from its node when it is entered.
    node.SetAndObserveSegmentationNode(labels)
    node.SetAndObserveSourceVolumeNode(volume)
    slicer.util.selectModule("SegmentEditor")
