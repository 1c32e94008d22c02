"""The RV insertions as two points that the user drags: ours, where they are suggested, or the user's own."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import slicer
from claimslicer.anatomy.landmarks import LOW_CONFIDENCE
from slicer import vtkMRMLMarkupsFiducialNode, vtkMRMLMarkupsNode
from slicer.i18n import tr as _

from ClaimSlicerLib.made import is_made, made_for, mark_made
from ClaimSlicerLib.mrml import insertion_points

KIND = "insertions"
SOURCE_ATTRIBUTE = "ClaimSlicer.Source"
"""On our points: where they come from, as the library says it; "given" once they were dragged."""
CONFIDENCE_ATTRIBUTE = "ClaimSlicer.Confidence"
MOVES = (
    vtkMRMLMarkupsNode.PointModifiedEvent,
    vtkMRMLMarkupsNode.PointAddedEvent,
    vtkMRMLMarkupsNode.PointRemovedEvent,
    vtkMRMLMarkupsNode.PointPositionDefinedEvent,
    slicer.vtkMRMLTransformableNode.TransformModifiedEvent,
)
"""Events after which the points are elsewhere."""


def place(
    node: vtkMRMLMarkupsFiducialNode | None, suggestion: Mapping[str, Any], volume: slicer.vtkMRMLVolumeNode
) -> vtkMRMLMarkupsFiducialNode:
    """Put our two points, new ones where there are none, where ``suggestion`` (LPS mm) says.

    A user's own list is left as it is: a node of ours is placed instead.
    """
    if not is_made(node, KIND):
        node = made_for(volume, "vtkMRMLMarkupsFiducialNode", KIND) or _add(volume)
    wanted = {
        _("RV ant."): suggestion["anterior"],
        _("RV inf."): suggestion["inferior"],
    }
    with slicer.util.NodeModify(node):
        while node.GetNumberOfControlPoints() > len(wanted):
            node.RemoveNthControlPoint(node.GetNumberOfControlPoints() - 1)
        for index, (label, (left, posterior, superior)) in enumerate(wanted.items()):
            if index >= node.GetNumberOfControlPoints():
                node.AddControlPoint(-left, -posterior, superior)
            node.SetNthControlPointPositionWorld(index, -left, -posterior, superior)
            node.SetNthControlPointLabel(index, label)
        node.SetAttribute(SOURCE_ATTRIBUTE, suggestion["source"])
        node.SetAttribute(CONFIDENCE_ATTRIBUTE, f"{suggestion['confidence']:.3f}")
    return node


def _add(volume: slicer.vtkMRMLVolumeNode) -> vtkMRMLMarkupsFiducialNode:
    name = _("RV insertions of {name}").format(name=volume.GetName())
    node = slicer.mrmlScene.AddNewNodeByClass(
        "vtkMRMLMarkupsFiducialNode", slicer.mrmlScene.GenerateUniqueName(name)
    )
    mark_made(node, KIND, volume)
    node.CreateDefaultDisplayNodes()
    display = node.GetDisplayNode()
    display.SetSelectedColor(1.0, 1.0, 1.0)
    display.SetColor(1.0, 1.0, 1.0)
    display.SetActiveColor(1.0, 0.85, 0.2)
    display.SetTextScale(2.5)
    # The points lie in one slice but mark a direction: they are seen, paler, in the others as well.
    display.SetSliceProjection(True)
    display.SetSliceProjectionOpacity(0.5)
    return node


def moved_by_hand(node: vtkMRMLMarkupsFiducialNode) -> None:
    """Note that our points are no longer where they were suggested."""
    if is_made(node, KIND) and node.GetAttribute(SOURCE_ATTRIBUTE) != "given":
        node.SetAttribute(SOURCE_ATTRIBUTE, "given")


def values(node: vtkMRMLMarkupsFiducialNode) -> dict[str, list[float]]:
    """Return the two points in LPS millimetres. Raises AnatomyError unless there are two."""
    points = insertion_points(node)
    return {"anterior": list(points.anterior), "inferior": list(points.inferior)}


def values_and_source(node: vtkMRMLMarkupsFiducialNode) -> dict[str, Any]:
    """Return the two points as :func:`values` does, with where ours were found until they are dragged."""
    source = node.GetAttribute(SOURCE_ATTRIBUTE) if is_made(node, KIND) else "given"
    if source == "given":
        return values(node)
    confidence = float(node.GetAttribute(CONFIDENCE_ATTRIBUTE))
    return {**values(node), "found": {"source": source, "confidence": confidence}}


def in_words(node: vtkMRMLMarkupsFiducialNode) -> str:
    """Say where the points come from and how sure they are."""
    source = node.GetAttribute(SOURCE_ATTRIBUTE) if is_made(node, KIND) else "given"
    return words_of(source, float(node.GetAttribute(CONFIDENCE_ATTRIBUTE) or 1.0))


def words_of(source: str, confidence: float) -> str:
    """Say in the panels' words where points come from and how sure they are."""
    if source == "given":
        return _("RV insertions: as marked by hand.")
    places = {
        "rv-label": _("from the right ventricle's label"),
        "image": _("found in the image"),
    }
    text = _("RV insertions: {place}, confidence {confidence:.0%}.").format(
        place=places[source], confidence=confidence
    )
    if confidence >= LOW_CONFIDENCE:
        return text
    return text + " " + _("That is low: check both points and drag them to where the right ventricle joins.")
