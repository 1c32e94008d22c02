"""The ``.ui`` files of the boxes that are made when they are first opened."""

from __future__ import annotations

from pathlib import Path

import slicer

RESOURCES = Path(__file__).resolve().parents[1] / "Resources"


def load_ui(name: str, layout):
    """Add what ``UI/NAME.ui`` holds to ``layout`` and return its widgets by name."""
    top = slicer.util.loadUI(str(RESOURCES / "UI" / f"{name}.ui"))
    layout.addWidget(top)
    return slicer.util.childWidgetVariables(top)
