"""The CLAIM panel's box Study, and what the extension does at start-up: samples, terminology, marks."""

from __future__ import annotations

import logging
import time

import numpy as np
import pytest
import slicer
from claimslicer.studies.phantom.samples import SAMPLES
from PySide6 import QtCore
from PySide6.QtTest import QTest


def click(widget) -> None:
    """Press and release the left mouse button."""
    QTest.mouseClick(widget, QtCore.Qt.MouseButton.LeftButton)


@pytest.fixture
def panel(open_panel):
    return open_panel("ClaimSlicer")


def sample_action(panel, name: str):
    return next(action for action in panel.study._menu.actions() if action.text == SAMPLES[name].title)


@pytest.mark.parametrize("name", SAMPLES)
def test_sample_data_from_the_panel(panel, wait_for, name):
    before = time.perf_counter()
    sample_action(panel, name).trigger()
    assert time.perf_counter() - before < 0.5, "the phantom is made by the worker"
    wait_for(lambda: panel.parameters.volume is not None)
    assert panel.parameters.volume.GetName().startswith(SAMPLES[name].title)
    assert panel.parameters.volume.GetAttribute("ClaimSlicer.Synthetic") == "1"
    click(panel.ui.applyButton)
    wait_for(lambda: panel.parameters.wall is not None)
    wanted = SAMPLES[name].settings.scar
    assert f"scar in the labels {wanted.volume_ml if wanted else 0:.1f} ml" in panel.ui.findingsLabel.text
    order = "apex first" if SAMPLES[name].settings.apex_first else "base first"
    assert order in panel.ui.findingsLabel.text


def test_sample_data_from_slicers_own_module(scene, wait_for):
    from host import application, sampledata

    application.load("ClaimSlicer")
    from ClaimSlicerLib.sample_data import CATEGORY

    assert len(slicer.modules.sampleDataSources[CATEGORY]) == len(SAMPLES) >= 2
    sampledata.click(SAMPLES["infarct"].title)
    wait_for(lambda: slicer.mrmlScene.GetNumberOfNodesByClass("vtkMRMLSegmentationNode") == 1)
    volume = slicer.util.getNode(f"{SAMPLES['infarct'].title}*")
    shown = slicer.util.getNodesByClass("vtkMRMLSliceCompositeNode")
    assert volume.GetID() in [layer.GetBackgroundVolumeID() for layer in shown]


def test_a_sample_does_not_come_into_a_scene_closed_meanwhile(panel, dialogs):
    sample_action(panel, "normal").trigger()
    slicer.mrmlScene.Clear()
    end = time.monotonic() + 1
    while time.monotonic() < end:
        slicer.app.processEvents()
    assert slicer.mrmlScene.GetNumberOfNodesByClass("vtkMRMLScalarVolumeNode") == 0
    assert not dialogs.shown


def test_each_step_of_the_start_is_done_or_told(scene, monkeypatch, caplog):
    from host import application

    application.load("ClaimSlicer")
    from ClaimSlicerLib import startup, terminology

    done = []
    monkeypatch.setattr(terminology, "load", lambda: 1 / 0)
    monkeypatch.setattr("ClaimSlicerLib.marks.install", lambda: done.append("marks"))
    monkeypatch.setattr("ClaimSlicerLib.views.install", lambda: done.append("views"))
    monkeypatch.setattr("ClaimSlicerLib.sample_data.register", lambda: done.append("samples"))
    with caplog.at_level(logging.ERROR):
        startup.begin()
    assert done == ["marks", "views", "samples"]
    assert "ClaimSlicerLib.terminology" in caplog.text
    assert "ZeroDivisionError" in caplog.text


def test_the_terminology_is_there_after_the_start(scene):
    from host import application

    application.load("ClaimSlicer")
    from ClaimSlicerLib.terminology import CONTEXT

    names = []
    logic = slicer.modules.terminologies.logic()
    import vtk

    found = vtk.vtkStringArray()
    logic.GetLoadedTerminologyNames(found)
    names = [found.GetValue(k) for k in range(found.GetNumberOfValues())]
    assert CONTEXT in names


@pytest.fixture
def unlabelled(panel, phantom):
    """The panel with the phantom's volume chosen and its labels gone from the scene."""
    slicer.mrmlScene.RemoveNode(phantom[1])
    panel.ui.volumeSelector.setCurrentNode(phantom[0])
    return panel


def test_labels_are_found_by_the_network(unlabelled, wait_for, dialogs):
    panel = unlabelled
    assert not panel.ui.applyButton.enabled
    click(panel.ui.findLabelsButton)
    assert panel.ui.findCancelButton.enabled
    assert not panel.ui.findLabelsButton.enabled
    seen = []
    wait_for(lambda: seen.append(panel.ui.findProgress.value) or not panel.study.job.running, 120)
    assert not dialogs.errors()
    assert len(set(seen)) > 2, "progress is shown"
    assert panel.ui.studyLabel.text.endswith("before you rely on them.")
    node = panel.parameters.labels
    assert node.GetAttribute("ClaimSlicer.Made") == "labels"
    assert "automatic" in node.GetName()
    from ClaimSlicerLib.example import phantom_study
    from ClaimSlicerLib.mrml import study_labels

    found, truth = study_labels(node, panel.parameters.volume), phantom_study().labels
    both = ((found == 1) & (truth == 1)).sum()
    assert 2 * both / ((found == 1).sum() + (truth == 1).sum()) > 0.7
    assert panel.ui.applyButton.enabled


