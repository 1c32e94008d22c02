"""The module Scar Segmentation: cavity, myocardium, infarct and MVO of an LGE study, by the network."""

from __future__ import annotations

import typing
from pathlib import Path

import qt
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
        "SegmentationModule needs the module ClaimSlicer of the same extension: add its folder, beside this "
        "one, to the additional module paths."
    ) from error

from claimslicer.errors import StudyError
from claimslicer.labels import infarct_mask, ventricle_mask
from claimslicer.models.registry import DEFAULT_MODEL
from claimslicer.worker.messages import study_values
from ClaimSlicerLib import insertion_points
from ClaimSlicerLib.bullseye import BullseyeWidget
from ClaimSlicerLib.choices import DEVICE_OPTIONS, Choice, ask_devices, model_options
from ClaimSlicerLib.dicom_source import dicom_folder
from ClaimSlicerLib.heart_views import show_heart
from ClaimSlicerLib.job import JobDisplay
from ClaimSlicerLib.labelled import LabelledEnum
from ClaimSlicerLib.made import made_for
from ClaimSlicerLib.mrml import study_labels, volume_study
from ClaimSlicerLib.overlays import bring_back, outline, show_none_but, whiten
from ClaimSlicerLib.panel import Panel
from ClaimSlicerLib.rule import Rule, SliceOrder
from ClaimSlicerLib.worker import geometry_worker, model_worker
from ClaimSlicerLib.wrapped import wrapped
from SegmentationModuleLib import editing, tables
from SegmentationModuleLib.numbers import Numbers, Question
from SegmentationModuleLib.queue_box import QueueBox
from SegmentationModuleLib.result import add_labels, add_uncertainty, show_uncertainty, uncertainty_of
from SegmentationModuleLib.review import ReviewBox


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


class Shown(LabelledEnum):
    """What the bull's-eye shows."""

    VOLUME = "volume", _("Infarct volume per segment")
    TRANSMURALITY = "transmurality", _("Transmurality")
    DIFFERENCE = "difference", _("Difference from the second segmentation")


@parameterNodeWrapper
class SegmentationModuleParameterNode:
    """What the panel holds, kept in the scene."""

    volume: vtkMRMLScalarVolumeNode
    labels: typing.Union[vtkMRMLSegmentationNode, vtkMRMLLabelMapVolumeNode, None]  # noqa: UP007
    reference: typing.Union[vtkMRMLSegmentationNode, vtkMRMLLabelMapVolumeNode, None]  # noqa: UP007
    insertions: vtkMRMLMarkupsFiducialNode
    rule: Rule = Rule.FIXED
    order: SliceOrder = SliceOrder.FOUND
    model: str = ""
    device: str = "auto"
    showUncertainty: bool = False  # noqa: N815
    showReference: bool = False  # noqa: N815
    uncertaintyOpacity: typing.Annotated[float, WithinRange(0.0, 1.0)] = 0.6  # noqa: N815
    face: Shown = Shown.VOLUME
    thresholds: bool = False
    sd: typing.Annotated[int, WithinRange(2, 6)] = 5
    exportFolder: str = ""  # noqa: N815
    studiesFolder: str = ""  # noqa: N815
    resultsFolder: str = ""  # noqa: N815


class SegmentationModuleLogic(ScriptedLoadableModuleLogic):
    """What the panel asks of the worker, and what becomes of the answers in the scene."""

    def getParameterNode(self) -> SegmentationModuleParameterNode:  # noqa: N802
        """Return the parameter node, wrapped."""
        return wrapped(SegmentationModuleParameterNode, super().getParameterNode())

    def segment_arguments(self, parameters: SegmentationModuleParameterNode) -> dict:
        """Return the arguments of the task ``segment``. Raises StudyError for an unfit volume."""
        study = study_values(volume_study(parameters.volume))
        return {"study": study, "model": parameters.model or None, "device": parameters.device}

    def take_segmentation(self, volume_id: str, result: dict) -> vtkMRMLSegmentationNode:
        """Add what the network found in a volume to the scene, and choose it."""
        volume = slicer.mrmlScene.GetNodeByID(volume_id)
        if volume is None:
            raise StudyError(
                _("The volume was removed from the scene while the work went on: load it and run again.")
            )
        labels = add_labels(result["labels"], volume, recipe=result["recipe"])
        add_uncertainty(result["uncertainty"], volume, labels)
        parameters = self.getParameterNode()
        if parameters.volume is volume:
            parameters.labels = labels
            found = result["labels"]
            show_heart(volume, ventricle_mask(found), scar=infarct_mask(found))
        return labels

    def question(self, parameters: SegmentationModuleParameterNode) -> Question:
        """Return what the numbers are of."""
        return Question(
            parameters.volume,
            parameters.labels,
            parameters.reference,
            parameters.insertions,
            parameters.rule.value,
            parameters.order.value,
            parameters.sd if parameters.thresholds else None,
        )


