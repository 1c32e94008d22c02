"""The module Scar Segmentation with the real worker: labels, review, numbers, queue and report."""

from __future__ import annotations

import errno
import json
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import psutil
import pytest
import slicer
from claimslicer.labels import Label
from PySide6 import QtCore, QtWidgets
from PySide6.QtTest import QTest


def wait_for(condition, seconds: float = 180.0) -> None:
    """Let Qt work until ``condition`` holds."""
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "waited in vain"
        slicer.app.processEvents()
        time.sleep(0.01)


def click(widget, **where) -> None:
    """Click a widget as the user does, where it is to be seen."""
    slicer.app.processEvents()
    assert widget.enabled, f"{widget.objectName} is off"
    assert widget.visible, f"{widget.objectName} is not to be seen"
    QTest.mouseClick(widget, QtCore.Qt.MouseButton.LeftButton, **where)


def turn(box) -> None:
    """Open or shut a collapsible box by its title."""
    click(box, pos=QtCore.QPoint(40, 8))


@pytest.fixture
def panel(open_panel, phantom):
    panel = open_panel("SegmentationModule")
    panel.ui.volumeSelector.setCurrentNode(phantom[0])
    panel.parent.show()
    return panel


@pytest.fixture
def measured(panel, phantom):
    """The panel with the phantom's labels measured."""
    panel.ui.labelsSelector.setCurrentNode(phantom[1])
    settle(panel)
    return panel


def settle(panel) -> None:
    """Wait until the numbers are those of what is there."""
    wait_for(lambda: not panel.numbers.stale and (panel.numbers.result or panel.numbers.problem))


def cells(table, row: int) -> list[str]:
    return [table.item(row, x).text() for x in range(table.columnCount)]


def redraw(node, value: int) -> None:
    """Change one segment as an editor does: its label map, and the event."""
    segmentation = node.GetSegmentation()
    key = segmentation.GetNthSegmentID(value - 1)
    array = slicer.util.arrayFromSegmentInternalBinaryLabelmap(node, key)
    array[array == Label.MYOCARDIUM] = Label.INFARCT
    segmentation.GetSegment(key).Modified()
    segmentation.InvokeEvent(segmentation.SourceRepresentationModified)


def test_segmentation_review_and_uncertainty(panel, phantom, dialogs):
    from ClaimSlicerLib.mrml import study_labels
    from SegmentationModuleLib.result import uncertainty_of
    from SegmentationModuleLib.review import read_review

    click(panel.ui.applyButton)
    assert not panel.ui.applyButton.enabled
    wait_for(lambda: not panel.job.running)
    assert dialogs.errors() == []
    node = panel.parameters.labels
    assert node.GetName() in panel.ui.resultLabel.text
    assert (study_labels(node, phantom[0]) == Label.CAVITY).any()
    assert panel.ui.applyButton.enabled

    shown = slicer.util.getNodesByClass("vtkMRMLSliceCompositeNode")
    click(panel.ui.uncertaintyBox)
    assert {c.GetForegroundVolumeID() for c in shown} == {uncertainty_of(node).GetID()}
    click(panel.ui.uncertaintyBox)
    assert not any(c.GetForegroundVolumeID() for c in shown)

    settle(panel)
    click(panel.ui.acceptedButton)
    assert read_review(node).state == "accepted"
    redraw(node, Label.MYOCARDIUM)
    wait_for(lambda: panel.ui.correctedButton.checked)
    assert "proposed" in panel.ui.reviewLabel.text
    click(panel.ui.correctedButton)
    assert read_review(node).state == "corrected"


def test_numbers_are_those_of_the_command(measured, phantom, tmp_path):
    from claimslicer.studies import write_volume
    from ClaimSlicerLib.mrml import volume_study

    study = volume_study(*phantom)
    image = write_volume(tmp_path / "scan_synthetic.nii.gz", study.image, study.geometry)
    labels = write_volume(tmp_path / "scan_synthetic_labels.nii.gz", study.labels, study.geometry)
    command = [sys.executable, "-m", "claimslicer.cli.main", "quantify", str(image), "--labels", str(labels)]
    subprocess.run([*command, "--out", str(tmp_path / "out")], check=True, capture_output=True)
    report = json.loads((tmp_path / "out" / "report.json").read_text(encoding="utf-8"))["quantification"]
    for name, value in measured.numbers.result["totals"].items():
        assert value == pytest.approx(report[name], rel=1e-6)
    for mine, theirs in zip(measured.numbers.result["rows"], report["segments"], strict=True):
        # Core and border zone need the image, and are the command's and the report's alone.
        zones = {"core_ml", "core_transmurality", "border_ml", "border_transmurality"}
        assert theirs.keys() - mine.keys() == zones and mine.keys() <= theirs.keys()
        for name in mine:
            value = theirs[name]
            exact = value is None or isinstance(value, str)
            assert mine[name] == (value if exact else pytest.approx(value, rel=1e-6))
    assert cells(measured.ui.totalsTable, 0)[1] == f"{report['infarct_ml']:.1f}"


