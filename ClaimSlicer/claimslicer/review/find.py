"""Finding the studies in a folder, without reading their images."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from claimslicer.errors import StudyError
from claimslicer.events import SILENT, Events
from claimslicer.studies.read import LAYOUTS
from claimslicer.studies.readers import layout
from claimslicer.studies.synthetic import split_suffix

QUEUE_FILE = "review.json"
STUDIES_FILE = "studies.json"
"""These mark a folder as the output of work on a folder, which is no place for studies."""


@dataclass(frozen=True)
class FoundStudy:
    """A study: ``key`` is its path in the folder that was searched, with ``/``; "." is that folder itself."""

    key: str
    name: str


def find_studies(folder: Path, *, events: Events = SILENT) -> list[FoundStudy]:
    """Return the studies in ``folder``, by path: case folders, volume files, and DICOM studies.

    Of a DICOM study with several series its own folder is given; the reader chooses the series. Raises
    StudyError where the folder isn't one, or holds no study.
    """
    folder = Path(folder)
    if not folder.is_dir():
        raise StudyError(f"There is no folder {folder}; choose a folder of studies.")
    found = [_found(folder, path) for path in _studies(folder, events)]
    if not found:
        raise StudyError(
            f"{folder} holds no study that I can read; choose a folder with case folders, volume files or "
            "DICOM folders."
        )
    return sorted(found, key=lambda study: study.key.casefold())


def _found(folder: Path, path: Path) -> FoundStudy:
    key = path.relative_to(folder).as_posix()
    name = folder.absolute().name if key == "." else split_suffix(Path(key))[0]
    # A DICOM folder deep in a tree is called after its whole path: "12345/SAX" says more than "SAX".
    parents = Path(key).parent.as_posix()
    return FoundStudy(key, name if parents == "." else f"{parents}/{name}")


def _studies(root: Path, events: Events) -> Iterator[Path]:
    """Yield the studies under ``root``; whatever belongs to one of them isn't looked at again."""
    dicom: dict[str, list[Path]] = {}
    seen: set[str] = set()  # studies are often links; a circle of them must end
    for count, (place, folders, files) in enumerate(os.walk(root, onerror=_refuse, followlinks=True)):
        folder = Path(place)
        if (real := os.path.realpath(place)) in seen:
            folders.clear()
            continue
        seen.add(real)
        events.progress("finding studies", 0.0, f"{count} folders searched")
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        if QUEUE_FILE in files or STUDIES_FILE in files:
            folders.clear()
            continue
        if _is_case(folder):
            folders.clear()
            yield folder
            continue
        yield from _volumes(folder)
        study_uid = _dicom_study(folder, sorted(files))
        if study_uid:
            dicom.setdefault(study_uid, []).append(folder)
    yield from _dicom_roots(dicom)


def _refuse(error: OSError) -> None:
    raise StudyError(f"The folder {error.filename} can't be read: {error.strerror}.") from error


def _is_case(folder: Path) -> bool:
    try:
        return any(find(folder) is not None for find in LAYOUTS)
    except StudyError:
        # Several images side by side: each of them is a study of its own, or none can be told.
        return False


def _volumes(folder: Path) -> Iterator[Path]:
    """Yield the volume files right in ``folder`` that are images of studies."""
    for file in layout.volumes_in(folder):
        if layout.is_labels(file) or split_suffix(file)[0].endswith(layout.RESULT_ENDINGS):
            continue
        try:
            cases = [find(file) for find in LAYOUTS]
        except StudyError:
            continue  # the cine or T2 image of a case whose late-enhancement image is listed
        case = next((case for case in cases if case is not None), None)
        if case is None or case.image == file:
            yield file


def _dicom_study(folder: Path, files: list[str]) -> str:
    """Return the study UID of the first DICOM image right in ``folder``; "" where there is none."""
    for name in files:
        path = folder / name
        if name == "DICOMDIR" or split_suffix(path)[1] or not _is_dicom(path):
            continue
        try:
            from pydicom import dcmread
            from pydicom.errors import InvalidDicomError
        except ImportError as error:
            raise StudyError("Reading DICOM needs pydicom; install it with pip install pydicom.") from error
        try:
            header = dcmread(path, stop_before_pixels=True, specific_tags=["StudyInstanceUID", "Modality"])
        except (InvalidDicomError, OSError, ValueError, EOFError):
            continue  # reading the study says what is wrong with it
        if header.get("Modality", "MR") == "MR":
            return str(header.get("StudyInstanceUID", folder))
    return ""


def _is_dicom(path: Path) -> bool:
    try:
        with path.open("rb") as stream:
            return stream.read(132)[128:] == b"DICM"
    except OSError:
        return False


def _dicom_roots(studies: dict[str, list[Path]]) -> Iterator[Path]:
    """Yield the folder that holds all series of a study, or each series' where others lie there too."""
    for uid, folders in studies.items():
        root = Path(os.path.commonpath(folders))
        others = [path for other, paths in studies.items() if other != uid for path in paths]
        shared = any(path.is_relative_to(root) for path in others)
        yield from folders if shared else [root]
