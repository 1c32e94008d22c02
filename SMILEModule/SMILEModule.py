"""The module SMILE: a myocardial scar by specification, authored on a bull's-eye and shown in the scene."""

from __future__ import annotations

import random

import slicer
from slicer.i18n import tr as _
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
from claimslicer.errors import ClaimError, SpecificationError
from claimslicer.labels import scar_of_labels, ventricle_mask
from claimslicer.smile import ScarMask, ScarSpec, generate_scar
from claimslicer.smile.history import History
from ClaimSlicerLib import handover, heart_views, insertion_points
from ClaimSlicerLib.aha_overlay import KIND as AHA
from ClaimSlicerLib.aha_overlay import outline_only
from ClaimSlicerLib.bullseye import BullseyeWidget
from ClaimSlicerLib.made import made_for
from ClaimSlicerLib.mrml import study_labels, volume_study
from ClaimSlicerLib.overlays import outline
from ClaimSlicerLib.panel import Panel
from ClaimSlicerLib.pointing import Pointing, mark
from ClaimSlicerLib.worker import geometry_worker
from ClaimSlicerLib.wrapped import wrapped
from SMILEModuleLib import display, scar_node, specification_files
from SMILEModuleLib.author import Author, Heart, Scar
from SMILEModuleLib.sliders import (
    Amount,
    SMILEModuleParameterNode,
    choose,
    segments_of,
    set_share,
    shares_of,
    show_spec,
    spec_of,
)


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


class SMILEModuleLogic(ScriptedLoadableModuleLogic):
    """Makes scar masks in the scene."""

    def getParameterNode(self) -> SMILEModuleParameterNode:  # noqa: N802
        """Return the parameter node, wrapped."""
        return wrapped(SMILEModuleParameterNode, super().getParameterNode())

    def make_scar(
        self,
        volume: slicer.vtkMRMLScalarVolumeNode,
        labels: slicer.vtkMRMLNode,
        spec: ScarSpec,
        insertions: slicer.vtkMRMLMarkupsFiducialNode | None = None,
    ) -> tuple[slicer.vtkMRMLSegmentationNode, ScarMask]:
        """Add a segmentation node with the scar, for scripts; it waits until the scar is made.

        ClaimError, and nothing added, when that can't be done.
        """
        study = volume_study(volume, labels)
        points = None if insertions is None else insertion_points.insertion_points(insertions)
        frame = build_frame(study.labels, study.geometry, image=study.image, insertions=points)
        mask = generate_scar(spec, frame, scar_of_labels(study.labels))
        return scar_node.show(scar_node.Made(mask.labels, spec, "", ""), volume, None), mask


