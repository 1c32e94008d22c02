"""What is drawn over a study: only its own, as outlines, so that the heart is seen under it."""

from __future__ import annotations

from collections.abc import Collection

import slicer

from ClaimSlicerLib import band
from ClaimSlicerLib.made import MADE_ATTRIBUTE, VOLUME_ROLE, is_made

HIDDEN_ATTRIBUTE = "ClaimSlicer.HiddenForAnotherStudy"
"""Node attribute of ours that isn't shown while another study is chosen."""
ASIDE_ATTRIBUTE = "ClaimSlicer.Hidden"
"""Attribute of a segmentation's display node: it is hidden for as long as something is compared or judged."""
SURFACE = slicer.vtkSegmentationConverter.GetSegmentationClosedSurfaceRepresentationName()
OUTLINED_ATTRIBUTE = "ClaimSlicer.Outlined"
"""Attribute of a segmentation's display node: it was made outlines once; the user may fill it again."""


def show_only(volume: slicer.vtkMRMLVolumeNode) -> None:
    """Show our nodes of one study at a time: those of another volume lie in another heart, or in no scar."""
    for node in slicer.util.getNodesByClass("vtkMRMLDisplayableNode"):
        of = node.GetNodeReference(VOLUME_ROLE) if node.GetAttribute(MADE_ATTRIBUTE) else None
        if of is None or node.IsA("vtkMRMLVolumeNode"):
            continue
        if of is volume and node.GetAttribute(HIDDEN_ATTRIBUTE):
            node.SetDisplayVisibility(True)
            node.RemoveAttribute(HIDDEN_ATTRIBUTE)
        elif of is not volume and node.GetDisplayVisibility():
            node.SetDisplayVisibility(False)
            node.SetAttribute(HIDDEN_ATTRIBUTE, "1")


def outline(labels: slicer.vtkMRMLNode | None) -> None:
    """Draw a segmentation as outlines when it is first chosen; what the user does afterwards stays."""
    display = None
    if labels is not None and labels.IsA("vtkMRMLSegmentationNode"):
        display = labels.GetDisplayNode()
    if display is not None and not display.GetAttribute(OUTLINED_ATTRIBUTE):
        display.SetAttribute(OUTLINED_ATTRIBUTE, "1")
        display.SetVisibility2DFill(False)


def show_none_but(*kept: slicer.vtkMRMLNode | None) -> None:
    """Take all segmentations but ``kept`` off the slices: they would hide what is judged.

    What was painted is shown and hidden on its own: :func:`ClaimSlicerLib.band.show_bands`.
    """
    for display in slicer.util.getNodesByClass("vtkMRMLSegmentationDisplayNode"):
        if display.GetDisplayableNode() in kept:
            _bring_back(display)
        elif display.GetVisibility2D() and not is_made(display.GetDisplayableNode(), band.KIND):
            display.SetAttribute(ASIDE_ATTRIBUTE, "1")
            display.SetVisibility2D(False)


def whiten(labels: slicer.vtkMRMLNode | None, white: bool) -> None:
    """Draw a segmentation's outlines in white, to be told from another's, or in its own colours again."""
    if labels is None or not labels.IsA("vtkMRMLSegmentationNode") or labels.GetDisplayNode() is None:
        return
    display, colour = labels.GetDisplayNode(), (1.0, 1.0, 1.0) if white else (-1.0, -1.0, -1.0)
    for key in labels.GetSegmentation().GetSegmentIDs():
        if tuple(display.GetSegmentOverrideColor(key)) != colour:
            display.SetSegmentOverrideColor(key, *colour)


def show_surface(node: slicer.vtkMRMLSegmentationNode, shown: bool, hidden: Collection[str] = ()) -> None:
    """Show a segmentation as surfaces in the 3-D views but for the segments ``hidden``, or no surface of it.

    After each change of its labels it has to be called again: the surfaces are those of the labels before.
    """
    segmentation = node.GetSegmentation()
    if not shown:
        if segmentation.ContainsRepresentation(SURFACE):
            node.RemoveClosedSurfaceRepresentation()
        return
    display = node.GetDisplayNode()
    for key in segmentation.GetSegmentIDs():
        display.SetSegmentVisibility3D(key, key not in hidden)
    if not segmentation.ContainsRepresentation(SURFACE):
        node.CreateClosedSurfaceRepresentation()
    display.SetVisibility3D(True)


def bring_back() -> None:
    """Show again what was taken off."""
    for display in slicer.util.getNodesByClass("vtkMRMLSegmentationDisplayNode"):
        _bring_back(display)


def _bring_back(display: slicer.vtkMRMLSegmentationDisplayNode) -> None:
    if display.GetAttribute(ASIDE_ATTRIBUTE) == "1":
        display.RemoveAttribute(ASIDE_ATTRIBUTE)
        display.SetVisibility2D(True)
