"""What a user does with mouse and keyboard, as events that Slicer and the stand-in deliver alike."""

from __future__ import annotations

import time
from collections.abc import Callable

import qt
import slicer


def send(widget, event) -> None:
    """Deliver an event at once."""
    qt.QCoreApplication.sendEvent(widget, event)


def _mouse(widget, kind, x: float, y: float, button, buttons, modifiers) -> None:
    send(widget, qt.QMouseEvent(kind, qt.QPointF(x, y), button, buttons, modifiers))


def click(widget, x: float | None = None, y: float | None = None, *, control: bool = False) -> None:
    """Move to a point of a widget, by default its middle, press and release the left button."""
    if not widget.enabled:
        raise AssertionError(f"{widget.name} is off: {widget.toolTip}")
    if not widget.visible:
        raise AssertionError(f"{widget.name} is not to be seen")
    x = widget.width / 2 if x is None else x
    y = widget.height / 2 if y is None else y
    modifiers = qt.Qt.ControlModifier if control else qt.Qt.NoModifier
    left, none = qt.Qt.LeftButton, qt.Qt.NoButton
    _mouse(widget, qt.QEvent.MouseMove, x, y, none, none, modifiers)
    _mouse(widget, qt.QEvent.MouseButtonPress, x, y, left, left, modifiers)
    _mouse(widget, qt.QEvent.MouseButtonRelease, x, y, left, none, modifiers)
    slicer.app.processEvents()


def open_box(box) -> None:
    """Open a collapsible box by a click on its title."""
    if box.collapsed:
        click(box, 40, 8)
    if box.collapsed:
        raise AssertionError(f"{box.name} stays shut")


def press(widget, key, text: str = "", *, control: bool = False) -> None:
    """Press and release a key in a widget."""
    modifiers = qt.Qt.ControlModifier if control else qt.Qt.NoModifier
    for kind in (qt.QEvent.KeyPress, qt.QEvent.KeyRelease):
        send(widget, qt.QKeyEvent(kind, key, modifiers, text))
    slicer.app.processEvents()


def write(edit, text: str) -> None:
    """Replace a line's text key by key, and press Return."""
    edit.setFocus()
    edit.selectAll()
    for letter in text:
        # The text of the event is what is typed; the key matters for shortcuts only.
        press(edit, qt.Qt.Key_A, letter)
    press(edit, qt.Qt.Key_Return, "\r")


def wait_for(condition: Callable[[], object], what: str, seconds: float = 180.0) -> None:
    """Let the application work until ``condition`` holds; AssertionError names what was waited for."""
    end = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > end:
            raise AssertionError(f"waited {seconds:.0f} s in vain for {what}")
        slicer.app.processEvents()
        time.sleep(0.01)
