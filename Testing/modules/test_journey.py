"""The whole job in the stand-in, by the same steps as in Slicer; then the saved scene in a new process."""

from __future__ import annotations

import json
import subprocess
import sys
import unittest
from pathlib import Path

import pytest
import slicer
from conftest import load
from host import application

REOPEN = Path(__file__).parent / "reopen.py"
STEPS = Path(__file__).parents[1] / "slicer"


@pytest.fixture
def check_journey(scene):
    """The steps that run in Slicer, importable once there is a ``qt``."""
    for name in ("hands", "check_journey"):
        if name not in sys.modules:
            application.speak_pythonqt(name)
            load(name, STEPS / f"{name}.py")
    return sys.modules["check_journey"]


def test_the_whole_job(check_journey, tmp_path, monkeypatch, dialogs):
    saved = tmp_path / "study.mrb"
    monkeypatch.setenv("CLAIM_JOURNEY", str(saved))
    held = {}
    once = check_journey.Journey.save_and_open_again

    def kept(journey, *nodes) -> None:
        once(journey, *nodes)
        for name in check_journey.MODULES:
            panel = check_journey.open_module(name)
            held[name] = check_journey.panel_states.as_values(panel.parameters)

    monkeypatch.setattr(check_journey.Journey, "save_and_open_again", kept)
    slicer.app.layoutManager().viewport().show()
    result = unittest.TestResult()
    check_journey.Journey("test_from_study_to_numbers").run(result)
    problems = [text for _, text in (*result.errors, *result.failures)]
    assert result.testsRun == 1
    assert not problems, problems[0]
    assert dialogs.errors() == []
    done = subprocess.run([sys.executable, REOPEN, saved], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout.splitlines()[-1]) == held