class SegmentationModuleWidget(Panel):
    """The panel."""

    def make_logic(self) -> SegmentationModuleLogic:
        """Return the logic."""
        return SegmentationModuleLogic()

    def connect(self) -> None:
        """Connect the buttons and build the parts."""
        ui = self.ui
        self.models = Choice(ui.modelBox, lambda name: self._set("model", name))
        self.models.offer(model_options("segmentation"))
        self.devices = Choice(ui.deviceBox, lambda name: self._set("device", name))
        self.devices.offer(DEVICE_OPTIONS)
        self.bullseye = BullseyeWidget()
        self.bullseye.selectable = False
        self.bullseye.least_height = 300
        ui.bullseyePlace.layout().addWidget(self.bullseye)
        self.bullseye.segmentHovered.connect(self._point_at)
        self.job = JobDisplay(ui.progressBar, ui.cancelButton, ui.resultLabel, self.update)
        self.export_job = JobDisplay(ui.exportBar, ui.exportCancelButton, ui.exportText, self.update)
        self.numbers = Numbers(self._show_numbers)
        self.queue = QueueBox(self)
        self.review = ReviewBox(ui, self.queue.decided)
        self._uncertainty = (None, 0.0)
        self.shortcuts = self._make_shortcuts()
        ui.advancedBox.contentsCollapsed.connect(self._ask_devices)
        for button, action in (
            (ui.applyButton, self._segment),
            (ui.editButton, self._edit),
            (ui.tablesButton, self._make_tables),
            (ui.placeButton, self._place_points),
            (ui.exportButton, self._export),
            (ui.dicomButton, self._export_dicom),
            (ui.exportFolderButton, self._choose_export_folder),
        ):
            button.clicked.connect(action)

    def _bind(self) -> None:
        Panel._bind(self)
        editing.finish(self.parameters.labels)
        self.queue.resume()
        for shortcut in self.shortcuts:
            shortcut.enabled = True

    def _unbind(self) -> None:
        Panel._unbind(self)
        for shortcut in self.shortcuts:
            shortcut.enabled = False
        bring_back()

    def _make_shortcuts(self) -> list[qt.QShortcut]:
        """Make the keys for going through a queue; they work while the panel is open."""
        if slicer.util.mainWindow() is None:
            return []
        shortcuts = []
        for key, button in (
            ("A", self.ui.acceptedButton),
            ("X", self.ui.rejectedButton),
            ("N", self.ui.nextButton),
            ("P", self.ui.previousButton),
        ):
            shortcut = qt.QShortcut(qt.QKeySequence(key), slicer.util.mainWindow())
            # A button that is off isn't clicked.
            shortcut.activated.connect(lambda button=button: button.click())
            button.toolTip = _("{tip} (key {key})").format(tip=button.toolTip, key=key)
            shortcuts.append(shortcut)
        return shortcuts

    def stop(self) -> None:
        """End every job."""
        self.job.cancel()
        self.export_job.cancel()
        self.queue.stop()
        self.numbers.stop()
        self._uncertainty = (None, 0.0)

    def missing(self) -> str:
        """Say what is still to be chosen."""
        if self.job.running:
            return _("The volume is being segmented.")
        return "" if self.parameters.volume is not None else _("Choose the LGE volume.")

    def forget_messages(self) -> None:
        """Take away what was said of another study."""
        self.job.clear()
        self.export_job.clear()

    def update(self, *_args) -> None:
        """Show what the parameter node holds."""
        Panel.update(self)
        parameters, ui = self.parameters, self.ui
        if parameters is None:
            return
        outline(parameters.labels)
        outline(parameters.reference)
        if parameters.labels is not None:
            both = parameters.showReference and parameters.reference is not parameters.labels
            show_none_but(parameters.labels, parameters.reference if both else None)
            whiten(parameters.labels, False)
            whiten(parameters.reference, both)
        ui.referenceCheck.enabled = parameters.reference is not None
        self.models.show(parameters.model or DEFAULT_MODEL)
        self.devices.show(parameters.device)
        uncertainty = uncertainty_of(parameters.labels)
        ui.uncertaintyBox.enabled = uncertainty is not None
        ui.opacitySlider.enabled = uncertainty is not None and parameters.showUncertainty
        shown = (uncertainty if parameters.showUncertainty else None, parameters.uncertaintyOpacity)
        if shown != self._uncertainty:
            self._uncertainty = shown
            show_uncertainty(*shown)
        both = parameters.volume is not None and parameters.labels is not None
        ui.editButton.enabled = both
        ui.exportButton.enabled = both and bool(parameters.exportFolder) and not self.export_job.running
        ui.dicomButton.enabled = ui.exportButton.enabled
        self.numbers.follow(self.logic.question(parameters))
        self.queue.show()
        self._show_numbers()

    def _set(self, name: str, value: str) -> None:
        if self.parameters is not None:
            setattr(self.parameters, name, value)

    def _ask_devices(self, collapsed: bool) -> None:
        """Look for graphics cards when the box is opened: asking starts the worker."""
        if not collapsed:
            with slicer.util.tryWithErrorDisplay(_("The devices could not be found out.")):
                ask_devices(self.devices, lambda error: setattr(self.ui.resultLabel, "text", str(error)))

    def _segment(self, *_args) -> None:
        with slicer.util.tryWithErrorDisplay(_("The work could not start.")):
            arguments = self.logic.segment_arguments(self.parameters)
            volume_id = self.parameters.volume.GetID()

            def arrived(result: dict) -> str:
                node = self.logic.take_segmentation(volume_id, result)
                made = _("Made {name}.").format(name=node.GetName())
                return f"{made} {result['warning']}".rstrip()

            self.job.start(model_worker(), "segment", arguments, arrived)

    def _edit(self, *_args) -> None:
        with slicer.util.tryWithErrorDisplay(_("The labels can't be corrected.")):
            editing.open_in_segment_editor(self.parameters.labels, self.parameters.volume)

    def _show_numbers(self) -> None:
        if self.parameters is None:
            # Another module is open: only tables of the scene follow.
            self._follow_tables()
            return
        ui, numbers, result = self.ui, self.numbers, self.numbers.result
        self.review.show(self.parameters.labels, numbers.content)
        ui.numbersLabel.text = numbers.problem or (
            _("The numbers are being updated…") if numbers.stale else ""
        )
        left = editing.warning(self.parameters.labels, numbers.labels)
        ui.numbersLabel.text = " ".join(filter(None, (ui.numbersLabel.text, left)))
        ui.numbersLabel.visible = bool(ui.numbersLabel.text)
        measured = result is not None
        totals = tables.totals_rows(result, numbers.thresholds) if measured else []
        agreement = tables.agreement_rows(result) if measured else []
        for table, headings, rows in (
            (ui.totalsTable, ["", "ml", "g", "% LV"], totals),
            (ui.segmentsTable, [_("Segment"), "ml", "MVO", "Tr. %", _("Class")], self._segment_rows()),
            (ui.agreementTable, [_("Agreement"), "Dice", "HD95 mm", _("Diff. ml")], agreement),
        ):
            tables.fill(table, headings, rows)
            tables.fit_height(table)
            table.visible = bool(rows)
            table.enabled = not numbers.stale
        self._show_insertions()
        self.bullseye.setFace(tables.face_of(self.parameters.face.value, result))
        ui.tablesButton.enabled = measured and not numbers.stale
        self._follow_tables()

    def _show_insertions(self) -> None:
        """Say where the RV insertions come from that the numbers of the segments hang on."""
        result, ui = self.numbers.result, self.ui
        points = None if result is None else result["insertions"]
        ui.insertionsLabel.text = (
            "" if points is None else insertion_points.words_of(points["source"], points["confidence"])
        )
        ui.insertionsLabel.visible = points is not None
        ui.placeButton.visible = points is not None and self.parameters.insertions is None

    def _place_points(self, *_args) -> None:
        """Put the points into the views where they were found; those that were dragged before stay so."""
        with slicer.util.tryWithErrorDisplay(_("The points could not be shown.")):
            p, found = self.parameters, self.numbers.result["insertions"]
            own = made_for(p.volume, "vtkMRMLMarkupsFiducialNode", insertion_points.KIND)
            node = own or insertion_points.place(None, found, p.volume)
            level = slicer.util.arrayFromMarkupsControlPoints(node, world=True).mean(axis=0)
            show_heart(p.volume, ventricle_mask(study_labels(p.labels, p.volume)), level)
            p.insertions = node

    def _segment_rows(self) -> list[list[str]]:
        return tables.segment_rows(self.numbers.result) if self.numbers.result is not None else []

    def _follow_tables(self) -> None:
        question = self.numbers.question
        if self.numbers.result is not None and question is not None and not self.numbers.stale:
            tables.write_table_nodes(self.numbers.result, question.volume, create=False)

    def _make_tables(self, *_args) -> None:
        with slicer.util.tryWithErrorDisplay(_("The tables could not be made.")):
            nodes = tables.write_table_nodes(self.numbers.result, self.parameters.volume, create=True)
            selection = slicer.app.applicationLogic().GetSelectionNode()
            selection.SetActiveTableID(nodes[-1].GetID())
            slicer.app.applicationLogic().PropagateTableSelection()

    def _point_at(self, segment: int) -> None:
        if segment and self.ui.segmentsTable.rowCount >= segment:
            self.ui.segmentsTable.selectRow(segment - 1)
        else:
            self.ui.segmentsTable.clearSelection()

    def _choose_export_folder(self, *_args) -> None:
        folder = qt.QFileDialog.getExistingDirectory(self.parent, _("Folder for the report"))
        if folder:
            self.parameters.exportFolder = folder

    def _export(self, *_args) -> None:
        with slicer.util.tryWithErrorDisplay(_("Nothing was exported.")):
            arguments = self.logic.question(self.parameters).arguments()
            folder = Path(self.parameters.exportFolder) / _file_name(arguments["study"]["name"])
            if not _may_write(folder):
                return
            labels = {
                "study": arguments["study"],
                "file": str(folder / f"{_file_name(arguments['study']['name'])}_labels.nii.gz"),
                "command": "export",
            }

            def reported(result: dict) -> str:
                qt.QTimer.singleShot(
                    0, lambda: self.export_job.start(geometry_worker(), "write_labels", labels, written)
                )
                return _("Wrote {file}.").format(file=result["files"][0])

            def written(result: dict) -> str:
                return _("Wrote the report and {file} into {folder}.").format(
                    file=Path(result["labels"]).name, folder=folder
                )

            task = {**arguments, "folder": str(folder)}
            self.export_job.start(model_worker(), "report", task, reported)

    def _export_dicom(self, *_args) -> None:
        with slicer.util.tryWithErrorDisplay(_("Nothing was exported.")):
            study = self.logic.question(self.parameters).arguments()["study"]
            folder = Path(self.parameters.exportFolder) / f"{_file_name(study['name'])}_dicom"
            source = dicom_folder(self.parameters.volume)
            arguments = {"study": study, "folder": str(folder), "source": source}

            def exported(result: dict) -> str:
                wrote = _("Wrote {count} DICOM series into {folder}.")
                said = [wrote.format(count=len(result["series"]), folder=result["folder"]), *result["notes"]]
                return " ".join(said)

            self.export_job.start(model_worker(), "export_dicom", arguments, exported)


