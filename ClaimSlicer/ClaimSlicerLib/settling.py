"""What is to be done again when views have got their sizes, which Qt gives them some turns later."""

from __future__ import annotations

from collections.abc import Callable, Iterable

import qt
import slicer
import vtk
from slicer.util import VTKObservationMixin

QUIET_MS = 700
"""Views whose sizes have not changed for so long have settled."""


class Settling(VTKObservationMixin):
    """Calls ``again`` after each change of size of the views it is told of, until they keep still.

    A view that is shown for the first time has no size yet: what is centred and zoomed in it lies elsewhere
    once it has.
    """

    def __init__(self) -> None:
        VTKObservationMixin.__init__(self)
        self._again: Callable[[], None] | None = None
        self._sizes: dict[str, tuple] = {}
        self._waits = False
        self._quiet = qt.QTimer()
        self._quiet.setProperty("singleShot", True)
        self._quiet.interval = QUIET_MS
        self._quiet.timeout.connect(self.stop)

    def watch(self, views: Iterable[slicer.vtkMRMLSliceNode], again: Callable[[], None]) -> None:
        """Watch ``views`` instead of those before."""
        self.stop()
        self._again = again
        for view in views:
            self._sizes[view.GetID()] = tuple(view.GetDimensions())
            self.addObserver(view, vtk.vtkCommand.ModifiedEvent, self._changed)
        self._quiet.start()

    def stop(self) -> None:
        """Watch nothing any more."""
        self._quiet.stop()
        self.removeObservers()
        self._again, self._sizes = None, {}

    def _changed(self, view: slicer.vtkMRMLSliceNode, _event: str) -> None:
        size = tuple(view.GetDimensions())
        if self._again is None or self._sizes.get(view.GetID()) == size:
            return
        self._sizes[view.GetID()] = size
        self._quiet.start()
        if not self._waits:
            self._waits = True
            qt.QTimer.singleShot(0, self._do)

    def _do(self) -> None:
        self._waits = False
        if self._again is not None:
            self._again()
