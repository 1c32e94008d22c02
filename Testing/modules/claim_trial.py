"""The module CLAIM, opened with the phantom, its AHA-17 model, and a drag of the insertion points."""

from __future__ import annotations

import numpy as np
from claimslicer.anatomy import Insertions, build_frame
from PySide6 import QtCore
from PySide6.QtTest import QTest
from scipy.spatial.transform import Rotation
from vtk.util.numpy_support import vtk_to_numpy


def click(widget, **where) -> None:
    """Press and release the left mouse button."""
    QTest.mouseClick(widget, QtCore.Qt.MouseButton.LeftButton, **where)


def open_with_the_phantom(open_panel, phantom):
    """Open the panel with the phantom's volume and labels chosen."""
    panel = open_panel("ClaimSlicer")
    panel.ui.volumeSelector.setCurrentNode(phantom[0])
    panel.ui.labelsSelector.setCurrentNode(phantom[1])
    return panel


def show_the_model(panel, wait_for):
    """Let the panel bring the model into the scene, and return the panel."""
    click(panel.ui.applyButton)
    wait_for(lambda: panel.parameters.wall is not None)
    return panel


def frame_in_scene(volume, labels, points=None, **options):
    """The library's own frame of what the scene holds."""
    from ClaimSlicerLib.mrml import insertion_points, volume_study

    study = volume_study(volume, labels)
    given = None if points is None else insertion_points(points)
    return build_frame(study.labels, study.geometry, image=study.image, insertions=given, **options)


def turned(frame, degrees: float) -> Insertions:
    """The frame's insertions turned round the cavity's centre."""
    geometry = frame.geometry
    centre = geometry.index_to_physical(np.argwhere(frame.cavity)).mean(axis=0)
    normal = np.asarray(geometry.direction).reshape(3, 3)[:, 2]
    turn = Rotation.from_rotvec(np.radians(degrees) * normal)
    points = (frame.insertions.anterior, frame.insertions.inferior)
    return Insertions(*(tuple(centre + turn.apply(np.asarray(point) - centre)) for point in points))


def move(node, index: int, point_lps) -> None:
    """Put a control point elsewhere, as Slicer's widget does while it is dragged."""
    left, posterior, superior = point_lps
    node.SetNthControlPointPosition(index, -left, -posterior, superior)


class Drag:
    """A drag as Slicer's markups widget tells of it: an event at either end, and each point moved between."""

    def __init__(self, node) -> None:
        self.node = node

    def __enter__(self):
        self.node.InvokeEvent(self.node.PointStartInteractionEvent)
        return self

    def __exit__(self, *_):
        self.node.InvokeEvent(self.node.PointEndInteractionEvent)

    def to(self, insertions: Insertions) -> None:
        move(self.node, 0, insertions.anterior)
        move(self.node, 1, insertions.inferior)


def holds(panel, frame) -> bool:
    """Say whether the label map that all 17 segments share is that of ``frame``."""
    image = panel.parameters.aha.GetSegmentation().GetNthSegment(0).GetRepresentation("Binary labelmap")
    voxels = vtk_to_numpy(image.GetPointData().GetScalars())
    return np.array_equal(voxels.reshape(frame.segments.shape), frame.segments)


def wall_colours(panel) -> np.ndarray:
    """Return a copy of the colours of the wall in 3-D."""
    from ClaimSlicerLib.aha_surface import COLOURS

    return vtk_to_numpy(panel.parameters.wall.GetPolyData().GetPointData().GetArray(COLOURS)).copy()
