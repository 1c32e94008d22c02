"""The preprocessed cache: a cohort in one file, all that training needs besides torch, MONAI and NumPy."""

from __future__ import annotations

import json
import zipfile
import zlib
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, get_args

import numpy as np

from claimslicer.errors import StudyError
from claimslicer.events import SILENT, Events
from claimslicer.json_files import parse_json, read_json
from claimslicer.labels import infarct_mask
from claimslicer.outputs import written_whole
from claimslicer.training.data.splits import Part, split_by_patient

if TYPE_CHECKING:
    from claimslicer.studies.phase import Phase

FORMAT_VERSION = 1
_DAMAGED: tuple[type[Exception], ...] = (ValueError, LookupError, TypeError, AttributeError, OSError)
_DAMAGED += (EOFError, RuntimeError, MemoryError, zipfile.BadZipFile, zlib.error)
"""What NumPy and zipfile raise for a file that is cut, spoilt, or claims more than a memory holds."""
RECIPE_FILE = "recipe.json"
"""What a cohort's study was made from; its ``child.part`` keeps it on its parent's side of the split."""


@dataclass(frozen=True)
class CachedStudy:
    """One labelled study: ``image`` in its own values and ``labels`` (internal table), both ``(z, y, x)``.

    ``phase`` says whether the infarct is acute or chronic, where that was told. A ``synthetic`` study carries
    part and phase of the patient that it was made from.
    """

    name: str
    part: Part
    image: np.ndarray
    labels: np.ndarray
    spacing_zyx: tuple[float, float, float]
    synthetic: bool = False
    phase: Phase | None = None

    @property
    def has_infarct(self) -> bool:
        """Whether any voxel is infarct or MVO."""
        return bool(infarct_mask(self.labels).any())


@dataclass(frozen=True)
class Cohort:
    """The studies of a cache."""

    studies: tuple[CachedStudy, ...]

    def part(self, part: Part) -> list[CachedStudy]:
        """Return the studies of one part of the split."""
        return [study for study in self.studies if study.part == part]

    def summary(self) -> str:
        """Return a sentence on how many studies there are, and in which part of the split."""
        real = [study for study in self.studies if not study.synthetic]
        children = len(self.studies) - len(real)
        parts = ", ".join(
            f"{count} for {part}" for part, count in sorted(Counter(study.part for study in real).items())
        )
        infarcted = sum(study.has_infarct for study in real)
        text = f"{len(real)} studies ({parts}), {infarcted} of them with infarct"
        return text + (f", and {children} synthetic children." if children else ".")

    def phases(self) -> dict[str, int]:
        """Return how many training studies are acute, chronic, or not said to be either, those there are."""
        return dict(Counter(study.phase or "not said" for study in self.part("training")))


def case_folders(root: Path, events: Events = SILENT) -> dict[Path, Part]:
    """Return the case folders in ``root`` with their parts of the split.

    Raises StudyError without any, where ``root`` is itself a case, and where nobody is for training.
    """
    from claimslicer.studies.read import list_cases

    folders = list_cases(Path(root), events)
    inherited = {folder.name: part for folder in folders if (part := _inherited_part(folder))}
    parts = split_by_patient([folder.name for folder in folders if folder.name not in inherited]) | inherited
    if "training" not in parts.values():
        for folder in folders:
            if parts[folder.name] == "validation":
                _check_labelled(folder)
        raise StudyError(
            f"All patients in '{root}' are held back, so nobody is left to train on: give more cases."
        )
    return {folder: parts[folder.name] for folder in folders}


def _check_labelled(folder: Path) -> None:
    from claimslicer.studies.read import find_case

    case = find_case(folder)
    if case is None or case.labels is None:
        raise StudyError(f"'{folder}' has no labels; every case needs a label map.")


def _inherited_part(folder: Path) -> Part | None:
    """Return the part of the patient whose child a cohort's synthetic study is, None for other folders."""
    try:
        part = read_json(folder / RECIPE_FILE)["child"]["part"]
    except FileNotFoundError:
        return None
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise StudyError(
            f"The recipe in '{folder}' is damaged: remove the folder, or make it again."
        ) from error
    if part not in get_args(Part):
        raise StudyError(f"The recipe in '{folder}' names no part of the split: make the study again.")
    return part


def read_case_folders(
    root: Path, events: Events = SILENT, *, phases: Path | None = None
) -> Iterator[CachedStudy]:
    """Read every labelled case folder under ``root``, leaving the published test cases unread.

    ``phases`` is a table of acute and chronic cases, see :func:`claimslicer.studies.phase.read_phases`.
    Raises StudyError.
    """
    from claimslicer.studies import read_study
    from claimslicer.studies.phase import read_phases

    folders = case_folders(root, events)
    told = {} if phases is None else read_phases(phases, {folder.name for folder in folders})
    for number, (folder, part) in enumerate(folders.items()):
        events.progress("reading", number / len(folders), folder.name)
        if part == "test":
            continue
        study = read_study(folder)
        if study.labels is None:
            raise StudyError(f"'{folder}' has no labels; training needs a label map for every study.")
        if study.synthetic and _inherited_part(folder) is None:
            raise StudyError(
                f"'{folder}' is synthetic, and no recipe says of which patient, so it would count as a "
                "patient of its own: move it out, or make it with 'claim-slicer cohort'."
            )
        yield CachedStudy(
            folder.name,
            part,
            study.image,
            study.labels,
            study.geometry.spacing_zyx,
            study.synthetic,
            told.get(folder.name),
        )


def write_cache(path: Path, studies: Iterable[CachedStudy]) -> None:
    """Write ``studies`` to one compressed ``.npz`` at ``path``, whole or not at all."""
    arrays: dict[str, np.ndarray] = {}
    table = []
    for number, study in enumerate(studies):
        arrays[f"image_{number}"] = study.image
        arrays[f"labels_{number}"] = study.labels.astype(np.uint8)
        entry: dict[str, Any] = {"name": study.name, "part": study.part}
        entry |= {"spacing_zyx": list(study.spacing_zyx), "synthetic": study.synthetic}
        table.append(entry | ({"phase": study.phase} if study.phase else {}))
    header = json.dumps({"format_version": FORMAT_VERSION, "studies": table})
    arrays["header"] = np.frombuffer(header.encode(), np.uint8)
    with written_whole(path) as temporary, temporary.open("wb") as stream:
        np.savez_compressed(stream, **arrays)  # type: ignore[arg-type]


def read_cache(path: Path) -> Cohort:
    """Read what :func:`write_cache` wrote."""
    try:
        with np.load(path, allow_pickle=False) as file:
            header = parse_json(file["header"].tobytes().decode())
            studies = tuple(
                CachedStudy(
                    entry["name"],
                    entry["part"],
                    file[f"image_{number}"],
                    file[f"labels_{number}"],
                    tuple(entry["spacing_zyx"]),
                    entry["synthetic"],
                    entry.get("phase"),
                )
                for number, entry in enumerate(header["studies"])
            )
    except FileNotFoundError as error:
        raise StudyError(
            f"There is no training cache at '{path}'; make it with 'claim-slicer train cache'."
        ) from error
    except _DAMAGED as error:
        raise StudyError(f"'{path}' is not a complete training cache; make it again.") from error
    return Cohort(studies)