def _may_write(folder: Path) -> bool:
    """Ask before a study's report is written over, which may be that of another one of its name."""
    if not folder.is_dir() or not any(folder.iterdir()):
        return True
    question = _("There is a report in {folder} already. Write this study's over it?")
    return slicer.util.confirmOkCancelDisplay(question.format(folder=folder))


def _file_name(name: str) -> str:
    """Return a node's name as a file's, without what some systems refuse."""
    return "".join(c if c.isalnum() or c in "-_." else "_" for c in name).strip("_") or "study"


class SegmentationModuleTest(ScriptedLoadableModuleTest):
    """Runs in Slicer's Self Tests module and under CTest."""

    def setUp(self) -> None:
        """Begin with an empty scene."""
        slicer.mrmlScene.Clear()

    def runTest(self) -> None:  # noqa: N802
        """Run every test."""
        for test in (self.test_refuses_a_volume_without_image, self.test_numbers_of_the_phantom):
            self.setUp()
            test()

    def test_refuses_a_volume_without_image(self) -> None:
        """A volume node without voxels is refused in a sentence."""
        logic = SegmentationModuleLogic()
        parameters = logic.getParameterNode()
        parameters.volume = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLScalarVolumeNode", "empty")
        with self.assertRaises(StudyError):
            logic.segment_arguments(parameters)

    def test_numbers_of_the_phantom(self) -> None:
        """The worker's numbers of the phantom's labels are their voxels', and its segments add up to them."""
        import time

        from claimslicer.labels import infarct_mask
        from ClaimSlicerLib.example import add_phantom

        logic = SegmentationModuleLogic()
        parameters = logic.getParameterNode()
        parameters.volume, parameters.labels = volume, labels = add_phantom()
        numbers = Numbers(lambda: None)
        numbers.follow(logic.question(parameters))
        deadline = time.monotonic() + 60
        while (numbers.stale or numbers.result is None) and time.monotonic() < deadline:
            slicer.app.processEvents()
        result = numbers.result
        self.assertIsNotNone(result, numbers.problem)
        study = volume_study(volume, labels)
        voxels_ml = infarct_mask(study.labels).sum() * study.geometry.voxel_volume_ml
        self.assertAlmostEqual(result["totals"]["infarct_ml"], voxels_ml, places=3)
        segments_ml = sum(values["infarct_ml"] for values in result["segments"].values())
        self.assertAlmostEqual(segments_ml, voxels_ml, delta=0.02 * voxels_ml)
        numbers.stop()