def test_numbers_follow_and_compare(measured, phantom):
    before = measured.numbers.result["totals"]["infarct_ml"]
    click(measured.ui.tablesButton)
    table = slicer.util.getNode("*totals*")
    measured.ui.referenceSelector.setCurrentNode(phantom[1])
    click(measured.ui.thresholdsBox)
    wait_for(lambda: measured.numbers.result and measured.numbers.result["comparison"])
    wait_for(lambda: measured.numbers.thresholds)
    assert cells(measured.ui.agreementTable, 0)[1] == "1.000"
    measured.ui.referenceSelector.setCurrentNode(None)
    redraw(phantom[1], Label.MYOCARDIUM)
    assert measured.numbers.stale
    wait_for(lambda: not measured.numbers.stale)
    after = measured.numbers.result["totals"]["infarct_ml"]
    assert after > before
    values = table.GetTable().GetColumnByName("value")
    assert float(values.GetValue(3)) == pytest.approx(after)


def test_wrong_labels_and_deleted_nodes_are_said(measured, phantom, dialogs):
    empty = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLSegmentationNode", "empty")
    measured.ui.labelsSelector.setCurrentNode(empty)
    wait_for(lambda: measured.numbers.problem)
    assert measured.ui.numbersLabel.text == measured.numbers.problem
    measured.ui.labelsSelector.setCurrentNode(phantom[1])
    settle(measured)
    slicer.mrmlScene.RemoveNode(phantom[1])
    wait_for(lambda: measured.numbers.result is None)
    assert not measured.ui.exportButton.enabled
    assert dialogs.errors() == []


def nodes() -> set[str]:
    return {node.GetID() for node in slicer.util.getNodesByClass("vtkMRMLNode")}


def segment(panel) -> None:
    """Press the button and wait for the labels."""
    click(panel.ui.applyButton)
    wait_for(lambda: not panel.job.running)
    assert panel.parameters.labels is not None


def test_cancel_leaves_the_scene_and_the_next_run_works(panel, dialogs):
    before = nodes()
    click(panel.ui.applyButton)
    wait_for(lambda: panel.ui.progressBar.value > 0)
    click(panel.ui.cancelButton)
    wait_for(lambda: not panel.job.running, 5)
    assert nodes() == before
    assert "Stopped" in panel.ui.resultLabel.text
    assert not panel.ui.cancelButton.visible
    assert dialogs.errors() == []
    segment(panel)


def test_a_killed_worker_is_told_and_the_next_run_starts_another(panel, dialogs):
    from ClaimSlicerLib.worker import model_worker

    before = nodes()
    click(panel.ui.applyButton)
    wait_for(lambda: panel.ui.progressBar.value > 0)
    process = psutil.Process(int(model_worker().process.processId()))
    for child in [*process.children(recursive=True), process]:
        child.kill()
    wait_for(lambda: not panel.job.running, 30)
    assert len(dialogs.errors()) == 1
    assert "killed" in dialogs.errors()[0]
    assert nodes() == before
    segment(panel)


def test_a_missing_network_is_said_and_another_can_be_chosen(panel, dialogs):
    before = nodes()
    panel.parameters.model = "unheard of"
    click(panel.ui.applyButton)
    wait_for(lambda: not panel.job.running)
    assert "no segmentation model 'unheard of'" in dialogs.errors()[0]
    assert "\n" not in panel.ui.resultLabel.text
    assert nodes() == before
    assert "unheard of (not here)" in panel.ui.modelBox.currentText
    turn(panel.ui.advancedBox)
    panel.ui.modelBox.setFocus()
    QTest.keyClick(panel.ui.modelBox, QtCore.Qt.Key.Key_Home)
    segment(panel)


