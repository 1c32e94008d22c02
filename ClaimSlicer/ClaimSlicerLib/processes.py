"""Ending a child process with all that it started."""

from __future__ import annotations

import qt


def end_process_tree(process: qt.QProcess) -> None:
    """Kill ``process`` and all its descendants: PythonSlicer is a launcher whose child does the work.

    Without psutil, which Slicer doesn't bring, only ``process`` itself is killed.
    """
    try:
        import psutil
    except ModuleNotFoundError:
        process.kill()
        return
    try:
        launcher = psutil.Process(int(process.processId()))
        family = [*launcher.children(recursive=True), launcher]
    except psutil.NoSuchProcess:
        return
    for member in family:
        try:
            member.kill()
        except psutil.NoSuchProcess:
            continue
