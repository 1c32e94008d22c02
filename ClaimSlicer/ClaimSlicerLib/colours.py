"""Colour tables of ours, one of each in a scene."""

from __future__ import annotations

from collections.abc import Iterable

import slicer

from ClaimSlicerLib.made import MADE_ATTRIBUTE

RGBA = tuple[float, float, float, float]


def colour_table(tag: str, name: str, colours: Iterable[tuple[str, RGBA]]) -> slicer.vtkMRMLColorTableNode:
    """Return the scene's table of the singleton tag ``tag``, made of named ``colours`` if it is missing."""
    node = slicer.mrmlScene.GetSingletonNode(tag, "vtkMRMLColorTableNode")
    if node is not None:
        return node
    entries = list(colours)
    node = slicer.mrmlScene.CreateNodeByClass("vtkMRMLColorTableNode")
    node.UnRegister(None)
    node.SetSingletonTag(tag)
    node.SetName(name)
    node.SetAttribute(MADE_ATTRIBUTE, "colours")
    node.SetTypeToUser()
    node.SetNumberOfColors(len(entries))
    for index, (label, colour) in enumerate(entries):
        node.SetColor(index, label, *colour)
    return slicer.mrmlScene.AddNode(node)
