"""What a folder layout tells about a study, and the search for files that the layouts share."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from claimslicer.errors import StudyError
from claimslicer.studies.synthetic import VOLUME_SUFFIXES, split_suffix

LABEL_ENDINGS = ("_labels", "-labels", "_label", "-label", "_seg", "_gt", "_gd")
"""Ends of a file's stem that make it the label map of the volume named without."""

RESULT_ENDINGS = (*LABEL_ENDINGS, "_uncertainty", "_difference", "_band", "_aha")
"""Ends of a file's stem that make it a result beside a study, not a study."""

SEGMENTATION = ".seg.nrrd"
"""The suffix of Slicer's segmentations, which are labels whatever their name."""


@dataclass(frozen=True)
class CaseFiles:
    """The files of one study; ``convention`` names its label values, None where they must tell themselves."""

    name: str
    image: Path
    labels: Path | None = None
    convention: str | None = None
    metadata: Mapping[str, str] = field(default_factory=dict)


def volumes_in(folder: Path) -> list[Path]:
    """Return the volume files right in ``folder``, by name; hidden ones aside."""
    return sorted(
        path
        for path in folder.iterdir()
        if path.is_file() and split_suffix(path)[1] and not path.name.startswith(".")
    )


def volume_named(folders: Iterable[Path], stem: str) -> Path | None:
    """Return the first volume file called ``stem`` in one of ``folders``."""
    for folder in folders:
        for suffix in VOLUME_SUFFIXES:
            path = folder / f"{stem}{suffix}"
            if path.is_file():
                return path
    return None


def only_one(candidates: list[Path], folder: Path) -> Path:
    """Return the only candidate; StudyError that lists them where there are several."""
    if len(candidates) == 1:
        return candidates[0]
    names = ", ".join(path.name for path in candidates[:6]) + (", …" if len(candidates) > 6 else "")
    raise StudyError(f"{folder} holds {len(candidates)} images ({names}); give the file of the one you want.")


def find(path: Path) -> CaseFiles | None:
    """Find a loose volume file, or a folder that holds just one, with a label map named after it beside."""
    image = path
    if path.is_dir():
        images = [file for file in volumes_in(path) if not is_labels(file)]
        if not images:
            return None
        image = only_one(images, path)
    stem = split_suffix(image)[0]
    found = [volume_named([image.parent], stem + ending) for ending in LABEL_ENDINGS]
    segmentation = image.with_name(f"{stem}{SEGMENTATION}")
    found += [segmentation] if segmentation != image and segmentation.is_file() else []
    return CaseFiles(stem, image, next((labels for labels in found if labels), None))


def is_labels(file: Path) -> bool:
    """Say whether a volume file's name is that of a label map."""
    stem, suffix = split_suffix(file)
    return stem.endswith(LABEL_ENDINGS) or suffix.lower() == SEGMENTATION
