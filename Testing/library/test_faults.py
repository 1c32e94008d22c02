"""Faults at every write of two operations; ``make faults`` tries them all."""

import subprocess
import sys
from pathlib import Path

import pytest

FAULTS = Path(__file__).resolve().parents[1] / "faults" / "faults.py"


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no fork")
def test_an_older_result_or_a_newer_one_whatever_fails():
    command = [sys.executable, str(FAULTS), "volume .nii.gz", "training cache"]
    ended = subprocess.run(command, capture_output=True, text=True, check=False)
    assert ended.returncode == 0, ended.stdout + ended.stderr
    assert "0 went wrong" in ended.stdout
    assert "| volume .nii.gz |" in ended.stdout
