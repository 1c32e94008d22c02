"""The long-lived worker process, seen from Slicer: requests out, answers in, the main thread kept free."""

from __future__ import annotations

import itertools
import json
import shutil
import tempfile
from collections import deque
from collections.abc import Callable
from pathlib import Path
from typing import Any

import claimslicer
import qt
import slicer
from claimslicer import errors
from claimslicer.errors import Cancelled, ClaimError
from claimslicer.outputs import output_error
from claimslicer.worker.messages import pack, unpack
from slicer.i18n import tr as _

from ClaimSlicerLib.packages import ensure_packages
from ClaimSlicerLib.processes import end_process_tree, slicer_python

OnDone = Callable[[dict | None, Exception | None], None]
OnProgress = Callable[[float, str], None]

LOG_LINES = 20
"""How much of the log an error shows."""


class WorkerError(RuntimeError):
    """The worker process could not do a request; the message says why and ends with its last log lines."""


class Job:
    """A request on its way; ``running`` until ``on_done`` is called."""

    def __init__(self, worker: Worker, number: int, on_done: OnDone, on_progress: OnProgress | None) -> None:
        self.running = True
        self.number = number
        self.folder: Path | None = None
        self.line = b""
        self.error: Exception | None = None
        self._worker = worker
        self._on_done = on_done
        self._on_progress = on_progress

    def cancel(self) -> None:
        """Stop: ``on_done`` gets ``(None, Cancelled)`` at once, and nothing comes afterwards."""
        if self.running:
            self._worker.forget(self)
            self.finish(None, Cancelled(_("Stopped; the scene is as it was.")))

    def remove_folder(self) -> None:
        """Remove the request's arrays."""
        if self.folder is not None:
            shutil.rmtree(self.folder, ignore_errors=True)

    def progress(self, fraction: float, message: str) -> None:
        """Hand progress on."""
        if self.running and self._on_progress is not None:
            self._on_progress(fraction, message)

    def finish(self, result: dict | None, error: Exception | None) -> None:
        """Hand the end on, once."""
        if self.running:
            self.running = False
            self._on_done(result, error)


