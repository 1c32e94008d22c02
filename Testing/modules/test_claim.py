"""The module CLAIM: the AHA-17 model comes into the scene and turns as the insertion points are dragged."""

from __future__ import annotations

import time

import numpy as np
import psutil
import pytest
import slicer
from claimslicer.anatomy import Insertions, build_frame
from PySide6 import QtCore
from PySide6.QtTest import QTest
from scipy.spatial.transform import Rotation
from vtk.util.numpy_support import vtk_to_numpy


def click(widget, **where) -> None:
    """Press and release the left mouse button."""
    QTest.mouseClick(widget, QtCore.Qt.MouseButton.LeftButton, **where)


def aha_labels(node, volume) -> np.ndarray:
    """The segments of an AHA-17 node as numbers, read back through Slicer."""
    result = np.zeros(slicer.util.arrayFromVolume(volume).shape, np.uint8)
    for key in node.GetSegmentation().GetSegmentIDs():
        result[slicer.util.arrayFromSegmentBinaryLabelmap(node, key, volume) > 0] = int(key.split()[0])
    return result


def frame_in_scene(volume, labels, points=None, **options):
    """The library's own frame of what the scene holds."""
    from ClaimSlicerLib.mrml import insertion_points, volume_study

    study = volume_study(volume, labels)
    given = None if points is None else insertion_points(points)
    return build_frame(study.labels, study.geometry, image=study.image, insertions=given, **options)


def turned(frame, degrees: float) -> Insertions:
    """The frame's insertions turned round the cavity's centre."""
    geometry = frame.geometry
    centre = geometry.index_to_physical(np.argwhere(frame.cavity)).mean(axis=0)
    normal = np.asarray(geometry.direction).reshape(3, 3)[:, 2]
    turn = Rotation.from_rotvec(np.radians(degrees) * normal)
    points = (frame.insertions.anterior, frame.insertions.inferior)
    return Insertions(*(tuple(centre + turn.apply(np.asarray(point) - centre)) for point in points))


def move(node, index: int, point_lps) -> None:
    """Put a control point elsewhere, as Slicer's widget does while it is dragged."""
    left, posterior, superior = point_lps
    node.SetNthControlPointPosition(index, -left, -posterior, superior)


class Drag:
    """A drag as Slicer's markups widget tells of it: an event at either end, and each point moved between."""

    def __init__(self, node) -> None:
        self.node = node

    def __enter__(self):
        self.node.InvokeEvent(self.node.PointStartInteractionEvent)
        return self

    def __exit__(self, *_):
        self.node.InvokeEvent(self.node.PointEndInteractionEvent)

    def to(self, insertions: Insertions) -> None:
        move(self.node, 0, insertions.anterior)
        move(self.node, 1, insertions.inferior)


@pytest.fixture
def panel(open_panel, phantom):
    panel = open_panel("ClaimSlicer")
    panel.ui.volumeSelector.setCurrentNode(phantom[0])
    panel.ui.labelsSelector.setCurrentNode(phantom[1])
    return panel


@pytest.fixture
def shown(panel, wait_for):
    """The panel with the model of the phantom in the scene."""
    click(panel.ui.applyButton)
    wait_for(lambda: panel.parameters.wall is not None)
    return panel


def holds(panel, frame) -> bool:
    """Say whether the label map that all 17 segments share is that of ``frame``."""
    image = panel.parameters.aha.GetSegmentation().GetNthSegment(0).GetRepresentation("Binary labelmap")
    voxels = vtk_to_numpy(image.GetPointData().GetScalars())
    return np.array_equal(voxels.reshape(frame.segments.shape), frame.segments)


def wall_colours(panel) -> np.ndarray:
    from ClaimSlicerLib.aha_surface import COLOURS

    return vtk_to_numpy(panel.parameters.wall.GetPolyData().GetPointData().GetArray(COLOURS)).copy()


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
        "Anterior RV insertion",
        "Inferior RV insertion",
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


def test_the_model_follows_a_drag(shown, phantom, wait_for, dialogs):
    volume, labels = phantom
    before, colours = frame_in_scene(volume, labels), wall_colours(shown)
    points = shown.parameters.insertions
    with Drag(points) as drag:
        for degrees in (10, 20, 30, 40):
            drag.to(turned(before, degrees))
            expected = frame_in_scene(volume, labels, points)
            wait_for(lambda expected=expected: holds(shown, expected), 5)
    assert (expected.segments != before.segments)[before.myocardium].mean() > 0.4
    assert (wall_colours(shown) != colours).any(axis=1).mean() > 0.4
    assert "as marked by hand" in shown.ui.findingsLabel.text
    assert shown.model.bullseye.face.texts[1] == f"{expected.segment_ml()[1]:.1f}"
    assert slicer.mrmlScene.GetNumberOfNodesByClass("vtkMRMLSegmentationNode") == 2
    assert not dialogs.shown

    click(shown.ui.suggestButton)
    wait_for(lambda: holds(shown, before))
    assert "from the right ventricle's label" in shown.ui.findingsLabel.text


