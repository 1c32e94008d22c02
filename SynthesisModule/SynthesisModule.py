"""The module Scar Synthesis: a scar mask painted into an LGE study by the diffusion network."""

from __future__ import annotations

import json
import random
import typing
from pathlib import Path
from typing import Annotated

import slicer
import vtk
from slicer import vtkMRMLLabelMapVolumeNode, vtkMRMLScalarVolumeNode, vtkMRMLSegmentationNode
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
        "SynthesisModule needs the module ClaimSlicer of the same extension: add its folder, beside this "
        "one, to the additional module paths."
    ) from error

import qt
from claimslicer.errors import StudyError
from claimslicer.smile import ScarSpec
from claimslicer.synthesis.settings import BAND_MM, SAMPLING_STEPS
from claimslicer.worker.messages import study_values
from ClaimSlicerLib import views
from ClaimSlicerLib.band import band_array
from ClaimSlicerLib.choices import DEVICE_OPTIONS, Choice, ask_devices, model_options
from ClaimSlicerLib.handover import go_to
from ClaimSlicerLib.job import JobDisplay
from ClaimSlicerLib.made import is_made
from ClaimSlicerLib.mrml import scar_mask, volume_study
from ClaimSlicerLib.panel import Panel
from ClaimSlicerLib.synthetic import recipe_of
from ClaimSlicerLib.worker import geometry_worker, model_worker
from ClaimSlicerLib.wrapped import wrapped
from SynthesisModuleLib.comparison_box import ComparisonBox
from SynthesisModuleLib.options import STEPS, Sampler, Texture
from SynthesisModuleLib.variants import KIND, add_variants, remove_bands
from SynthesisModuleLib.variants_box import VariantsBox

MAXIMUM_SEED = 999999
FILE_KINDS = "NIfTI (*.nii.gz *.nii);;NRRD (*.nrrd);;MetaImage (*.mha)"


class SynthesisModule(ScriptedLoadableModule):
    """The entry in Slicer's module menu."""

    def __init__(self, parent) -> None:
        ScriptedLoadableModule.__init__(self, parent)
        parent.title = _("Scar Synthesis")
        parent.categories = [_("Cardiac")]
        parent.dependencies = ["ClaimSlicer"]
        parent.contributors = ["The CLAIM for 3D Slicer developers"]
        parent.helpText = _(
            "Paints a scar mask into an LGE study, with the wall, blood and fat some millimetres round it; "
            "every voxel further away stays as it is. The result is marked as synthetic. For research only, "
            "not for diagnosis. Nothing leaves this computer."
        )
        parent.acknowledgementText = _("After the CLAIM paper; see the README for the reference.")


@parameterNodeWrapper
class SynthesisModuleParameterNode:
    """What the panel holds, kept in the scene."""

    volume: vtkMRMLScalarVolumeNode
    labels: typing.Union[vtkMRMLSegmentationNode, vtkMRMLLabelMapVolumeNode, None]  # noqa: UP007
    scar: typing.Union[vtkMRMLSegmentationNode, vtkMRMLLabelMapVolumeNode, None]  # noqa: UP007
    texture: Texture
    textureVolume: vtkMRMLScalarVolumeNode  # noqa: N815
    textureLabels: typing.Union[vtkMRMLSegmentationNode, vtkMRMLLabelMapVolumeNode, None]  # noqa: N815, UP007
    seed: Annotated[int, WithinRange(0, MAXIMUM_SEED)] = 0
    count: Annotated[int, WithinRange(1, 8)] = 1
    model: str = "emidec"
    device: str = "auto"
    sampler: Sampler
    steps: Annotated[int, WithinRange(2, 300)] = SAMPLING_STEPS
    softBorder: bool = False  # noqa: N815
    band: bool = True
    repaintExisting: bool = False  # noqa: N815
    against: vtkMRMLScalarVolumeNode
    shown: vtkMRMLScalarVolumeNode
    arrangement: views.Arrangement
    fade: Annotated[int, WithinRange(0, 100)] = 100
    showSegmentations: bool = False  # noqa: N815
    showPainted: bool = False  # noqa: N815