class Worker:
    """One long-lived child process, started at the first request; it does one request at a time.

    The process gets a request only when it has answered the one before, so that a crash fails one request
    and those that wait go to the next process. ``process`` is a QProcess or what behaves like one.
    """

    hang_seconds = 30
    """A process that gives no sign of life for so long is ended; it gives one every second."""
    grace_ms = 5000
    """How long a cancelled request may go on before the process is ended, and its warm models with it."""

    def __init__(
        self, process: qt.QProcess | None = None, name: str = "models", options: tuple[str, ...] = ()
    ) -> None:
        self.process = process if process is not None else qt.QProcess()
        self.process.readyReadStandardOutput.connect(self._read)
        self.process.finished.connect(self._finished)
        self.process.errorOccurred.connect(self._failed)
        self._watch = qt.QTimer()
        self._watch.timeout.connect(self._count_silence)
        self._name = name
        self._options = options
        self._folder: tempfile.TemporaryDirectory | None = None
        self._log: Path | None = None
        self._numbers = itertools.count(1)
        self._waiting: deque[Job] = deque()
        self._job: Job | None = None
        self._forget_process()

    def request(
        self, task: str, arguments: dict, on_done: OnDone, on_progress: OnProgress | None = None
    ) -> Job:
        """Ask for ``task``; ``on_done(result, error)`` is called from the event loop when it has ended.

        ``arguments`` and the result hold JSON types and arrays; the arrays are written before this returns.
        """
        job = Job(self, next(self._numbers), on_done, on_progress)
        try:
            self._pack(job, task, arguments)
        except OSError as error:
            job.error = output_error(job.folder or Path(_("temporary files")), error)
        self._waiting.append(job)
        qt.QTimer.singleShot(0, self._next)
        return job

    def _pack(self, job: Job, task: str, arguments: dict) -> None:
        if self._folder is None:
            self._folder = tempfile.TemporaryDirectory(
                prefix=f"claim-{self._name}-", ignore_cleanup_errors=True
            )
        job.folder = Path(self._folder.name) / str(job.number)
        job.folder.mkdir()
        message = {"request": job.number, "task": task, "folder": str(job.folder)}
        message["arguments"] = pack(arguments, job.folder, "argument")
        job.line = json.dumps(message).encode() + b"\n"

    def close(self) -> None:
        """End the process and its children; requests end with Cancelled. A later request starts anew."""
        for job in [*self._waiting, *([self._job] if self._job is not None else [])]:
            job.cancel()
        if self.process.state() != qt.QProcess.NotRunning:
            self._end(_("It was closed."))
            self.process.waitForFinished(1000)
        if self._folder is not None:
            self._folder.cleanup()
            self._folder = None

    def forget(self, job: Job) -> None:
        """Let ``job`` go: ask the process to stop when it works on it, and end it when it doesn't listen."""
        if job is not self._job:
            self._waiting.remove(job)
            job.remove_folder()
            return
        self._write(json.dumps({"cancel": job.number}).encode() + b"\n")
        qt.QTimer.singleShot(self.grace_ms, lambda: self._end(_("Cancelled.")) if job is self._job else None)

    def _next(self) -> None:
        """Hand the next request to the process, when it is free."""
        if self._job is not None or self._why or not self._waiting:
            return
        job = self._job = self._waiting.popleft()
        try:
            if job.error is not None:
                raise job.error
            if self.process.state() == qt.QProcess.NotRunning:
                self._start()
        except Exception as error:
            self._answered(None, error)
        if self._job is job:  # On Windows a start that fails has been answered by now.
            self._write(job.line)

    def _start(self) -> None:
        python = slicer_python()
        self._forget_process()
        self._log = Path(self._folder.name) / f"worker-{self._job.number}.log"
        self._watch.start(1000)
        # ``python -m`` looks in the working directory first, and the library lies there.
        self.process.setWorkingDirectory(str(Path(claimslicer.__file__).parent.parent))
        self.process.start(python, ["-m", "claimslicer.worker", "--log", str(self._log), *self._options])

    def _forget_process(self) -> None:
        self._rest = b""
        self._why = ""
        self._silence = 0
        self._memory_mb: int | None = None

    def _write(self, line: bytes) -> None:
        self.process.write(qt.QByteArray(line))

    def _read(self) -> None:
        lines = (self._rest + self.process.readAllStandardOutput().data()).split(b"\n")
        self._rest = lines.pop()
        for line in lines:
            self._silence = 0
            # What is no event was printed by Python itself before the worker came up.
            if line.startswith(b'{"event"'):
                self._take(json.loads(line))

    def _take(self, message: dict[str, Any]) -> None:
        event = message["event"]
        if event == "alive":
            self._memory_mb = message["memory_mb"]
        elif self._job is None or message["request"] != self._job.number:
            return
        elif event == "progress":
            self._job.progress(message["fraction"], message["message"])
        elif event == "failed":
            self._answered(None, self._error_of(message["kind"], message["message"]))
        else:
            try:
                result, error = unpack(message["result"], self._job.folder), None
            except (OSError, ValueError) as failure:
                result, error = None, WorkerError(_("The answer can't be read: {}").format(failure))
            self._answered(result, error)

    def _error_of(self, kind: str, message: str) -> Exception:
        """Return what the worker raised: our own errors as they were, all others as WorkerError."""
        known = getattr(errors, kind, None)
        if isinstance(known, type) and issubclass(known, ClaimError):
            return known(message)
        return WorkerError(message if kind == "memory" else self._with_log(message))

    def _answered(self, result: dict | None, error: Exception | None) -> None:
        job, self._job = self._job, None
        job.remove_folder()
        qt.QTimer.singleShot(0, self._next)
        job.finish(result, error)

    def _count_silence(self) -> None:
        # Seconds in which Slicer itself was busy and could not listen count as one.
        self._silence += 1
        if self._silence > self.hang_seconds:
            self._end(_("The worker gave no sign of life for {} s and was ended.").format(self.hang_seconds))

    def _end(self, why: str) -> None:
        """End the process without waiting for it; ``finished`` will come."""
        self._why = why
        end_process_tree(self.process)

    def _finished(self, *_args) -> None:
        self._read()
        self._watch.stop()
        error = WorkerError(self._with_log(self._why or self._cause()))
        self._why = ""
        if self._job is not None:
            self._answered(None, error)
        else:
            qt.QTimer.singleShot(0, self._next)

    def _failed(self, *_args) -> None:
        # Every other error is followed by ``finished``.
        if self.process.error() == qt.QProcess.FailedToStart:
            self._watch.stop()
            self._answered(None, WorkerError(_("Slicer's Python could not be started.")))

    def _cause(self) -> str:
        """Say why a process ended that nobody ended."""
        code = int(self.process.exitCode())
        # 9: killed; 137: the same, as a launcher passes it on.
        if code in (9, 137):
            used = f"{self._memory_mb / 1024:.1f} GB" if self._memory_mb else _("an unknown amount")
            return _(
                "The worker was killed from outside, most often because the computer ran out of memory; it "
                "used {}. Close other programs and try again."
            ).format(used)
        if self.process.exitStatus() == qt.QProcess.CrashExit:
            return _("The worker crashed (code {}); the next request starts a new one.").format(code)
        return _("The worker ended by itself (exit code {}).").format(code)

    def _with_log(self, cause: str) -> str:
        """Return ``cause`` with what the process said last."""
        text = self.process.readAllStandardError().data().decode("utf-8", "replace")
        if self._log is not None and self._log.exists():
            text += self._log.read_text(encoding="utf-8", errors="replace")
        lines = text.strip().splitlines()[-LOG_LINES:]
        return "\n".join([cause, *lines])


