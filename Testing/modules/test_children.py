"""The panels that work through a child process: a real one, with results, cancel and every way to fail."""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path

import psutil
import pytest
import slicer
from claimslicer.errors import ModelError
from claimslicer.labels import Label
from claimslicer.models.registry import resolve

CHILD = Path(__file__).parent / "child.py"


@pytest.fixture
def behave(tmp_path, monkeypatch):
    """A function that puts a PythonSlicer on the PATH that behaves as asked; it returns its folder."""

    def behave_(behaviour: str) -> Path:
        folder = tmp_path / "bin"
        folder.mkdir()
        command = folder / "PythonSlicer"
        command.write_text(
            f'#!/bin/sh\n"{sys.executable}" "{CHILD}" {behaviour} "{folder}" "$@"\n', encoding="utf-8"
        )
        command.chmod(0o755)
        monkeypatch.setenv("PATH", str(folder), prepend=os.pathsep)
        return folder

    return behave_


def wait_for(condition, seconds: float = 300.0) -> None:
    """Let Qt work until ``condition`` holds."""
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "waited in vain"
        slicer.app.processEvents()
        time.sleep(0.01)


@pytest.fixture
def segmentation(open_panel, phantom):
    panel = open_panel("SegmentationModule")
    panel.ui.volumeSelector.setCurrentNode(phantom[0])
    return panel


def run(panel) -> None:
    """Press Apply and wait for the end."""
    panel.ui.applyButton.click()
    assert panel.logic.command.running
    assert not panel.ui.applyButton.enabled
    assert panel.ui.cancelButton.enabled
    wait_for(lambda: not panel.logic.command.running)
    assert panel.ui.applyButton.enabled
    assert not panel.ui.cancelButton.enabled


def test_segmentation_comes_into_the_scene(segmentation, phantom, behave, messages):
    folder = behave("work")
    seen = []
    shown = segmentation.on_progress
    segmentation.on_progress = lambda *event: (seen.append(event), shown(*event))
    run(segmentation)
    assert messages() == []
    assert seen == [(0.5, "half way")]
    node = slicer.util.getNode("* segmentation")
    from ClaimSlicerLib.mrml import study_labels

    labels = study_labels(node, phantom[0])
    assert (labels == Label.CAVITY).sum() == 3 * 10 * 10
    assert (labels == Label.MYOCARDIUM).sum() == 3 * (20 * 20 - 10 * 10)
    assert node.GetName() in segmentation.ui.resultLabel.text
    assert not Path((folder / "image").read_text(encoding="utf-8")).parent.exists()


def test_cancel_ends_the_whole_process_tree(segmentation, behave, messages):
    pids = behave("wait") / "pid"
    segmentation.ui.applyButton.click()
    wait_for(lambda: pids.exists() and len(pids.read_text(encoding="utf-8").split()) == 2)
    family = [psutil.Process(int(pid)) for pid in pids.read_text(encoding="utf-8").split()]
    before = slicer.mrmlScene.GetNumberOfNodes()
    segmentation.ui.cancelButton.click()
    wait_for(lambda: not segmentation.logic.command.running)
    wait_for(lambda: not any(p.is_running() and p.status() != psutil.STATUS_ZOMBIE for p in family))
    assert slicer.mrmlScene.GetNumberOfNodes() == before
    assert "Stopped" in segmentation.ui.resultLabel.text
    assert messages() == []
    assert segmentation.ui.applyButton.enabled


def test_closing_the_scene_ends_the_work(segmentation, behave):
    pids = behave("wait") / "pid"
    segmentation.ui.applyButton.click()
    wait_for(lambda: pids.exists() and len(pids.read_text(encoding="utf-8").split()) == 2)
    slicer.mrmlScene.Clear()
    wait_for(lambda: not segmentation.logic.command.running)
    assert slicer.util.getNodesByClass("vtkMRMLSegmentationNode") == []
    assert not segmentation.ui.applyButton.enabled


@pytest.mark.parametrize(
    ("behaviour", "sentence"), [("refuse", "Load a heart first."), ("crash", "child process failed")]
)
def test_a_failure_is_shown_and_adds_nothing(segmentation, behave, messages, behaviour, sentence):
    behave(behaviour)
    before = slicer.mrmlScene.GetNumberOfNodes()
    run(segmentation)
    assert len(messages()) == 1
    assert sentence in messages()[0]
    assert sentence in segmentation.ui.resultLabel.text
    assert slicer.mrmlScene.GetNumberOfNodes() == before


def test_a_volume_that_left_meanwhile_is_missed_in_a_sentence(segmentation, phantom, behave, messages):
    behave("work")
    segmentation.ui.applyButton.click()
    slicer.mrmlScene.RemoveNode(phantom[0])
    wait_for(lambda: not segmentation.logic.command.running)
    assert len(messages()) == 1
    assert "removed from the scene" in messages()[0]


def test_without_slicers_python_nothing_starts(segmentation, monkeypatch, tmp_path, messages):
    monkeypatch.setenv("PATH", str(tmp_path))
    segmentation.ui.applyButton.click()
    assert not segmentation.logic.command.running
    assert "PythonSlicer" in messages()[0]
    assert segmentation.ui.applyButton.enabled


def test_the_real_command_answers_the_panel(segmentation, phantom, messages):
    """With weights the phantom's wall is found; without, the registry's sentence is shown."""
    try:
        resolve(None, "segmentation")
    except ModelError as error:
        run(segmentation)
        assert len(messages()) == 1
        assert str(error) in messages()[0]
        return
    run(segmentation)
    assert messages() == []
    from claimslicer.labels import myocardium_mask
    from ClaimSlicerLib.mrml import study_labels, volume_study

    found = myocardium_mask(study_labels(slicer.util.getNode("* segmentation"), phantom[0]))
    true = myocardium_mask(volume_study(*phantom).labels)
    assert 2 * (found & true).sum() / (found.sum() + true.sum()) > 0.5
