"""A long job as a panel shows it: the bar, the Cancel button and the line of text."""

from __future__ import annotations

import pytest
from claimslicer.errors import StudyError


class Display:
    """The widgets that a panel's ``.ui`` file has for a job, in a window, and what was shown in them."""

    def __init__(self) -> None:
        import qt
        from ClaimSlicerLib.job import JobDisplay

        self.window = qt.QWidget()
        self.window.setLayout(qt.QVBoxLayout())
        self.bar, self.cancel, self.text = qt.QProgressBar(), qt.QPushButton("Cancel"), qt.QLabel()
        for widget in (self.bar, self.cancel, self.text):
            self.window.layout().addWidget(widget)
        self.window.show()
        self.changes = []
        self.job = JobDisplay(self.bar, self.cancel, self.text, lambda: self.changes.append(self.job.running))


@pytest.fixture
def display(scene):
    shown = Display()
    yield shown
    shown.job.cancel()
    shown.window.close()


def test_a_job_is_shown_from_beginning_to_end(display, worker, wait_for, messages):
    assert not display.bar.visible
    assert not display.cancel.visible
    display.job.start(worker, "count", {"steps": 10}, lambda result: f"Counted to {result['steps']}.")
    assert display.job.running
    assert display.changes == [True]
    assert display.bar.visible
    assert display.bar.maximum == 0, "busy, until the first progress comes"
    wait_for(lambda: display.bar.value > 0)
    assert display.bar.maximum == 100
    assert display.text.text.startswith("step ")
    wait_for(lambda: not display.job.running)
    assert display.changes == [True, False]
    assert display.text.text == "Counted to 10."
    assert not display.bar.visible
    assert messages() == []


def test_the_cancel_button_stops_the_job(display, worker, wait_for, messages):
    from PySide6.QtCore import Qt
    from PySide6.QtTest import QTest

    results = []
    display.job.start(worker, "count", {"steps": 60_000}, results.append)
    wait_for(lambda: display.bar.value > 0 or display.text.text.startswith("step"))
    QTest.mouseClick(display.cancel, Qt.MouseButton.LeftButton)
    assert not display.job.running
    assert display.changes == [True, False]
    assert "Stopped" in display.text.text
    assert results == []
    assert messages() == []


def test_what_goes_wrong_is_shown_once(display, worker, wait_for, messages):
    display.job.start(worker, "refuse", {}, lambda result: "fine")
    wait_for(lambda: not display.job.running)
    assert display.text.text == "This is no heart."
    display.job.start(worker, "fail", {}, lambda result: "fine")
    wait_for(lambda: not display.job.running)
    assert display.text.text == "ZeroDivisionError: division by zero"

    def refuse(result: dict) -> str:
        raise StudyError("The volume has gone.")

    display.job.start(worker, "echo", {}, refuse)
    wait_for(lambda: not display.job.running)
    assert display.text.text == "The volume has gone."
    assert len(messages()) == 3


def test_a_new_job_takes_the_place_of_the_old(display, worker, wait_for):
    texts = []
    display.job.start(worker, "count", {"steps": 60_000}, texts.append)
    display.job.start(worker, "echo", {"fine": True}, lambda result: f"{result['fine']}")
    wait_for(lambda: not display.job.running)
    assert display.text.text == "True"
    assert texts == []


def test_in_a_shut_box_a_job_is_shown_when_the_box_is_opened(display, worker, wait_for):
    """What is hidden on purpose stays hidden, as in CTK's box, whether it was shut then or open."""
    import ctk
    import qt
    from ClaimSlicerLib.job import JobDisplay

    box = ctk.ctkCollapsibleButton()
    box.setLayout(qt.QVBoxLayout())
    box.collapsed = True
    display.window.layout().addWidget(box)
    bar, cancel, text = qt.QProgressBar(), qt.QPushButton("Cancel"), qt.QLabel()
    for widget in (bar, cancel, text):
        box.layout().addWidget(widget)
    job = JobDisplay(bar, cancel, text, lambda: None)
    wait_for(lambda: box.visible)
    box.collapsed = False
    assert text.visible
    assert not bar.visible
    assert not cancel.visible
    box.collapsed = True
    job.start(worker, "count", {"steps": 60_000}, lambda result: "")
    assert not bar.visible
    box.collapsed = False
    assert bar.visible
    assert cancel.visible
    box.collapsed = True
    job.cancel()
    box.collapsed = False
    assert text.visible
    assert not bar.visible
    assert not cancel.visible
