"""What an nnU-Net data set is made from: case folders or a training cache, and whose heart each shows."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from claimslicer.errors import StudyError
from claimslicer.events import SILENT, Events
from claimslicer.json_files import read_json
from claimslicer.studies import Geometry, Study, read_study
from claimslicer.studies.provenance import sha256_of_array
from claimslicer.studies.readers.layout import RESULT_ENDINGS, volumes_in
from claimslicer.studies.synthetic import sidecar_path, split_suffix
from claimslicer.training.data.cache import CachedStudy, case_folders, read_cache
from claimslicer.training.data.splits import Part, emidec_part

CHILD = "-synthetic-"
"""What stands between patient and number in the name of a cache's synthetic child."""


@dataclass(frozen=True)
class Source:
    """A labelled study, the patient whose heart it shows, and that patient's part of the split."""

    study: Study
    patient: str
    part: Part


class Patients:
    """The real studies read so far, by name and by what their images hold, to know a child's parent by."""

    def __init__(self) -> None:
        self._parts: dict[str, Part] = {}
        self._by_image: dict[str, str] = {}

    def add(self, study: Study, part: Part) -> Source:
        """Take in a real study."""
        self._parts[study.name] = part
        self._by_image[sha256_of_array(study.image)] = study.name
        return Source(study, study.name, part)

    def child(self, study: Study) -> Source | None:
        """Find the patient of a synthetic study by its recipe; None for one of a published test case.

        Raises StudyError where the recipe is missing or names nobody among the patients.
        """
        for source in _ancestry(study.source):
            patient = self._by_image.get(str(source.get("image_sha256")), str(source.get("name")))
            if emidec_part(patient) == "test":
                return None
            if patient in self._parts:
                return Source(study, patient, self._parts[patient])
        raise StudyError(
            f"The synthetic study {study.source or study.name} doesn't tell which patient it was made of, "
            "and could leak into validation: leave it out, or keep its recipe (.json) beside it."
        )


def read_sources(cases: Path, synthetic: Path | None = None, events: Events = SILENT) -> Iterator[Source]:
    """Yield the labelled studies of a folder of cases or of a training cache (``.npz``), real ones first.

    ``synthetic`` is a folder with synthetic studies, each with its recipe: case folders, or volumes with
    their labels beside them. Published test cases and their children are passed over. Raises StudyError.
    """
    patients = Patients()
    children: list[Study] = []
    if Path(cases).suffix == ".npz":
        yield from _cached(read_cache(cases).studies)
        if synthetic is not None:
            raise StudyError("A cache holds its own synthetic children: give the folder of the case folders.")
        return
    folders = case_folders(cases, events)
    for number, (folder, part) in enumerate(folders.items()):
        events.progress("reading", number / len(folders), folder.name)
        if part == "test":
            continue
        study = _labelled(folder)
        if study.synthetic:
            children.append(study)
        else:
            yield patients.add(study, part)
    for path in [] if synthetic is None else _studies_in(synthetic):
        events.progress("reading", 1.0, path.name)
        study = _labelled(path)
        if not study.synthetic:
            raise StudyError(f"{path} isn't marked as synthetic: put real studies into the folder of cases.")
        children.append(study)
    for study in children:
        source = patients.child(study)
        if source is None:
            events.emit("skipped", study=study.name, reason="made from a published test case")
        else:
            yield source


def painted_by(study: Study) -> tuple[str, str] | None:
    """Return name and hash of the weights that painted a synthetic study, where its recipe tells them."""
    if study.source is None:
        return None
    try:
        weights = read_json(sidecar_path(study.source))["weights"]
        return str(weights["name"]), str(weights["sha256"])
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _labelled(path: Path) -> Study:
    study = read_study(path)
    if study.labels is None:
        raise StudyError(f"'{path}' has no labels; training needs a label map for every study.")
    return study


def _studies_in(folder: Path) -> list[Path]:
    """Return the case folders and loose volumes, label maps and other results aside, of ``folder``."""
    if not folder.is_dir():
        raise StudyError(f"There is no folder {folder}: give the one with the synthetic studies.")
    folders = [path for path in sorted(folder.iterdir()) if path.is_dir() and path.name[0] not in "._"]
    loose = [path for path in volumes_in(folder) if not split_suffix(path)[0].endswith(RESULT_ENDINGS)]
    if not folders and not loose:
        raise StudyError(f"{folder} holds no studies: give the folder with the synthetic ones.")
    return [*folders, *loose]


def _ancestry(image: Path | None) -> Iterator[Mapping[str, Any]]:
    """Yield what the recipe beside ``image`` says of its source, then what that one's own recipe says …"""
    seen: set[Path] = set()
    while image is not None and image not in seen:
        seen.add(image)
        try:
            recipe = read_json(sidecar_path(image))
        except (OSError, ValueError):
            return
        source = recipe.get("source") if isinstance(recipe, dict) else None
        if not isinstance(source, dict):
            return
        yield source
        image = Path(source["path"]) if source.get("path") else None


def _cached(studies: tuple[CachedStudy, ...]) -> Iterator[Source]:
    """Turn a cache's studies into sources; it keeps spacing, but neither place nor direction."""
    real = {study.name for study in studies if not study.synthetic}
    for study in sorted(studies, key=lambda study: study.synthetic):
        patient = study.name.rpartition(CHILD)[0] if study.synthetic else study.name
        if study.part == "test" or emidec_part(patient) == "test":
            continue
        if patient not in real:
            raise StudyError(f"The cache's synthetic study '{study.name}' is nobody's child: make it again.")
        geometry = Geometry(study.image.shape, study.spacing_zyx[::-1])
        whole = Study(study.name, study.image, geometry, study.labels, synthetic=study.synthetic)
        yield Source(whole, patient, study.part)