def test_labels_of_more_than_any_ventricle_are_warned_of(unlabelled, wait_for, dialogs):
    panel = unlabelled
    volume = panel.parameters.volume
    *in_plane, slice_mm = volume.GetSpacing()
    volume.SetSpacing(*in_plane, 4 * slice_mm)
    click(panel.ui.findLabelsButton)
    wait_for(lambda: not panel.study.job.running, 120)
    assert not dialogs.shown
    assert panel.parameters.labels is not None
    assert "more than any left ventricle" in panel.ui.studyLabel.text
    assert panel.ui.studyLabel.visible


def test_finding_labels_is_cancelled(unlabelled, wait_for, dialogs):
    panel = unlabelled
    before = slicer.mrmlScene.GetNumberOfNodes()
    click(panel.ui.findLabelsButton)
    wait_for(lambda: panel.ui.findProgress.value > 0, 120)
    click(panel.ui.findCancelButton)
    assert not panel.study.job.running
    assert "Stopped" in panel.ui.studyLabel.text
    assert not panel.ui.findRow.visible
    assert slicer.mrmlScene.GetNumberOfNodes() == before
    assert panel.parameters.labels is None
    assert not dialogs.shown


def test_the_volume_is_deleted_while_labels_are_looked_for(unlabelled, wait_for, dialogs, monkeypatch):
    panel = unlabelled
    volume = panel.parameters.volume
    wrong = {"labels": np.zeros((2, 2, 2), np.uint8), "warning": ""}
    node_id = volume.GetID()
    slicer.mrmlScene.RemoveNode(volume)
    with pytest.raises(Exception, match="removed while"):
        panel.study._found(node_id, wrong)
    assert slicer.mrmlScene.GetNumberOfNodesByClass("vtkMRMLSegmentationNode") == 0


def test_the_scene_is_closed_while_labels_are_looked_for(unlabelled, wait_for, dialogs):
    click(unlabelled.ui.findLabelsButton)
    slicer.mrmlScene.Clear()
    assert not unlabelled.study.job.running
    for _ in range(50):
        slicer.app.processEvents()
        time.sleep(0.002)
    assert slicer.mrmlScene.GetNumberOfNodesByClass("vtkMRMLSegmentationNode") == 0
    assert not unlabelled.ui.findLabelsButton.enabled
    assert not dialogs.shown


def test_a_scan_along_the_body_is_made_into_a_short_axis(panel, wait_for, dialogs):
    from claimslicer.studies.phantom import PhantomSettings, make_phantom
    from ClaimSlicerLib.mrml import add_segmentation, add_volume, volume_study
    from ClaimSlicerLib.segments import LABEL_STYLES

    apex_to_base = np.array([-0.65, 0.67, 0.36]) / np.linalg.norm([0.65, 0.67, 0.36])
    right = np.array([1.0, 0, 0]) - apex_to_base[0] * apex_to_base
    right /= np.linalg.norm(right)
    matrix = np.column_stack([right, np.cross(apex_to_base, right), apex_to_base])
    settings = PhantomSettings(
        matrix=(80, 80),
        spacing=(2.0, 2.0),
        n_slices=40,
        slice_spacing=3.5,
        slice_thickness=3.5,
        offset_mm=(0.0, 0.0),
        through_slice_samples=1,
        heart_direction=tuple(matrix.ravel().tolist()),
    )
    scan = make_phantom(settings).study
    volume = add_volume(scan.image, scan.geometry, "axial", synthetic=True)
    labels = add_segmentation(scan.labels, volume, "axial labels", LABEL_STYLES)
    panel.parameters.volume, panel.parameters.labels = volume, labels
    click(panel.ui.applyButton)
    wait_for(lambda: "Reformat" in panel.ui.findingsLabel.text or dialogs.errors(), 30)
    dialogs.shown.clear()
    click(panel.ui.reformatButton)
    wait_for(lambda: not panel.study.job.running, 60)
    assert not dialogs.errors()
    stack = panel.parameters.volume
    assert stack is not volume
    assert "short axis" in stack.GetName()
    assert stack.GetAttribute("ClaimSlicer.Synthetic") == "1", "made of a synthetic scan"
    assert stack.GetSpacing()[2] == pytest.approx(8)
    found = volume_study(stack, panel.parameters.labels)
    assert np.count_nonzero(found.labels == 2) * found.geometry.voxel_volume_ml > 50
    assert "computed from a scan in another orientation" in panel.ui.studyLabel.text
    click(panel.ui.applyButton)
    wait_for(lambda: panel.parameters.wall is not None, 30)
