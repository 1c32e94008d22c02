"""A worker whose tasks misbehave, behind a launcher as PythonSlicer is one."""

from __future__ import annotations

import os
from pathlib import Path

TRIAL = Path(__file__).parents[1] / "library" / "worker_trial.py"
LAUNCHER = """#!/bin/sh
test "$1 $2" = "-m claimslicer.worker" || exit 9
shift 2
{exec}"{python}" "{trial}" "$@"
"""


def put_on_path(monkeypatch, folder: Path, script: str) -> None:
    """Make ``script`` the command PythonSlicer."""
    folder.mkdir()
    command = folder / "PythonSlicer"
    command.write_text(script, encoding="utf-8")
    command.chmod(0o755)
    monkeypatch.setenv("PATH", str(folder), prepend=os.pathsep)


class Asked:
    """A request and what came back."""

    def __init__(self, worker, task: str, **arguments) -> None:
        self.ends: list[tuple] = []
        self.progress: list[tuple[float, str]] = []
        self.job = worker.request(
            task, arguments, lambda *end: self.ends.append(end), lambda *done: self.progress.append(done)
        )
        assert self.job.running
        assert not self.ends, "on_done must not be called from inside request()"

    def end(self, wait_for) -> tuple:
        wait_for(lambda: self.ends, 30)
        assert len(self.ends) == 1
        assert not self.job.running
        return self.ends[0]

    def result(self, wait_for) -> dict:
        result, error = self.end(wait_for)
        assert error is None, error
        return result
