"""The claim-slicer command in a child process: JSON events in, cancel out, Slicer's own process kept free."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import claimslicer
import qt
from claimslicer.errors import Cancelled, ClaimError


@dataclass(frozen=True)
class Outcome:
    """How a command ended: its exit code, what it said went wrong, and whether the user stopped it."""

    exit_code: int
    errors: str
    cancelled: bool = False

    def check(self) -> None:
        """Raise what went wrong: Cancelled, ClaimError, or RuntimeError for our own failure."""
        if self.cancelled or self.exit_code == Cancelled.exit_code:
            raise Cancelled("Stopped; the scene is as it was.")
        if self.exit_code == ClaimError.exit_code:
            raise ClaimError(self.errors.strip() or "The command refused its input without saying why.")
        if self.exit_code != 0:
            raise RuntimeError(
                f"The child process failed (exit code {self.exit_code}).\n{self.errors.strip()}"
            )


class ClaimCommand:
    """One run at a time of ``claim-slicer ARGUMENTS --events -``.

    ``process`` is a QProcess or what behaves like one; a new QProcess by default.
    """

    def __init__(self, process: qt.QProcess | None = None) -> None:
        self.process = process if process is not None else qt.QProcess()
        self.process.readyReadStandardOutput.connect(self._read)
        self.process.finished.connect(self._finished)
        self.process.errorOccurred.connect(self._failed)
        self._on_event: Callable[[dict], None] | None = None
        self._on_done: Callable[[Outcome], None] | None = None
        self._rest = b""
        self._failure = ""
        self._cancelled = False

    @property
    def running(self) -> bool:
        """Whether a run has begun and not ended."""
        return self._on_done is not None

    def start(
        self, arguments: list[str], on_event: Callable[[dict], None], on_done: Callable[[Outcome], None]
    ) -> None:
        """Start the command; ``on_event`` gets each JSON event, ``on_done`` the outcome, once.

        Raises :class:`ClaimError` while another run goes on, RuntimeError without Slicer's Python.
        """
        if self.running:
            raise ClaimError("The last run hasn't ended: wait for it or cancel it.")
        python = shutil.which("PythonSlicer")
        if python is None:
            raise RuntimeError("PythonSlicer isn't on the PATH; it comes with Slicer.")
        self._on_event, self._on_done = on_event, on_done
        self._rest, self._failure, self._cancelled = b"", "", False
        # ``python -m`` looks in the working directory first, and the library lies there.
        self.process.setWorkingDirectory(str(Path(claimslicer.__file__).parent.parent))
        self.process.start(python, ["-m", "claimslicer.cli.main", *arguments, "--events", "-"])

    def cancel(self) -> None:
        """End the command and every process it started."""
        if not self.running:
            return
        self._cancelled = True
        end_process_tree(int(self.process.processId()))

    def close(self) -> None:
        """Cancel and wait until the command is gone, which a killed process soon is."""
        if self.running:
            self.cancel()
            self.process.waitForFinished(5000)

    def _read(self) -> None:
        lines = (self._rest + self.process.readAllStandardOutput().data()).split(b"\n")
        self._rest = lines.pop()
        for line in lines:
            event = parse_event(line)
            if event is None or self._on_event is None:
                continue
            if event["event"] == "failed":
                self._failure = event["message"]
            self._on_event(event)

    def _finished(self, *_) -> None:
        self._read()
        errors = self._failure or self.process.readAllStandardError().data().decode("utf-8", "replace")
        crashed = self.process.exitStatus() == qt.QProcess.CrashExit
        self._end(Outcome(-1 if crashed else int(self.process.exitCode()), errors, self._cancelled))

    def _failed(self, *_) -> None:
        # Every other error is followed by ``finished``.
        if self.process.error() == qt.QProcess.FailedToStart:
            self._end(Outcome(-1, "Slicer's Python could not be started."))

    def _end(self, outcome: Outcome) -> None:
        on_done, self._on_done, self._on_event = self._on_done, None, None
        if on_done is not None:
            on_done(outcome)


def parse_event(line: bytes) -> dict | None:
    """Return the event of an output line, or None for any other line."""
    try:
        event = json.loads(line)
    except ValueError:
        return None
    return event if isinstance(event, dict) and "event" in event else None


def end_process_tree(pid: int) -> None:
    """Kill process ``pid`` and all its descendants: PythonSlicer is a launcher whose child does the work."""
    import psutil

    try:
        launcher = psutil.Process(pid)
        family = [*launcher.children(recursive=True), launcher]
    except psutil.NoSuchProcess:
        return
    for process in family:
        try:
            process.kill()
        except psutil.NoSuchProcess:
            continue
