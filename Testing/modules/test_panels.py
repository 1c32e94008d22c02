"""What all four panels have in common."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import panel_states
import pytest
import slicer
from host.modules import PANEL_WIDTH

MODULES = ("ClaimSlicer", "SMILEModule", "SynthesisModule", "SegmentationModule")
REOPEN = Path(__file__).parent / "reopen.py"


@pytest.mark.parametrize("name", MODULES)
def test_a_panel_is_narrow_enough(open_panel, name):
    assert open_panel(name).parent.minimumSizeHint.width() <= PANEL_WIDTH


@pytest.mark.parametrize("name", MODULES)
def test_every_bound_widget_has_its_parameter(open_panel, name):
    assert panel_states.widgets_without_parameter(open_panel(name)) == []


@pytest.mark.parametrize("name", MODULES)
def test_looking_at_a_panel_makes_nothing(open_panel, phantom, name):
    before = slicer.mrmlScene.GetNumberOfNodes()
    open_panel(name)
    slicer.app.processEvents()
    made = slicer.mrmlScene.GetNumberOfNodes() - before
    assert made <= 1, "only the parameter node"


@pytest.mark.parametrize("name", MODULES)
def test_a_panel_opens_without_views(open_panel, phantom, monkeypatch, name):
    """As Slicer runs its modules' generic tests: without a main window there is no layout manager."""
    monkeypatch.setattr(slicer.app, "_layout_manager", None)
    panel = open_panel(name)
    panel.parameters.volume = phantom[0]
    slicer.app.processEvents()
    slicer.mrmlScene.Clear()
    assert panel.ui is not None


def test_a_saved_scene_brings_every_panel_back_in_a_new_process(open_panel, phantom, tmp_path):
    saved = {}
    for name in MODULES:
        panel = open_panel(name)
        panel.parameters.volume = phantom[0]
        panel_states.change(panel.parameters)
        slicer.app.processEvents()
        saved[name] = panel_states.as_values(panel.parameters)
    assert slicer.util.saveScene(str(tmp_path / "study.mrb"))
    done = subprocess.run(
        [sys.executable, REOPEN, str(tmp_path / "study.mrb")], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout.splitlines()[-1]) == saved
