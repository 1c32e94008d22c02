"""Reading: a study from a file or folder, its labels, a scar mask for it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from claimslicer.errors import StudyError
from claimslicer.events import SILENT, Events
from claimslicer.labels import ScarLabel, scar_of_labels
from claimslicer.studies.conventions import to_internal
from claimslicer.studies.geometry import Geometry
from claimslicer.studies.place import GRID_TOLERANCE_MM, outside_mm, reordered, resampled
from claimslicer.studies.readers import acdc, emidec, layout, myops
from claimslicer.studies.readers.dicom_stacks import NO_CHOICE, Choice
from claimslicer.studies.readers.file import read_volume
from claimslicer.studies.readers.nifti import same_affine
from claimslicer.studies.readers.segmentation import IS_INTERNAL
from claimslicer.studies.readers.sizes import field_note
from claimslicer.studies.readers.volume import Volume
from claimslicer.studies.readers.zipped import is_zip, unpacked
from claimslicer.studies.study import NOTES, Study
from claimslicer.studies.synthetic import split_suffix

LAYOUTS = (emidec.find, myops.find, acdc.find)
"""Folder layouts, tried in this order before a loose file or a DICOM folder."""


def read_study(path: str | Path, labels: str | Path | None = None, choice: Choice = NO_CHOICE) -> Study:
    """Read an LGE study from a volume file, a case or DICOM folder, one DICOM file of a stack, or a zip.

    ``labels`` is a label map to use instead of the one found beside the image, ``choice`` says which of a
    DICOM folder's stacks is meant. Raises StudyError, with the reason, where there is no study, more than
    one, or its parts don't belong together.
    """
    path = Path(path)
    if not path.exists():
        raise StudyError(f"There is no file or folder {path}; check its name.")
    path = path.absolute()  # so that "." has a name, and a recipe can be followed from anywhere
    if is_zip(path):
        with unpacked(path) as folder:
            study = read_study(folder, labels, choice)
            return replace(study, name=path.stem, source=path)
    case = find_case(path)
    if case is None:
        study = _dicom_study(path, choice)
        return study if labels is None else _with_labels(study, Path(labels))
    if choice:
        raise StudyError(f"{path} is one volume, so {choice} can't be chosen: leave that out.")
    volume = read_volume(case.image)
    notes = [field_note(volume.geometry.shape, volume.geometry.spacing), case.metadata.get(NOTES, "")]
    metadata = {**volume.metadata, **case.metadata, NOTES: " ".join(filter(None, notes))}
    study = Study(
        name=case.name,
        image=volume.image,
        geometry=volume.geometry,
        source=case.image,
        synthetic=volume.synthetic,
        metadata={key: value for key, value in metadata.items() if value},
        encoding=volume.encoding,
    )
    if labels is not None:
        return _with_labels(study, Path(labels))
    return study if case.labels is None else _with_labels(study, case.labels, case.convention)


def find_case(path: Path) -> layout.CaseFiles | None:
    """Find the volume files of the study at ``path``; None where it can only be DICOM."""
    for find in LAYOUTS:
        case = find(path)
        if case is not None:
            return case
    if path.is_file() and not split_suffix(path)[1]:
        return None
    return layout.find(path)


def list_cases(root: Path, events: Events = SILENT) -> list[Path]:
    """Return the case folders in ``root`` by name, hidden ones aside.

    Folders in which nothing looks like a volume, such as notes, are passed over, and an event says so. Raises
    StudyError where there are none, and where ``root`` is itself a case.
    """
    try:
        found = sorted(path for path in root.iterdir() if path.is_dir() and path.name[0] not in "._")
    except OSError as error:
        raise StudyError(f"'{root}' can't be read as a folder: choose the one with the cases.") from error
    if _is_one_case(root, found):
        raise StudyError(f"'{root}' is one case: give the folder around it.")
    strays = [path for path in found if not _may_hold_a_study(path)]
    found = [path for path in found if path not in strays]
    if strays and found:
        names = ", ".join(path.name for path in strays)
        events.emit("passed over", message=f"{names} in {root}: nothing in it looks like a study")
    if not found:
        raise StudyError(
            f"'{root}' holds no case folders: give the folder that contains Case_P001 and so on."
        )
    return found


_PLAIN = (".txt", ".csv", ".json", ".md", ".pdf", ".html", ".png", ".jpg", ".docx", ".xlsx", ".yaml")


def _may_hold_a_study(folder: Path) -> bool:
    """Say whether some file under ``folder`` may be a volume, by its name or DICOM's first bytes."""
    for path in folder.rglob("*"):
        if path.name.startswith(".") or not path.is_file():
            continue
        if split_suffix(path)[1] or path.suffix.lower() in (".dcm", ".ima", ".zip"):
            return True
        if path.suffix.lower() not in _PLAIN:
            try:
                with path.open("rb") as stream:
                    if stream.read(132)[128:] == b"DICM":
                        return True
            except OSError:
                return True  # reading it says why
    return False


