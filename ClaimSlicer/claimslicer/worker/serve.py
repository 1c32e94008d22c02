"""The worker's loop: requests answered one after the other, cancel and signs of life beside it."""

from __future__ import annotations

import argparse
import faulthandler
import gc
import json
import os
import queue
import shutil
import sys
import threading
import time
import traceback
from pathlib import Path
from typing import Any, BinaryIO

HEARTBEAT_SECONDS = 1.0


def main(arguments: list[str] | None = None) -> None:
    """Serve stdin and stdout until stdin closes."""
    parser = argparse.ArgumentParser(prog="python -m claimslicer.worker", description=__doc__)
    parser.add_argument("--log", type=Path, required=True, help="file for all that libraries print")
    parser.add_argument("--one-thread", action="store_true", help="no threads for small matrices")
    options = parser.parse_args(arguments)
    if options.one_thread:
        # Read when NumPy is imported, which nothing has done yet. On a busy computer, threads that wait for
        # each other over matrices of three columns double the time of a scar mask.
        os.environ["OPENBLAS_NUM_THREADS"] = os.environ["OMP_NUM_THREADS"] = "1"
    requests, answers = take_pipes(options.log)
    server = Server(requests, Answers(answers))
    for work in (server.read, server.show_life):
        threading.Thread(target=work, daemon=True).start()
    server.serve()


def take_pipes(log: Path) -> tuple[BinaryIO, BinaryIO]:
    """Return stdin and stdout for the protocol alone; whatever else is printed goes to ``log``.

    Nothing else may read our stdin either: on Windows a library that only asks for its type would wait for
    the reader thread.
    """
    requests, answers = os.fdopen(os.dup(0), "rb"), os.fdopen(os.dup(1), "wb", buffering=0)
    with log.open("ab") as stream, Path(os.devnull).open("rb") as nothing:
        os.dup2(nothing.fileno(), 0)
        for descriptor in (1, 2):
            os.dup2(stream.fileno(), descriptor)
    for text in (sys.stdout, sys.stderr):
        text.reconfigure(encoding="utf-8", errors="backslashreplace", line_buffering=True)  # type: ignore
    faulthandler.enable(all_threads=False)
    return requests, answers


class Answers:
    """Writes JSON lines, from any thread."""

    def __init__(self, stream: BinaryIO) -> None:
        self._stream = stream
        self._lock = threading.Lock()

    def write(self, event: str, **values: Any) -> None:
        """Write a line; when nobody can read it any more, the process ends."""
        line = json.dumps({"event": event, **values}).encode() + b"\n"
        try:
            with self._lock:
                self._stream.write(line)
        except OSError:
            os._exit(1)


class RequestEvents:
    """Passes the progress of request ``number`` on, and raises Cancelled from there when it is cancelled."""

    def __init__(self, number: int, server: Server) -> None:
        self._number = number
        self._server = server

    def progress(self, stage: str, fraction: float, message: str = "") -> None:
        """Report how far the request is."""
        self._server.check_cancelled(self._number)
        self._server.answers.write(
            "progress", request=self._number, fraction=round(float(fraction), 4), message=message or stage
        )

    def emit(self, kind: str, **values: Any) -> None:
        """Drop it: tasks report their results when they are done."""


class Server:
    """Requests from one stream, answers to another; ``serve`` runs in the main thread, the rest beside it."""

    def __init__(self, requests: BinaryIO, answers: Answers) -> None:
        self.answers = answers
        self._requests = requests
        self._waiting: queue.SimpleQueue[dict[str, Any]] = queue.SimpleQueue()
        self._cancelled: set[int] = set()
        self._folders: set[Path] = set()

    def read(self) -> None:
        """Take requests and cancels until the pipe closes; then end the process, whatever it computes."""
        for line in self._requests:
            try:
                message = json.loads(line)
                if "cancel" in message:
                    self._cancelled.add(message["cancel"])
                    continue
                self._folders.add(Path(message["folder"]))
                self._waiting.put(message)
            except (ValueError, TypeError, KeyError):
                traceback.print_exc()
                self.answers.write("failed", request=None, kind="internal", message=f"No request: {line!r}")
        # Slicer is gone, maybe killed: no patient's images stay behind.
        for folder in self._folders:
            shutil.rmtree(folder, ignore_errors=True)
        os._exit(0)

    def show_life(self) -> None:
        """Say every second that the process lives, and the memory in use where that can be known."""
        while True:
            self.answers.write("alive", memory_mb=memory_mb())
            time.sleep(HEARTBEAT_SECONDS)

    def serve(self) -> None:
        """Answer requests for ever."""
        # Only now, so that the first sign of life doesn't wait for NumPy.
        from claimslicer.worker.context import Context

        context = Context()
        while True:
            message = self._waiting.get()
            context.events = RequestEvents(message["request"], self)
            self._answer(message, context)
            self._cancelled.discard(message["request"])

    def check_cancelled(self, number: int) -> None:
        """Raise Cancelled when the request ``number`` was cancelled."""
        from claimslicer.errors import Cancelled

        if number in self._cancelled:
            raise Cancelled("Stopped.")

    def _answer(self, message: dict[str, Any], context: Any) -> None:
        from claimslicer.errors import ClaimError
        from claimslicer.outputs import output_error
        from claimslicer.worker.messages import pack, unpack
        from claimslicer.worker.tasks import find_task

        number, folder = message["request"], Path(message["folder"])
        try:
            self.check_cancelled(number)
            result = find_task(message["task"])(context, unpack(message["arguments"], folder))
            try:
                packed = pack(result, folder, "result")
            except OSError as error:
                raise output_error(folder, error) from error
            self.answers.write("done", request=number, result=packed)
        except ClaimError as error:
            self._fail(number, type(error).__name__, str(error))
        except Exception as error:
            traceback.print_exc()
            gc.collect()
            if is_out_of_memory(error):
                self._fail(number, "memory", MEMORY_SENTENCE)
            else:
                self._fail(number, "internal", f"{type(error).__name__}: {error}")

    def _fail(self, number: int, kind: str, message: str) -> None:
        self.answers.write("failed", request=number, kind=kind, message=message)


MEMORY_SENTENCE = (
    "The memory was not enough: close other programs, or choose the CPU where the graphics card ran out."
)


def is_out_of_memory(error: Exception) -> bool:
    """Say whether Python or torch had no memory left, on whatever device."""
    # torch has a class of its own for CUDA only; elsewhere the words tell.
    words = str(error).lower()
    return isinstance(error, MemoryError) or (
        isinstance(error, RuntimeError) and ("out of memory" in words or "can't allocate memory" in words)
    )


def memory_mb() -> int | None:
    """Return the memory that this process uses, None without psutil."""
    try:
        import psutil
    except ModuleNotFoundError:
        return None
    return psutil.Process().memory_info().rss >> 20
