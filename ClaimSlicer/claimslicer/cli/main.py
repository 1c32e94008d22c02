"""The entry point: commands, exit codes, and the one place where errors become a sentence.

Exit codes: 0 success, 2 bad input, 1 our own failure, 130 cancelled.
"""

from __future__ import annotations

import difflib
import errno
import os
import platform
import signal
import sys
import tempfile
import traceback
from pathlib import Path
from typing import Annotated, Any, NoReturn

import typer

from claimslicer import __version__
from claimslicer.cli import (
    agreement,
    anatomy,
    cohort,
    demo,
    dicom,
    doctor,
    evaluate,
    experiment,
    inspect,
    models,
    nnunet,
    quantify,
    reproduce,
    segment,
    smile,
    synthesize,
    train,
)
from claimslicer.errors import Cancelled, ClaimError, OutputError
from claimslicer.parent import end_with_parent

app = typer.Typer(
    name="claim-slicer",
    help="Author, synthesise, segment and measure myocardial scar in LGE MRI. "
    "Research use only, not for diagnosis. Nothing is sent anywhere.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
app.command("demo")(demo.demo)
app.command("inspect")(inspect.inspect)
app.command("anatomy")(anatomy.anatomy)
app.command("smile")(smile.smile)
app.command("synthesize")(synthesize.synthesize)
app.command("segment")(segment.segment)
app.command("quantify")(quantify.quantify)
app.command("agreement")(agreement.agreement)
app.command("dicom")(dicom.dicom)
app.command("cohort")(cohort.cohort)
app.command("reproduce")(reproduce.reproduce)
app.add_typer(train.app, name="train")
app.add_typer(nnunet.app, name="nnunet")
app.add_typer(models.app, name="models")
app.command("evaluate")(evaluate.evaluate)
app.command("experiment")(experiment.experiment)
app.command("doctor")(doctor.doctor)


def _print_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"claim-slicer {__version__}")
        raise typer.Exit


@app.callback()
def _options(
    version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version.")
    ] = False,
    debug: Annotated[bool, typer.Option("--debug", help="Show the traceback of an error.")] = False,
) -> None:
    """Options that stand before the command; ``--debug`` is read in :func:`main`, where errors end up."""


def main() -> None:
    """Run the command line and end the process with its exit code."""
    end_with_parent()  # a process of a training in several
    debug = "--debug" in sys.argv[1:2]
    # A cluster stops work with SIGTERM: end it as Ctrl-C does, so that nothing is left half-written.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        # Not standalone, so that a misspelt option ends up here too and not in a box of its own.
        code = app(standalone_mode=False)
        sys.exit(code if isinstance(code, int) else 0)
    except KeyboardInterrupt:
        _end(Cancelled("Stopped; nothing was written."), debug)
    except ClaimError as error:
        _end(error, debug)
    except MemoryError:
        _end(ClaimError("The memory of this computer is not enough: close other programs."), debug)
    except BrokenPipeError:
        # Whoever read our output has gone. Python would complain once more when it flushes at the end.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(1)
    except OSError as error:
        if error.errno not in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
            _end_unexpected(debug)
        _end(OutputError("The disk is full: free some space and try again."), debug)
    except Exception as error:
        if type(error).__name__ == "Abort":
            _end(Cancelled("Stopped; nothing was written."), debug)
        if hasattr(error, "format_message"):
            _end_usage(error)
        _end_unexpected(debug)


def _end_usage(error: Any) -> NoReturn:
    """Answer a command, option or value that there isn't in one sentence, with what was probably meant.

    ``error`` is a usage error of Click's, whether Typer brings Click along or has it installed.
    """
    context: Any = getattr(error, "ctx", None)
    command = "claim-slicer" if context is None else " ".join(_names(context))
    if type(error).__name__ == "NoArgsIsHelpError":
        typer.echo(context.get_help(), err=True)
        sys.exit(2)
    message = " ".join(str(error.format_message()).split()).rstrip(".")
    if near := getattr(error, "possibilities", None):
        wanted = str(getattr(error, "option_name", ""))
        best = difflib.get_close_matches(wanted, near, 1, 0) or list(near)
        message = f"No such option: {wanted}; did you mean {best[0]}?"
    elif "Did you mean" in message:
        message = message.replace(". Did you mean", "; did you mean")
    ending = "" if message.endswith("?") else f"; see {command} --help."
    typer.echo(message + ending, err=True)
    sys.exit(2)


def _names(context: Any) -> list[str]:
    """Return the words of the command that ``context`` belongs to."""
    names = []
    while context is not None:
        names.append("claim-slicer" if context.parent is None else str(context.info_name))
        context = context.parent
    return names[::-1]


def _end(error: ClaimError, debug: bool) -> None:
    if debug:
        traceback.print_exc()
    typer.echo(" ".join(str(error).split()), err=True)
    sys.exit(error.exit_code)


def _end_unexpected(debug: bool) -> None:
    """Own up to a failure of the program: one sentence, the traceback shown or kept in a file."""
    error = sys.exc_info()[1]
    if debug:
        traceback.print_exc()
    log = Path(tempfile.gettempdir()) / f"claim-slicer-{os.getpid()}.log"
    header = f"claim-slicer {__version__}, Python {platform.python_version()}, {platform.platform()}\n"
    try:
        log.write_text(header + traceback.format_exc(), encoding="utf-8")
        kept = f"please report it with {log}"
    except OSError:
        kept = "please report it with what --debug before the command shows"
    summary = " ".join(f"{type(error).__name__}: {error}".split())[:200]
    typer.echo(f"The program failed ({summary}): {kept}.", err=True)
    sys.exit(1)


if __name__ == "__main__":
    main()