class SMILEModuleWidget(Panel):
    """The panel."""

    def __init__(self, parent=None) -> None:
        Panel.__init__(self, parent)
        self.history = History()
        self.scar: Scar | None = None
        self._study: tuple | None = None
        self._points: slicer.vtkMRMLMarkupsFiducialNode | None = None
        self._asked: tuple[str, ScarSpec] | None = None
        self._problem = ""

    def make_logic(self) -> SMILEModuleLogic:
        """Return the logic."""
        return SMILEModuleLogic()

    def connect(self) -> None:
        """Make the bull's-eye and connect the widgets that aren't bound to a parameter."""
        self.bullseye = BullseyeWidget()
        self.bullseye.least_height = 350
        self.ui.bullseyePlace.layout().addWidget(self.bullseye)
        self.bullseye.selectionChanged.connect(self.on_selection)
        self.bullseye.segmentHovered.connect(self.on_point)
        self.pointing = Pointing(self.on_pointed)
        self.bullseye.segmentScrolled.connect(self.on_scroll)
        self.author = Author(geometry_worker(), self.on_heart, self.on_scar, self.on_drawn, self.on_error)
        self.ui.shareSlider.valueChanged.connect(self.on_share)
        self.ui.sentenceEdit.returnPressed.connect(self.on_sentence)
        for name, action in (
            ("undoButton", self.on_undo),
            ("redoButton", self.on_redo),
            ("newSeedButton", self.on_new_seed),
            ("randomButton", self.on_random),
            ("makeButton", self.on_make),
            ("newScarButton", self.on_new_scar),
            ("saveButton", self.on_save),
            ("loadButton", self.on_load),
            ("paintButton", self.on_paint),
        ):
            getattr(self.ui, name).clicked.connect(action)

    def missing(self) -> str:
        """Say what is still to be chosen."""
        if self.parameters.volume is None:
            return _("Choose the LGE volume.")
        if self.parameters.labels is None:
            return _("Choose the segmentation or label map of the left ventricle.")
        return ""

    def stop(self) -> None:
        """Ask the worker for nothing any more, and forget the steps of this scene."""
        self.author.stop()
        self.history.clear()

    # What the parameter node holds

    def update(self, *_args) -> None:
        """Look at another study, and ask for another scar, where the parameter node tells of one."""
        if self.parameters is None:
            self.author.stop()
            self.pointing.follow(None, None)
            self._study = None
            self._watch_points(None)
            return
        outline(self.parameters.labels)
        self._look()
        self._follow()
        self._show()

    def _look(self) -> None:
        """Ask for the heart of a study that wasn't looked at yet."""
        p = self.parameters
        study = (p.volume, p.labels, p.insertions, p.rule)
        if study == self._study:
            return
        self._study = study
        self._watch_points(p.insertions)
        self.scar = self._asked = None
        self._problem = ""
        self.author.stop()
        problem = self.missing()
        if not problem:
            try:
                self.author.look_at(p)
            except ClaimError as error:
                problem = str(error)
        self._tell(problem)

    def _watch_points(self, points) -> None:
        """Follow the RV insertions while they are dragged."""
        for event in insertion_points.MOVES:
            if self._points is not None:
                self.removeObserver(self._points, event, self.on_points_moved)
            if points is not None:
                self.addObserver(points, event, self.on_points_moved)
        self._points = points

    def on_points_moved(self, *_args) -> None:
        """Look at the study anew: its segments have turned."""
        self._study = None
        self.update()

    def _follow(self, *, now: bool = False) -> None:
        """Note what is asked for, and let the mask follow; ``now`` makes it also when it isn't live."""
        try:
            spec = spec_of(self.parameters)
        except SpecificationError as error:
            self._asked = None
            if self.author.heart is not None:
                self._forget_scar(str(error))
            return
        self.history.record(spec)
        heart = self.author.heart
        if heart is None or (heart.key, spec) == self._asked:
            return
        self._problem = ""
        self._tell("")
        if self.parameters.live or now:
            self._asked = (heart.key, spec)
            self.author.ask_for(spec)

    def _forget_scar(self, message: str) -> None:
        self.scar = None
        self._problem = message

    # What the worker answers

    def on_heart(self, heart: Heart) -> None:
        """Show the heart's segments."""
        self._asked = None
        self._problem = ""
        self._tell("")
        self._follow()
        self._show()

    def on_scar(self, scar: Scar) -> None:
        """Put the mask into the scene."""
        p = self.parameters
        if p is None or p.volume is None:
            return
        self.scar = scar
        self._problem = ""
        self._tell("")
        with slicer.util.tryWithErrorDisplay(_("The scar could not be shown.")):
            node = scar_node.show(scar.made, p.volume, p.scar)
            if p.scar is not node or not heart_views.is_seen(p.volume, scar.added):
                heart = ventricle_mask(study_labels(p.labels, p.volume))
                heart_views.show_heart(p.volume, heart, scar=scar.added)
            if p.scar is not node:
                p.scar = node
                outline_only(p.volume, True)
        self._show()

    def on_drawn(self, spec: ScarSpec) -> None:
        """Let the widgets show a random scar."""
        self._show_spec(spec)

    def on_error(self, error: Exception) -> None:
        """Say what went wrong beside the widgets: a slider that is dragged too far is no reason for a box."""
        if self.parameters is not None:
            self._forget_scar(str(error))
            self._show()

    # What the user does

    def on_selection(self, segments: frozenset[int]) -> None:
        """Choose segments."""
        if self.parameters is not None:
            choose(self.parameters, segments)

    def on_hover(self, segment: int) -> None:
        """Name the segment under the mouse."""
        lines = self.bullseye.face.tips.get(segment, "").split("\n")
        hint = _("Click or drag to choose, Ctrl adds")
        self.ui.segmentLabel.text = ", ".join(lines) or hint

    def on_point(self, segment: int) -> None:
        """Mark the segment in the slices, where the module CLAIM has put the model there."""
        self.on_hover(segment)
        if self.parameters is not None:
            volume = self.parameters.volume
            mark(made_for(volume, "vtkMRMLSegmentationNode", AHA), segment)

    def on_pointed(self, segment: int) -> None:
        """Mark on the bull's-eye what the mouse is over in the slices."""
        self.bullseye.point_at(segment)
        self.on_hover(segment)

    def on_scroll(self, segment: int, notches: int) -> None:
        """Ask for more or less: of the segment where each has its own share, else of the scar."""
        p = self.parameters
        if p is None:
            return
        if p.amount is Amount.EACH and segment in segments_of(p):
            set_share(p, segment, shares_of(p)[segment] + 5.0 * notches)
        elif p.amount is Amount.PERCENT:
            p.percent = min(max(p.percent + 5.0 * notches, 0.5), 100.0)
        elif p.amount is Amount.MILLILITRES:
            p.volumeMl = min(max(round(p.volumeMl + 0.5 * notches, 2), 0.05), 200.0)

    def on_share(self, percent: float) -> None:
        """Ask for another share of the current segment."""
        segment = self._share_segment()
        if self.parameters is not None and segment:
            set_share(self.parameters, segment, percent)

    def on_sentence(self, *_args) -> None:
        """Set the sliders from a sentence; one that can't be read changes nothing."""
        from claimslicer.smile.words import parse

        heart = self.author.heart
        shown, lv_ml = (None, None) if heart is None else (set(heart.wall_ml), heart.lv_ml)
        try:
            spec = parse(self.ui.sentenceEdit.text, shown, lv_ml=lv_ml, base=self.history.current)
        except SpecificationError as error:
            self._tell(str(error))
            return
        self._show_spec(spec)

    def on_undo(self, *_args) -> None:
        """Go back one step."""
        self._show_spec(self.history.undo())

    def on_redo(self, *_args) -> None:
        """Go forward again."""
        self._show_spec(self.history.redo())

    def on_new_seed(self, *_args) -> None:
        """Let another grain grow in the same place."""
        self.parameters.seed = random.randrange(1_000_000)

    def on_random(self, *_args) -> None:
        """Draw a scar as real ones lie, in connected segments."""
        if self.author.heart is not None:
            self.author.draw(random.randrange(1_000_000))

    def on_make(self, *_args) -> None:
        """Make the scar that the sliders ask for, where it doesn't follow them by itself."""
        self._follow(now=True)

    def on_new_scar(self, *_args) -> None:
        """Keep this scar as it is; the next move makes another one."""
        scar_node.finish(self.parameters.scar)
        self.parameters.scar = None

    def on_save(self, *_args) -> None:
        """Save the specification."""
        with slicer.util.tryWithErrorDisplay(_("The specification could not be saved.")):
            specification_files.save(spec_of(self.parameters))

    def on_load(self, *_args) -> None:
        """Set the sliders from a file."""
        with slicer.util.tryWithErrorDisplay(_("The specification could not be loaded.")):
            self._show_spec(specification_files.load())

    def on_paint(self, *_args) -> None:
        """Go on to painting with this study and this scar."""
        with slicer.util.tryWithErrorDisplay(_("The next module could not be opened.")):
            p = self.parameters
            handover.go_to("SynthesisModule", volume=p.volume, labels=p.labels, scar=p.scar)

    # What is shown

    def _show_spec(self, spec: ScarSpec | None) -> None:
        if spec is None or self.parameters is None:
            return
        try:
            show_spec(self.parameters, spec)
        except SpecificationError as error:
            self._tell(str(error))

    def _tell(self, message: str) -> None:
        first, _newline, rest = message.partition("\n")
        self.ui.messageLabel.text = f"⚠ {first}" if message else ""
        self.ui.messageLabel.toolTip = rest
        self.ui.messageLabel.visible = bool(message)

    def _show(self) -> None:
        p, heart = self.parameters, self.author.heart
        self.pointing.follow(None if heart is None else heart.segments, p.volume)
        display.show_face(self.bullseye, p, heart, self.scar)
        self.on_hover(self.bullseye.hovered)
        display.show_amount(self.ui, p, self._share_segment())
        display.show_result(self.ui, heart, self.scar)
        self.ui.undoButton.enabled = self.history.can_undo
        self.ui.redoButton.enabled = self.history.can_redo
        self.ui.randomButton.enabled = heart is not None
        self.ui.makeButton.enabled = heart is not None and not p.live
        self.ui.newScarButton.enabled = scar_node.is_made(p.scar, scar_node.KIND)
        self.ui.saveButton.enabled = self.history.current is not None
        self._show_outdated()

    def _show_outdated(self) -> None:
        """Keep a mask that isn't what is asked for from being painted, and say so beside the bull's-eye."""
        p = self.parameters
        reason = self._outdated()
        scar_node.show_outdated(p.scar, bool(reason))
        if reason:
            self._tell(reason)
        elif self._problem:
            self._tell(self._problem)
        ready = p.scar is not None and self._fits()
        waits = reason or self.missing() or ("" if ready else _("There is no mask of this yet."))
        self.ui.paintButton.enabled = not waits
        self.ui.paintButton.toolTip = waits or _("Go on to the module Scar Synthesis with study and mask")

    def _fits(self) -> bool:
        """Say whether the mask in the scene is what the sliders ask for, as far as that is known yet."""
        heart = self.author.heart
        try:
            return scar_node.is_of(
                self.parameters.scar, spec_of(self.parameters), None if heart is None else heart.key
            )
        except SpecificationError:
            return False

    def _outdated(self) -> str:
        """Say why the mask in the scene isn't what is asked for; empty while a new one is on its way."""
        p = self.parameters
        if p.scar is None or self._fits():
            return ""
        first, newline, rest = self._problem.partition("\n")
        if first:
            pale = _("The pale mask in the views is the one before and isn't painted.")
            return f"{first} {pale}{newline}{rest}"
        if not p.live and self.author.heart is not None:
            return _("The pale mask was made before the last change: press 'Make mask'.")
        return ""

    def _share_segment(self) -> int:
        """Return the segment whose share the slider shows, 0 for none."""
        chosen = segments_of(self.parameters) if self.parameters is not None else ()
        return self.bullseye.current if self.bullseye.current in chosen else min(chosen, default=0)


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
        from ClaimSlicerLib.mrml import scar_mask

        volume, labels = add_phantom()
        spec = ScarSpec(segments=(7, 8, 13, 14), volume_ml=6.0, mvo_fraction=0.2, seed=3)
        node, mask = SMILEModuleLogic().make_scar(volume, labels, spec)
        voxel_ml = mask.geometry.voxel_volume_ml
        self.assertAlmostEqual(int(mask.added.sum()) * voxel_ml, 6.0, delta=voxel_ml)
        self.assertTrue((scar_mask(node, volume) == mask.labels).all())
