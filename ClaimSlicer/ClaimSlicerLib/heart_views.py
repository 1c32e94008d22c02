"""The user's own views brought to a heart: large enough to be judged, in its greys, not under its labels."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
import slicer
import vtk
from claimslicer.figures.difference import focus_of

from ClaimSlicerLib.mrml import volume_geometry
from ClaimSlicerLib.views import VIEW_STYLES, show_volume

TOO_WIDE = 1.6
"""A view that shows more than so many times the width needed is brought nearer."""
ALONG = 1e-3
"""Slices passed on a way of 1 mm in a view that still lies along them."""
HEART_MM = 80.0
"""How much is looked at for its greys at least, where only a scar is known."""
GREYS = (0.5, 99.8)
"""Percentiles of the grey levels round the heart that become black and white."""
RAS_TO_LPS = np.array([-1.0, -1.0, 1.0])


def show_heart(
    volume: slicer.vtkMRMLScalarVolumeNode,
    heart: np.ndarray,
    level: Sequence[float] | None = None,
) -> None:
    """Bring the slice views to ``heart`` (bool, ``(z, y, x)``), a ventricle or a scar in it, on ``volume``.

    They go through ``level`` (RAS millimetres), or the slice that has most of it, and are turned to the
    volume's slices where none of them lies along those. A view that shows it large enough keeps the user's
    zoom. A label map over the image, where Slicer puts each that is loaded, is taken off: nothing of the
    muscle could be seen under it.
    """
    if slicer.app.layoutManager() is None or not heart.any():
        return
    layers = [logic.GetSliceCompositeNode() for logic in _logics()]
    if volume.GetID() not in [layer.GetBackgroundVolumeID() for layer in layers]:
        show_volume(volume)
    if not _slices_shown(volume):
        for logic in _logics():
            logic.GetSliceNode().RotateToVolumePlane(volume)
    _fit_greys(volume, heart)
    middle, through, width_mm = _place(volume, heart, level)
    for logic in _logics():
        layer = logic.GetSliceCompositeNode()
        if layer.GetBackgroundVolumeID() == volume.GetID():
            layer.SetLabelVolumeID(None)
            _bring(logic.GetSliceNode(), middle, through, width_mm)


def is_seen(volume: slicer.vtkMRMLScalarVolumeNode, scar: np.ndarray) -> bool:
    """Say whether one of the views along the volume's slices goes through ``scar`` (bool, ``(z, y, x)``)."""
    return any(scar[np.clip(index, 0, len(scar) - 1)].any() for index in _slices_shown(volume))


def _slices_shown(volume: slicer.vtkMRMLScalarVolumeNode) -> list[int]:
    """Return which of the volume's slices lie in a view; none where every view cuts across them."""
    to_ijk, view = vtk.vtkMatrix4x4(), vtk.vtkMatrix4x4()
    volume.GetRASToIJKMatrix(to_ijk)
    shown = []
    for logic in _logics():
        vtk.vtkMatrix4x4.Multiply4x4(to_ijk, logic.GetSliceNode().GetSliceToRAS(), view)
        if abs(view.GetElement(2, 0)) + abs(view.GetElement(2, 1)) < ALONG:
            shown.append(round(view.GetElement(2, 3)))
    return shown


def show_in_3d(node: slicer.vtkMRMLDisplayableNode) -> None:
    """Move the cameras until ``node`` fills the 3-D views, whatever else lies round it."""
    bounds = np.zeros(6)
    node.GetRASBounds(bounds)
    manager = slicer.app.layoutManager()
    for index in range(manager.threeDViewCount if manager is not None else 0):
        view = manager.threeDWidget(index).threeDView()
        renderer = view.renderWindow().GetRenderers().GetItemAsObject(0)
        renderer.ResetCamera(bounds)
        renderer.ResetCameraClippingRange()


def _logics() -> Iterator[slicer.vtkMRMLSliceLogic]:
    """Give the slice views of the user's layouts; those of a comparison are another matter."""
    for view in slicer.util.getNodesByClass("vtkMRMLSliceNode"):
        logic = slicer.app.applicationLogic().GetSliceLogic(view)
        if logic is not None and view.GetName() not in VIEW_STYLES:
            yield logic


def _place(
    volume: slicer.vtkMRMLScalarVolumeNode, heart: np.ndarray, level: Sequence[float] | None
) -> tuple[np.ndarray, np.ndarray, float]:
    """Return the heart's middle, the same in the slice to be shown (RAS), and how many mm to show."""
    geometry = volume_geometry(volume)
    slice_ = np.argmax(heart.sum((1, 2)))
    if level is not None:
        slice_ = geometry.physical_to_index(np.asarray(level) * RAS_TO_LPS)[0]
    middle = np.array([(min(place) + max(place)) / 2 for place in np.nonzero(heart)])
    centres = geometry.index_to_physical(np.array([middle, [slice_, *middle[1:]]])) * RAS_TO_LPS
    focus = focus_of(heart, geometry)
    return centres[0], centres[1], focus.width_mm


def _bring(view: slicer.vtkMRMLSliceNode, middle: np.ndarray, through: np.ndarray, width_mm: float) -> None:
    width, height, depth = view.GetFieldOfView()
    if min(width, height) > TOO_WIDE * width_mm:
        scale = width_mm / min(width, height)
        view.SetFieldOfView(scale * width, scale * height, depth)
        view.JumpSliceByCentering(*middle)
    view.JumpSliceByOffsetting(*through)


def _fit_greys(volume: slicer.vtkMRMLScalarVolumeNode, heart: np.ndarray) -> None:
    """Set the grey window to what lies round the heart, unless the user has set one.

    Over the whole chest, fat and air leave a few greys between the muscle and its scar.
    """
    display = volume.GetDisplayNode()
    if display is None or not display.GetAutoWindowLevel():
        return
    reach = np.ceil(HEART_MM / 2 / np.array(volume_geometry(volume).spacing_zyx[1:])).astype(int)
    box = []
    for place, least in zip(np.nonzero(heart.any(0)), reach, strict=True):
        middle, half = (min(place) + max(place)) // 2, max((max(place) - min(place)) // 2 + 1, least)
        box.append(slice(max(middle - half, 0), middle + half + 1))
    low, high = np.percentile(slicer.util.arrayFromVolume(volume)[:, box[0], box[1]], GREYS)
    if high > low:
        display.SetAutoWindowLevel(False)
        display.SetWindowLevelMinMax(low, high)
