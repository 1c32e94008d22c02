"""What this extension made in the scene, so that nothing else is ever changed or removed by it."""

from __future__ import annotations

from collections.abc import Collection

import slicer

MADE_ATTRIBUTE = "ClaimSlicer.Made"
"""Node attribute on every node of ours: what it is ("aha", "surface", "insertions", "labels" …)."""
VOLUME_ROLE = "ClaimSlicer.Volume"
"""Node reference from a node of ours to the volume that it belongs to."""


def mark_made(node: slicer.vtkMRMLNode, kind: str, volume: slicer.vtkMRMLVolumeNode) -> None:
    """Mark a node as ours: ``kind`` says what it is, ``volume`` what it was made for."""
    node.SetAttribute(MADE_ATTRIBUTE, kind)
    node.SetNodeReferenceID(VOLUME_ROLE, volume.GetID())


def is_made(node: slicer.vtkMRMLNode | None, kind: str) -> bool:
    """Say whether ``node`` is ours and of this kind."""
    return node is not None and node.GetAttribute(MADE_ATTRIBUTE) == kind


def made_nodes(kinds: Collection[str]) -> list[slicer.vtkMRMLDisplayableNode]:
    """Return our nodes of some kinds, whatever volume they belong to."""
    nodes = slicer.util.getNodesByClass("vtkMRMLDisplayableNode")
    return [node for node in nodes if node.GetAttribute(MADE_ATTRIBUTE) in kinds]


def made_for(
    volume: slicer.vtkMRMLVolumeNode | None, class_name: str, kind: str
) -> slicer.vtkMRMLNode | None:
    """Return our node of ``kind`` that belongs to ``volume``, None where there is none."""
    if volume is None:
        return None
    nodes = slicer.util.getNodesByClass(class_name)
    return next(
        (node for node in nodes if is_made(node, kind) and node.GetNodeReference(VOLUME_ROLE) is volume), None
    )
