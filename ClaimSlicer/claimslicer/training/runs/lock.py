"""A lock on a run's folder, held by the operating system for as long as the process lives.

It can't be left behind: it goes with the process, however that ends. And it can't be mistaken, as a process
number can that a later process got again.
"""

from __future__ import annotations

import errno
import os
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from claimslicer.errors import OutputError
from claimslicer.outputs import output_error

_TAKEN = frozenset((errno.EACCES, errno.EAGAIN, errno.EDEADLK))
PATIENCE_SECONDS = 2.0
"""A look at the lock takes it for an instant; whoever means to hold it tries for so long."""


def _try(stream: IO[bytes]) -> bool:
    """Take the lock if it is free; closing ``stream`` gives it back."""
    try:
        if sys.platform == "win32":
            import msvcrt

            msvcrt.locking(stream.fileno(), msvcrt.LK_NBLCK, 1)
        else:
            import fcntl

            fcntl.flock(stream.fileno(), fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        if error.errno in _TAKEN:
            return False
        raise
    return True


@contextmanager
def held(path: Path) -> Iterator[None]:
    """Hold the lock ``path`` during the block. Raises OutputError when another process has it."""
    end = time.monotonic() + PATIENCE_SECONDS
    try:
        stream = path.open("ab")
    except OSError as error:
        raise output_error(path, error) from error
    with stream:
        while not _try_or_explain(stream, path):
            if time.monotonic() > end:
                raise OutputError(f"Another process works in {path.parent}: wait for its end, or pause it.")
            time.sleep(0.05)
        yield


def _try_or_explain(stream: IO[bytes], path: Path) -> bool:
    try:
        return _try(stream)
    except OSError as error:
        raise OutputError(
            f"The disk of {path.parent} can't lock files ({error.strerror}): choose a folder on another one."
        ) from error


def is_held(path: Path) -> bool:
    """Say whether a living process holds the lock ``path``."""
    try:
        with path.open("rb+" if os.access(path, os.W_OK) else "rb") as stream:
            return not _try(stream)
    except FileNotFoundError:
        return False
