"""What only POSIX has is refused, and the program has none of it."""

import importlib
import sys
from pathlib import Path

import pytest

TESTING = Path(__file__).resolve().parents[1]


@pytest.fixture
def lint(monkeypatch):
    monkeypatch.setattr(sys, "path", [str(TESTING), *sys.path])
    return importlib.import_module("portable_lint")


@pytest.mark.parametrize(
    ("source", "found"),
    [
        ("import fcntl", True),
        ("if sys.platform == 'win32':\n    import msvcrt\nelse:\n    import fcntl", False),
        ("os.kill(number, signal.SIGKILL)", True),
        ("os.kill(number, signal.SIGTERM)", False),
        ("subprocess.Popen(words, start_new_session=True)", True),
        ("options = {} if os.name == 'nt' else dict(start_new_session=True)", False),
        ("folder = '/tmp/made'", True),
        ("said = '/tmp is where it lies'", False),
        ("path.read_text()", True),
        ("path.read_text(encoding='utf-8')", False),
        ("path.write_text(text, 'utf-8')", False),
        ("path.write_text(text)", True),
        ("write_text(path, text)", False),
        ("open(path)", True),
        ("open(path, 'rb')", False),
        ("path.open('a')", True),
        ("path.open('rb')", False),
        ("Image.open(path)", False),
        ("multiprocessing.get_context('fork')", True),
        ("multiprocessing.get_context('spawn')", False),
        ("subprocess.run(words, shell=True)", True),
    ],
)
def test_posix_only_code_is_found(lint, source, found):
    assert bool(lint.findings(source)) is found


def test_the_program_has_nothing_that_only_posix_has(lint, capsys):
    assert lint.main([]) == 0, capsys.readouterr().out
