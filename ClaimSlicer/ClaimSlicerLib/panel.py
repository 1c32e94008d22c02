"""The life cycle that all panels share: the ``.ui`` file, the parameter node, the scene's changes."""

from __future__ import annotations

import slicer
import vtk
from slicer.i18n import tr as _
from slicer.ScriptedLoadableModule import ScriptedLoadableModuleWidget
from slicer.util import VTKObservationMixin

from ClaimSlicerLib.made import MADE_ATTRIBUTE


class Panel(ScriptedLoadableModuleWidget, VTKObservationMixin):
    """A panel whose state lives in a parameter node and whose widgets are bound to it by name.

    A subclass gives :meth:`make_logic`, connects its buttons in :meth:`connect`, and shows in :meth:`update`
    what the parameter node holds. Where the ``.ui`` file has an ``applyButton``, :meth:`missing` says what
    keeps it off.
    """

    def __init__(self, parent=None) -> None:
        ScriptedLoadableModuleWidget.__init__(self, parent)
        VTKObservationMixin.__init__(self)
        self.logic = None
        self._parameters = None
        self._gui_tag = None
        self._volume = None

    def make_logic(self):
        """Return the module's logic."""
        raise NotImplementedError

    def connect(self) -> None:
        """Connect the buttons of ``self.ui``."""
        raise NotImplementedError

    def missing(self) -> str:
        """Say what the user has still to choose before Apply works; empty when nothing is missing."""
        return ""

    def forget_messages(self) -> None:
        """Take away what was said of the study before; overridden where something was."""

    def setup(self) -> None:
        """Load the ``.ui`` file and bind it; called once, when the module is first opened."""
        ScriptedLoadableModuleWidget.setup(self)
        top = slicer.util.loadUI(self.resourcePath(f"UI/{self.moduleName}.ui"))
        self.layout.addWidget(top)
        self.ui = slicer.util.childWidgetVariables(top)
        for widget in vars(self.ui).values():
            if hasattr(widget, "setMRMLScene"):
                widget.setMRMLScene(slicer.mrmlScene)
        self.logic = self.make_logic()
        self.connect()
        scene = slicer.mrmlScene
        self.addObserver(scene, scene.StartCloseEvent, self._on_start_close)
        self.addObserver(scene, scene.EndCloseEvent, self._on_end_close)
        self.addObserver(scene, scene.EndImportEvent, self._on_end_import)
        self._bind()

    def cleanup(self) -> None:
        """End what runs and stop observing; called before the module goes."""
        self.stop()
        self._unbind()
        self.removeObservers()

    def enter(self) -> None:
        """Bind the scene's parameter node; called whenever the module is opened."""
        self._bind()

    def exit(self) -> None:
        """Let go of the parameter node; called whenever another module is opened."""
        self._unbind()

    def stop(self) -> None:
        """Stop whatever still runs for the scene that is about to close; overridden where something does."""

    @property
    def parameters(self):
        """The parameter node, wrapped."""
        return self._parameters

    def _bind(self) -> None:
        if self._parameters is not None:
            return
        self._parameters = self.logic.getParameterNode()
        if self._parameters.volume is None:
            self._parameters.volume = only_volume()
        self._volume = self._parameters.volume
        self._gui_tag = self._parameters.connectGui(self.ui)
        # VTK tells the youngest observer first; this one must come after the wrapper has read the change.
        node = self._parameters.parameterNode
        self.addObserver(node, vtk.vtkCommand.ModifiedEvent, self._changed, priority=-1.0)
        self.update()

    def _unbind(self) -> None:
        if self._parameters is None:
            return
        self._parameters.disconnectGui(self._gui_tag)
        self.removeObserver(self._parameters.parameterNode, vtk.vtkCommand.ModifiedEvent, self._changed)
        self._parameters = None
        self.update()

    def _changed(self, *_args) -> None:
        """Show the study that the user has just chosen, where it is another one, then the rest."""
        volume = self._parameters.volume
        if volume is not self._volume:
            self._volume = volume
            self.forget_messages()
            if volume is not None and not slicer.mrmlScene.IsBatchProcessing():
                from ClaimSlicerLib.views import show_study

                show_study(volume)
        self.update()

    def _on_start_close(self, *_args) -> None:
        self.stop()
        self._unbind()

    def _on_end_close(self, *_args) -> None:
        if self.parent.visible:
            self._bind()

    def _on_end_import(self, *_args) -> None:
        """Show what a scene that was opened has brought into the parameter node."""
        if self._parameters is not None:
            self._unbind()
            self._bind()

    def update(self, *_args) -> None:
        """Show the parameter node's state; called when it changes, is bound (here) or let go.

        Lets Apply be pressed only when everything it needs is chosen, and says what isn't.
        """
        if not hasattr(self.ui, "applyButton"):
            return
        missing = self.missing() if self._parameters is not None else _("No scene.")
        self.ui.applyButton.enabled = not missing
        self.ui.applyButton.toolTip = missing


def only_volume() -> slicer.vtkMRMLScalarVolumeNode | None:
    """Return the volume that can only be meant: the one that was loaded, where it is the only one."""
    volumes = [
        node
        for node in slicer.util.getNodesByClass("vtkMRMLScalarVolumeNode")
        if not node.IsA("vtkMRMLLabelMapVolumeNode")
        and node.GetAttribute(MADE_ATTRIBUTE) in (None, "sample", "study")
        and node.GetImageData() is not None
    ]
    return volumes[0] if len(volumes) == 1 else None
