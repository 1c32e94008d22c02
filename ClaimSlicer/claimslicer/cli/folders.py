"""What commands share that take a folder of studies where a study may stand."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from claimslicer.cli.reporting import Report
from claimslicer.errors import SpecificationError, StudyError
from claimslicer.outputs import check_outside

if TYPE_CHECKING:
    from claimslicer.review.folder import FolderStudy, Work


@dataclass(frozen=True)
class FolderRun:
    """A command on each study in ``folder``, its results in ``out``; see :mod:`claimslicer.review.folder`."""

    report: Report
    command: str
    folder: Path
    out: Path

    def do(self, work: Work, settings: Mapping[str, Any]) -> None:
        """Do ``work`` on each study and say what came out. Raises StudyError where some failed."""
        from claimslicer.review.folder import TABLE_FILE, check_all, over_folder

        self.report.when_stopped = lambda: "the studies done are kept, and the same command goes on"
        rows = over_folder(
            self.folder,
            self.out,
            work,
            command=self.command,
            settings=settings,
            events=self.report.events,
        )
        self.report.record("studies", count=len(rows), failed=sum(bool(row.problem) for row in rows))
        check_all(rows, self.out)
        self.report.say(f"{len(rows)} studies, one row each in {self.out / TABLE_FILE}")


def folder_run(
    report: Report, command: str, study: Path, out: Path, more: Mapping[str, Path | None] | None = None
) -> FolderRun | None:
    """Return the run of a command that was given a folder of studies; None where it was given a study.

    ``more`` holds further options for results, which then name folders as well. Raises SpecificationError
    where a folder's results were to go into one file, and OutputError where they were to lie in it.
    """
    from claimslicer.review.folder import is_folder_of_studies
    from claimslicer.studies.synthetic import split_suffix

    to_file = bool(split_suffix(out)[1])
    if not study.is_dir() or (to_file and _is_one(study)) or not is_folder_of_studies(study):
        return None
    for option, folder in {"--out": out, **(more or {})}.items():
        if folder is not None and folder.suffix:
            raise SpecificationError(
                f"{study} is a folder of studies: give {option} the name of a folder for their results, not "
                f"{folder.name}."
            )
        if folder is not None:
            check_outside(folder, study)
    return FolderRun(report, command, study, out)


def _is_one(study: Path) -> bool:
    """Say whether a folder can be read as one study, other than DICOM."""
    from claimslicer.studies.read import find_case

    try:
        return find_case(study) is not None
    except StudyError:  # several images
        return False


def beside(folder: Path | None, study: FolderStudy, ending: str) -> Path | None:
    """Return where a further result of one study of several goes: into the folder given for these, if any."""
    return None if folder is None else folder / f"{study.stem}{ending}"


def labels_file(labels: Path | None, study: FolderStudy) -> Path | None:
    """Return the labels of one study of several, from the folder given with ``--labels``, if any.

    Raises StudyError where they aren't there.
    """
    from claimslicer.review.folder import labels_of

    return None if labels is None else labels_of(labels, study)
