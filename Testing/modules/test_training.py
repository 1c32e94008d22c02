"""The training box: a check, a start, and a run that goes on without it; with real processes."""

from __future__ import annotations

import json
import os
import time
from pathlib import Path
from types import SimpleNamespace

import pytest
import slicer
from claimslicer.errors import OutputError
from claimslicer.models.registry import list_models
from claimslicer.training.progress.history import History
from claimslicer.training.progress.samples import LabelledSlice, write_sample
from claimslicer.training.runs import kinds
from claimslicer.training.runs.needs import Needs
from claimslicer.training.runs.run import Run, prepare_run
from PySide6 import QtCore, QtWidgets
from PySide6.QtTest import QTest
from training_cohort import write_cohort

JOINT = """pretrain_segmenter_steps: 2
generator_steps: 100
joint_steps: 2
synthetic_studies: 1
num_inference_steps: 1
segmentation: {batch_size: 2, validate_every: 2}
synthesis: {batch_size: 2, validate_every: 50, context_widths: [4, 8], widths: [4, 8]}
"""
TINY = "# Tiny.\nbatch_size: 2\nwarmup_steps: 2\ncheckpoint_every: 5\nvalidate_every: 20\nthreads: 1\n"

NEEDS = Needs(
    training="joint",
    studies={"training": 2, "validation": 1, "test": 1},
    with_infarct={"training": 1, "validation": 1},
    steps=104,
    device="cpu",
    seconds_per_step=(0.1, 0.2),
    seconds=(6.4, 16.0),
    memory=1,
    memory_free=2,
    device_memory=0,
    device_memory_free=0,
    disk=1,
    disk_free=2,
)


def wait(condition, seconds: float = 120.0) -> None:
    """Let Qt work until ``condition`` holds."""
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "waited in vain"
        slicer.app.processEvents()
        time.sleep(0.01)


def click(widget) -> None:
    assert widget.enabled, widget.toolTip
    QTest.mouseClick(widget, QtCore.Qt.MouseButton.LeftButton)


def type_into(edit, text: str) -> None:
    edit.selectAll()
    QTest.keyClicks(edit, text)
    QTest.keyClick(edit, QtCore.Qt.Key.Key_Return)


@pytest.fixture(scope="module")
def cohort(tmp_path_factory) -> Path:
    return write_cohort(tmp_path_factory.mktemp("cohort"))


@pytest.fixture
def runs_folder(tmp_path, monkeypatch) -> Path:
    """The folder for runs; models and presets are the test's own as well."""
    monkeypatch.setenv("CLAIM_MODELS", str(tmp_path / "models"))
    monkeypatch.setattr(kinds, "PRESET_FOLDER", tmp_path)
    for kind in kinds.TRAINABLE:
        for preset, steps in zip(kinds.PRESETS, (60, 120, 10_000), strict=True):
            more = JOINT if kind == "joint" else f"steps: {steps}\n"
            (tmp_path / f"{kind}-{preset}.yaml").write_text(TINY + more, encoding="utf-8")
    return tmp_path / "runs"


@pytest.fixture
def open_box(scene, runs_folder):
    """A function that shows a new training box, as module CLAIM does; all are closed after the test."""
    from ClaimSlicerLib.training import TrainingBox

    slicer.app.userSettings().clear()
    slicer.app.userSettings().setValue("CLAIM/Training/Runs", str(runs_folder))
    boxes = []

    def open_(on_model=lambda name: None) -> TrainingBox:
        top = QtWidgets.QWidget()
        boxes.append(TrainingBox(QtWidgets.QVBoxLayout(top), on_model))
        top.resize(380, 1100)
        top.show()
        boxes[-1].window = top
        slicer.app.processEvents()
        return boxes[-1]

    yield open_
    for box in boxes:
        box.close()
        box.window.deleteLater()
    for run in runs_folder.glob("*/run.json"):
        Run(run.parent).request_stop()
        wait(lambda run=run: Run(run.parent).state() not in ("running", "stopping"))


