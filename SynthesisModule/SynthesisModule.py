"""The module Scar Synthesis: a scar mask painted into an LGE study by the diffusion network."""

from __future__ import annotations

import typing
from collections.abc import Callable
from pathlib import Path
from typing import Annotated

import slicer
from slicer import vtkMRMLLabelMapVolumeNode, vtkMRMLScalarVolumeNode, vtkMRMLSegmentationNode
from slicer.i18n import tr as _
from slicer.parameterNodeWrapper import WithinRange, parameterNodeWrapper
from slicer.ScriptedLoadableModule import ScriptedLoadableModule, ScriptedLoadableModuleTest

try:
    import ClaimSlicerLib  # noqa: F401
except ModuleNotFoundError as error:
    raise ModuleNotFoundError(
        "SynthesisModule needs the module ClaimSlicer of the same extension: add its folder, beside this "
        "one, to the additional module paths."
    ) from error

from claimslicer.studies import read_study, write_volume
from ClaimSlicerLib.childwork import ChildLogic, ChildPanel, volume_by_id
from ClaimSlicerLib.mrml import add_volume, scar_mask, show_like, volume_study
from ClaimSlicerLib.wrapped import wrapped


class SynthesisModule(ScriptedLoadableModule):
    """The entry in Slicer's module menu."""

    def __init__(self, parent) -> None:
        ScriptedLoadableModule.__init__(self, parent)
        parent.title = _("Scar Synthesis")
        parent.categories = [_("Cardiac")]
        parent.dependencies = ["ClaimSlicer"]
        parent.contributors = ["The CLAIM for 3D Slicer developers"]
        parent.helpText = _(
            "Paints a scar mask into an LGE study; only the mask's voxels change, and the result is marked "
            "as synthetic. For research only, not for diagnosis. Nothing leaves this computer."
        )
        parent.acknowledgementText = _("After the CLAIM paper; see the README for the reference.")


@parameterNodeWrapper
class SynthesisModuleParameterNode:
    """What the panel holds, kept in the scene."""

    volume: vtkMRMLScalarVolumeNode
    labels: typing.Union[vtkMRMLSegmentationNode, vtkMRMLLabelMapVolumeNode, None]  # noqa: UP007
    scar: typing.Union[vtkMRMLSegmentationNode, vtkMRMLLabelMapVolumeNode, None]  # noqa: UP007
    seed: Annotated[int, WithinRange(0, 999999)] = 0


class SynthesisModuleLogic(ChildLogic):
    """Runs ``claim-slicer synthesize`` on nodes of the scene."""

    def getParameterNode(self) -> SynthesisModuleParameterNode:  # noqa: N802
        """Return the parameter node, wrapped."""
        return wrapped(SynthesisModuleParameterNode, super().getParameterNode())

    def start(
        self,
        volume: vtkMRMLScalarVolumeNode,
        labels: vtkMRMLSegmentationNode | vtkMRMLLabelMapVolumeNode,
        scar: vtkMRMLSegmentationNode | vtkMRMLLabelMapVolumeNode,
        *,
        seed: int,
        on_progress: Callable[[float, str], None],
        on_done: Callable[[vtkMRMLScalarVolumeNode | None, Exception | None], None],
    ) -> None:
        """Begin; ``on_done`` gets the synthetic volume node, or the error. ClaimError for unfit nodes."""
        study = volume_study(volume, labels)
        mask = scar_mask(scar, volume)
        volume_id = volume.GetID()

        def prepare(folder: Path) -> list[str]:
            image = write_volume(
                folder / "image.nrrd", study.image, study.geometry, synthetic=study.synthetic
            )
            files = [
                write_volume(folder / "labels.nrrd", study.labels, study.geometry),
                write_volume(folder / "scar.nrrd", mask, study.geometry),
            ]
            # fmt: off
            return [
                "synthesize", str(image), "--labels", str(files[0]), "--scar", str(files[1]),
                "--seed", str(seed), "--out", str(folder / "result_synthetic.nrrd"),
            ]
            # fmt: on

        def finish(folder: Path) -> vtkMRMLScalarVolumeNode:
            original = volume_by_id(volume_id)
            result = read_study(folder / "result_synthetic.nrrd")
            name = _("{name} synthetic scar").format(name=study.name)
            node = add_volume(result.image, study.geometry, name, synthetic=True)
            show_like(node, original)
            return node

        self.run_command(prepare, finish, on_progress, on_done)


class SynthesisModuleWidget(ChildPanel):
    """The panel."""

    def make_logic(self) -> SynthesisModuleLogic:
        """Return the logic."""
        return SynthesisModuleLogic()

    def missing(self) -> str:
        """Say what is still to be chosen."""
        if self.parameters.volume is None:
            return _("Choose the LGE volume.")
        if self.parameters.labels is None:
            return _("Choose the segmentation or label map of the left ventricle.")
        if self.parameters.scar is None:
            return _("Choose the scar mask; the module SMILE makes one.")
        return ""

    def start(self) -> None:
        """Start the synthesis."""
        self.logic.start(
            self.parameters.volume,
            self.parameters.labels,
            self.parameters.scar,
            seed=self.parameters.seed,
            on_progress=self.on_progress,
            on_done=self.on_done,
        )


class SynthesisModuleTest(ScriptedLoadableModuleTest):
    """Runs in Slicer's Self Tests module and under CTest."""

    def setUp(self) -> None:
        """Begin with an empty scene."""
        slicer.mrmlScene.Clear()

    def runTest(self) -> None:  # noqa: N802
        """Run every test."""
        self.setUp()
        self.test_refuses_a_volume_as_scar()

    def test_refuses_a_volume_as_scar(self) -> None:
        """Segments of other names are no scar mask, and nothing is started or added."""
        from claimslicer.errors import StudyError
        from ClaimSlicerLib.example import add_phantom
        from ClaimSlicerLib.mrml import add_segmentation
        from ClaimSlicerLib.segments import AHA_STYLES

        volume, labels = add_phantom()
        other = add_segmentation(volume_study(volume, labels).labels, volume, "other", AHA_STYLES)
        logic = SynthesisModuleLogic()
        before = slicer.mrmlScene.GetNumberOfNodes()
        with self.assertRaises(StudyError):
            logic.start(volume, labels, other, seed=0, on_progress=print, on_done=print)
        self.assertFalse(logic.command.running)
        self.assertEqual(slicer.mrmlScene.GetNumberOfNodes(), before)
