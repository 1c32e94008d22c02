"""The module CLAIM: the AHA-17 model comes into the scene, and follows what is chosen in the panel."""

from __future__ import annotations

import time

import numpy as np
import pytest
import slicer
from claim_trial import click, frame_in_scene, holds, open_with_the_phantom, show_the_model, wall_colours
from PySide6 import QtCore
from PySide6.QtTest import QTest
from vtk.util.numpy_support import vtk_to_numpy


def aha_labels(node, volume) -> np.ndarray:
    """The segments of an AHA-17 node as numbers, read back through Slicer."""
    result = np.zeros(slicer.util.arrayFromVolume(volume).shape, np.uint8)
    for key in node.GetSegmentation().GetSegmentIDs():
        result[slicer.util.arrayFromSegmentBinaryLabelmap(node, key, volume) > 0] = int(key.split()[0])
    return result


@pytest.fixture
def panel(open_panel, phantom):
    return open_with_the_phantom(open_panel, phantom)


@pytest.fixture
def shown(panel, wait_for):
    """The panel with the model of the phantom in the scene."""
    return show_the_model(panel, wait_for)


def test_the_button_shows_the_model(open_panel, phantom, wait_for, dialogs):
    volume, labels = phantom
    panel = open_panel("ClaimSlicer")
    assert not panel.ui.applyButton.enabled
    panel.ui.volumeSelector.setCurrentNode(volume)
    assert "labels" in panel.ui.applyButton.toolTip
    panel.ui.labelsSelector.setCurrentNode(labels)
    click(panel.ui.applyButton)
    wait_for(lambda: panel.parameters.wall is not None)

    expected = frame_in_scene(volume, labels)
    assert np.array_equal(aha_labels(panel.parameters.aha, volume), expected.segments)
    points = panel.parameters.insertions
    assert [points.GetNthControlPointLabel(k) for k in (0, 1)] == [
        "RV ant.",
        "RV inf.",
    ]
    text = panel.ui.findingsLabel.text
    assert "from the right ventricle's label" in text
    assert "apex first" in text
    assert f"{expected.segment_ml()[1]:.1f}" == panel.model.bullseye.face.texts[1]
    assert panel.model.bullseye.face.hatched
    assert "scar in the labels" in text
    for node in (panel.parameters.aha, panel.parameters.wall):
        assert node.GetAttribute("ClaimSlicer.Made")
        assert node.GetAttribute("ClaimSlicer.Synthetic") == "1"
    assert len(np.unique(wall_colours(panel), axis=0)) == 17
    assert not dialogs.shown


def test_the_surface_lies_on_the_wall(shown, phantom):
    bounds = np.zeros(6)
    shown.parameters.wall.GetRASBounds(bounds)
    frame = frame_in_scene(*phantom)
    wall = frame.geometry.index_to_physical(np.argwhere(frame.myocardium)) * (-1, -1, 1)
    spacing = max(frame.geometry.spacing)
    assert np.abs(bounds[::2] - wall.min(axis=0)).max() < spacing
    assert np.abs(bounds[1::2] - wall.max(axis=0)).max() < spacing


def test_rule_and_slice_order(shown, phantom, wait_for):
    points = shown.parameters.insertions
    shown.ui.ruleSelector.currentIndex = 1
    wait_for(lambda: holds(shown, frame_in_scene(*phantom, points, rule="septal")))
    shown.ui.orderSelector.currentIndex = 2
    wait_for(lambda: "base first" in shown.ui.findingsLabel.text or shown.ui.findingsLabel.styleSheet)
    assert shown.parameters.order.value is False
    shown.ui.orderSelector.currentIndex = 0
    wait_for(lambda: "apex first" in shown.ui.findingsLabel.text)
    assert holds(shown, frame_in_scene(*phantom, points, rule="septal"))


def test_edited_labels_are_read_again(shown, phantom, wait_for):
    volume, labels = phantom
    before = aha_labels(shown.parameters.aha, volume)
    segmentation = labels.GetSegmentation()
    image = slicer.vtkOrientedImageData()
    labels.GetBinaryLabelmapRepresentation("Myocardium", image)
    dims = image.GetDimensions()
    voxels = vtk_to_numpy(image.GetPointData().GetScalars()).reshape(dims[::-1])
    voxels[-2] = 0
    image.Modified()
    slicer.vtkSlicerSegmentationsModuleLogic.SetBinaryLabelmapToSegment(image, labels, "Myocardium")
    segmentation.GetSegment("Myocardium").GetRepresentation("Binary labelmap").Modified()
    wait_for(lambda: not np.array_equal(aha_labels(shown.parameters.aha, volume), before))
    assert holds(shown, frame_in_scene(volume, labels, shown.parameters.insertions))