def test_a_full_disk_is_said_and_the_next_export_works(measured, dialogs, monkeypatch, tmp_path):
    from ClaimSlicerLib import worker

    def full(*_args):
        raise OSError(errno.ENOSPC, "No space left on device")

    before = nodes()
    (tmp_path / "file").touch()
    measured.parameters.exportFolder = str(tmp_path / "file" / "report")
    turn(measured.ui.exportBox)
    assert not measured.ui.exportCancelButton.visible
    click(measured.ui.exportButton)
    wait_for(lambda: not measured.export_job.running)
    assert "choose another place" in dialogs.errors()[-1]
    measured.parameters.exportFolder = str(tmp_path / "report")
    with monkeypatch.context() as patched:
        patched.setattr(worker, "pack", full)
        click(measured.ui.exportButton)
        wait_for(lambda: not measured.export_job.running)
    assert "disk is full" in dialogs.errors()[-1]
    assert len(dialogs.errors()) == 2
    assert nodes() == before
    assert not (tmp_path / "report").exists()
    click(measured.ui.exportButton)
    wait_for(lambda: "Wrote the report" in measured.ui.exportText.text)
    assert len(dialogs.errors()) == 2


def test_devices_are_asked_from_the_worker(panel):
    asked = []
    panel.devices.offer, offer = lambda options: (asked.append(options), offer(options)), panel.devices.offer
    turn(panel.ui.advancedBox)
    wait_for(lambda: asked)
    assert [option[0] for option in asked[0]][:2] == ["auto", "cpu"]


def test_what_belongs_to_jobs_is_hidden_while_there_is_none(panel):
    ui = panel.ui
    turn(ui.queueButton)
    assert ui.findButton.visible
    for widget in (ui.queueBar, ui.queueCancelButton, ui.progressBar, ui.cancelButton, ui.exportBar):
        assert not widget.visible


def test_closing_the_scene_ends_the_work(panel):
    click(panel.ui.applyButton)
    slicer.mrmlScene.Clear()
    assert not panel.job.running
    assert slicer.util.getNodesByClass("vtkMRMLSegmentationNode") == []


def test_the_report_is_written(measured, tmp_path, dialogs):
    dialogs.paths.append(tmp_path / "report")
    turn(measured.ui.exportBox)
    click(measured.ui.exportFolderButton)
    click(measured.ui.exportButton)
    wait_for(lambda: "Wrote the report" in measured.ui.exportText.text or dialogs.errors())
    assert dialogs.errors() == []
    (folder,) = (tmp_path / "report").iterdir()
    names = {path.name for path in folder.iterdir()}
    assert {"report.html", "report.json"} < names
    assert any(name.endswith("synthetic.nii.gz") or "synthetic" in name for name in names if "nii" in name)
    # The next patient's goes into a folder of its own; over one that is there only when the user agrees.
    page = (folder / "report.html").read_bytes()
    (folder / "report.html").write_text("another study of this name", encoding="utf-8")
    dialogs.answers.append(QtWidgets.QMessageBox.StandardButton.Cancel)
    click(measured.ui.exportButton)
    assert not measured.export_job.running
    assert "already" in dialogs.shown[-1].text
    assert (folder / "report.html").read_bytes() != page


def test_labels_and_numbers_are_exported_as_dicom(measured, tmp_path, dialogs):
    import pydicom

    measured.parameters.exportFolder = str(tmp_path)
    turn(measured.ui.exportBox)
    click(measured.ui.dicomButton)
    wait_for(lambda: "DICOM series" in measured.ui.exportText.text or dialogs.errors())
    assert dialogs.errors() == []
    files = [pydicom.dcmread(file) for file in tmp_path.rglob("*.dcm")]
    assert {file.Modality for file in files} == {"MR", "SEG", "SR"}
    assert all(file.SyntheticData == "YES" for file in files), "the phantom is synthetic, and so is all of it"
    click(measured.ui.dicomButton)
    wait_for(lambda: not measured.export_job.running)
    assert "holds something already" in dialogs.shown[-1].text


def test_the_editor_gets_labels_and_volume(measured, phantom):
    click(measured.ui.editButton)
    node = slicer.mrmlScene.GetSingletonNode("SegmentEditor", "vtkMRMLSegmentEditorNode")
    assert node.GetSegmentationNode() is phantom[1]
    assert node.GetSourceVolumeNode() is phantom[0]


def shown(panel, name: str) -> bool:
    """Say whether the queue has opened the study ``name``."""
    volume = panel.parameters.volume
    return volume is not None and name in volume.GetName() and not panel.queue.busy


