"""From the mouse over a bull's-eye to the segment in the slices, and from the mouse in the slices back."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import slicer
from claimslicer.errors import StudyError
from slicer.util import VTKObservationMixin

from ClaimSlicerLib.mrml import volume_geometry

DIM = 0.25
"""Opacity of the other segments while one is pointed at."""
RAS_TO_LPS = np.array([-1.0, -1.0, 1.0])


def mark(overlay: slicer.vtkMRMLSegmentationNode | None, segment: int) -> None:
    """Let one AHA segment of our overlay stand out in the slices; 0 shows all alike."""
    if overlay is None or overlay.GetDisplayNode() is None:
        return
    with slicer.util.NodeModify(overlay.GetDisplayNode()):
        display = overlay.GetDisplayNode()
        for key in overlay.GetSegmentation().GetSegmentIDs():
            opacity = 1.0 if not segment or key.split()[0] == str(segment) else DIM
            display.SetSegmentOpacity2DFill(key, opacity)
            display.SetSegmentOpacity2DOutline(key, opacity)


class Pointing(VTKObservationMixin):
    """Tells ``pointed(segment)`` which AHA segment the mouse is over in a slice view, 0 for none."""

    def __init__(self, pointed: Callable[[int], None]) -> None:
        VTKObservationMixin.__init__(self)
        self._pointed = pointed
        self._segment = 0
        self._segments: np.ndarray | None = None
        self._volume: slicer.vtkMRMLScalarVolumeNode | None = None

    def follow(self, segments: np.ndarray | None, volume: slicer.vtkMRMLScalarVolumeNode | None) -> None:
        """Look the mouse up in ``segments`` ``(z, y, x)`` on the grid of ``volume``; None looks nowhere."""
        self._segments, self._volume = segments, volume
        crosshair = slicer.mrmlScene.GetFirstNodeByClass("vtkMRMLCrosshairNode")
        if crosshair is None:
            return
        event = crosshair.CursorPositionModifiedEvent
        wanted = segments is not None and volume is not None
        if wanted != self.hasObserver(crosshair, event, self._moved):
            (self.addObserver if wanted else self.removeObserver)(crosshair, event, self._moved)

    def _moved(self, crosshair: slicer.vtkMRMLCrosshairNode, _event: str) -> None:
        segment = self._under(crosshair)
        if segment != self._segment:
            self._segment = segment
            self._pointed(segment)

    def _under(self, crosshair: slicer.vtkMRMLCrosshairNode) -> int:
        place = [0.0, 0.0, 0.0]
        if self._segments is None or not crosshair.GetCursorPositionRAS(place):
            return 0
        try:
            geometry = volume_geometry(self._volume)
        except StudyError:
            return 0
        index = np.round(geometry.physical_to_index(np.array(place) * RAS_TO_LPS)).astype(int)
        if (index < 0).any() or (index >= self._segments.shape).any():
            return 0
        return int(self._segments[tuple(index)])
