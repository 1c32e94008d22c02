"""How long work reports its progress and is asked to stop: the same for terminal, panel and log file.

A computation takes ``events: Events = SILENT`` and calls ``events.progress(...)`` between steps. The receiver
may raise :class:`claimslicer.errors.Cancelled` from there; nothing is written before the last step.
"""

from __future__ import annotations

import json
import time
from typing import IO, Any, Protocol


class Events(Protocol):
    """Receiver of events."""

    def progress(self, stage: str, fraction: float, message: str = "") -> None:
        """``fraction`` of ``stage`` (0–1) is done."""
        ...

    def emit(self, kind: str, **values: Any) -> None:
        """Report anything else by name; values are JSON types."""
        ...


class SilentEvents:
    """Drops everything."""

    def progress(self, stage: str, fraction: float, message: str = "") -> None:
        """Drop it."""

    def emit(self, kind: str, **values: Any) -> None:
        """Drop it."""


SILENT: Events = SilentEvents()


class JsonEvents:
    """Writes one JSON object a line: ``{"time": …, "event": …, …}``."""

    def __init__(self, stream: IO[str]) -> None:
        self._stream = stream

    def progress(self, stage: str, fraction: float, message: str = "") -> None:
        """Write a progress line."""
        self.emit("progress", stage=stage, fraction=round(float(fraction), 4), message=message)

    def emit(self, kind: str, **values: Any) -> None:
        """Write a line at once, so that a reader of the stream sees it."""
        record = {"time": round(time.time(), 3), "event": kind, **values}
        self._stream.write(json.dumps(record) + "\n")
        self._stream.flush()


class EventFanOut:
    """Passes every event on to several receivers."""

    def __init__(self, *receivers: Events) -> None:
        self._receivers = receivers

    def progress(self, stage: str, fraction: float, message: str = "") -> None:
        """Pass it on."""
        for receiver in self._receivers:
            receiver.progress(stage, fraction, message)

    def emit(self, kind: str, **values: Any) -> None:
        """Pass it on."""
        for receiver in self._receivers:
            receiver.emit(kind, **values)