@pytest.fixture
def folder(tmp_path, phantom) -> Path:
    """Two studies, the second with slices four times too thick, and a file that is none."""
    from claimslicer.studies import write_volume
    from ClaimSlicerLib.mrml import volume_study

    study = volume_study(*phantom)
    in_plane, slice_mm = study.geometry.spacing[:2], study.geometry.spacing[2]
    for name, times in (("a_synthetic", 1), ("b_synthetic", 4)):
        geometry = replace(study.geometry, spacing=(*in_plane, times * slice_mm))
        write_volume(tmp_path / "in" / f"{name}.nii.gz", study.image, geometry)
    noise = np.random.default_rng(1).normal(size=study.image.shape).astype(np.float32)
    write_volume(tmp_path / "in" / "noise.nii.gz", noise, study.geometry)
    return tmp_path / "in"


def test_a_queue_is_segmented_reviewed_and_resumed(panel, folder, dialogs):
    ui = panel.ui
    dialogs.paths.append(folder)
    turn(ui.queueButton)
    click(ui.studiesFolderButton)
    click(ui.findButton)
    wait_for(lambda: panel.queue.queue is not None)
    assert [r.status for r in panel.queue.queue.records] == ["waiting"] * 3
    click(ui.segmentAllButton)
    wait_for(lambda: not panel.queue.busy)
    assert dialogs.errors() == []
    assert [r.status for r in panel.queue.queue.records] == ["to review", "to review", "failed"]
    assert [cells(ui.queueTable, row)[1] for row in range(3)] == ["to review", "⚠ to review", "failed"]
    warning = ui.queueTable.item(1, 1).toolTip()
    assert warning == panel.queue.queue.records[1].warning
    assert "more than any left ventricle" in warning
    assert ui.queueTable.item(0, 1).toolTip() == ""
    assert ui.queueText.text == (
        "1 studies could not be segmented; their state says why. ⚠ Doubtful: 1; the state says why."
    )
    click(ui.nextButton)
    wait_for(lambda: panel.parameters.labels is not None and not panel.queue.busy)
    settle(panel)
    click(ui.acceptedButton)
    assert panel.queue.queue.records[0].status == "accepted"
    click(ui.nextButton)
    wait_for(lambda: shown(panel, "b_synthetic"))
    assert warning in ui.queueText.text
    settle(panel)
    redraw(panel.parameters.labels, Label.MYOCARDIUM)
    ui.volumeSelector.setCurrentNode(None)
    ui.remarkEdit.setFocus()
    QTest.keyClicks(ui.remarkEdit, "thin wall")
    QTest.keyClick(ui.remarkEdit, QtCore.Qt.Key.Key_Return)
    wait_for(lambda: not panel.queue.busy)
    assert dialogs.errors() == []
    kept = panel.queue.queue.records[1]
    assert (kept.status, kept.review.remark) == ("corrected", "thin wall")
    assert kept.warning == "", "the labels are a person's now"
    assert ui.queueTable.item(1, 1).toolTip() == "thin wall"
    click(ui.nextButton)
    wait_for(lambda: shown(panel, "a_synthetic"))
    assert dialogs.errors() == []
    slicer.mrmlScene.Clear()
    dialogs.paths.append(folder)
    click(ui.studiesFolderButton)
    turn(ui.queueButton)
    assert panel.queue.queue is None
    turn(ui.queueButton)
    wait_for(lambda: panel.queue.queue is not None)
    assert [r.status for r in panel.queue.queue.records] == ["accepted", "corrected", "failed"]


def test_the_panel_is_as_it_was(measured, folder, tmp_path, dialogs):
    measured.parameters.studiesFolder = str(folder)
    click(measured.ui.thresholdsBox)
    measured.ui.sdBox.value = 3
    measured.ui.faceSelector.currentIndex = 1
    file = tmp_path / "scene.mrb"
    assert slicer.util.saveScene(str(file))
    slicer.mrmlScene.Clear()
    assert measured.parameters.volume is None
    slicer.util.loadScene(str(file))
    assert measured.parameters.labels.GetName() == "LGE phantom labels" or measured.parameters.labels
    assert measured.ui.sdBox.value == 3
    assert measured.ui.faceSelector.currentIndex == 1
    wait_for(lambda: measured.queue.queue is not None)
    assert len(measured.queue.queue.records) == 3
    settle(measured)
    slicer.mrmlScene.Clear()
    measured.parameters.studiesFolder = str(tmp_path / "gone")
    turn(measured.ui.queueButton)
    assert "There is no folder" in measured.ui.queueText.text
    assert dialogs.errors() == []


