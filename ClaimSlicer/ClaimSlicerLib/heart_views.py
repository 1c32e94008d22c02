"""The user's own views brought to a heart: large enough to be judged, in its greys, not under its labels."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import slicer
from claimslicer.figures.difference import focus_of

from ClaimSlicerLib.mrml import volume_geometry
from ClaimSlicerLib.planes import lies_along
from ClaimSlicerLib.settling import Settling
from ClaimSlicerLib.views import enlarge, lay_along, show_volume, user_views

TOO_WIDE = 1.6
"""A view that shows more than so many times the width needed is brought nearer."""
HEART_MM = 80.0
"""How much is looked at for its greys at least, where only a scar is known."""
GREYS = (0.5, 99.8)
"""Percentiles of the grey levels round the heart that become black and white."""
RAS_TO_LPS = np.array([-1.0, -1.0, 1.0])
_SETTLING = Settling()


def show_heart(
    volume: slicer.vtkMRMLScalarVolumeNode,
    heart: np.ndarray,
    level: Sequence[float] | None = None,
    *,
    scar: np.ndarray | None = None,
) -> None:
    """Bring the slice views to ``heart`` (bool, ``(z, y, x)``), a ventricle or a scar in it, on ``volume``.

    They go through ``level`` (RAS millimetres), or the slice that has most of ``scar``, else most of the
    heart. Where none in sight lies along the volume's slices, the first is turned to them and the others
    across; Slicer's layouts of equal parts give way to one large view. A view that shows the heart large
    enough keeps the user's zoom. A label map over the image, where Slicer puts each that is loaded, is taken
    off: nothing of the muscle could be seen under it.
    """
    if slicer.app.layoutManager() is None or not heart.any():
        return
    place = _place(volume, heart, level, scar if scar is not None and scar.any() else heart)
    with slicer.util.RenderBlocker():
        layers = [logic.GetSliceCompositeNode() for logic in user_views()]
        anew = volume.GetID() not in [layer.GetBackgroundVolumeID() for layer in layers]
        if anew:
            show_volume(volume)
        anew = enlarge() or anew
        if not _along(volume):
            lay_along(volume)
        _fit_greys(volume, heart)
        _bring(volume, place, always=anew)
    volume_id = volume.GetID()
    shown = [logic.GetSliceNode() for logic in user_views()]
    _SETTLING.watch(shown, lambda: _bring_again(volume_id, place))


def _bring_again(volume_id: str, place: tuple[np.ndarray, np.ndarray, float]) -> None:
    volume = slicer.mrmlScene.GetNodeByID(volume_id)
    if volume is not None:
        with slicer.util.RenderBlocker():
            _bring(volume, place, always=True)


def is_seen(volume: slicer.vtkMRMLScalarVolumeNode, scar: np.ndarray) -> bool:
    """Say whether one of the views along the volume's slices goes through ``scar`` (bool, ``(z, y, x)``)."""
    geometry = volume_geometry(volume)
    for logic in _along(volume):
        middle = slicer.util.arrayFromVTKMatrix(logic.GetSliceNode().GetSliceToRAS())[:3, 3]
        index = round(float(geometry.physical_to_index(middle * RAS_TO_LPS)[0]))
        if scar[np.clip(index, 0, len(scar) - 1)].any():
            return True
    return False


def _along(volume: slicer.vtkMRMLScalarVolumeNode) -> list[slicer.vtkMRMLSliceLogic]:
    """Return the views in sight that lie along the volume's slices; all such where none is in sight."""
    along = [logic for logic in user_views() if lies_along(logic.GetSliceNode(), volume)]
    seen = [logic for logic in user_views() if logic.GetSliceNode().IsViewVisibleInLayout()]
    return [logic for logic in along if logic in seen] if seen else along


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


def _place(
    volume: slicer.vtkMRMLScalarVolumeNode,
    heart: np.ndarray,
    level: Sequence[float] | None,
    most_of: np.ndarray,
) -> tuple[np.ndarray, np.ndarray, float]:
    """Return the heart's middle, the same in the slice to be shown (RAS), and how many mm to show."""
    geometry = volume_geometry(volume)
    slice_ = np.argmax(most_of.sum((1, 2)))
    if level is not None:
        slice_ = geometry.physical_to_index(np.asarray(level) * RAS_TO_LPS)[0]
    middle = np.array([(min(place) + max(place)) / 2 for place in np.nonzero(heart)])
    centres = geometry.index_to_physical(np.array([middle, [slice_, *middle[1:]]])) * RAS_TO_LPS
    focus = focus_of(heart, geometry)
    return centres[0], centres[1], focus.width_mm


def _bring(
    volume: slicer.vtkMRMLScalarVolumeNode, place: tuple[np.ndarray, np.ndarray, float], *, always: bool
) -> None:
    """Bring the views that show ``volume`` to a place; a zoom of the user's stays unless ``always``."""
    middle, through, width_mm = place
    for logic in user_views():
        layer, view = logic.GetSliceCompositeNode(), logic.GetSliceNode()
        if layer.GetBackgroundVolumeID() != volume.GetID():
            continue
        layer.SetLabelVolumeID(None)
        width, height, depth = view.GetFieldOfView()
        if always or min(width, height) > TOO_WIDE * width_mm:
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
