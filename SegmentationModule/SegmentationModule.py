"""The module Scar Segmentation: cavity, myocardium, infarct and MVO of an LGE study, by the network."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import slicer
from slicer import vtkMRMLScalarVolumeNode, vtkMRMLSegmentationNode
from slicer.i18n import tr as _
from slicer.parameterNodeWrapper import parameterNodeWrapper
from slicer.ScriptedLoadableModule import ScriptedLoadableModule, ScriptedLoadableModuleTest

try:
    import ClaimSlicerLib  # noqa: F401
except ModuleNotFoundError as error:
    raise ModuleNotFoundError(
        "SegmentationModule needs the module ClaimSlicer of the same extension: add its folder, beside this "
        "one, to the additional module paths."
    ) from error

from claimslicer.labels import Label
from claimslicer.studies import read_labels, write_volume
from ClaimSlicerLib.childwork import ChildLogic, ChildPanel, volume_by_id
from ClaimSlicerLib.mrml import add_segmentation, volume_study
from ClaimSlicerLib.segments import LABEL_STYLES
from ClaimSlicerLib.wrapped import wrapped


class SegmentationModule(ScriptedLoadableModule):
    """The entry in Slicer's module menu."""

    def __init__(self, parent) -> None:
        ScriptedLoadableModule.__init__(self, parent)
        parent.title = _("Scar Segmentation")
        parent.categories = [_("Cardiac")]
        parent.dependencies = ["ClaimSlicer"]
        parent.contributors = ["The CLAIM for 3D Slicer developers"]
        parent.helpText = _(
            "Finds the left ventricle's cavity and wall, infarct and microvascular obstruction in an LGE "
            "study. For research only, not for diagnosis. Nothing leaves this computer."
        )
        parent.acknowledgementText = _("After the CLAIM paper; see the README for the reference.")


@parameterNodeWrapper
class SegmentationModuleParameterNode:
    """What the panel holds, kept in the scene."""

    volume: vtkMRMLScalarVolumeNode


class SegmentationModuleLogic(ChildLogic):
    """Runs ``claim-slicer segment`` on a volume of the scene."""

    def getParameterNode(self) -> SegmentationModuleParameterNode:  # noqa: N802
        """Return the parameter node, wrapped."""
        return wrapped(SegmentationModuleParameterNode, super().getParameterNode())

    def start(
        self,
        volume: vtkMRMLScalarVolumeNode,
        *,
        on_progress: Callable[[float, str], None],
        on_done: Callable[[vtkMRMLSegmentationNode | None, Exception | None], None],
    ) -> None:
        """Begin; ``on_done`` gets the segmentation node, or the error. ClaimError for an unfit volume."""
        study = volume_study(volume)
        volume_id = volume.GetID()
        name_of_labels = "labels_synthetic.nrrd" if study.synthetic else "labels.nrrd"

        def prepare(folder: Path) -> list[str]:
            image = write_volume(
                folder / "image.nrrd", study.image, study.geometry, synthetic=study.synthetic
            )
            return ["segment", str(image), "--out", str(folder / name_of_labels)]

        def finish(folder: Path) -> vtkMRMLSegmentationNode:
            labels = read_labels(folder / name_of_labels, study)
            name = _("{name} segmentation").format(name=study.name)
            styles = [style for style in LABEL_STYLES if style.value != Label.RIGHT_VENTRICLE]
            return add_segmentation(labels, volume_by_id(volume_id), name, styles)

        self.run_command(prepare, finish, on_progress, on_done)


class SegmentationModuleWidget(ChildPanel):
    """The panel."""

    def make_logic(self) -> SegmentationModuleLogic:
        """Return the logic."""
        return SegmentationModuleLogic()

    def missing(self) -> str:
        """Say what is still to be chosen."""
        return "" if self.parameters.volume is not None else _("Choose the LGE volume.")

    def start(self) -> None:
        """Start the segmentation."""
        self.logic.start(self.parameters.volume, on_progress=self.on_progress, on_done=self.on_done)


class SegmentationModuleTest(ScriptedLoadableModuleTest):
    """Runs in Slicer's Self Tests module and under CTest."""

    def setUp(self) -> None:
        """Begin with an empty scene."""
        slicer.mrmlScene.Clear()

    def runTest(self) -> None:  # noqa: N802
        """Run every test."""
        self.setUp()
        self.test_refuses_a_volume_without_image()

    def test_refuses_a_volume_without_image(self) -> None:
        """A volume node without voxels is refused in a sentence, and nothing is started."""
        from claimslicer.errors import StudyError

        logic = SegmentationModuleLogic()
        empty = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLScalarVolumeNode", "empty")
        with self.assertRaises(StudyError):
            logic.start(empty, on_progress=print, on_done=print)
        self.assertFalse(logic.command.running)
