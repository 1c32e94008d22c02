"""The module CLAIM: a study, its labels and RV insertions, and the AHA-17 model that follows them."""

from __future__ import annotations

import typing
from collections.abc import Callable
from typing import Annotated

import qt
import slicer
from ClaimSlicerLib.panel import Panel
from ClaimSlicerLib.rule import Content, Rule, SliceOrder
from ClaimSlicerLib.wrapped import wrapped
from slicer import (
    vtkMRMLLabelMapVolumeNode,
    vtkMRMLMarkupsFiducialNode,
    vtkMRMLModelNode,
    vtkMRMLScalarVolumeNode,
    vtkMRMLSegmentationNode,
)
from slicer.i18n import tr as _
from slicer.parameterNodeWrapper import WithinRange, parameterNodeWrapper
from slicer.ScriptedLoadableModule import (
    ScriptedLoadableModule,
    ScriptedLoadableModuleLogic,
    ScriptedLoadableModuleTest,
)


class ClaimSlicer(ScriptedLoadableModule):
    """The entry in Slicer's module menu."""

    def __init__(self, parent) -> None:
        ScriptedLoadableModule.__init__(self, parent)
        parent.title = _("CLAIM")
        parent.categories = [_("Cardiac")]
        parent.dependencies = []
        parent.contributors = ["The CLAIM for 3D Slicer developers"]
        parent.helpText = _(
            "Shows the AHA 17-segment model on a late gadolinium enhancement study whose left ventricle is "
            "labelled, and looks after the extension's networks and installation. For research only, not for "
            "diagnosis. Nothing leaves this computer."
        )
        parent.acknowledgementText = _("After the CLAIM paper; see the README for the reference.")
        slicer.app.connect("startupCompleted()", start_up)


def start_up() -> None:
    """Do what needs the whole application: terminology, marks on synthetic images, sample data."""
    from ClaimSlicerLib import startup

    startup.begin()


@parameterNodeWrapper
class ClaimSlicerParameterNode:
    """What the panel holds, kept in the scene; ``aha`` and ``wall`` are our nodes of the model."""

    volume: vtkMRMLScalarVolumeNode
    labels: typing.Union[vtkMRMLSegmentationNode, vtkMRMLLabelMapVolumeNode, None]  # noqa: UP007
    insertions: vtkMRMLMarkupsFiducialNode
    rule: Rule
    order: SliceOrder
    aha: vtkMRMLSegmentationNode
    wall: vtkMRMLModelNode
    content: Content
    overlay: bool = True
    overlayOpacity: Annotated[float, WithinRange(0.0, 100.0)] = 50.0  # noqa: N815
    surface: bool = True
    surfaceOpacity: Annotated[float, WithinRange(0.0, 100.0)] = 100.0  # noqa: N815


class ClaimSlicerLogic(ScriptedLoadableModuleLogic):
    """Holds the parameter node; the work is done by the library and by ClaimSlicerLib."""

    def getParameterNode(self) -> ClaimSlicerParameterNode:  # noqa: N802
        """Return the parameter node, wrapped."""
        return wrapped(ClaimSlicerParameterNode, super().getParameterNode())