class Latest:
    """Newest wins: at most one request under way, and of those that wait only the newest is kept."""

    def __init__(self, worker: Worker, task: str, on_done: OnDone) -> None:
        self._worker = worker
        self._task = task
        self._on_done = on_done
        self._job: Job | None = None
        self._newest: dict | None = None

    def request(self, arguments: dict) -> None:
        """Ask with ``arguments``, now or when the request under way has ended."""
        self._newest = arguments
        if self._job is None:
            self._go()

    def stop(self) -> None:
        """Drop what waits and what is under way; ``on_done`` isn't told."""
        self._newest = None
        if self._job is not None:
            self._job.cancel()

    def _go(self) -> None:
        arguments, self._newest = self._newest, None
        self._job = self._worker.request(self._task, arguments, self._done)

    def _done(self, result: dict | None, error: Exception | None) -> None:
        self._job = None
        if self._newest is not None:
            self._go()
        if not isinstance(error, Cancelled):
            self._on_done(result, error)


_workers: dict[str, Worker] = {}


def geometry_worker() -> Worker:
    """Return the worker for frames and scar masks: it needs nothing that Slicer doesn't bring."""
    return _worker("geometry", "--one-thread")


def model_worker() -> Worker:
    """Return the worker that keeps the networks warm.

    Before its first use the user is asked to install what is missing; raises what ``ensure_packages`` does.
    """
    if "models" not in _workers:
        ensure_packages()
    return _worker("models")


def close_workers(*_args) -> None:
    """End both workers."""
    for worker in _workers.values():
        worker.close()


def _worker(name: str, *options: str) -> Worker:
    if not _workers:
        slicer.app.aboutToQuit.connect(close_workers)
    if name not in _workers:
        _workers[name] = Worker(name=name, options=options)
    return _workers[name]
