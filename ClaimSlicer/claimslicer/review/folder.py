"""One computation over a folder of studies: a row and a file for each, gone on with where it stopped."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from claimslicer import __version__
from claimslicer.errors import Cancelled, ClaimError, OutputError, StudyError
from claimslicer.events import SILENT, Events
from claimslicer.json_files import read_json
from claimslicer.outputs import check_outside, folder_for, without_nan, written_whole
from claimslicer.review.find import STUDIES_FILE, FoundStudy, find_studies
from claimslicer.studies.provenance import to_json
from claimslicer.studies.read import LAYOUTS, find_case
from claimslicer.studies.readers.layout import LABEL_ENDINGS
from claimslicer.studies.synthetic import VOLUME_SUFFIXES, split_suffix

TABLE_FILE = "studies.csv"


@dataclass(frozen=True)
class FolderStudy:
    """A study of a folder: its ``path``, and the ``stem`` that its results' names begin with.

    ``stem`` is a path below a folder of results, with ``/``, so that equal names in two folders don't meet.
    """

    key: str
    path: Path
    stem: str


@dataclass(frozen=True)
class Made:
    """What was made of one study: the ``files`` (or folders) written, and the row's cells, JSON types."""

    files: Sequence[Path]
    values: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class StudyRow:
    """What became of one study; ``problem`` says why there is nothing, else it is empty.

    ``files`` are paths below the folder of results, with ``/``, or whole ones outside it; ``values`` are JSON
    types.
    """

    study: str
    values: Mapping[str, Any] = field(default_factory=dict)
    files: Sequence[str] = ()
    problem: str = ""
    ours: bool = False
    """Whether the problem is an error of the program's."""


Work = Callable[[FolderStudy, Events], Made]


def is_folder_of_studies(path: Path) -> bool:
    """Say whether ``path`` is a folder that holds studies, rather than a study itself."""
    path = Path(path)
    if not path.is_dir():
        return False
    try:
        if any(find(path) is not None for find in LAYOUTS):
            return False
        found = find_studies(path)
    except StudyError:
        return False  # reading it says why
    # One volume, or one DICOM study in folders of its own, is a study, however deep the latter lies.
    return len(found) > 1 or ("/" in found[0].key and find_case(path / found[0].key) is not None)


def over_folder(
    folder: Path,
    out: Path,
    work: Work,
    *,
    command: str,
    settings: Mapping[str, Any],
    events: Events = SILENT,
) -> list[StudyRow]:
    """Do ``work`` on each study that :func:`find_studies` finds in ``folder``, and return a row for each.

    ``out`` gets a table of the rows, ``studies.csv``, renewed after each study, and what ``work`` writes. A
    study that fails becomes a row with its problem, and the next one is begun. Called again with the same
    ``command`` and ``settings`` (JSON types), only those are done that failed or are missing.

    Raises StudyError where there is no study, or ``out`` holds results of other settings or studies, and
    OutputError where ``out`` lies in ``folder`` or can't be written; the rows made until then stay.
    """
    folder, out = Path(folder), Path(out)
    check_outside(out, folder)
    studies = _folder_studies(folder, find_studies(folder, events=events))
    asked = {"command": command, "folder": str(folder.absolute()), "settings": to_json(settings)}
    rows = {key: row for key, row in _read(out, asked).items() if not row.problem and _is_there(out, row)}
    with folder_for(out):
        for number, study in enumerate(studies):
            if study.key not in rows:
                rows[study.key] = _row(study, out, work, _Share(events, command, number, len(studies)))
                done = [rows[one.key] for one in studies if one.key in rows]
                _write(out, asked, done)
            events.progress(command, (number + 1) / len(studies), f"{number + 1} of {len(studies)}")
    return [rows[study.key] for study in studies]


def check_all(rows: Sequence[StudyRow], out: Path) -> None:
    """Raise StudyError where studies failed, naming the first; its exit code is 1 where the fault is ours."""
    failed = [row for row in rows if row.problem]
    if not failed:
        return
    error = StudyError(
        f"{len(failed)} of {len(rows)} studies failed, as {out / TABLE_FILE} says; the others are done, and "
        f"the same command tries again. {failed[0].study}: {failed[0].problem}"
    )
    error.exit_code = 1 if any(row.ours for row in failed) else 2
    raise error