def finished_run(runs_folder: Path, cohort: Path, name: str, events: list[dict]) -> Run:
    """A run's folder as a process left it that told ``events``."""
    run = prepare_run(runs_folder, "segmentation", "standard", cohort, name=name)
    lines = [json.dumps({"time": 0.0, **event}) for event in events]
    run.events_file.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return run


def test_check_start_close_find_again_pause_resume_and_use(open_box, cohort, runs_folder, dialogs):
    taken = []
    box = open_box()
    assert not box.ui.startButton.enabled
    assert "folder" in box.ui.startButton.toolTip
    dialogs.paths.append(cohort)
    click(box.ui.dataButton)
    assert "Check first" in box.ui.startButton.toolTip
    click(box.ui.checkButton)
    assert box.ui.checkProgress.visible
    wait(lambda: not box.checking.running)
    assert "2 to train on (1 with infarct); 1 held back (1 with infarct)" in box.ui.needsLabel.text
    assert "2 patients are few" in box.ui.needsLabel.text
    box.ui.presetBox.setFocus()
    QTest.keyClick(box.ui.presetBox, QtCore.Qt.Key.Key_Down)
    assert not box.ui.startButton.enabled  # the check was for another preset
    assert box.needs is None
    QTest.keyClick(box.ui.presetBox, QtCore.Qt.Key.Key_Up)
    type_into(box.ui.nameEdit, "mine")
    click(box.ui.startButton)
    assert dialogs.errors() == []
    wait(lambda: box.runs.history.step >= 10)
    assert box.ui.runsTable.item(0, 2).text() == "running"
    assert len(box.runs.curves.charts[0].lines[1].points) >= 2
    box.close()
    box.runs.refresh()
    assert not box.runs._timer.active
    box.window.hide()

    again = open_box(taken.append)
    assert again.runs.run.name == "mine"
    assert again.ui.pauseButton.enabled
    assert again.ui.dataEdit.text == str(cohort)
    click(again.ui.pauseButton)
    wait(lambda: again.ui.runsTable.item(0, 2).text() == "paused")
    paused = again.runs.history.step
    assert paused < 60
    assert not again.ui.useButton.enabled
    click(again.ui.resumeButton)
    wait(lambda: again.ui.useButton.enabled)
    assert again.runs.history.step == 60
    assert again.ui.runProgress.value == 100
    assert sorted(again.runs.history.samples) == [20, 40, 60]
    click(again.ui.useButton)
    assert taken == ["mine"]
    assert [model.name for model in list_models() if not model.shipped] == ["mine"]
    assert dialogs.errors() == []


def test_joint_training_shows_its_stages_and_gives_both_panels_a_model(
    open_box, cohort, runs_folder, dialogs, monkeypatch
):
    import qt
    from ClaimSlicerLib.choices import model_options

    box = open_box()
    type_into(box.ui.dataEdit, str(cohort))
    box.ui.kindBox.setFocus()
    QTest.keyClick(box.ui.kindBox, QtCore.Qt.Key.Key_End)
    box._checked = box.choices()  # as the worker's answer would be taken in, whose own test is the library's
    box._measured(NEEDS.to_dict())
    box._update()
    assert "for 104 steps on cpu" in box.ui.needsLabel.text
    type_into(box.ui.nameEdit, "mine")
    click(box.ui.startButton)
    history = lambda: box.runs.history  # noqa: E731
    wait(lambda: history().joint_stage == "generator" and history().step > 2)
    assert box.ui.runProgress.format == "Generator alone, %p %"
    assert box.ui.runProgress.value == round(100 * history().step / 104)
    assert "in this stage" in box.ui.runLabel.text
    assert not box.ui.reportButton.visible
    wait(lambda: box.ui.useButton.enabled)
    assert box.ui.runLabel.text == "104 steps on cpu. Both models are ready."
    assert box.ui.runProgress.value == 100
    losses, dice, held_back = box.runs.curves.charts
    assert [name for name, *_ in losses.legend] == ["segmenter", "generator", "feedback"]
    assert len(losses.marks) == 2
    assert [name for name, *_ in dice.legend] == ["infarct", "myocardium", "MI"]
    assert held_back.lines[0].points
    opened = []
    monkeypatch.setattr(qt.QDesktopServices, "openUrl", lambda url: opened.append(url.toLocalFile()))
    click(box.ui.reportButton)
    assert opened == [str(runs_folder / "mine" / "report" / "report.html")]
    click(box.ui.useButton)
    for kind in ("synthesis", "segmentation"):
        assert "mine" in [name for name, *_ in model_options(kind)]
    assert dialogs.errors() == []


