"""Writing results whole or not at all, and finding out early that a place can't be written."""

from __future__ import annotations

import errno
import math
import os
import tempfile
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Any

from claimslicer.errors import OutputError

TURN_S = 5.0
"""Putting two files in place takes milliseconds; a turn that lasts longer was left by a killed process."""
_REASONS = {
    errno.ENOSPC: "the disk is full: free some space or choose another place",
    errno.EDQUOT: "your disk quota is used up: free some space or choose another place",
    errno.EFBIG: "the file would be larger than this system allows: choose another place",
    errno.EACCES: "you may not write there: choose another place",
    errno.EPERM: "you may not write there: choose another place",
    errno.EROFS: "the disk is read-only: choose another place",
    errno.ENOTDIR: "a file stands where a folder is needed: choose another place",
    errno.EEXIST: "a file stands where a folder is needed: choose another place",
    errno.EISDIR: "it is a folder: give the name of a file",
}


def output_error(path: Path, error: OSError) -> OutputError:
    """Return the sentence that explains why ``path`` could not be written."""
    reason = _REASONS.get(error.errno or 0, f"{error.strerror or error}: choose another place")
    return OutputError(f"Can't write {path}: {reason}.")


def make_folder(folder: Path) -> Path:
    """Make ``folder`` and its parents where missing, and prove that a file can be made in it.

    Raises OutputError when it can't be written.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            return folder
    except OSError as error:
        raise output_error(folder, error) from error


@contextmanager
def folder_for(folder: Path) -> Iterator[Path]:
    """Make ``folder`` as :func:`make_folder` does; where the block fails, those made are removed if empty."""
    made = [path for path in (folder, *folder.parents) if not path.exists()]
    try:
        yield make_folder(folder)
    except BaseException:
        for path in made:
            with suppress(OSError):
                path.rmdir()
        raise


@contextmanager
def all_or_none(files: Sequence[Path]) -> Iterator[None]:
    """Write several ``files`` in the block: when it fails, those that weren't there before are removed."""
    new = [file for file in files if not file.exists()]
    try:
        yield
    except BaseException:
        for file in new:
            if file.parent.is_dir():
                file.unlink(missing_ok=True)
        raise


def check_outside(out: Path, data: Path) -> None:
    """Raise OutputError where ``out`` is the folder ``data`` or lies in it: results would be read as data."""
    if data.is_dir() and out.resolve().is_relative_to(data.resolve()):
        raise OutputError(
            f"{out} lies in {data}, where studies are read from, and would be taken for one: choose a place "
            "outside."
        )


def check_folder(folder: Path) -> Path:
    """Prove, before any long work, that a folder can be made and written to; nothing is made yet.

    Raises OutputError.
    """
    place = next(path for path in (folder.absolute(), *folder.absolute().parents) if path.exists())
    try:
        with tempfile.TemporaryFile(dir=place):
            return folder
    except OSError as error:
        raise output_error(folder, error) from error


def check_no_input(file: Path, inputs: Iterable[str | Path]) -> Path:
    """Raise OutputError where ``file`` is an input of the work that would write it, or lies in one."""
    for given in map(Path, inputs):
        if not (file.exists() and given.exists()):
            continue
        inside = given.is_dir() and file.resolve().is_relative_to(given.resolve())
        if inside or file.samefile(given):
            raise OutputError(f"{file} belongs to the input and is never written over; choose another name.")
    return file


def check_output(path: Path) -> Path:
    """Prove, before any long work, that the file ``path`` can be written; nothing is left behind.

    Folders that are missing will be made by the writer; the nearest one that is there must let us.
    Raises OutputError.
    """
    if path.is_dir():
        raise output_error(path, IsADirectoryError(errno.EISDIR, "is a directory"))
    folder = next(parent for parent in path.absolute().parents if parent.exists())
    try:
        with tempfile.TemporaryFile(dir=folder):
            return path
    except OSError as error:
        raise output_error(path, error) from error


@contextmanager
def written_whole(path: Path) -> Iterator[Path]:
    """Give a temporary path beside ``path`` to write to; it becomes ``path`` when the block ends well.

    The temporary name keeps the suffixes of ``path``. Raises OutputError when the place can't be written;
    whatever goes wrong, no temporary file is left and an older ``path`` stays as it was.
    Parent folders are made.
    """
    temporary = path.with_name(f".{os.getpid()}-{path.name}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        yield temporary
        temporary.replace(path)
    except OSError as error:
        raise output_error(path, error) from error
    finally:
        # What can't be removed any more, on a disk that became read-only, is hidden by its name.
        with suppress(OSError):
            temporary.unlink(missing_ok=True)


@contextmanager
def written_with(path: Path, beside: Path) -> Iterator[tuple[Path, Path]]:
    """Give temporary paths for ``path`` and for ``beside``, which says what is in it, such as a recipe.

    The older ``beside`` goes before ``path`` is replaced and the newer one comes after it, so that whatever
    stops the program, a new file never stands beside what was said of an old one. Otherwise as
    :func:`written_whole`.
    """
    aside = beside.with_name(f".{os.getpid()}-before-{beside.name}")
    said = beside.with_name(f".{os.getpid()}-{beside.name}")
    try:
        with ExitStack() as alone:
            with written_whole(path) as temporary:
                yield temporary, said
                alone.enter_context(_turn(path))
                if beside.exists():
                    beside.replace(aside)
            said.replace(beside)
    except OSError as error:
        raise output_error(path, error) from error
    except OutputError:
        if aside.exists() and not beside.exists():
            aside.replace(beside)
        raise
    finally:
        for left in (said, aside):
            with suppress(OSError):
                left.unlink(missing_ok=True)


@contextmanager
def _turn(path: Path) -> Iterator[None]:
    """Let one process at a time put its files in place, so that both are of one; it takes no time.

    What a process that was killed left of its turn counts no more after :data:`TURN_S`.
    """
    lock = path.with_name(f".{path.name}.turn")
    while True:
        try:
            os.close(os.open(lock, os.O_CREAT | os.O_EXCL | os.O_WRONLY))
            break
        except (FileExistsError, PermissionError) as error:
            if isinstance(error, PermissionError) and os.name != "nt":
                raise  # Windows denies what is being removed, others what may not be written
            with suppress(OSError):
                if time.time() - lock.stat().st_mtime > TURN_S:
                    lock.unlink(missing_ok=True)
            time.sleep(0.01)
    try:
        yield
    finally:
        with suppress(OSError):
            lock.unlink(missing_ok=True)


def write_text(path: Path, text: str) -> None:
    """Write ``text`` to ``path`` as UTF-8, whole or not at all. Raises OutputError."""
    with written_whole(path) as temporary:
        temporary.write_text(text, encoding="utf-8", newline="\n")


def without_nan(value: Any) -> Any:
    """Return JSON types with null for numbers that JSON doesn't have: not a number, infinite."""
    if isinstance(value, dict):
        return {key: without_nan(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [without_nan(item) for item in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