def test_a_drag_is_followed_within_100_ms_and_never_blocks(shown, phantom):
    """Latency from a point moved to the overlay changed; the longest turn of the event loop meanwhile."""
    frame = frame_in_scene(*phantom)
    image = shown.parameters.aha.GetSegmentation().GetNthSegment(0).GetRepresentation("Binary labelmap")
    latencies, turns = [], []
    with Drag(shown.parameters.insertions) as drag:
        for degrees in np.arange(0.5, 30, 1.5):
            changed, start = image.GetMTime(), time.perf_counter()
            begun = time.process_time()
            move(drag.node, 0, turned(frame, degrees).anterior)
            turns.append(time.process_time() - begun)
            while image.GetMTime() == changed:
                assert time.perf_counter() - start < 10
                begun = time.process_time()
                slicer.app.processEvents()
                turns.append(time.process_time() - begun)
            latencies.append(time.perf_counter() - start)
    latency, turn = 1e3 * np.array(latencies), 1e3 * max(turns)
    print(f"latency {np.median(latency):.0f} ms, best {latency.min():.0f} ms; main thread {turn:.0f} ms")
    # Other programs take their share of the time that passes, so the best is what the code can answer for;
    # a turn is measured by the processor time that it takes.
    assert latency.min() < 100
    assert turn < 50


def test_a_senseless_point_is_said_and_the_model_stays(shown, phantom, wait_for, dialogs):
    frame = frame_in_scene(*phantom)
    points = shown.parameters.insertions
    move(points, 0, np.asarray(frame.insertions.anterior) + 200)
    wait_for(lambda: "anterior" in shown.ui.findingsLabel.text)
    assert shown.ui.findingsLabel.styleSheet
    move(points, 0, frame.insertions.inferior)
    wait_for(lambda: "apart" in shown.ui.findingsLabel.text)
    assert holds(shown, frame)
    points.RemoveNthControlPoint(1)
    wait_for(lambda: "1 points" in shown.ui.findingsLabel.text)
    assert holds(shown, frame)
    assert not dialogs.shown, "what happens in the middle of a drag is said in the panel"
    click(shown.ui.suggestButton)
    wait_for(lambda: not shown.ui.findingsLabel.styleSheet)
    assert points.GetNumberOfControlPoints() == 2


def test_a_list_of_the_users_own_is_taken_and_never_changed(shown, phantom, wait_for):
    frame = frame_in_scene(*phantom)
    own = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLMarkupsFiducialNode", "mine")
    for left, posterior, superior in (turned(frame, 30).anterior, turned(frame, 30).inferior):
        own.AddControlPoint(-left, -posterior, superior, "x")
    shown.ui.insertionsSelector.setCurrentNode(own)
    wait_for(lambda: holds(shown, frame_in_scene(*phantom, own)))
    assert "as marked by hand" in shown.ui.findingsLabel.text
    move(own, 0, turned(frame, 20).anterior)
    wait_for(lambda: holds(shown, frame_in_scene(*phantom, own)))
    click(shown.ui.suggestButton)
    wait_for(lambda: holds(shown, frame))
    assert shown.parameters.insertions is not own
    assert own.GetName() == "mine"
    assert own.GetNthControlPointLabel(0) == "x"
    assert slicer.mrmlScene.IsNodePresent(own)


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


@pytest.mark.parametrize("gone", ["volume", "labels", "insertions", "aha", "wall"])
def test_a_node_deleted_in_the_middle(shown, phantom, wait_for, dialogs, gone):
    points = shown.parameters.insertions
    frame = frame_in_scene(*phantom)
    with Drag(points) as drag:
        drag.to(turned(frame, 15))
        slicer.mrmlScene.RemoveNode(getattr(shown.parameters, gone))
        for _ in range(100):
            slicer.app.processEvents()
            time.sleep(0.002)
    assert getattr(shown.parameters, gone) is None
    assert not dialogs.errors()
    # It works again with what is still there.
    if gone in ("insertions", "aha", "wall"):
        click(shown.ui.applyButton)
        wait_for(lambda: getattr(shown.parameters, gone) is not None)
        wait_for(lambda: holds(shown, frame_in_scene(*phantom, shown.parameters.insertions)))


def test_a_killed_worker_is_replaced(shown, phantom, wait_for):
    from ClaimSlicerLib.worker import geometry_worker

    frame = frame_in_scene(*phantom)
    launcher = psutil.Process(int(geometry_worker().process.processId()))
    for process in (*launcher.children(recursive=True), launcher):
        process.kill()
    wait_for(lambda: geometry_worker().process.state() == QtCore.QProcess.ProcessState.NotRunning)
    with Drag(shown.parameters.insertions) as drag:
        drag.to(turned(frame, 25))
    wait_for(lambda: holds(shown, frame_in_scene(*phantom, shown.parameters.insertions)))


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


def test_a_saved_scene_opens_as_it_was(shown, phantom, wait_for, tmp_path):
    frame = frame_in_scene(*phantom)
    with Drag(shown.parameters.insertions) as drag:
        drag.to(turned(frame, 35))
    shown.ui.ruleSelector.currentIndex = 1
    shown.ui.overlaySlider.value = 75.0
    expected = frame_in_scene(*phantom, shown.parameters.insertions, rule="septal")
    wait_for(lambda: holds(shown, expected))
    text, texts = shown.ui.findingsLabel.text, shown.model.bullseye.face.texts
    assert slicer.util.saveScene(str(tmp_path / "scene.mrb"))
    slicer.mrmlScene.Clear()
    assert shown.parameters.aha is None
    slicer.util.loadScene(str(tmp_path / "scene.mrb"))
    wait_for(lambda: shown.model.bullseye.face.texts == texts)
    assert shown.ui.findingsLabel.text == text
    assert holds(shown, expected)
    assert shown.ui.ruleSelector.currentIndex == 1
    assert shown.ui.overlaySlider.value == 75.0
    assert slicer.mrmlScene.GetNumberOfNodesByClass("vtkMRMLMarkupsFiducialNode") == 1
    with Drag(shown.parameters.insertions) as drag:
        drag.to(turned(frame, 5))
    after = frame_in_scene(
        shown.parameters.volume, shown.parameters.labels, shown.parameters.insertions, rule="septal"
    )
    wait_for(lambda: holds(shown, after))


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