class SynthesisModuleLogic(ScriptedLoadableModuleLogic):
    """Turns nodes into what the worker is asked, and its answer into nodes."""

    def getParameterNode(self) -> SynthesisModuleParameterNode:  # noqa: N802
        """Return the parameter node, wrapped."""
        return wrapped(SynthesisModuleParameterNode, super().getParameterNode())

    def arguments(self, parameters: SynthesisModuleParameterNode) -> dict[str, typing.Any]:
        """Return what the worker's task ``synthesize`` is asked. Raises StudyError for unfit nodes."""
        volume = parameters.volume
        return {
            "study": study_values(volume_study(volume, parameters.labels)),
            "scar": scar_mask(parameters.scar, volume),
            "seeds": self.seeds(parameters),
            "model": parameters.model,
            "device": parameters.device,
            "sampler": parameters.sampler.value,
            "num_inference_steps": parameters.steps,
            "repaint_existing": parameters.repaintExisting,
            "border_zone_mm": border_zone_mm(parameters.scar) if parameters.softBorder else 0.0,
            "band_mm": BAND_MM if parameters.band else 0.0,
            **self.texture(parameters),
        }

    def texture(self, parameters: SynthesisModuleParameterNode) -> dict[str, typing.Any]:
        """Return the texture as the worker is asked for it. Raises StudyError for unfit nodes."""
        if parameters.texture is not Texture.STUDY:
            return {"texture": parameters.texture.value}
        like = volume_study(parameters.textureVolume, parameters.textureLabels)
        return {"texture_study": study_values(like)}

    def seeds(self, parameters: SynthesisModuleParameterNode) -> list[int]:
        """Return each variant's seed: the one shown and those after it."""
        return [parameters.seed + index for index in range(parameters.count)]

    def add_results(
        self, result: dict[str, typing.Any], volume_id: str
    ) -> tuple[vtkMRMLScalarVolumeNode, list[vtkMRMLScalarVolumeNode]]:
        """Add the worker's answer to the scene; return the volume it belongs to and the new nodes.

        Raises StudyError, and adds nothing, when that volume has left the scene meanwhile.
        """
        original = slicer.mrmlScene.GetNodeByID(volume_id)
        if original is None:
            raise StudyError(
                _("The volume was removed from the scene while the scar was painted: load it and run again.")
            )
        return original, add_variants(result, original)


def border_zone_mm(scar: vtkMRMLSegmentationNode | vtkMRMLLabelMapVolumeNode) -> float:
    """Return the width that SMILE gave a scar's border zone; for a mask from elsewhere, SMILE's default."""
    specification = json.loads(scar.GetAttribute("ClaimSlicer.Specification") or "{}")
    return specification.get("border_zone_mm", ScarSpec.border_zone_mm)