def labels_of(folder: Path, study: FolderStudy) -> Path:
    """Return the label map of ``study`` in a folder of label maps, as ``claim-slicer segment`` writes one.

    Raises StudyError where there is none.
    """
    for ending in ("_labels_synthetic", *LABEL_ENDINGS, ""):
        for suffix in VOLUME_SUFFIXES:
            file = Path(folder) / f"{study.stem}{ending}{suffix}"
            if file.is_file():
                return file
    raise StudyError(f"{folder} holds no labels for {study.key}: I looked for {study.stem}_labels.nii.gz.")


class _Share:
    """Passes on the events of one study of several."""

    def __init__(self, events: Events, stage: str, number: int, count: int) -> None:
        self._events, self._stage, self._number, self._count = events, stage, number, count

    def progress(self, stage: str, fraction: float, message: str = "") -> None:
        whole = (self._number + min(fraction, 0.99)) / self._count
        self._events.progress(self._stage, whole, f"{self._number + 1} of {self._count}, {stage}")

    def emit(self, kind: str, **values: Any) -> None:
        self._events.emit(kind, **values)


def _folder_studies(folder: Path, found: Iterable[FoundStudy]) -> list[FolderStudy]:
    """Give each study a stem of its own: its path, with the suffix where another differs in that alone."""
    stems: dict[str, list[str]] = {}
    for study in found:
        place = Path(folder.absolute().name if study.key == "." else study.key)
        stem = (place.parent / split_suffix(place)[0]).as_posix()
        stems.setdefault(stem, []).append(study.key)
    twins = {stem for stem, keys in stems.items() if len(keys) > 1}
    return [
        FolderStudy(key, folder / key, stem + (_suffix(key) if stem in twins else ""))
        for stem, keys in stems.items()
        for key in keys
    ]


def _suffix(key: str) -> str:
    return split_suffix(Path(key))[1].replace(".", "_")


def _row(study: FolderStudy, out: Path, work: Work, events: Events) -> StudyRow:
    try:
        made = work(study, events)
    except (Cancelled, OutputError):
        raise  # the next study would fare no better
    except ClaimError as error:
        row = StudyRow(study.key, problem=str(error))
    except Exception as error:  # one study's fault must not cost the others
        row = StudyRow(study.key, problem=f"{type(error).__name__}: {error}; please report it", ours=True)
    else:
        files = [_below(out, file) for file in made.files]
        return StudyRow(study.key, without_nan(to_json(made.values)), files)
    events.emit("failed study", study=study.key, message=f"{study.key}: {row.problem}")
    return row


def _below(out: Path, file: Path) -> str:
    path, root = file.absolute(), out.absolute()
    return (path.relative_to(root) if path.is_relative_to(root) else path).as_posix()


def _is_there(out: Path, row: StudyRow) -> bool:
    return all((out / file).exists() for file in row.files)


def _read(out: Path, asked: Mapping[str, Any]) -> dict[str, StudyRow]:
    """Return the rows that ``out`` holds already, by study."""
    file = out / STUDIES_FILE
    if not file.exists():
        return {}
    try:
        record = read_json(file)
        rows = {row["study"]: StudyRow(**row) for row in record["studies"]}
        before = {name: record[name] for name in asked}
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise StudyError(f"{file} can't be read: move it away, or choose another output folder.") from error
    changed = [name for name, value in asked.items() if before[name] != value]
    if changed:
        raise StudyError(
            f"{out} holds results of another {' and other '.join(changed)}: choose another output folder, or "
            "remove that one to begin anew."
        )
    return rows


def _write(out: Path, asked: Mapping[str, Any], rows: Sequence[StudyRow]) -> None:
    record = {"claim_slicer": __version__, **asked, "studies": [asdict(row) for row in rows]}
    columns = dict.fromkeys(name for row in rows for name in row.values)
    with written_whole(out / TABLE_FILE) as table, written_whole(out / STUDIES_FILE) as file:
        file.write_text(json.dumps(record, indent=2, ensure_ascii=False) + "\n", "utf-8", newline="\n")
        with table.open("w", encoding="utf-8", newline="") as stream:
            writer = csv.writer(stream, lineterminator="\n")
            writer.writerow(["study", *columns, "files", "problem"])
            for row in rows:
                cells = [row.values.get(name) for name in columns]
                writer.writerow([row.study, *cells, " ".join(row.files), row.problem])
