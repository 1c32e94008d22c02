"""The module CLAIM: the AHA-17 model turns as the insertion points are dragged, whatever befalls."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator

import numpy as np
import psutil
import pytest
import slicer
from claim_trial import (
    Drag,
    click,
    frame_in_scene,
    holds,
    move,
    open_with_the_phantom,
    show_the_model,
    turned,
    wall_colours,
)
from PySide6 import QtCore


@pytest.fixture
def untraced() -> Iterator[None]:
    """Leave out what measuring the coverage costs."""
    tracer = sys.gettrace()
    sys.settrace(None)
    yield
    sys.settrace(tracer)


@pytest.fixture
def shown(open_panel, phantom, wait_for):
    """The panel with the model of the phantom in the scene."""
    return show_the_model(open_with_the_phantom(open_panel, phantom), wait_for)


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


@pytest.mark.usefixtures("untraced")
def test_a_drag_is_followed_within_100_ms_and_never_blocks(shown, phantom):
    """Latency from a point moved to the overlay changed; the longest turn of the event loop meanwhile."""
    frame = frame_in_scene(*phantom)
    image = shown.parameters.aha.GetSegmentation().GetNthSegment(0).GetRepresentation("Binary labelmap")
    latencies, turns = [], []
    with Drag(shown.parameters.insertions) as drag:
        for degrees in np.arange(0.5, 30, 1.5):
            changed, start = image.GetMTime(), time.perf_counter()
            begun = time.thread_time()
            move(drag.node, 0, turned(frame, degrees).anterior)
            turns.append(time.thread_time() - begun)
            while image.GetMTime() == changed:
                assert time.perf_counter() - start < 10
                begun = time.thread_time()
                slicer.app.processEvents()
                turns.append(time.thread_time() - begun)
            latencies.append(time.perf_counter() - start)
    latency, turn = 1e3 * np.array(latencies), 1e3 * max(turns)
    print(f"latency {np.median(latency):.0f} ms, best {latency.min():.0f} ms; main thread {turn:.0f} ms")
    # Other programs take their share of the time that passes, so the best is what the code can answer for;
    # a turn is measured by the processor time that the main thread takes.
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