def is_case(path: Path) -> bool:
    """Say whether ``path`` is itself a case, a file or the folder of one, rather than a folder of cases."""
    try:
        return path.is_file() or _is_one_case(path, [p for p in path.iterdir() if p.is_dir()])
    except OSError as error:
        raise StudyError(f"'{path}' can't be read: check the name of the case or folder.") from error


def _is_one_case(root: Path, folders: Sequence[Path]) -> bool:
    """Say whether ``root`` holds the files of a case, which the layouts but EMIDEC's keep without folders."""
    if (root / "Images").is_dir():
        return True
    try:
        return not folders and find_case(root) is not None
    except StudyError:  # several images
        return False


def read_labels(path: str | Path, study: Study, *, convention: str | None = None) -> np.ndarray:
    """Read a label map that fits ``study``: uint8 ``(z, y, x)`` in the internal table.

    ``convention`` is a name from :data:`claimslicer.studies.conventions.CONVENTIONS` that the values are
    expected to follow; else they tell it themselves. Labels on another grid are placed by their geometry.
    StudyError where the values follow no convention, or the labels lie elsewhere.
    """
    return _labels_and_note(Path(path), study, convention)[0]


def read_scar_mask(path: str | Path, study: Study) -> np.ndarray:
    """Read a scar mask that fits ``study``: uint8 ``(z, y, x)`` of :class:`claimslicer.labels.ScarLabel`."""
    path = Path(path)
    volume = read_volume(path)
    mask = _on_grid_of(study, path, volume, "scar mask")[0]
    if IS_INTERNAL in volume.metadata:  # a segmentation of Slicer, in which infarct is scar
        mask = scar_of_labels(mask)
    values = np.unique(mask)
    if not np.isin(values, [int(label) for label in ScarLabel]).all():
        raise StudyError(
            f"{path} is no scar mask, its values go from {values[0]:g} to {values[-1]:g}; "
            "give one with 0 for none, 1 for scar and 2 for no-reflow."
        )
    if not mask.any():
        raise StudyError(f"The scar mask {path} is empty; give one with scar (1) or no-reflow (2) drawn.")
    return mask.astype(np.uint8)


def read_intensity(path: str | Path, study: Study) -> np.ndarray:
    """Read how much of a scar shows in each voxel of ``study``: float32 ``(z, y, x)``, 0–1."""
    path = Path(path)
    intensity = _on_grid_of(study, path, read_volume(path), "intensity map")[0].astype(np.float32)
    if intensity.min() < 0 or intensity.max() > 1:
        raise StudyError(f"The intensity map {path} has values outside 0–1; give one made by SMILE.")
    return intensity


def _with_labels(study: Study, path: Path, convention: str | None = None) -> Study:
    labels, note = _labels_and_note(path, study, convention)
    metadata = {**study.metadata, "labels": str(path), **({"labels placed": note} if note else {})}
    return replace(study, labels=labels, metadata=metadata)


def _labels_and_note(path: Path, study: Study, convention: str | None) -> tuple[np.ndarray, str]:
    volume = read_volume(path)
    stored, note = _on_grid_of(study, path, volume, "labels")
    known = "EMIDEC" if IS_INTERNAL in volume.metadata else convention
    return to_internal(stored, str(path), known), note


def _on_grid_of(study: Study, path: Path, volume: Volume, what: str) -> tuple[np.ndarray, str]:
    """Return the values of ``volume`` on the grid of ``study``, and how they got there, "" as they are."""
    mine, theirs = study.geometry, volume.geometry
    if theirs.is_close(mine, GRID_TOLERANCE_MM):
        return volume.image, ""
    turned = reordered(volume.image, theirs, mine)
    if turned is not None:
        return turned, "their axes were put in the image's order"
    if theirs.shape == mine.shape and study.source is not None and same_affine(path, study.source):
        return volume.image, ""
    if theirs.shape == mine.shape:
        raise StudyError(
            f"The {what} {path} lies up to {_distance(theirs, mine):.0f} mm away from the image; "
            f"give the {what} of this study, or save it with the image's header."
        )
    away = outside_mm(volume.image, theirs, mine)
    if away:
        sizes = [" × ".join(str(count) for count in reversed(grid.shape)) for grid in (theirs, mine)]
        raise StudyError(
            f"The {what} {path} has {sizes[0]} voxels and the image {sizes[1]}, and lies up to {away:.0f} mm "
            "outside it; give that of this study."
        )
    sizes = [" × ".join(str(count) for count in reversed(grid.shape)) for grid in (theirs, mine)]
    placed = resampled(volume.image, theirs, mine, smooth=what == "intensity map")
    return placed, f"placed by their geometry, from {sizes[0]} voxels into {sizes[1]}"


def _distance(one: Geometry, other: Geometry) -> float:
    return float(np.linalg.norm(one.corners() - other.corners(), axis=1).max())


def _dicom_study(path: Path, choice: Choice) -> Study:
    from claimslicer.studies.readers import dicom

    return dicom.read(path, choice)
