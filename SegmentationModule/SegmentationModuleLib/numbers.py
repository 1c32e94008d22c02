"""The numbers of the chosen labels: asked of the worker whenever something they depend on has changed."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import qt
import slicer
from claimslicer.errors import ClaimError
from claimslicer.studies.provenance import sha256_of_array
from claimslicer.worker.messages import study_values
from ClaimSlicerLib.insertion_points import MOVES, moved_by_hand, values_and_source
from ClaimSlicerLib.mrml import study_labels, volume_study
from ClaimSlicerLib.worker import Latest, geometry_worker, model_worker
from slicer.util import VTKObservationMixin

DELAY_MS = 300
"""While the segments are being drawn, numbers wait until the hand rests."""


@dataclass(frozen=True)
class Question:
    """What the numbers are of; nodes are those of the scene."""

    volume: slicer.vtkMRMLScalarVolumeNode | None
    labels: slicer.vtkMRMLNode | None
    reference: slicer.vtkMRMLNode | None
    insertions: slicer.vtkMRMLMarkupsFiducialNode | None
    rule: str
    apex_first: bool | None
    sd: int | None
    """n of the n-SD threshold, None where thresholds aren't wanted."""

    def nodes(self) -> list[slicer.vtkMRMLNode]:
        """Return the nodes that are there."""
        return [n for n in (self.volume, self.labels, self.reference, self.insertions) if n is not None]

    def arguments(self) -> dict:
        """Return the arguments of the tasks ``quantify`` and ``report``. Raises ClaimError."""
        reference = self.reference
        return {
            "study": study_values(volume_study(self.volume, self.labels)),
            "insertions": None if self.insertions is None else values_and_source(self.insertions),
            "rule": self.rule,
            "apex_first": self.apex_first,
            "reference": None if reference is None else study_labels(reference, self.volume),
        }


class Numbers(VTKObservationMixin):
    """``result`` and ``thresholds`` are the workers' answers, ``problem`` why there is none.

    ``labels`` are those looked at last, ``content`` their hash; ``stale``: newer numbers are on their way.
    ``changed`` is called whenever any of these changes.
    """

    def __init__(self, changed: Callable[[], None]) -> None:
        VTKObservationMixin.__init__(self)
        self._changed = changed
        self._question: Question | None = None
        self._latest: dict[str, Latest] = {}
        self._timer = qt.QTimer()
        self._timer.interval = DELAY_MS
        self._timer.timeout.connect(self._ask)
        self._waiting = False
        self._clear()

    def _clear(self) -> None:
        self.result: dict | None = None
        self.thresholds: dict | None = None
        self.problem = ""
        self.content = ""
        self.labels: np.ndarray | None = None
        self.stale = False

    @property
    def question(self) -> Question | None:
        """What the numbers are of."""
        return self._question

    def follow(self, question: Question) -> None:
        """Measure what ``question`` names, now and whenever it changes."""
        if question == self._question:
            return
        before, self._question = self._question, question
        self.removeObservers()
        for node in dict.fromkeys(question.nodes()):
            self._observe(node)
        if before is None or before.labels is not question.labels or before.volume is not question.volume:
            self._clear()
        self._touch()

    def stop(self) -> None:
        """Forget everything and ask no more."""
        self._timer.stop()
        for latest in self._latest.values():
            latest.stop()
        self.removeObservers()
        self._question = None
        self._clear()

    def _observe(self, node: slicer.vtkMRMLNode) -> None:
        self.addObserver(node, slicer.vtkMRMLTransformableNode.TransformModifiedEvent, self._touch)
        if node.IsA("vtkMRMLSegmentationNode"):
            segmentation = node.GetSegmentation()
            for event in (
                segmentation.SourceRepresentationModified,
                segmentation.RepresentationModified,
                segmentation.SegmentAdded,
                segmentation.SegmentRemoved,
                segmentation.SegmentModified,
            ):
                self.addObserver(segmentation, event, self._touch)
        elif node.IsA("vtkMRMLMarkupsNode"):
            for event in MOVES[:-1]:
                self.addObserver(node, event, self._moved)
        else:
            self.addObserver(node, slicer.vtkMRMLVolumeNode.ImageDataModifiedEvent, self._touch)

    def _moved(self, points: slicer.vtkMRMLMarkupsNode, _event: str) -> None:
        moved_by_hand(points)
        self._touch()

    def _touch(self, *_args) -> None:
        self.stale = self._waiting = True
        self._timer.start()
        self._changed()

    def _ask(self) -> None:
        self._timer.stop()
        self._waiting = False
        question = self._question
        gone = question is None or any(node.GetScene() is None for node in question.nodes())
        if gone or question.volume is None or question.labels is None:
            self._clear()
            self._changed()
            return
        try:
            arguments = question.arguments()
            self.labels = arguments["study"]["labels"]
            self.content = sha256_of_array(arguments["study"]["labels"])
            self._send(question, arguments)
        except (ClaimError, RuntimeError) as error:
            self._fail(error)
        self._changed()

    def _send(self, question: Question, arguments: dict) -> None:
        # Distances to a second segmentation and Otsu need packages; plain numbers don't.
        heavy = question.reference is not None
        worker = model_worker() if heavy else geometry_worker()
        self._asker(f"quantify {heavy}", worker, "quantify", self._answered).request(arguments)
        if question.sd is None:
            self.thresholds = None
        else:
            more = {**arguments, "reference": None, "sd": question.sd}
            self._asker("thresholds", model_worker(), "thresholds", self._took_thresholds).request(more)

    def _asker(self, name: str, worker, task: str, on_done: Callable) -> Latest:
        if name not in self._latest:
            self._latest[name] = Latest(worker, task, on_done)
        return self._latest[name]

    def _answered(self, result: dict | None, error: Exception | None) -> None:
        if self._question is None:
            return
        if error is not None:
            self._fail(error)
        else:
            self.result, self.problem = result, ""
        self.stale = self._waiting
        self._changed()

    def _took_thresholds(self, result: dict | None, error: Exception | None) -> None:
        if self._question is None or self._question.sd is None:
            return
        self.thresholds = result
        if error is not None:
            self.problem = str(error).partition("\n")[0]
        self._changed()

    def _fail(self, error: Exception) -> None:
        self.result = self.thresholds = None
        self.problem = str(error).partition("\n")[0]
        self.stale = False