def test_a_folder_without_studies_is_refused_in_a_sentence(open_box, tmp_path, dialogs):
    box = open_box()
    (tmp_path / "empty").mkdir()
    type_into(box.ui.dataEdit, str(tmp_path / "empty"))
    click(box.ui.checkButton)
    wait(lambda: not box.checking.running)
    assert "holds no case folders" in box.ui.checkLabel.text
    assert len(dialogs.errors()) == 1
    assert not box.ui.startButton.enabled


def test_a_check_can_be_cancelled(open_box, cohort):
    box = open_box()
    type_into(box.ui.dataEdit, str(cohort))
    click(box.ui.checkButton)
    wait(lambda: box.checking.running)
    click(box.ui.checkCancelButton)
    wait(lambda: not box.checking.running)
    assert not box.ui.startButton.enabled
    assert box.ui.checkButton.enabled


def test_a_failed_run_shows_its_cause_and_its_log(open_box, cohort, runs_folder):
    run = finished_run(
        runs_folder,
        cohort,
        "broken",
        [{"event": "started", "pid": 1}, {"event": "failed", "message": "The labels of 'X' hold no heart."}],
    )
    run.log_file.write_text("one\nTraceback: the last line\n", encoding="utf-8")
    box = open_box()
    assert box.ui.newButton.collapsed
    assert box.ui.runsTable.item(0, 2).text() == "failed"
    assert box.ui.runLabel.text == "The labels of 'X' hold no heart."
    assert "the last line" in box.ui.logText.plainText
    assert box.ui.logText.visible
    assert box.ui.resumeButton.enabled
    click(box.ui.logCheck)
    assert not box.ui.logText.visible


def test_a_process_that_can_not_start_is_a_failed_run_with_its_log(
    open_box, cohort, runs_folder, tmp_path, monkeypatch
):
    command = tmp_path / "bin" / "PythonSlicer"
    command.parent.mkdir()
    command.write_text("#!/bin/sh\necho torch is missing >&2; exit 1\n", encoding="utf-8")
    command.chmod(0o755)
    prepare_run(runs_folder, "synthesis", "trial", cohort, name="stillborn")
    box = open_box()
    assert box.ui.resumeButton.text == "Start"
    monkeypatch.setenv("PATH", str(command.parent), prepend=os.pathsep)
    click(box.ui.resumeButton)
    wait(lambda: box.ui.runsTable.item(0, 2).text() == "failed")
    assert "torch is missing" in box.ui.logText.plainText


def test_the_slider_goes_through_the_pictures_and_follows_the_newest(open_box, cohort, runs_folder):
    import numpy as np

    events = [{"event": "training", "step": 0, "steps": 40, "device": "cpu"}]
    run = finished_run(runs_folder, cohort, "pictures", events)
    slices = np.random.default_rng(0).integers(0, 5, (3, 20, 20))
    for step in (10, 20):
        add_sample(run, step, slices)
    box = open_box()
    assert box.ui.sampleLabel.text == "Step 20"
    newest = box.runs.picture.grab().toImage()
    box.ui.sampleSlider.setFocus()
    QTest.keyClick(box.ui.sampleSlider, QtCore.Qt.Key.Key_Left)
    assert box.ui.sampleLabel.text == "Step 10"
    assert box.runs.picture.grab().toImage() != newest
    add_sample(run, 30, slices)
    wait(lambda: 30 in box.runs.history.samples)
    assert box.ui.sampleLabel.text == "Step 10"  # the user looks at this one
    QTest.keyClick(box.ui.sampleSlider, QtCore.Qt.Key.Key_End)
    add_sample(run, 40, slices)
    wait(lambda: box.ui.sampleLabel.text == "Step 40")


