"""Running the command line as users do, inside the test's own process or in one of its own."""

import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest
from claimslicer.cli.main import main


@dataclass(frozen=True)
class Outcome:
    """How a command ended."""

    code: int
    out: str
    err: str


Cli = Callable[..., Outcome]


def run_here(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], *arguments: object
) -> Outcome:
    """Run ``claim-slicer`` in this process."""
    monkeypatch.setattr(sys, "argv", ["claim-slicer", *map(str, arguments)])
    capsys.readouterr()
    code = 0
    try:
        main()
    except SystemExit as end:
        code = int(end.code or 0)
    captured = capsys.readouterr()
    return Outcome(code, captured.out, captured.err)


def run_apart(*arguments: object, before: str = "", **options) -> Outcome:
    """Run ``claim-slicer`` in a process of its own, after the Python statements ``before``."""
    program = f"{before}\nfrom claimslicer.cli.main import main\nmain()"
    ended = subprocess.run(
        [sys.executable, "-c", program, *map(str, arguments)],
        capture_output=True,
        text=True,
        encoding="utf-8",
        check=False,
        **options,
    )
    return Outcome(ended.returncode, ended.stdout, ended.stderr)


def files_under(folder: Path) -> dict[str, bytes]:
    """Return every file under ``folder`` by its name, hidden ones too, with its content."""
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}