class SynthesisModuleWidget(Panel):
    """The panel."""

    def __init__(self, parent=None) -> None:
        Panel.__init__(self, parent)
        self._was_comparing = False

    def make_logic(self) -> SynthesisModuleLogic:
        """Return the logic."""
        return SynthesisModuleLogic()

    def connect(self) -> None:
        """Connect what isn't bound to the parameter node."""
        ui = self.ui
        self.job = JobDisplay(ui.progressBar, ui.cancelButton, ui.resultLabel, self.update)
        self.variants = VariantsBox(ui)
        self.comparison = ComparisonBox(ui)
        self.models = Choice(ui.modelSelector, lambda name: self._set("model", name))
        self.devices = Choice(ui.deviceSelector, lambda name: self._set("device", name))
        self.devices.offer(DEVICE_OPTIONS)
        ui.bandCheck.toolTip = _(
            "Wall, blood and fat up to {mm:g} mm beside the mask are painted in one go with the scar, which "
            "leaves no seam. Unticked, only voxels of the mask change, at the price of a visible edge."
        ).format(mm=BAND_MM)
        for button, slot in (
            (ui.applyButton, self.on_apply),
            (ui.newSeedButton, self.on_new_seed),
            (ui.compareButton, self.on_compare),
            (ui.exportButton, self.on_export),
            (ui.deleteButton, self.on_delete),
            (ui.leaveButton, self.on_leave),
            (ui.segmentButton, self.on_segment),
        ):
            button.clicked.connect(slot)
        ui.variantsTable.itemClicked.connect(self.on_row)
        ui.samplerSelector.activated.connect(self.on_sampler)
        ui.advancedBox.contentsCollapsed.connect(self.on_advanced)
        self.addObserver(slicer.mrmlScene, slicer.mrmlScene.NodeRemovedEvent, self._on_removed)
        if slicer.app.layoutManager() is not None:  # without a main window there are no views
            slicer.app.layoutManager().layoutChanged.connect(self.update)

    def enter(self) -> None:
        """Bind the parameter node, and offer the models there are now."""
        with slicer.util.tryWithErrorDisplay(_("The models could not be listed.")):
            self.models.offer(model_options("synthesis"))
        Panel.enter(self)
        p = self.parameters
        if self._was_comparing and p is not None and None not in (p.against, p.shown):
            with slicer.util.tryWithErrorDisplay(_("The comparison can't be shown.")):
                self._compare(p.against, p.shown)
        self._was_comparing = False

    def exit(self) -> None:
        """Let go of the parameter node, and give other modules the user's layout; a comparison comes back."""
        self._was_comparing = views.comparing() is not None
        Panel.exit(self)
        self.comparison.end()
        views.leave()

    def cleanup(self) -> None:
        """End everything, and follow the layout no more."""
        if slicer.app.layoutManager() is not None:
            slicer.app.layoutManager().layoutChanged.disconnect(self.update)
        Panel.cleanup(self)

    def stop(self) -> None:
        """End the work and the comparison."""
        self.job.cancel()
        self.comparison.end()
        views.leave()

    def missing(self) -> str:
        """Say what is still to be chosen."""
        if self.parameters.volume is None:
            return _("Choose the LGE volume.")
        if self.parameters.labels is None:
            return _("Choose the segmentation or label map of the left ventricle.")
        if self.parameters.scar is None:
            return _("Choose the scar mask; the module SMILE makes one.")
        if self.parameters.texture is Texture.STUDY:
            if self.parameters.textureVolume is None:
                return _("Choose the volume that the texture is taken from.")
            if self.parameters.textureLabels is None:
                return _("Choose the labels that show the scar in the texture's volume.")
        return ""

    def forget_messages(self) -> None:
        """Take away what was said of what was painted into another study."""
        self.job.clear()

    def update(self, *_args) -> None:
        """Show the parameter node's state, the scene's variants, and what is compared."""
        Panel.update(self)
        if self.job.running:
            self.ui.applyButton.enabled = False
        if self.parameters is None:
            return
        self.variants.refresh(self.job.running, self.parameters.shown)
        self.models.show(self.parameters.model)
        self.devices.show(self.parameters.device)
        for widget in self._texture_rows():
            widget.visible = self.parameters.texture is Texture.STUDY
        seeds = self.logic.seeds(self.parameters)
        self.ui.seedsLabel.text = (
            _("seeds {} to {}").format(seeds[0], seeds[-1])
            if len(seeds) > 1
            else _("seed {}").format(seeds[0])
        )
        with slicer.util.tryWithErrorDisplay(_("The comparison can't be shown.")):
            self.comparison.follow(self.parameters)

    def _texture_rows(self) -> tuple:
        ui = self.ui
        return ui.fromVolumeLabel, ui.fromVolumeSelector, ui.fromLabelsLabel, ui.fromLabelsSelector

    @vtk.calldata_type(vtk.VTK_OBJECT)
    def _on_removed(self, _scene, _event, node) -> None:
        if slicer.mrmlScene.IsBatchProcessing():
            return
        if is_made(node, KIND):
            remove_bands(node)
            self.variants.refresh(self.job.running)
        if node.IsA("vtkMRMLScalarVolumeNode"):
            qt.QTimer.singleShot(0, self.update)  # what was compared may be gone

    def _set(self, name: str, value: str) -> None:
        if self.parameters is not None:
            setattr(self.parameters, name, value)

    def on_new_seed(self, *_args) -> None:
        """Draw another seed."""
        self.parameters.seed = random.randint(0, MAXIMUM_SEED)

    def on_sampler(self, *_args) -> None:
        """Set the number of steps that the sampler chosen is used with."""
        self.parameters.steps = STEPS[self.parameters.sampler.value]

    def on_advanced(self, collapsed: bool) -> None:
        """Look for graphics cards when the box is opened: asking starts the worker."""
        if not collapsed:
            with slicer.util.tryWithErrorDisplay(_("The devices could not be found out.")):
                ask_devices(self.devices, lambda error: self._say(str(error)))

    def _say(self, text: str) -> None:
        self.ui.resultLabel.text = text

    def on_apply(self, *_args) -> None:
        """Paint the variants."""
        with slicer.util.tryWithErrorDisplay(_("The scar could not be painted.")):
            arguments = self.logic.arguments(self.parameters)
            volume_id = self.parameters.volume.GetID()
            self.job.start(
                model_worker(), "synthesize", arguments, lambda result: self._take(result, volume_id)
            )

    def _take(self, result: dict[str, typing.Any], volume_id: str) -> str:
        """Put the variants into the scene, show the first beside its original, and say what was made."""
        original, nodes = self.logic.add_results(result, volume_id)
        self.variants.refresh(busy=False)
        self.variants.choose(nodes[:1])
        if self.parameters is not None:
            self._compare(original, nodes[0])
        names = ", ".join(node.GetName() for node in nodes)
        return _("Made {names}.").format(names=names)

    def _compare(self, first: vtkMRMLScalarVolumeNode, second: vtkMRMLScalarVolumeNode) -> None:
        with slicer.util.NodeModify(self.parameters.parameterNode):
            again = (self.parameters.against, self.parameters.shown) == (first, second)
            self.parameters.against, self.parameters.shown, self.parameters.fade = first, second, 100
        if again or not self.comparison.shows(self.parameters):
            self.comparison.begin(self.parameters)
        self.update()

    def on_compare(self, *_args) -> None:
        """Show the chosen variants side by side, or one beside its original."""
        with slicer.util.tryWithErrorDisplay(_("These can't be compared.")):
            self._compare(*self.variants.pair())

    def on_row(self, *_args) -> None:
        """Show the variant that was clicked beside its original, or alone where that is gone."""
        nodes = self.variants.chosen()
        if len(nodes) != 1 or self.parameters is None:
            return
        with slicer.util.tryWithErrorDisplay(_("The variant can't be shown.")):
            try:
                first, second = self.variants.pair()
            except StudyError:
                views.show_study(nodes[0])
                return
            if (self.parameters.against, self.parameters.shown) != (first, second) or not views.comparing():
                self._compare(first, second)

    def on_leave(self, *_args) -> None:
        """Go back to the user's layout."""
        views.leave()
        self.update()

    def on_delete(self, *_args) -> None:
        """Take the chosen variants out of the scene, and out of the views."""
        with slicer.util.tryWithErrorDisplay(_("The variants could not be deleted.")):
            if self.variants.delete() and None in (self.parameters.against, self.parameters.shown):
                views.leave()
            self.update()

    def on_export(self, *_args) -> None:
        """Write the chosen variant to a file of the user's choice."""
        with slicer.util.tryWithErrorDisplay(_("The variant could not be written.")):
            (node,) = self.variants.chosen()
            name = f"{node.GetName().replace(' ', '_')}.nii.gz"
            title = _("Export synthetic study")
            path = qt.QFileDialog.getSaveFileName(self.parent, title, name, FILE_KINDS)
            if path:
                arguments = {
                    "study": study_values(volume_study(node)),
                    "file": str(Path(path)),
                    "recipe": recipe_of(node),
                    "band": band_array(node),
                }
                self.job.start(geometry_worker(), "write_image", arguments, _wrote)

    def on_segment(self, *_args) -> None:
        """Go on with the chosen variant."""
        with slicer.util.tryWithErrorDisplay(_("The module Scar Segmentation can't be opened.")):
            (node,) = self.variants.chosen()
            views.leave()
            go_to("SegmentationModule", volume=node)


