"""Slicer's Python for child processes, and ending one with all that it started."""

from __future__ import annotations

import shutil

import qt
from claimslicer.errors import ClaimError
from slicer.i18n import tr as _


def end_process_tree(process: qt.QProcess) -> None:
    """Kill ``process`` and all its descendants: PythonSlicer is a launcher whose child does the work.

    Without psutil, which Slicer doesn't bring, only ``process`` itself is killed; a worker behind it then
    ends by itself, as its input closes.
    """
    try:
        import psutil
    except ModuleNotFoundError:
        process.kill()
        return
    # One that has not come up yet has the number 0.
    number = int(process.processId())
    try:
        family = psutil.Process(number).children(recursive=True) if number else []
    except psutil.Error:
        family = []
    for member in family:
        try:
            member.kill()
        except psutil.Error:
            continue
    process.kill()


def slicer_python() -> str:
    """Return the program that runs Python as Slicer does. Raises ClaimError where there is none."""
    python = shutil.which("PythonSlicer")
    if python is None:
        raise ClaimError(_("PythonSlicer isn't on the PATH; it comes with Slicer."))
    return python
