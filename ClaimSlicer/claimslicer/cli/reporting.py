"""What a command tells while it works: progress bars for people, JSON lines for programs."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import IO, TYPE_CHECKING, Annotated, Any

import typer

from claimslicer import __version__
from claimslicer.errors import Cancelled, ClaimError
from claimslicer.events import SILENT, EventFanOut, Events, JsonEvents
from claimslicer.outputs import output_error

if TYPE_CHECKING:
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
        text = values.get("message") or ", ".join(f"{name} {value}" for name, value in values.items())
        self._progress.console.print(f"{kind}: {text}", highlight=False, markup=False)


class Report:
    """Where a command sends its events, and says what people want to read."""

    def __init__(self, events: Events, stream: IO[str]) -> None:
        self.events = events
        self._stream = stream

    def say(self, text: str) -> None:
        """Print a line for people: to standard output, or standard error when JSON lines go there."""
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
    is a terminal.
    """
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

    with ExitStack() as stack:
        console = Console(stderr=True)
        columns = (TextColumn("{task.description}"), BarColumn(), TextColumn("{task.percentage:>3.0f} %"))
        progress = Progress(
            *columns,
            TimeElapsedColumn(),
            TextColumn("{task.fields[message]}"),
            console=console,
            disable=not console.is_terminal,
        )
        terminal = TerminalEvents(stack.enter_context(progress))
        log = _json_events(events_file, stack)
        report = Report(EventFanOut(terminal, log), sys.stderr if events_file == "-" else sys.stdout)
        log.emit("started", command=command, version=__version__)
        try:
            yield report
        except KeyboardInterrupt:
            log.emit("cancelled", command=command)
            raise Cancelled(f"Stopped; {when_stopped}.") from None
        except Exception as error:
            code = error.exit_code if isinstance(error, ClaimError) else 1
            log.emit(
                "failed", command=command, error=type(error).__name__, message=str(error), exit_code=code
            )
            raise
        log.emit("finished", command=command)


def _json_events(events_file: str | None, stack: ExitStack) -> Events:
    if events_file is None:
        return SILENT
    if events_file == "-":
        return JsonEvents(sys.stdout)
    path = Path(events_file)
    try:
        return JsonEvents(stack.enter_context(path.open("w", encoding="utf-8", newline="\n")))
    except OSError as error:
        raise output_error(path, error) from error
