"""Refuse what only POSIX systems have: the program is to run on Windows and macOS, where it isn't tested yet.

    python Testing/portable_lint.py [FILE...]

A call, module or signal that Windows lacks may stand in a function that asks which system this is
(``sys.platform``, ``os.name``, ``hasattr``). Text is read and written with its encoding named, as Windows has
another one by default.
"""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[1]
FOLDERS = ("ClaimSlicer", "SMILEModule", "SynthesisModule", "SegmentationModule")

MODULES = frozenset(("fcntl", "grp", "posix", "pty", "pwd", "resource", "syslog", "termios", "tty"))
MEMBERS = {
    "os": frozenset(("chown", "fork", "forkpty", "geteuid", "getgid", "getloadavg", "getpgid", "getuid"))
    | {"killpg", "mkfifo", "nice", "sched_getaffinity", "sched_setaffinity", "setpgrp", "setsid", "statvfs"}
    | {"sysconf", "uname"},
    "signal": frozenset(
        ("SIGALRM", "SIGCHLD", "SIGHUP", "SIGKILL", "SIGPIPE", "SIGQUIT", "SIGUSR1", "SIGUSR2")
    )
    | {"alarm", "pause", "pthread_kill", "pthread_sigmask", "setitimer", "sigwait"},
}
KEYWORDS = frozenset(("preexec_fn", "start_new_session", "process_group", "pass_fds"))
PLACES = ("/tmp", "/dev/", "/proc/", "/usr/", "/etc/", "/bin/", "/var/", "/home/")
GUARDS = ("sys.platform", "os.name", "hasattr(")
TEXT = {"read_text": 0, "write_text": 1}
"""Methods of a path, and which argument is the encoding."""


@dataclass(frozen=True)
class Finding:
    """What is wrong, and in which line."""

    line: int
    what: str


def findings(source: str) -> list[Finding]:
    """Return what only POSIX has in a file's text."""
    return sorted(_look(ast.parse(source), guarded=False), key=lambda one: one.line)


def _look(node: ast.AST, guarded: bool) -> Iterator[Finding]:
    if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.If | ast.IfExp):
        # A function that asks for the system anywhere is taken to know what it does.
        guarded = guarded or any(guard in ast.unparse(node) for guard in GUARDS)
    line = getattr(node, "lineno", 0)
    if not guarded:
        yield from (Finding(line, f"{name}: Windows doesn't have it") for name in _posix_only(node))
    if isinstance(node, ast.Call):
        yield from (Finding(line, what) for what in _of_call(node))
    for child in ast.iter_child_nodes(node):
        yield from _look(child, guarded)


def _posix_only(node: ast.AST) -> Iterator[str]:
    if isinstance(node, ast.Import):
        yield from (alias.name for alias in node.names if alias.name in MODULES)
    elif isinstance(node, ast.ImportFrom) and node.module in MODULES:
        yield str(node.module)
    elif isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
        if node.attr in MEMBERS.get(node.value.id, ()):
            yield f"{node.value.id}.{node.attr}"
    elif isinstance(node, ast.keyword) and node.arg in KEYWORDS:
        yield node.arg
    elif isinstance(node, ast.Constant) and str(node.value).startswith(PLACES) and " " not in str(node.value):
        yield f"the path {node.value}"


def _of_call(node: ast.Call) -> Iterator[str]:
    name = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
    given = {keyword.arg: keyword.value for keyword in node.keywords}
    method = isinstance(node.func, ast.Attribute)
    if name in TEXT and method and "encoding" not in given and len(node.args) <= TEXT[name]:
        yield f"{name} without encoding"
    if name == "open" and "encoding" not in given and _is_text(node, method):
        yield "open without encoding, or without a mode that says binary"
    if name == "get_context" and node.args and getattr(node.args[0], "value", "") == "fork":
        yield "processes that are forked: Windows and macOS need them spawned"
    if isinstance(given.get("shell"), ast.Constant) and given["shell"].value:  # type: ignore[attr-defined]
        yield "shell=True: shells differ"


def _is_text(node: ast.Call, method: bool) -> bool:
    """Say whether a call of ``open`` opens text: Python's own, or a path's, which is told by its mode."""
    modes = [keyword.value for keyword in node.keywords if keyword.arg == "mode"]
    modes = modes or node.args[0 if method else 1 :][:1]
    if not modes:
        return not method or not node.args
    mode = modes[0].value if isinstance(modes[0], ast.Constant) else None
    return isinstance(mode, str) and set(mode) <= set("rwax+t")


def main(arguments: list[str]) -> int:
    """Print what is found in the files named, or in all; return 1 where there is something."""
    chosen = [Path(name) for name in arguments]
    files = chosen or sorted(path for folder in FOLDERS for path in (REPOSITORY / folder).rglob("*.py"))
    wrong = 0
    for path in files:
        for finding in findings(path.read_text(encoding="utf-8")):
            print(f"{path}:{finding.line}: {finding.what}")
            wrong += 1
    print(f"{len(files)} files hold nothing that only POSIX has." if not wrong else f"{wrong} found.")
    return int(bool(wrong))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
