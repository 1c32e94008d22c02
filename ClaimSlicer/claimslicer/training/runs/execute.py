"""What a run's process does: cache, training, model; the command line and the panel start the same."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, Any

from claimslicer import __version__
from claimslicer.errors import Cancelled, ClaimError, SpecificationError
from claimslicer.events import SILENT, EventFanOut, Events, JsonEvents
from claimslicer.outputs import output_error
from claimslicer.training.data.cache import read_case_folders, write_cache
from claimslicer.training.runs import lock
from claimslicer.training.runs.kinds import trainable
from claimslicer.training.runs.run import Run


class _WhileReading:
    """Passes events on, and ends the work at the next one when a pause is asked for."""

    def __init__(self, run: Run, events: Events) -> None:
        self._run, self._events = run, events

    def progress(self, stage: str, fraction: float, message: str = "") -> None:
        """Pass it on. Raises Cancelled when the run is to pause."""
        self._events.progress(stage, fraction, message)
        if self._run.stop_file.exists():
            self._run.stop_file.unlink(missing_ok=True)
            self._events.emit("paused", step=0)
            raise Cancelled("Paused while the studies were read: resume reads them again.")

    def emit(self, kind: str, **values: Any) -> None:
        """Pass it on."""
        self._events.emit(kind, **values)


def execute(run: Run, events: Events = SILENT) -> list[Path]:
    """Carry out ``run`` from wherever it stands; return the models' weights and, if any, the page.

    What happens goes to the run's events file and to ``events``. Raises StudyError where it is no run,
    Cancelled when it was asked to pause, other ClaimErrors for what it can't train on, OutputError when
    another process works in the folder.
    """
    _ = run.info  # raises where it is no run, before anything is written into the folder
    with lock.held(run.lock_file), _appended(run.events_file) as stream:
        for leftover in run.folder.rglob(".*-*"):  # files that a killed process had not written to their end
            leftover.unlink()
        log = EventFanOut(JsonEvents(stream), events)
        log.emit("started", run=run.name, training=run.info["kind"], pid=os.getpid(), version=__version__)
        try:
            if not run.is_finished():
                _train(run, log)
        except Cancelled:
            raise
        except KeyboardInterrupt:
            log.emit("cancelled")
            raise
        except BaseException as error:
            with suppress(OSError):  # where the disk is full this can't be said either
                log.emit("failed", error=type(error).__name__, message=explain(error))
            raise
        log.emit("finished", weights=[path.name for path in run.weights])
    return [*run.weights, *(page for page in [run.report] if page.exists())]


def _train(run: Run, events: Events) -> None:
    parts = trainable(run.info["kind"]).load()
    config = parts.config.from_yaml(run.config_file)
    if config.devices * config.nodes > 1:
        raise SpecificationError(
            f"A run in a folder uses one device: set 'devices' and 'nodes' to 1, or use 'claim-slicer train "
            f"{run.info['kind']} {run.config_file.name}'."
        )
    if not getattr(config, "joint_steps", 1):
        raise SpecificationError("A run in a folder ends with both networks: set 'joint_steps' to 1 or more.")
    own = config.cache.parent == config.out
    if own and not config.cache.exists():
        write_cache(config.cache, read_case_folders(Path(run.info["data"]), _WhileReading(run, events)))
    parts.train(config, resume=True, events=events)
    if own:
        config.cache.unlink(missing_ok=True)  # no copy of patients' images is kept longer than needed


def explain(error: BaseException) -> str:
    """Return the sentence for people that says why a training failed."""
    text = " ".join(str(error).split())
    return known_cause(error) or (
        f"The program failed ({type(error).__name__}: {text[:200]}): the log has the details."
    )


def known_cause(error: BaseException) -> str:
    """Return the sentence for people where they can do something about ``error``, else nothing."""
    if isinstance(error, ClaimError):
        return str(error)
    text = str(error)
    if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT):
        return "The disk is full: free some space and resume."
    if isinstance(error, MemoryError) or "out of memory" in text or "not enough memory" in text:
        return (
            "The device's memory is not enough: close other programs, or begin a new run with a smaller "
            "'batch_size' or on another device."
        )
    return ""


@contextmanager
def _appended(path: Path) -> Iterator[IO[str]]:
    """Open ``path`` for more lines; one that a killed process left unfinished is closed first."""
    try:
        stream = path.open("a", encoding="utf-8", newline="\n")
    except OSError as error:
        raise output_error(path, error) from error
    with stream:
        if path.stat().st_size and not _ends_with_newline(path):
            stream.write("\n")
        yield stream


def _ends_with_newline(path: Path) -> bool:
    with path.open("rb") as stream:
        stream.seek(-1, os.SEEK_END)
        return stream.read(1) == b"\n"
