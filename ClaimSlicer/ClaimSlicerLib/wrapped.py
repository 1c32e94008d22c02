"""One wrapper for each parameter node."""

from __future__ import annotations

import weakref

import slicer

_WRAPPERS: weakref.WeakValueDictionary = weakref.WeakValueDictionary()


def wrapped(kind: type, node: slicer.vtkMRMLScriptedModuleNode):
    """Return ``node`` wrapped as ``kind``, a ``@parameterNodeWrapper`` class: the same object while it lives.

    Slicer's wrappers keep the values they have read until the node tells of a change, and VTK tells the
    youngest observer first: widgets bound through one wrapper would show old values when another one writes.
    """
    key = (kind, node.GetID())
    found = _WRAPPERS.get(key)
    if found is None or found.parameterNode is not node:
        found = _WRAPPERS[key] = kind(node)
    return found
