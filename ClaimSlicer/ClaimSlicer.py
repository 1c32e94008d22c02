"""The module CLAIM: the AHA-17 model of a labelled LGE study, shown in the scene."""

from __future__ import annotations

import enum
import typing
from dataclasses import dataclass

import slicer
from claimslicer.anatomy import LVFrame, build_frame
from ClaimSlicerLib.mrml import add_segmentation, insertion_points, volume_study
from ClaimSlicerLib.panel import Panel
from ClaimSlicerLib.segments import AHA_STYLES
from ClaimSlicerLib.wrapped import wrapped
from slicer import (
    vtkMRMLLabelMapVolumeNode,
    vtkMRMLMarkupsFiducialNode,
    vtkMRMLScalarVolumeNode,
    vtkMRMLSegmentationNode,
)
from slicer.i18n import tr as _
from slicer.parameterNodeWrapper import parameterNodeWrapper
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
            "labelled. For research only, not for diagnosis. Nothing leaves this computer."
        )
        parent.acknowledgementText = _("After the CLAIM paper; see the README for the reference.")


class Rule(enum.Enum):
    """How the segments' angles are counted; the values are the library's."""

    FIXED = "fixed"
    SEPTAL = "septal"

    def label(self) -> str:
        """Return what the user reads."""
        if self is Rule.FIXED:
            return _("60° from the anterior insertion")
        return _("Septum between the insertions")


@parameterNodeWrapper
class ClaimSlicerParameterNode:
    """What the panel holds, kept in the scene."""

    volume: vtkMRMLScalarVolumeNode
    labels: typing.Union[vtkMRMLSegmentationNode, vtkMRMLLabelMapVolumeNode, None]  # noqa: UP007
    insertions: vtkMRMLMarkupsFiducialNode
    rule: Rule


@dataclass(frozen=True)
class AhaModel:
    """A segmentation node with the 17 segments, and the frame they come from."""

    node: vtkMRMLSegmentationNode
    frame: LVFrame

    def findings(self) -> str:
        """Say in words what was found out about the study."""
        insertions = self.frame.insertions
        source = {
            "given": _("as marked"),
            "rv-label": _("from the right ventricle's label"),
            "image": _("found in the image"),
        }[insertions.source]
        order = _("apex first") if self.frame.apex_first else _("base first")
        return _(
            "Slices: {order}.\nRV insertions: {source}, confidence {confidence:.0%}.\n"
            "Anterior (RAS): {anterior}\nInferior (RAS): {inferior}"
        ).format(
            order=order,
            source=source,
            confidence=insertions.confidence,
            anterior=_ras_text(insertions.anterior),
            inferior=_ras_text(insertions.inferior),
        )


def _ras_text(point_lps: tuple[float, float, float]) -> str:
    left, posterior, superior = point_lps
    return f"{-left:.0f}, {-posterior:.0f}, {superior:.0f} mm"


class ClaimSlicerLogic(ScriptedLoadableModuleLogic):
    """Makes the AHA-17 model of a study in the scene."""

    def getParameterNode(self) -> ClaimSlicerParameterNode:  # noqa: N802
        """Return the parameter node, wrapped."""
        return wrapped(ClaimSlicerParameterNode, super().getParameterNode())

    def make_aha_model(
        self,
        volume: vtkMRMLScalarVolumeNode,
        labels: vtkMRMLSegmentationNode | vtkMRMLLabelMapVolumeNode,
        insertions: vtkMRMLMarkupsFiducialNode | None = None,
        rule: Rule = Rule.FIXED,
    ) -> AhaModel:
        """Add a segmentation node with the segments; ClaimError, and nothing added, when it can't."""
        study = volume_study(volume, labels)
        frame = build_frame(
            study.labels,
            study.geometry,
            image=study.image,
            insertions=None if insertions is None else insertion_points(insertions),
            rule=rule.value,
        )
        node = add_segmentation(
            frame.segments, volume, _("AHA-17 of {name}").format(name=study.name), AHA_STYLES
        )
        return AhaModel(node, frame)


class ClaimSlicerWidget(Panel):
    """The panel."""

    def make_logic(self) -> ClaimSlicerLogic:
        """Return the logic."""
        return ClaimSlicerLogic()

    def connect(self) -> None:
        """Connect Apply."""
        self.ui.applyButton.clicked.connect(self.on_apply)

    def missing(self) -> str:
        """Say what is still to be chosen."""
        if self.parameters.volume is None:
            return _("Choose the LGE volume.")
        if self.parameters.labels is None:
            return _("Choose the segmentation or label map of the left ventricle.")
        return ""

    def on_apply(self, *_args) -> None:
        """Make the model and say what was found."""
        with slicer.util.tryWithErrorDisplay(_("The AHA-17 model could not be made."), waitCursor=True):
            self.ui.resultLabel.text = ""
            model = self.logic.make_aha_model(
                self.parameters.volume,
                self.parameters.labels,
                self.parameters.insertions,
                self.parameters.rule,
            )
            self.ui.resultLabel.text = model.findings()


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
        from ClaimSlicerLib.example import add_phantom

        volume, labels = add_phantom()
        model = ClaimSlicerLogic().make_aha_model(volume, labels)
        self.assertEqual(model.node.GetSegmentation().GetNumberOfSegments(), len(AHA_STYLES))
        wall = 0
        for style in AHA_STYLES:
            voxels = slicer.util.arrayFromSegmentBinaryLabelmap(model.node, style.name, volume)
            self.assertGreater(int(voxels.sum()), 0, style.name)
            wall += int(voxels.sum())
        self.assertEqual(wall, int(model.frame.myocardium.sum()))
