"""The way to Slicer's Segment Editor, with the labels and the image chosen there."""

from __future__ import annotations

import numpy as np
import slicer
from claimslicer.errors import StudyError
from claimslicer.labels import Label, infarct_mask, myocardium_mask
from ClaimSlicerLib.mrml import study_labels
from ClaimSlicerLib.segments import LABEL_STYLES
from slicer.i18n import tr as _

TAG = "SegmentEditor"
"""The singleton tag by which the module Segment Editor finds its parameters."""

NOT_WALL = (Label.CAVITY, Label.RIGHT_VENTRICLE)
HIDDEN = "ClaimSlicer.HiddenForEditing"
"""Attribute of a segmentation: the segments that were hidden, so that drawing stays in the wall."""
_WALLS: dict[str, np.ndarray] = {}
"""By the segmentation's ID: the wall as it was when editing began."""


def open_in_segment_editor(
    labels: slicer.vtkMRMLNode | None, volume: slicer.vtkMRMLScalarVolumeNode | None
) -> None:
    """Show ``labels`` over ``volume`` in the Segment Editor, ready to draw infarct inside the wall.

    Cavity and right ventricle are hidden until :func:`finish`, as the editor draws inside visible segments
    only. Raises StudyError for what it can't edit.
    """
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
    _WALLS[labels.GetID()] = myocardium_mask(study_labels(labels, volume))
    hidden = [key for key in (_segment(labels, label) for label in NOT_WALL) if key]
    labels.SetAttribute(HIDDEN, ";".join(key for key in hidden if _visible(labels, key)))
    for key in hidden:
        labels.GetDisplayNode().SetSegmentVisibility(key, False)
    infarct = _segment(labels, Label.INFARCT)
    if infarct:
        node.SetSelectedSegmentID(infarct)
        node.SetActiveEffectName("Paint")
    node.SetMaskMode(slicer.vtkMRMLSegmentationNode.EditAllowedInsideVisibleSegments)
    node.SetOverwriteMode(node.OverwriteAllSegments)
    slicer.util.selectModule("SegmentEditor")


def finish(labels: slicer.vtkMRMLNode | None) -> None:
    """Show again what was hidden for editing."""
    keys = None if labels is None else labels.GetAttribute(HIDDEN)
    if keys is None:
        return
    labels.RemoveAttribute(HIDDEN)
    for key in filter(None, keys.split(";")):
        labels.GetDisplayNode().SetSegmentVisibility(key, True)


def warning(labels: slicer.vtkMRMLNode | None, values: np.ndarray | None) -> str:
    """Say where ``values``, what ``labels`` hold now, have left the wall as it was before editing."""
    wall = None if labels is None else _WALLS.get(labels.GetID())
    if wall is None or values is None or wall.shape != values.shape:
        return ""
    outside = int((infarct_mask(values) & ~wall).sum())
    bare = int((wall & (values == Label.BACKGROUND)).sum())
    told = []
    if outside:
        told.append(_("{count} voxels of infarct lie outside the wall.").format(count=outside))
    if bare:
        told.append(_("{count} voxels of the wall have lost their label.").format(count=bare))
    return " ".join(["⚠", *told]) if told else ""


def _segment(labels: slicer.vtkMRMLSegmentationNode, label: Label) -> str:
    """Return the ID of the segment of a label, by its name; empty where there is none."""
    style = next(style for style in LABEL_STYLES if style.value == label)
    segmentation = labels.GetSegmentation()
    keys = segmentation.GetSegmentIDs()
    return next((key for key in keys if style.is_called(segmentation.GetSegment(key).GetName())), "")


def _visible(labels: slicer.vtkMRMLSegmentationNode, key: str) -> bool:
    return labels.GetDisplayNode().GetSegmentVisibility(key)