def add_sample(run: Run, step: int, slices) -> None:
    from claimslicer.events import JsonEvents

    with run.events_file.open("a", encoding="utf-8") as stream:
        write_sample(LabelledSlice("X", *slices), step, run.folder / "samples", JsonEvents(stream))


def test_a_run_is_chosen_by_a_click_and_others_are_found(open_box, cohort, runs_folder):
    for name, loss in (("first", 1.5), ("second", 2.5)):
        events = [{"event": "training", "step": 0, "steps": 10, "device": "cpu"}]
        events += [{"event": "metrics", "step": 10, "loss": loss, "seconds_per_step": 1.0}]
        finished_run(runs_folder, cohort, name, [*events, {"event": "paused", "step": 10}])
    box = open_box()
    table = box.ui.runsTable
    assert {table.item(row, 0).text() for row in (0, 1)} == {"first", "second"}
    for row in (0, 1):
        place = table.visualItemRect(table.item(row, 0)).center()
        QTest.mouseClick(table.viewport(), QtCore.Qt.MouseButton.LeftButton, pos=place)
        wanted = 1.5 if table.item(row, 0).text() == "first" else 2.5
        assert box.runs.history.loss == [(10, wanted)]
    chosen = box.runs.run.name
    prepare_run(runs_folder, "synthesis", "trial", cohort, name="third")
    wait(lambda: table.rowCount == 3)
    assert box.runs.run.name == chosen
    assert table.item(table.currentRow(), 0).text() == chosen


def test_a_name_that_is_taken_is_refused(open_box, cohort, runs_folder, dialogs):
    prepare_run(runs_folder, "synthesis", "trial", cohort, name="mine")
    box = open_box()
    type_into(box.ui.dataEdit, str(cohort))
    box.ui.nameEdit.text = "mine"
    with pytest.raises(OutputError):
        box.start()
    assert len(dialogs.errors()) == 1
    assert "a run 'mine' already" in dialogs.errors()[0]


def test_the_box_fits_a_narrow_panel_and_reads_without_blocking(open_box, cohort, runs_folder):
    events = [{"event": "training", "step": 0, "steps": 200_000, "device": "cpu"}]
    events += [
        {"event": "metrics", "step": step, "loss": 1.0, "learning_rate": 1e-3, "seconds_per_step": 0.1}
        for step in range(0, 200_000, 10)
    ]
    finished_run(runs_folder, cohort, "long", events)
    box = open_box()
    assert box.window.minimumSizeHint.width() <= 380
    wait(lambda: box.runs.history.step == 199_990)
    box.runs.history = History()
    began = time.process_time()
    box.runs.refresh()
    assert time.process_time() - began < 0.05


def test_a_running_training_is_named_in_the_status_bar(scene, tmp_path, monkeypatch):
    from ClaimSlicerLib.training_status import RUNS_SETTING, TrainingStatus

    run = SimpleNamespace(name="my run", state=lambda: "running")
    monkeypatch.setattr("claimslicer.training.runs.run.find_runs", lambda folder: [run])
    slicer.app.userSettings().setValue(RUNS_SETTING, str(tmp_path))
    status = TrainingStatus(slicer.util.mainWindow().statusBar())
    status.look()
    assert status.label.text == "Training: my run"
    run.state = lambda: "finished"
    status.look()
    assert not status.label.visible
    slicer.app.userSettings().remove(RUNS_SETTING)
