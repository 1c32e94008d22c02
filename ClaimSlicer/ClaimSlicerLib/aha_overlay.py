"""The AHA-17 model of a study in the scene: segments, surface and insertion points, rotating as one drags."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import qt
import slicer
from claimslicer.errors import FrameMissing
from claimslicer.worker.messages import study_values
from slicer import vtkMRMLSegmentationNode, vtkSegmentation
from slicer.i18n import tr as _
from slicer.util import VTKObservationMixin

from ClaimSlicerLib import aha_surface, heart_views, insertion_points
from ClaimSlicerLib.made import made_for, mark_made
from ClaimSlicerLib.mrml import add_segmentation, update_segmentation, volume_study
from ClaimSlicerLib.segments import AHA_STYLES
from ClaimSlicerLib.worker import Latest, Worker

KIND = "aha"
EDITS = (
    vtkSegmentation.SourceRepresentationModified,
    vtkSegmentation.SegmentAdded,
    vtkSegmentation.SegmentRemoved,
    slicer.vtkMRMLVolumeNode.ImageDataModifiedEvent,
)
"""Events after which the labels are others."""
QUIET_MS = 300
"""The labels are read again when they have not been edited for so long."""


class AhaModel(VTKObservationMixin):
    """Keeps our nodes of one study as the parameter node asks; all computing is the worker's.

    ``on_update`` gets what the worker's task ``frame`` says of the model, None when no model is shown;
    ``on_problem`` gets why it could not follow, and the last good model stays.
    """

    def __init__(
        self,
        worker: Worker,
        on_update: Callable[[dict | None], None],
        on_problem: Callable[[Exception], None],
    ) -> None:
        VTKObservationMixin.__init__(self)
        self._frames = Latest(worker, "frame", self._frame_done)
        self._surfaces = Latest(worker, "surface", self._surface_done)
        self._on_update = on_update
        self._on_problem = on_problem
        self._quiet = qt.QTimer()
        self._quiet.setProperty("singleShot", True)
        self._quiet.interval = QUIET_MS
        self._quiet.timeout.connect(self._labels_changed)
        self._parameters = None
        self._followed: dict[str, Any] = {}
        self._forget()

    def _forget(self) -> None:
        """Know nothing of the study any more; what is under way is dropped."""
        self._frames.stop()
        self._surfaces.stop()
        self._result: dict | None = None
        self._asked = False
        self._placing = False
        self._read_again()

    def _read_again(self) -> None:
        """Send the study with the next request: it isn't the one that the worker has."""
        self._key = ""
        self._voxel: np.ndarray | None = None

    @property
    def shown(self) -> bool:
        """Whether the study that is chosen has its model in the scene."""
        return self._parameters is not None and self._parameters.aha is not None

    def follow(self, parameters) -> None:
        """Show what ``parameters`` hold, the panel's parameter node or None; called whenever it changes."""
        self._parameters = parameters
        if self._placing:
            return
        before, now = self._followed, self._state(parameters)
        if now == before:
            return
        self._followed = now
        if now.get("volume") is not before.get("volume") or now.get("labels") is not before.get("labels"):
            self._forget()
            # What a scene was saved with stays when the panel is bound to it.
            if before and now and now["volume"] is not before["volume"]:
                self._take_nodes_of_volume()
        self._observe()
        if not self.shown:
            self._result = None
            self._on_update(None)
        elif not self._points_were_deleted(before):
            self._request()

    def _state(self, parameters) -> dict[str, Any]:
        names = ("volume", "labels", "insertions", "rule", "order", "aha")
        return {} if parameters is None else {name: getattr(parameters, name) for name in names}

    def _take_nodes_of_volume(self) -> None:
        """Choose our nodes of the volume, where it has some, instead of those of the volume before."""
        parameters, volume = self._parameters, self._parameters.volume
        self._placing = True
        parameters.aha = made_for(volume, "vtkMRMLSegmentationNode", KIND)
        parameters.wall = made_for(volume, "vtkMRMLModelNode", aha_surface.KIND)
        own = made_for(volume, "vtkMRMLMarkupsFiducialNode", insertion_points.KIND)
        if insertion_points.is_made(parameters.insertions, insertion_points.KIND) or own is not None:
            parameters.insertions = own
        self._placing = False
        self._followed = self._state(parameters)

    def _points_were_deleted(self, before: dict[str, Any]) -> bool:
        """Say whether the user has just removed the points: they don't come back unasked."""
        points = before.get("insertions")
        return (
            self._parameters.insertions is None
            and points is not None
            and not slicer.mrmlScene.IsNodePresent(points)
        )

    def _observe(self) -> None:
        self.removeObservers()
        parameters = self._parameters
        if parameters is None:
            return
        if parameters.labels is not None:
            for event in EDITS:
                self.addObserver(parameters.labels, event, lambda *_: self._quiet.start())
        points = parameters.insertions
        if points is not None:
            for event in insertion_points.MOVES:
                self.addObserver(points, event, self._on_moved)

    def stop(self) -> None:
        """Drop what is under way and stop observing: the scene closes."""
        self._quiet.stop()
        self._forget()
        self.removeObservers()
        self._parameters = None
        self._followed = {}

    # What is asked for

    def show(self) -> None:
        """Put the model into the scene. Raises ClaimError where the study can't be read."""
        self._asked = True
        self._read_again()
        self._request_of_study()

    def suggest(self) -> None:
        """Put our points where the study suggests them; a list of the user's is let go, not changed."""
        self._request_frame(insertions=None)

    def _on_moved(self, *_args) -> None:
        if self._placing or not self.shown:
            return
        insertion_points.moved_by_hand(self._parameters.insertions)
        self._request()

    def _labels_changed(self) -> None:
        self._read_again()
        if self.shown:
            self._request()

    def _request(self) -> None:
        """Ask for the model as the parameters are now; a study that can't be used is told, not raised."""
        try:
            self._request_of_study()
        except Exception as error:
            self._on_problem(error)

    def _request_of_study(self) -> None:
        points = self._parameters.insertions
        self._request_frame(None if points is None else insertion_points.values(points))

    def _request_frame(self, insertions: dict | None) -> None:
        parameters = self._parameters
        arguments = {
            "insertions": insertions,
            "rule": parameters.rule.value,
            "apex_first": parameters.order.value,
        }
        if self._key:
            arguments["key"] = self._key
        else:
            if parameters.labels is None:
                return
            arguments["study"] = study_values(volume_study(parameters.volume, parameters.labels))
        self._frames.request(arguments)

    # What comes back

    def _frame_done(self, result: dict | None, error: Exception | None) -> None:
        if isinstance(error, FrameMissing):  # the worker was started anew, or has others to keep
            self._read_again()
            self._request()
            return
        if error is not None:
            self._asked = False
            self._on_problem(error)
            return
        if not (self.shown or self._asked):
            return
        self._key, self._result = result["key"], result
        self._placing = True
        try:
            with slicer.util.NodeModify(self._parameters.parameterNode):
                self._put(result)
        finally:
            self._placing = False
        self._followed = self._state(self._parameters)
        self._observe()
        self._on_update(result)
        self._colour_surface()

    def _put(self, result: dict) -> None:
        """Let the nodes show ``result``; those that are missing are added when the user asked for them."""
        parameters, volume = self._parameters, self._parameters.volume
        if parameters.aha is not None:
            update_segmentation(parameters.aha, result["segments"], volume, AHA_STYLES)
        else:
            parameters.aha = _add_segments(result["segments"], volume)
        if result["insertions"]["source"] != "given":
            parameters.insertions = insertion_points.place(
                parameters.insertions, result["insertions"], volume
            )

    def _colour_surface(self) -> None:
        node = self._parameters.wall
        if node is not None and self._voxel is not None:
            aha_surface.recolour(node, self._result["segments"].ravel()[self._voxel])
        elif node is not None or self._asked:
            self._surfaces.request({"key": self._key})

    def _surface_done(self, result: dict | None, error: Exception | None) -> None:
        if error is not None:
            self._on_problem(error)
            return
        if self._result is None or (self._parameters.wall is None and not self._asked):
            return
        segments = self._result["segments"]
        first, self._asked = self._asked, False
        self._voxel = result["voxel"]
        self._placing = True
        self._parameters.wall = aha_surface.show_surface(
            self._parameters.wall,
            result["points"],
            result["triangles"],
            segments.ravel()[self._voxel],
            self._parameters.volume,
        )
        self._placing = False
        self._on_update(self._result)
        if first:
            # In a turn of its own, so that the main thread is never held long.
            qt.QTimer.singleShot(0, self._look)

    def _look(self) -> None:
        """Bring the views to the model that has just come into the scene, in the slice of the insertions."""
        parameters = self._parameters
        if not self.shown or self._result is None:
            return
        points, level = parameters.insertions, None
        if points is not None:
            level = slicer.util.arrayFromMarkupsControlPoints(points, world=True).mean(axis=0)
        heart_views.show_heart(parameters.volume, self._result["segments"] > 0, level)
        if parameters.wall is not None:
            heart_views.show_in_3d(parameters.wall)


def _add_segments(segments: np.ndarray, volume: slicer.vtkMRMLScalarVolumeNode) -> vtkMRMLSegmentationNode:
    node = made_for(volume, "vtkMRMLSegmentationNode", KIND)
    if node is not None:
        update_segmentation(node, segments, volume, AHA_STYLES)
        return node
    node = add_segmentation(segments, volume, _("AHA-17 of {name}").format(name=volume.GetName()), AHA_STYLES)
    mark_made(node, KIND, volume)
    return node


def outline_only(volume: slicer.vtkMRMLScalarVolumeNode | None, outline: bool) -> None:
    """Draw the segments of ``volume`` as lines, so that a scar is seen between them, or filled again."""
    node = made_for(volume, "vtkMRMLSegmentationNode", KIND)
    if node is not None:
        node.GetDisplayNode().SetVisibility2DFill(not outline)