def _wrote(result: dict[str, typing.Any]) -> str:
    if result["band"] is None:
        return _("Wrote {file} and its recipe.").format(file=result["file"])
    text = _("Wrote {file} and its recipe, and beside it what was painted: {band}.")
    return text.format(file=result["file"], band=Path(result["band"]).name)


class SynthesisModuleTest(ScriptedLoadableModuleTest):
    """Runs in Slicer's Self Tests module and under CTest."""

    def setUp(self) -> None:
        """Begin with an empty scene."""
        slicer.mrmlScene.Clear()

    def runTest(self) -> None:  # noqa: N802
        """Run every test."""
        for test in (self.test_refuses_a_volume_as_scar, self.test_comparison_comes_and_goes):
            self.setUp()
            test()

    def test_refuses_a_volume_as_scar(self) -> None:
        """Segments of other names are no scar mask, and nothing is added."""
        from ClaimSlicerLib.example import add_phantom
        from ClaimSlicerLib.mrml import add_segmentation
        from ClaimSlicerLib.segments import AHA_STYLES

        volume, labels = add_phantom()
        other = add_segmentation(volume_study(volume, labels).labels, volume, "other", AHA_STYLES)
        logic = SynthesisModuleLogic()
        parameters = logic.getParameterNode()
        parameters.volume, parameters.labels, parameters.scar = volume, labels, other
        before = slicer.mrmlScene.GetNumberOfNodes()
        with self.assertRaises(StudyError):
            logic.arguments(parameters)
        self.assertEqual(slicer.mrmlScene.GetNumberOfNodes(), before)

    def test_comparison_comes_and_goes(self) -> None:
        """The user's layout is back after a comparison."""
        if slicer.app.layoutManager() is None:
            self.delayDisplay(_("There is no main window: {what} isn't tested.").format(what=_("comparing")))
            return
        from ClaimSlicerLib.example import add_phantom

        volume, _labels = add_phantom()
        layout = slicer.app.layoutManager().layout
        views.compare(volume, volume, views.Arrangement.WITH_DIFFERENCE)
        slicer.app.processEvents()
        self.assertEqual(views.comparing(), views.Arrangement.WITH_DIFFERENCE)
        views.leave()
        self.assertEqual(slicer.app.layoutManager().layout, layout)
