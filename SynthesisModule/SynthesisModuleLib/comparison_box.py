"""The panel's comparison of two volumes: views, fade, flicker, the difference's range, and the way back."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import slicer
import vtk
from claimslicer.errors import ClaimError
from claimslicer.figures.palette import DIFFERENCE_COLOURS
from claimslicer.labels import ventricle_mask
from ClaimSlicerLib import views
from ClaimSlicerLib.made import is_made
from ClaimSlicerLib.mrml import study_labels
from slicer import vtkMRMLScalarVolumeDisplayNode, vtkMRMLScalarVolumeNode
from slicer.i18n import tr as _
from slicer.util import VTKObservationMixin

from SynthesisModuleLib.variants import KIND


class LinkedWindows(VTKObservationMixin):
    """Keeps two volumes' grey windows alike: seen through different windows they can't be compared."""

    def __init__(self) -> None:
        VTKObservationMixin.__init__(self)
        self._displays: tuple[vtkMRMLScalarVolumeDisplayNode, ...] = ()

    def link(self, first: vtkMRMLScalarVolumeNode, second: vtkMRMLScalarVolumeNode) -> None:
        """Give ``second`` the window of ``first``, and whichever is changed from now on leads."""
        self.stop()
        self._displays = (first.GetDisplayNode(), second.GetDisplayNode())
        self._follow(self._displays[0], "")
        for display in self._displays:
            self.addObserver(display, vtk.vtkCommand.ModifiedEvent, self._follow)

    def stop(self) -> None:
        """Let each go its own way."""
        self.removeObservers()
        self._displays = ()

    def _follow(self, leader: vtkMRMLScalarVolumeDisplayNode, _event: str) -> None:
        wanted = leader.GetWindow(), leader.GetLevel()
        for display in self._displays:
            if (display.GetWindow(), display.GetLevel()) != wanted:
                display.SetAutoWindowLevel(False)
                display.SetWindowLevel(*wanted)


class ComparisonBox:
    """Shows what the parameter node's ``against`` and ``shown`` hold, side by side, in ``ui``'s widgets."""

    def __init__(self, ui) -> None:
        self.ui = ui
        self.flicker = views.Flicker()
        self._windows = LinkedWindows()
        self._shown: tuple | None = None
        ui.rangeBar.styleSheet = _gradient(DIFFERENCE_COLOURS)
        ui.flickerButton.toggled.connect(self._on_flicker)

    def begin(self, parameters) -> None:
        """Compare the parameter node's two volumes. Raises StudyError when they lie on different grids."""
        first, second = parameters.against, parameters.shown
        # First, as the change of layout calls for an update, which must find nothing left to do.
        self._shown = _key(parameters)
        try:
            end = views.compare(first, second, parameters.arrangement, heart=_heart(parameters, first))
        except ClaimError:
            self._shown = None
            raise
        self._windows.link(first, second)
        self.ui.lowLabel.text, self.ui.highLabel.text = f"−{end:.4g}", f"+{end:.4g}"
        two_variants = is_made(first, KIND)
        self.ui.firstLabel.text = _("First") if two_variants else _("Original")
        self.ui.secondLabel.text = _("Second") if two_variants else _("Synthetic")
        self.ui.firstLabel.toolTip, self.ui.secondLabel.toolTip = first.GetName(), second.GetName()

    def shows(self, parameters) -> bool:
        """Say whether the views already show what the parameter node holds."""
        return self._shown == _key(parameters)

    def follow(self, parameters) -> None:
        """Bring the views up to date with the parameter node, and the widgets with the views."""
        comparing = views.comparing() is not None
        gone = parameters is not None and None in (parameters.against, parameters.shown)
        if comparing and gone and not slicer.mrmlScene.IsBatchProcessing():
            views.leave()  # one of the two has left the scene
        if parameters is None or not comparing or gone:
            self.end()
        else:
            if not self.shows(parameters):
                self.begin(parameters)
            if not self.flicker.running:
                views.fade(parameters.fade / 100.0)
            views.show_segmentations(parameters.showSegmentations)
            painted = (parameters.against, parameters.shown) if parameters.showPainted else ()
            views.show_painted(*painted)
        self._enable(self._shown is not None)

    def end(self) -> None:
        """Stop what goes on for a comparison; the layout is left as it is."""
        self.stop_flicker()
        self._windows.stop()
        self._shown = None
        views.show_painted()
        self.ui.lowLabel.text = self.ui.highLabel.text = ""

    def stop_flicker(self) -> None:
        """Let the volumes stand still."""
        self.ui.flickerButton.checked = False

    def _on_flicker(self, on: bool) -> None:
        if on:
            self.flicker.start()
        else:
            self.flicker.stop()

    def _enable(self, comparing: bool) -> None:
        for widget in (self.ui.fadeSlider, self.ui.flickerButton, self.ui.leaveButton):
            widget.enabled = comparing


def _key(parameters) -> tuple[str, str, views.Arrangement]:
    return parameters.against.GetID(), parameters.shown.GetID(), parameters.arrangement


def _gradient(colours: Sequence[str]) -> str:
    """Return a style sheet that fills a frame with ``colours`` from left to right."""
    stops = ", ".join(
        f"stop:{index / (len(colours) - 1):.3f} {colour}" for index, colour in enumerate(colours)
    )
    return f"background: qlineargradient(x1:0, y1:0, x2:1, y2:0, {stops}); border: 1px solid #888888;"


def _heart(parameters, volume: vtkMRMLScalarVolumeNode) -> np.ndarray | None:
    """Return the labelled ventricle for the views to be centred on; None where no labels fit ``volume``."""
    if parameters.labels is None:
        return None
    try:
        labels = study_labels(parameters.labels, volume)
    except ClaimError:
        return None
    return ventricle_mask(labels)
