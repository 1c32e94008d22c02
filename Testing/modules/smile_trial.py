"""The module SMILE, opened with the phantom, and what the user does in it."""

from __future__ import annotations

import numpy as np
from PySide6 import QtCore, QtTest

LEFT, NONE = QtCore.Qt.MouseButton.LeftButton, QtCore.Qt.KeyboardModifier.NoModifier
CTRL = QtCore.Qt.KeyboardModifier.ControlModifier


def open_with_the_phantom(open_panel, phantom, wait_for):
    """Open the panel with the phantom chosen and its heart known."""
    panel = open_panel("SMILEModule")
    panel.ui.volumeSelector.setCurrentNode(phantom[0])
    panel.ui.labelsSelector.setCurrentNode(phantom[1])
    wait_for(lambda: panel.author.heart is not None, 30)
    panel.ui.amountSelector.currentIndex = 0
    panel.ui.volumeSlider.value = 1.6
    return panel


def settling(panel, wait_for):
    """Return a function that waits until the scar in the scene is the one that the sliders ask for."""
    from SMILEModuleLib.sliders import spec_of

    def settle() -> None:
        wait_for(lambda: panel.scar is not None and panel.scar.made.spec == spec_of(panel.parameters), 10)

    return settle


def click(panel, segment: int, modifiers=NONE) -> None:
    """Click a segment on the bull's-eye."""
    place = QtCore.QPoint(*map(round, panel.bullseye.position_of(segment)))
    QtTest.QTest.mouseClick(panel.bullseye, LEFT, modifiers, place)


def choose(panel, *segments: int) -> None:
    """Choose these segments alone, by clicks on the bull's-eye."""
    for number, segment in enumerate(segments):
        click(panel, segment, CTRL if number else NONE)


def mask(panel, node=None) -> np.ndarray:
    """Return the scar mask of ``node``, by default that of the panel."""
    from ClaimSlicerLib.mrml import scar_mask

    return scar_mask(node or panel.parameters.scar, panel.parameters.volume)


def study(panel):
    """Return the study that the panel holds."""
    from ClaimSlicerLib.mrml import volume_study

    return volume_study(panel.parameters.volume, panel.parameters.labels)
