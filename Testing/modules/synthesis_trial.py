"""The module Scar Synthesis, opened with a small scar, and what the user does in it."""

from __future__ import annotations

import time

import numpy as np
import slicer
from claimslicer.labels import Label
from PySide6 import QtCore, QtTest

LEFT = QtCore.Qt.MouseButton.LeftButton


def wait_for(condition, seconds: float = 120.0) -> None:
    """Let Qt work until ``condition`` holds."""
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "waited in vain"
        slicer.app.processEvents()
        time.sleep(0.005)


def click(widget, **where) -> None:
    """Click a widget as the user does, in its middle."""
    assert widget.enabled, f"{widget.objectName} is off"
    QtTest.QTest.mouseClick(widget, LEFT, **where)


def open_with_a_scar(open_panel, phantom):
    """Open the panel with the phantom and a small scar mask in its wall, at two steps."""
    from ClaimSlicerLib.mrml import add_segmentation, volume_study
    from ClaimSlicerLib.segments import SCAR_STYLES

    panel = open_panel("SynthesisModule")
    labels = volume_study(*phantom).labels
    scar = (labels == Label.MYOCARDIUM).astype(np.uint8)
    scar[:4], scar[5:], scar[:, :, : scar.shape[2] // 2] = 0, 0, 0
    panel.ui.volumeSelector.setCurrentNode(phantom[0])
    panel.ui.labelsSelector.setCurrentNode(phantom[1])
    assert not panel.ui.applyButton.enabled
    assert "scar" in panel.ui.applyButton.toolTip
    panel.ui.scarSelector.setCurrentNode(add_segmentation(scar, phantom[0], "my scar", SCAR_STYLES))
    panel.ui.stepsBox.value = 2
    slicer.app.layoutManager().viewport().show()
    panel.parent.show()
    return panel


def paint(panel, count: int = 1) -> list:
    """Press the button, wait for the end, and return the new variants."""
    from SynthesisModuleLib.variants import variants

    before = [variant.node for variant in variants()]
    panel.ui.variantsBox.value = count
    click(panel.ui.applyButton)
    assert panel.job.running
    assert not panel.ui.applyButton.enabled
    wait_for(lambda: not panel.job.running)
    assert panel.ui.applyButton.enabled
    return [variant.node for variant in variants() if variant.node not in before]


def rows(panel) -> list[list[str]]:
    table = panel.ui.variantsTable
    return [
        [table.item(row, column).text() for column in range(table.columnCount)]
        for row in range(table.rowCount)
    ]


def choose_row(panel, row: int, modifier=QtCore.Qt.KeyboardModifier.NoModifier) -> None:
    table = panel.ui.variantsTable
    place = table.visualItemRect(table.item(row, 0)).center()
    QtTest.QTest.mouseClick(table.viewport(), LEFT, modifier, place)


def opacity() -> float:
    from ClaimSlicerLib import views

    return views.shown_opacity()