def test_overlay_and_surface_can_be_hidden_and_faded(shown):
    overlay, surface = shown.parameters.aha.GetDisplayNode(), shown.parameters.wall.GetDisplayNode()
    assert overlay.GetOpacity() == pytest.approx(0.5)
    click(shown.ui.overlayCheck, pos=QtCore.QPoint(8, shown.ui.overlayCheck.height // 2))
    assert not overlay.GetVisibility()
    shown.ui.surfaceSlider.value = 30.0
    assert surface.GetOpacity() == pytest.approx(0.3)
    assert surface.GetVisibility()
    # What the user does elsewhere stays until the panel is told otherwise.
    surface.SetOpacity(0.9)
    shown.parameters.overlayOpacity = 60.0
    assert surface.GetOpacity() == pytest.approx(0.9)


def test_the_bullseye_shows_the_scar_and_says_what_the_mouse_is_over(shown):
    bullseye = shown.model.bullseye
    shown.ui.contentSelector.currentIndex = 1
    scar = sum(float(text) for text in bullseye.face.texts.values())
    assert scar == pytest.approx(14.2, abs=0.6)
    x, y = bullseye.position_of(7)
    QTest.mouseMove(bullseye, QtCore.QPoint(round(x), round(y)))
    assert "7 mid anterior" in shown.ui.hoverLabel.text
    assert "ml" in shown.ui.hoverLabel.text


def test_a_refusal_is_shown_and_adds_nothing(panel, phantom, wait_for, dialogs):
    phantom[1].GetSegmentation().RemoveSegment("Cavity")
    before = slicer.mrmlScene.GetNumberOfNodes()
    click(panel.ui.applyButton)
    wait_for(dialogs.errors)
    assert "The AHA-17 model could not be made." in dialogs.errors()[0]
    assert "cavity" in dialogs.errors()[0]
    assert slicer.mrmlScene.GetNumberOfNodes() == before
    assert panel.parameters.aha is None


def test_another_volume_has_another_model(shown, phantom, wait_for):
    from ClaimSlicerLib.example import add_phantom
    from ClaimSlicerLib.made import is_made

    first = {name: getattr(shown.parameters, name) for name in ("aha", "wall", "insertions")}
    volume, labels = add_phantom()
    shown.ui.volumeSelector.setCurrentNode(volume)
    shown.ui.labelsSelector.setCurrentNode(labels)
    assert shown.parameters.aha is None
    assert shown.parameters.insertions is None
    assert [name for name, node in first.items() if node.GetDisplayVisibility()] == [], "one heart at a time"
    assert not shown.model.bullseye.face.colours
    click(shown.ui.applyButton)
    wait_for(lambda: shown.parameters.wall is not None)
    assert shown.parameters.aha is not first["aha"]
    shown.ui.volumeSelector.setCurrentNode(phantom[0])
    shown.ui.labelsSelector.setCurrentNode(phantom[1])
    second = [node for node in slicer.util.getNodesByClass("vtkMRMLModelNode") if is_made(node, "surface")]
    assert {name: getattr(shown.parameters, name) for name in first} == first
    assert all(node.GetDisplayVisibility() for node in first.values())
    assert [node.GetDisplayVisibility() for node in second if node is not first["wall"]] == [0]
    wait_for(lambda: shown.model.bullseye.face.colours)


def test_the_scene_closes_in_the_middle(panel, phantom, dialogs):
    click(panel.ui.applyButton)
    slicer.mrmlScene.Clear()
    for _ in range(200):
        slicer.app.processEvents()
        time.sleep(0.002)
    assert slicer.mrmlScene.GetNumberOfNodesByClass("vtkMRMLSegmentationNode") == 0
    assert panel.parameters.aha is None
    assert not panel.ui.applyButton.enabled
    assert not dialogs.shown


@pytest.mark.parametrize(
    ("button", "module"), [("smileButton", "SMILEModule"), ("segmentationButton", "SegmentationModule")]
)
def test_going_on_with_the_same_study(shown, button, module):
    from host import application

    application.load(module)
    wanted = {name: getattr(shown.parameters, name) for name in ("volume", "labels", "insertions", "rule")}
    click(getattr(shown.ui, button))
    assert slicer.util.moduleSelector().selectedModule == module
    parameters = slicer.util.getModuleLogic(module).getParameterNode()
    assert {name: getattr(parameters, name) for name in wanted} == wanted


def test_the_panel_is_usable_at_380_pixels(shown):
    for button in (shown.ui.modelsButton, shown.ui.doctorButton, shown.ui.trainingButton):
        click(button, pos=QtCore.QPoint(30, 8))
        slicer.app.processEvents()
    assert shown.networks.contents
    assert shown.doctor.contents
    assert shown.training.contents
    assert shown.parent.minimumSizeHint.width() <= 380


@pytest.mark.parametrize("name", ["ClaimSlicer", "SMILEModule", "SynthesisModule", "SegmentationModule"])
def test_the_modules_own_test_passes(scene, name):
    from host import application

    case = getattr(application.load(name), f"{name}Test")()
    result = case.run()
    assert result.testsRun == 1
    assert not result.failures, result.failures
    assert not result.errors, result.errors
    application.close_panels()