class ClaimSlicerWidget(Panel):
    """The panel: one object for each of its boxes."""

    def make_logic(self) -> ClaimSlicerLogic:
        """Return the logic."""
        return ClaimSlicerLogic()

    def connect(self) -> None:
        """Make the boxes and connect the buttons."""
        from ClaimSlicerLib.model_box import ModelBox
        from ClaimSlicerLib.study_box import StudyBox

        self.study = StudyBox(self.ui)
        self.model = ModelBox(self.ui)
        self.networks = LazyBox(self.ui.modelsButton, self.make_networks)
        self.training = LazyBox(self.ui.trainingButton, self.make_training)
        self.doctor = LazyBox(self.ui.doctorButton, self.make_doctor)
        self.ui.smileButton.clicked.connect(lambda *_: self.go_on("SMILEModule"))
        self.ui.segmentationButton.clicked.connect(lambda *_: self.go_on("SegmentationModule"))

    def missing(self) -> str:
        """Say what is still to be chosen."""
        if self.parameters.volume is None:
            return _("Choose the LGE volume.")
        if self.parameters.labels is None:
            return _("Choose the labels of the left ventricle, or find them automatically.")
        return ""

    def forget_messages(self) -> None:
        """Take away what was said of labels found in another study."""
        self.study.job.clear()

    def update(self, *_args) -> None:
        """Let the boxes show the parameter node."""
        Panel.update(self)
        self.study.follow(self.parameters)
        self.model.follow(self.parameters)
        has_volume = self.parameters is not None and self.parameters.volume is not None
        self.ui.smileButton.enabled = has_volume and self.parameters.labels is not None
        self.ui.segmentationButton.enabled = has_volume

    def stop(self) -> None:
        """End what runs for the scene."""
        self.study.stop()
        self.model.stop()

    def cleanup(self) -> None:
        """End what runs for the panel."""
        Panel.cleanup(self)
        for box in (self.networks, self.training, self.doctor):
            box.close()

    def make_networks(self, layout):
        """Make the contents of the box Networks."""
        from ClaimSlicerLib.models_box import ModelsBox

        return ModelsBox(layout)

    def make_training(self, layout):
        """Make the contents of the box Training; a network that is taken in from there is listed at once."""
        from ClaimSlicerLib.training import TrainingBox

        return TrainingBox(layout, lambda name: self.networks.contents and self.networks.contents.fill(name))

    def make_doctor(self, layout):
        """Make the contents of the box Installation."""
        from ClaimSlicerLib.doctor_box import DoctorBox

        return DoctorBox(layout)

    def go_on(self, module_name: str) -> None:
        """Open another module with the same study."""
        with slicer.util.tryWithErrorDisplay(_("The module could not be opened.")):
            from ClaimSlicerLib.handover import go_to

            names = ("volume", "labels", "insertions", "rule")
            go_to(module_name, **{name: getattr(self.parameters, name) for name in names})


class LazyBox:
    """A collapsible box whose contents are made, with its layout, when it is first opened."""

    def __init__(self, button, make: Callable) -> None:
        self.contents = None
        self._button = button
        self._make = make
        button.contentsCollapsed.connect(self._on_collapsed)

    def _on_collapsed(self, collapsed: bool) -> None:
        if not collapsed and self.contents is None:
            # Qt is still opening the box.
            qt.QTimer.singleShot(0, self.open)

    def open(self) -> None:
        """Make the contents."""
        with slicer.util.tryWithErrorDisplay(_("The box could not be opened.")):
            if self.contents is None:
                self.contents = self._make(self._button.layout())

    def close(self) -> None:
        """End what runs in the box."""
        if self.contents is not None:
            self.contents.close()


class ClaimSlicerTest(ScriptedLoadableModuleTest):
    """Runs in Slicer's Self Tests module and under CTest."""

    def setUp(self) -> None:
        """Begin with an empty scene."""
        slicer.mrmlScene.Clear()

    def runTest(self) -> None:  # noqa: N802
        """Run every test."""
        self.setUp()
        self.test_model_of_the_phantom()

    def test_model_of_the_phantom(self) -> None:
        """The segments of the phantom fill its wall, and none is empty."""
        if slicer.app.layoutManager() is None:
            self.delayDisplay(_("There is no main window: {what} isn't tested.").format(what=_("the panel")))
            return
        import time

        from claimslicer.labels import myocardium_mask
        from ClaimSlicerLib.example import add_phantom
        from ClaimSlicerLib.mrml import volume_study
        from ClaimSlicerLib.segments import AHA_STYLES

        volume, labels = add_phantom()
        slicer.util.selectModule("ClaimSlicer")
        panel = slicer.util.getModuleWidget("ClaimSlicer")
        panel.parameters.volume, panel.parameters.labels = volume, labels
        panel.ui.applyButton.click()
        deadline = time.monotonic() + 60
        while panel.parameters.wall is None and time.monotonic() < deadline:
            slicer.app.processEvents()
        self.assertIsNotNone(panel.parameters.wall, panel.ui.findingsLabel.text)
        node = panel.parameters.aha
        self.assertEqual(node.GetSegmentation().GetNumberOfSegments(), len(AHA_STYLES))
        wall = 0
        for style in AHA_STYLES:
            voxels = slicer.util.arrayFromSegmentBinaryLabelmap(node, style.name, volume)
            self.assertGreater(int(voxels.sum()), 0, style.name)
            wall += int(voxels.sum())
        self.assertEqual(wall, int(myocardium_mask(volume_study(volume, labels).labels).sum()))
