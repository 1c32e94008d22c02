"""A folder of studies and what became of each, kept in a folder beside them so that work can be resumed."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path

from claimslicer import __version__
from claimslicer.errors import StudyError
from claimslicer.json_files import read_json
from claimslicer.outputs import make_folder, written_whole
from claimslicer.review.find import QUEUE_FILE, FoundStudy
from claimslicer.review.review import Review
from claimslicer.studies.synthetic import split_suffix

TABLE_FILE = "review.csv"
WAITING = "waiting"
FAILED = "failed"


@dataclass(frozen=True)
class StudyRecord:
    """One study: ``key`` is its path in the folder of studies, with ``/``; "." is that folder itself.

    ``labels`` and ``uncertainty`` are files in the queue's output folder, empty while there are none.
    ``problem`` says why the last attempt to segment it failed, ``warning`` what is doubtful about the labels
    that the network found. Infarct includes MVO.
    """

    key: str
    name: str
    labels: str = ""
    uncertainty: str = ""
    model: str = ""
    problem: str = ""
    warning: str = ""
    myocardium_g: float | None = None
    infarct_ml: float | None = None
    review: Review = field(default_factory=Review)

    @property
    def status(self) -> str:
        """``waiting``, ``failed`` or, once there are labels, the state of their review."""
        if self.labels:
            return str(self.review.state)
        return FAILED if self.problem else WAITING


class ReviewQueue:
    """The studies found in a folder, in order; every change is on disk before it counts.

    Records of studies that were not found this time stay in the file.
    """

    def __init__(self, folder: Path, output: Path, found: Iterable[FoundStudy]) -> None:
        """Take up the work in ``output`` where there is any. Raises StudyError where it is of other studies.

        Nothing is written before the first :meth:`put`.
        """
        self.folder = Path(folder)
        self.output = Path(output)
        known = self._read()
        order = {study.key: study.name for study in found}
        if known and order and not known.keys() & order.keys():
            raise StudyError(
                f"{self.output} holds the review of other studies than those in {self.folder}: choose "
                "another output folder."
            )
        self._records = {key: known.get(key, StudyRecord(key, name)) for key, name in order.items()}

    @property
    def file(self) -> Path:
        """Where the records are kept."""
        return self.output / QUEUE_FILE

    @property
    def records(self) -> tuple[StudyRecord, ...]:
        """Every study, in the order they were found."""
        return tuple(self._records.values())

    def __getitem__(self, key: str) -> StudyRecord:
        """Return the record of the study ``key``."""
        return self._records[key]

    def path(self, key: str) -> Path:
        """Return the study's file or folder."""
        return self.folder / key

    def neighbour(self, key: str, step: int) -> str | None:
        """Return the study ``step`` places on from ``key``, None beyond the ends; else the first."""
        keys = list(self._records)
        place = keys.index(key) + step if key in self._records else 0
        return keys[place] if 0 <= place < len(keys) else None

    def unsegmented(self) -> list[str]:
        """Return the studies that have no labels yet, those that failed before included."""
        return [record.key for record in self.records if not record.labels]

    def result_file(self, key: str, what: str) -> Path:
        """Return where a result of a study goes: ``what`` is "labels" or "uncertainty".

        The path of the study is kept, so that equal names in two folders don't meet.
        """
        place = Path(self.folder.name if key == "." else key)
        stem, suffix = split_suffix(place)
        twins = [other for other in self._records if split_suffix(Path(other))[0] == stem]
        twins = [other for other in twins if Path(other).parent == place.parent]
        name = stem + (suffix.replace(".", "_") if len(twins) > 1 else "")
        return self.output / place.parent / f"{name}_{what}.nii.gz"

    def put(self, record: StudyRecord) -> None:
        """Replace the record of a study, on disk first. Raises OutputError, and nothing has changed.

        What another program has written about other studies meanwhile is kept.
        """
        if record.key not in self._records:
            raise KeyError(record.key)
        merged = {**self._records, **self._read(), record.key: record}
        make_folder(self.output)
        with written_whole(self.file) as file, written_whole(self.output / TABLE_FILE) as table:
            _write_table(table, merged.values())
            file.write_text(self._text(merged.values()), encoding="utf-8", newline="\n")
        self._records = {key: merged[key] for key in self._records}

    def _text(self, records: Iterable[StudyRecord]) -> str:
        content = {
            "claim_slicer": __version__,
            "folder": str(self.folder),
            "studies": [{**asdict(record), "review": record.review.to_dict()} for record in records],
        }
        return json.dumps(content, indent=2, ensure_ascii=False) + "\n"

    def _read(self) -> dict[str, StudyRecord]:
        if not self.file.exists():
            return {}
        try:
            studies = read_json(self.file)["studies"]
            records = [
                StudyRecord(**{**item, "review": Review.from_dict(item["review"])}) for item in studies
            ]
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise StudyError(
                f"{self.file} can't be read as the record of a review: move it away, or choose another "
                "output folder."
            ) from error
        return {record.key: record for record in records}


def default_output(folder: Path) -> Path:
    """Return where the results of a folder of studies go unless another place is chosen: beside it."""
    folder = Path(folder).absolute()
    return folder.with_name(f"{folder.name}-review")


def _write_table(path: Path, records: Iterable[StudyRecord]) -> None:
    """Write a CSV for people: one row per study."""
    columns = [item.name for item in fields(StudyRecord) if item.name != "review"]
    with path.open("w", encoding="utf-8", newline="") as stream:
        writer = csv.writer(stream, lineterminator="\n")
        writer.writerow([*columns, "status", "remark", "time"])
        for record in records:
            cells = [getattr(record, name) for name in columns]
            writer.writerow([*cells, record.status, record.review.remark, record.review.time])
