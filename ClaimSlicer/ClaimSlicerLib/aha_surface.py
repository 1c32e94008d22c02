"""The wall of the left ventricle in the 3-D views, coloured by AHA segment."""

from __future__ import annotations

import numpy as np
import slicer
import vtk
from slicer import vtkMRMLModelNode
from slicer.i18n import tr as _
from vtk.util.numpy_support import numpy_to_vtk, numpy_to_vtkIdTypeArray, vtk_to_numpy

from ClaimSlicerLib.made import made_for, mark_made
from ClaimSlicerLib.segments import AHA_STYLES
from ClaimSlicerLib.synthetic import is_synthetic, mark_synthetic

KIND = "surface"
COLOURS = "AHA segment"
"""Name of the point data that hold each point's colour."""


def _palette() -> np.ndarray:
    """Return the colours of values 0 to 17, grey where there is no segment; uint8."""
    colours = np.full((max(style.value for style in AHA_STYLES) + 1, 3), 0.6)
    for style in AHA_STYLES:
        colours[style.value] = style.colour
    return np.round(255 * colours).astype(np.uint8)


def show_surface(
    node: vtkMRMLModelNode | None,
    points: np.ndarray,
    triangles: np.ndarray,
    segment: np.ndarray,
    volume: slicer.vtkMRMLVolumeNode,
) -> vtkMRMLModelNode:
    """Let our model node, or a new one, show a surface: points (N, 3) in LPS mm, triangles (M, 3)."""
    surface = vtk.vtkPolyData()
    locations = vtk.vtkPoints()
    locations.SetData(numpy_to_vtk(np.ascontiguousarray(points * (-1, -1, 1), np.float32), deep=True))
    surface.SetPoints(locations)
    cells = vtk.vtkCellArray()
    cells.SetData(3, numpy_to_vtkIdTypeArray(triangles.ravel().astype(np.int64), deep=True))
    surface.SetPolys(cells)
    normals = vtk.vtkPolyDataNormals()
    normals.SetInputData(surface)
    normals.SplittingOff()
    normals.ConsistencyOff()
    normals.Update()
    surface = normals.GetOutput()
    colours = numpy_to_vtk(_palette()[segment], deep=True)
    colours.SetName(COLOURS)
    surface.GetPointData().AddArray(colours)
    surface.GetPointData().SetActiveScalars(COLOURS)
    if node is None:
        node = made_for(volume, "vtkMRMLModelNode", KIND) or _add(volume)
    node.SetAndObservePolyData(surface)
    return node


def _add(volume: slicer.vtkMRMLVolumeNode) -> vtkMRMLModelNode:
    name = _("AHA-17 surface of {name}").format(name=volume.GetName())
    node = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLModelNode", slicer.mrmlScene.GenerateUniqueName(name))
    mark_made(node, KIND, volume)
    if is_synthetic(volume):
        mark_synthetic(node)
    node.CreateDefaultDisplayNodes()
    display = node.GetDisplayNode()
    display.SetActiveScalar(COLOURS, vtk.vtkAssignAttribute.POINT_DATA)
    display.SetScalarRangeFlag(display.UseDirectMapping)
    display.SetScalarVisibility(True)
    display.SetVisibility2D(False)
    return node


def recolour(node: vtkMRMLModelNode, segment: np.ndarray) -> None:
    """Give the points of our surface the colours of other segments, uint8 (N,)."""
    points = node.GetPolyData().GetPointData()
    colours = points.GetArray(COLOURS)
    vtk_to_numpy(colours)[:] = _palette()[segment]
    colours.Modified()
    node.GetPolyData().Modified()
