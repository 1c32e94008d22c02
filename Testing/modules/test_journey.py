"""The whole job in the stand-in, the same steps as in Slicer; then the saved scene in a process of its own."""

from __future__ import annotations

import json
import subprocess
import sys
import unittest
from pathlib import Path

import check_journey
import slicer

REOPEN = Path(__file__).parent / "reopen.py"


def test_the_whole_job(scene, tmp_path, monkeypatch, dialogs):
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
