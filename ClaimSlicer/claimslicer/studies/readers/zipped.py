"""Zip files, as hospitals' portals hand studies out: unpacked for reading, within limits."""

from __future__ import annotations

import shutil
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from tempfile import TemporaryDirectory

from claimslicer.errors import StudyError

MAX_BYTES = 2**31
"""What the files of a zip may come to, unpacked."""
MAX_FILES = 20_000
_CHUNK = 2**20


def is_zip(path: Path) -> bool:
    """Say whether ``path`` is called a zip file."""
    return path.is_file() and path.suffix.lower() == ".zip"


@contextmanager
def unpacked(path: Path) -> Iterator[Path]:
    """Give a folder that holds what is in the zip file ``path`` for as long as the block runs.

    Where all of it lies in one folder, that is given. Raises StudyError for a damaged file, one with a
    password, and one that would unpack to more than a study needs.
    """
    with TemporaryDirectory(prefix="claim-zip-", ignore_cleanup_errors=True) as name:
        folder = Path(name)
        try:
            with zipfile.ZipFile(path) as archive:
                _unpack(archive, folder, path)
        except (zipfile.BadZipFile, zlib.error, EOFError, OSError, ValueError) as error:
            raise StudyError(f"{path} is damaged or no zip file; download it again.") from error
        except (NotImplementedError, RuntimeError) as error:
            raise StudyError(
                f"{path} is locked with a password or packed in a way I can't read; unpack it yourself and "
                "give the folder."
            ) from error
        while len(inside := list(folder.iterdir())) == 1 and inside[0].is_dir():
            folder = inside[0]
        yield folder


def _unpack(archive: zipfile.ZipFile, folder: Path, path: Path) -> None:
    members = [member for member in archive.infolist() if not member.is_dir()]
    if len(members) > MAX_FILES or sum(member.file_size for member in members) > MAX_BYTES:
        raise _too_much(path)
    left = MAX_BYTES
    for index, member in enumerate(members):
        # Names such as ".." or "C:" are left out, so that nothing is written elsewhere.
        parts = [part for part in PurePosixPath(member.filename.replace("\\", "/")).parts if _is_plain(part)]
        target = folder.joinpath(*parts) if parts else folder / f"file{index}"
        if target.exists():
            target = target.with_name(f"{index}-{target.name}")
        target.parent.mkdir(parents=True, exist_ok=True)
        with archive.open(member) as source, target.open("wb") as out:
            # What a header claims of its size may be a lie: count what comes out.
            while chunk := source.read(_CHUNK):
                left -= len(chunk)
                if left < 0:
                    raise _too_much(path)
                out.write(chunk)
    shutil.rmtree(folder / "__MACOSX", ignore_errors=True)


def _is_plain(part: str) -> bool:
    special = part in ("/", ".", "..") or ":" in part
    return not special and part.isprintable() and len(part.encode(errors="replace")) < 200


def _too_much(path: Path) -> StudyError:
    return StudyError(
        f"{path} would unpack to more than a study needs ({MAX_FILES:,} files, {MAX_BYTES // 2**30} GB); "
        "unpack it yourself and give the folder of the study."
    )
