"""What a command tells while it works: progress bars for people, JSON lines for programs."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import IO, TYPE_CHECKING, Annotated, Any, Protocol

import typer

from claimslicer import __version__
from claimslicer.errors import Cancelled, ClaimError, OutputError
from claimslicer.events import SILENT, EventFanOut, Events, JsonEvents
from claimslicer.outputs import output_error

if TYPE_CHECKING:
    from rich.console import Console
    from rich.progress import Progress, TaskID

EventsOption = Annotated[
    str | None,
    typer.Option(
        "--events",
        metavar="FILE|-",
        help="Write JSON-lines events to a file, or to standard output.",
        show_default=False,
    ),
]

LINES_EVERY_S = 10.0


class TerminalEvents:
    """Draws a bar for each stage, and prints other events as lines; receives what :class:`Events` does."""

    def __init__(self, progress: Progress) -> None:
        self._progress = progress
        self._bars: dict[str, TaskID] = {}

    def progress(self, stage: str, fraction: float, message: str = "") -> None:
        """Move the bar of ``stage``."""
        if stage not in self._bars:
            self._bars[stage] = self._progress.add_task(stage, total=1.0, message="")
        self._progress.update(self._bars[stage], completed=fraction, message=message)

    def emit(self, kind: str, **values: Any) -> None:
        """Print a line above the bars, which show themselves what ``metrics`` tell."""
        if kind == "metrics":
            return
        self._progress.console.print(_line(kind, values), highlight=False, markup=False)


class LineEvents:
    """Prints lines where no bars can be drawn, such as to a file: now and then how far a stage is.

    A line of progress comes ``LINES_EVERY_S`` after the last line at the earliest, and of each stage one a
    per cent at most.
    """

    def __init__(self, console: Console, clock: Callable[[], float] = time.monotonic) -> None:
        self._console, self._clock = console, clock
        self._last_s = clock()
        self._percents: dict[str, int] = {}

    def progress(self, stage: str, fraction: float, message: str = "") -> None:
        """Print a line, if it is time for one."""
        percent = int(100 * fraction)
        if self._clock() - self._last_s >= LINES_EVERY_S and self._percents.get(stage) != percent:
            self._percents[stage] = percent
            self._print(f"{stage}: {percent} %" + (f", {message}" if message else ""))

    def emit(self, kind: str, **values: Any) -> None:
        """Print a line, but for ``metrics``, which progress tells too."""
        if kind != "metrics":
            self._print(_line(kind, values))

    def _print(self, text: str) -> None:
        self._last_s = self._clock()
        self._console.print(text, highlight=False, markup=False, soft_wrap=True)


def _line(kind: str, values: dict[str, Any]) -> str:
    text = values.get("message") or ", ".join(f"{name} {value}" for name, value in values.items())
    return f"{kind}: {text}"


class Told(Protocol):
    """Receiver of what people want to read of one study."""

    @property
    def said(self) -> Sequence[str]:
        """The lines said."""
        ...

    def say(self, text: str) -> None:
        """Tell a line for people."""
        ...

    def wrote(self, *paths: Path | None) -> None:
        """Tell which files were written."""
        ...


class Collected:
    """Keeps what was said of one study of several, for its row in a table."""

    def __init__(self) -> None:
        self.said: list[str] = []

    def say(self, text: str) -> None:
        """Keep a line."""
        self.said.append(text)

    def wrote(self, *paths: Path | None) -> None:
        """Nothing: the row names the files."""


class Report:
    """Where a command sends its events, and says what people want to read."""

    def __init__(self, events: Events, log: Events, stream: IO[str], when_stopped: str) -> None:
        self.events = events
        self.when_stopped: Callable[[], str] = lambda: when_stopped
        """What is left where Ctrl-C ends the command; it may become known while the command works."""
        self.said: list[str] = []
        self._log, self._stream = log, stream

    def record(self, kind: str, **values: Any) -> None:
        """Write an event for programs alone, of what people are told in words."""
        self._log.emit(kind, **values)

    def say(self, text: str) -> None:
        """Print a line for people: to standard output, or standard error when JSON lines go there."""
        self.said.append(text)
        typer.echo(text, file=self._stream)

    def wrote(self, *paths: Path | None) -> None:
        """Name the files that were written."""
        for path in paths:
            if path is not None:
                self.say(f"Wrote {path}")


@contextmanager
def reporting(
    command: str, events_file: str | None, when_stopped: str = "nothing was written"
) -> Iterator[Report]:
    """Report on one command: started, its progress, and finished, cancelled or failed.

    Ctrl-C becomes :class:`Cancelled`, which says ``when_stopped``. Bars are drawn on standard error where it
    is a terminal, else lines are printed there.
    """
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

    with ExitStack() as stack:
        console = Console(stderr=True)
        columns = (TextColumn("{task.description}"), BarColumn(), TextColumn("{task.percentage:>3.0f} %"))
        shown: Events = LineEvents(console)
        if console.is_terminal:
            progress = Progress(
                *columns, TimeElapsedColumn(), TextColumn("{task.fields[message]}"), console=console
            )
            shown = TerminalEvents(stack.enter_context(progress))
        log = _json_events(events_file, stack)
        stream = sys.stderr if events_file == "-" else sys.stdout
        report = Report(EventFanOut(shown, log), log, stream, when_stopped)
        log.emit("started", command=command, version=__version__)
        try:
            yield report
        except KeyboardInterrupt:
            log.emit("cancelled", command=command)
            raise Cancelled(f"Stopped; {report.when_stopped()}.") from None
        except Exception as error:
            code = error.exit_code if isinstance(error, ClaimError) else 1
            log.emit(
                "failed", command=command, error=type(error).__name__, message=str(error), exit_code=code
            )
            raise
        log.emit("finished", command=command)


def _check_events_file(path: Path) -> None:
    """Raise OutputError where ``path`` is a file that isn't of events: an input, say, would be emptied."""
    try:
        with path.open("rb") as stream:
            first = stream.readline(10_000)
    except OSError:
        return  # not there, or it can't be opened for writing either
    try:
        ours = not first or "event" in json.loads(first)
    except (ValueError, TypeError):
        ours = False
    if not ours:
        raise OutputError(f"{path} exists and holds no events: choose another name for --events.")


def _json_events(events_file: str | None, stack: ExitStack) -> Events:
    if events_file is None:
        return SILENT
    if events_file == "-":
        return JsonEvents(sys.stdout)
    path = Path(events_file)
    _check_events_file(path)
    try:
        return JsonEvents(stack.enter_context(path.open("w", encoding="utf-8", newline="\n")))
    except OSError as error:
        raise output_error(path, error) from error