def test_the_panel_fits(measured):
    assert measured.parent.minimumSizeHint.width() <= 380


def test_numbers_say_where_the_insertions_come_from_and_they_can_be_dragged(measured, tmp_path, dialogs):
    from ClaimSlicerLib.insertion_points import SOURCE_ATTRIBUTE

    assert "from the right ventricle's label, confidence" in measured.ui.insertionsLabel.text
    before = [cells(measured.ui.segmentsTable, row) for row in range(6)]
    click(measured.ui.placeButton)
    settle(measured)
    points = measured.parameters.insertions
    assert points.GetNumberOfControlPoints() == 2
    assert "from the right ventricle's label" in measured.ui.insertionsLabel.text, "a guess is still a guess"
    assert [cells(measured.ui.segmentsTable, row) for row in range(6)] == before
    assert not measured.ui.placeButton.visible
    anterior, inferior = (points.GetNthControlPointPositionWorld(index) for index in range(2))
    points.SetNthControlPointPositionWorld(0, *(0.7 * np.array(anterior) + 0.3 * np.array(inferior)))
    settle(measured)
    assert points.GetAttribute(SOURCE_ATTRIBUTE) == "given"
    assert "by hand" in measured.ui.insertionsLabel.text
    assert [cells(measured.ui.segmentsTable, row) for row in range(6)] != before


def test_what_is_judged_stands_alone_and_a_second_reading_comes_on_a_button(measured, phantom, open_panel):
    from ClaimSlicerLib.mrml import add_segmentation, study_labels
    from ClaimSlicerLib.segments import LABEL_STYLES

    volume, labels = phantom
    second = add_segmentation(study_labels(labels, volume), volume, "second", LABEL_STYLES)
    measured.parameters.reference = second
    assert not labels.GetDisplayNode().GetVisibility2DFill()
    assert not second.GetDisplayNode().GetVisibility2D()
    click(measured.ui.referenceCheck)
    assert second.GetDisplayNode().GetVisibility2D()
    key = second.GetSegmentation().GetNthSegmentID(0)
    assert tuple(second.GetDisplayNode().GetSegmentOverrideColor(key)) == (1.0, 1.0, 1.0)
    click(measured.ui.referenceCheck)
    open_panel("ClaimSlicer")
    assert second.GetDisplayNode().GetVisibility2D(), "in other modules everything is as it was"


def test_correcting_begins_with_the_infarct_inside_the_wall(measured, phantom, open_panel):
    from ClaimSlicerLib.mrml import study_labels, update_segmentation
    from ClaimSlicerLib.segments import LABEL_STYLES

    volume, labels = phantom
    click(measured.ui.editButton)
    node = slicer.mrmlScene.GetSingletonNode("SegmentEditor", "vtkMRMLSegmentEditorNode")
    assert labels.GetSegmentation().GetSegment(node.GetSelectedSegmentID()).GetName() == "Infarct"
    assert node.GetMaskMode() == slicer.vtkMRMLSegmentationNode.EditAllowedInsideVisibleSegments
    shown = {key: labels.GetDisplayNode().GetSegmentVisibility(key) for key in ("Cavity", "Myocardium")}
    assert shown == {"Cavity": False, "Myocardium": True}
    values = study_labels(labels, volume)
    wrong = np.where(values == Label.CAVITY, Label.INFARCT, values).astype(np.uint8)
    update_segmentation(labels, wrong, volume, LABEL_STYLES)
    panel = open_panel("SegmentationModule")
    assert labels.GetDisplayNode().GetSegmentVisibility("Cavity")
    wait_for(lambda: "infarct lie outside the wall" in panel.ui.numbersLabel.text)


def test_keys_accept_reject_and_go_on(measured, phantom):
    from SegmentationModuleLib.review import read_review

    window = slicer.util.mainWindow()
    window.activateWindow()
    for key, state in ((QtCore.Qt.Key.Key_A, "accepted"), (QtCore.Qt.Key.Key_X, "rejected")):
        index = 0 if state == "accepted" else 1
        measured.shortcuts[index].activated.emit()
        assert read_review(phantom[1]).state == state, key
    assert "key A" in measured.ui.acceptedButton.toolTip
