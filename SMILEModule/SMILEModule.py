"""The module SMILE: a myocardial scar by specification, shown in the scene."""

from __future__ import annotations

import enum
import re
import typing
from typing import Annotated

import slicer
from slicer import (
    vtkMRMLLabelMapVolumeNode,
    vtkMRMLMarkupsFiducialNode,
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

try:
    import ClaimSlicerLib  # noqa: F401
except ModuleNotFoundError as error:
    raise ModuleNotFoundError(
        "SMILEModule needs the module ClaimSlicer of the same extension: add its folder, beside this one, to "
        "the additional module paths."
    ) from error

from claimslicer.anatomy import build_frame
from claimslicer.errors import SpecificationError
from claimslicer.smile import ScarMask, ScarSpec, generate_scar
from ClaimSlicerLib.mrml import add_segmentation, insertion_points, volume_study
from ClaimSlicerLib.panel import Panel
from ClaimSlicerLib.segments import SCAR_STYLES
from ClaimSlicerLib.wrapped import wrapped


class SMILEModule(ScriptedLoadableModule):
    """The entry in Slicer's module menu."""

    def __init__(self, parent) -> None:
        ScriptedLoadableModule.__init__(self, parent)
        parent.title = _("SMILE")
        parent.categories = [_("Cardiac")]
        parent.dependencies = ["ClaimSlicer"]
        parent.contributors = ["The CLAIM for 3D Slicer developers"]
        parent.helpText = _(
            "Makes a scar mask in chosen AHA segments of a labelled LGE study, of the millilitres and "
            "pattern asked for. For research only, not for diagnosis. Nothing leaves this computer."
        )
        parent.acknowledgementText = _("After the CLAIM paper; see the README for the reference.")


class Pattern(enum.Enum):
    """The library's scar patterns."""

    ISCHAEMIC = "ischaemic"
    MID_WALL = "mid-wall"
    SUBEPICARDIAL = "subepicardial"
    PATCHY = "patchy"
    CLAIM = "claim"

    def label(self) -> str:
        """Return what the user reads."""
        return {
            Pattern.ISCHAEMIC: _("Ischaemic, subendocardial"),
            Pattern.MID_WALL: _("Mid-wall"),
            Pattern.SUBEPICARDIAL: _("Subepicardial"),
            Pattern.PATCHY: _("Patchy"),
            Pattern.CLAIM: _("As in the CLAIM paper"),
        }[self]


@parameterNodeWrapper
class SMILEModuleParameterNode:
    """What the panel holds, kept in the scene."""

    volume: vtkMRMLScalarVolumeNode
    labels: typing.Union[vtkMRMLSegmentationNode, vtkMRMLLabelMapVolumeNode, None]  # noqa: UP007
    insertions: vtkMRMLMarkupsFiducialNode
    segments: str = "7, 8, 13, 14"
    volumeMl: Annotated[float, WithinRange(0.1, 100.0)] = 8.0  # noqa: N815
    mvoPercent: Annotated[float, WithinRange(0.0, 60.0)] = 0.0  # noqa: N815
    pattern: Pattern
    seed: Annotated[int, WithinRange(0, 999999)] = 0


def parse_segments(text: str) -> tuple[int, ...]:
    """Return the segment numbers of a text such as "7, 8 13-16"; SpecificationError for anything else."""
    numbers: list[int] = []
    for part in re.split(r"[,;\s]+", text.strip()):
        match = re.fullmatch(r"(\d+)(?:[-–](\d+))?", part)
        if match is None:
            raise SpecificationError(
                f"Segments must be numbers from 1 to 17, such as 7, 8, 13-14; not {text!r}."
            )
        first, last = int(match[1]), int(match[2] or match[1])
        numbers.extend(range(first, last + 1))
    return tuple(numbers)


class SMILEModuleLogic(ScriptedLoadableModuleLogic):
    """Makes scar masks in the scene."""

    def getParameterNode(self) -> SMILEModuleParameterNode:  # noqa: N802
        """Return the parameter node, wrapped."""
        return wrapped(SMILEModuleParameterNode, super().getParameterNode())

    def make_scar(
        self,
        volume: vtkMRMLScalarVolumeNode,
        labels: vtkMRMLSegmentationNode | vtkMRMLLabelMapVolumeNode,
        spec: ScarSpec,
        insertions: vtkMRMLMarkupsFiducialNode | None = None,
    ) -> tuple[vtkMRMLSegmentationNode, ScarMask]:
        """Add a segmentation node with the scar; ClaimError, and nothing added, when that can't be done."""
        study = volume_study(volume, labels)
        frame = build_frame(
            study.labels,
            study.geometry,
            image=study.image,
            insertions=None if insertions is None else insertion_points(insertions),
        )
        mask = generate_scar(spec, frame)
        node = add_segmentation(
            mask.labels, volume, _("Scar for {name}").format(name=study.name), SCAR_STYLES
        )
        return node, mask


class SMILEModuleWidget(Panel):
    """The panel."""

    def make_logic(self) -> SMILEModuleLogic:
        """Return the logic."""
        return SMILEModuleLogic()

    def connect(self) -> None:
        """Connect Apply."""
        self.ui.applyButton.clicked.connect(self.on_apply)

    def missing(self) -> str:
        """Say what is still to be chosen."""
        if self.parameters.volume is None:
            return _("Choose the LGE volume.")
        if self.parameters.labels is None:
            return _("Choose the segmentation or label map of the left ventricle.")
        if not self.parameters.segments.strip():
            return _("Name at least one AHA segment.")
        return ""

    def on_apply(self, *_args) -> None:
        """Make the scar and say how large it came out."""
        with slicer.util.tryWithErrorDisplay(_("The scar could not be made."), waitCursor=True):
            self.ui.resultLabel.text = ""
            parameters = self.parameters
            spec = ScarSpec(
                segments=parse_segments(parameters.segments),
                volume_ml=parameters.volumeMl,
                pattern=parameters.pattern.value,
                mvo_fraction=parameters.mvoPercent / 100.0,
                seed=parameters.seed,
            )
            node, mask = self.logic.make_scar(
                parameters.volume, parameters.labels, spec, parameters.insertions
            )
            self.ui.resultLabel.text = _("Made {name}: {ml:.1f} ml, {mvo:.1f} ml of them MVO.").format(
                name=node.GetName(), ml=mask.volume_ml, mvo=mask.mvo_volume_ml
            )


class SMILEModuleTest(ScriptedLoadableModuleTest):
    """Runs in Slicer's Self Tests module and under CTest."""

    def setUp(self) -> None:
        """Begin with an empty scene."""
        slicer.mrmlScene.Clear()

    def runTest(self) -> None:  # noqa: N802
        """Run every test."""
        self.setUp()
        self.test_scar_in_the_phantom()

    def test_scar_in_the_phantom(self) -> None:
        """The millilitres asked for are the millilitres in the scene."""
        from ClaimSlicerLib.example import add_phantom

        volume, labels = add_phantom()
        spec = ScarSpec(segments=(7, 8, 13, 14), volume_ml=6.0, mvo_fraction=0.2, seed=3)
        node, mask = SMILEModuleLogic().make_scar(volume, labels, spec)
        voxels = sum(
            int(slicer.util.arrayFromSegmentBinaryLabelmap(node, style.name, volume).sum())
            for style in SCAR_STYLES
        )
        self.assertAlmostEqual(
            voxels * mask.geometry.voxel_volume_ml, 6.0, delta=mask.geometry.voxel_volume_ml
        )
