"""The files to be exported, told apart: images, labels, scar masks and reports."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np

from claimslicer.errors import StudyError
from claimslicer.json_files import read_json
from claimslicer.labels import Label, ScarLabel, myocardium_mask
from claimslicer.studies import Study, read_labels, read_scar_mask, read_study
from claimslicer.studies.readers.file import read_volume
from claimslicer.studies.synthetic import sidecar_path

Kind = Literal["image", "labels", "scar", "report"]
REPORT = "report.json"
_BY_COMMAND: dict[str, Kind] = {
    "segment": "labels",
    "smile": "scar",
    "synthesize": "image",
    "segmented": "labels",
}
"""What the command that a sidecar names makes."""
MOST_SIDECAR_BYTES = 2**24


@dataclass(frozen=True)
class LabelItem:
    """Labels on the grid of the image that they belong to, ``base``: an image's number, None the source."""

    path: Path
    array: np.ndarray
    base: int | None
    synthetic: bool
    is_scar: bool
    model: str


@dataclass(frozen=True)
class ReportItem:
    """A report's folder: its numbers and its pictures."""

    folder: Path
    numbers: dict[str, Any]
    pictures: Sequence[Path]
    synthetic: bool


@dataclass(frozen=True)
class Items:
    """All that is exported; see the classes above. ``images`` are studies without labels."""

    images: Sequence[Study]
    labels: Sequence[LabelItem]
    reports: Sequence[ReportItem]

    @property
    def synthetic(self) -> bool:
        """Whether anything among them is."""
        marks = [study.synthetic for study in self.images]
        marks += [item.synthetic for item in self.labels]
        return any([*marks, *(item.synthetic for item in self.reports)])


def recipe_beside(path: Path) -> dict[str, Any]:
    """Return the recipe beside a volume; {} without a readable one."""
    file = sidecar_path(path)
    try:
        if file.stat().st_size > MOST_SIDECAR_BYTES:
            return {}
        recipe = read_json(file)
    except (OSError, ValueError, RecursionError):
        return {}
    return recipe if isinstance(recipe, dict) else {}


def kind_of(path: Path) -> Kind:
    """Tell what ``path`` is: by the recipe beside it, else by its values. StudyError for other folders."""
    if path.is_dir():
        if (path / REPORT).is_file():
            return "report"
        raise StudyError(f"{path} holds no {REPORT}: give a report's folder, or files.")
    command = str(recipe_beside(path).get("command", ""))
    if command in _BY_COMMAND and not path.name.startswith("difference"):
        return _BY_COMMAND[command]
    values = np.unique(read_volume(path).image)
    few = len(values) <= len(Label) + 3 and np.array_equal(values, np.rint(values)) and values.min() >= 0
    if few and values.max() <= 2221:
        return "labels"
    return "image"


def read_items(files: Sequence[Path], source: Study | None) -> Items:
    """Read all ``files``; labels are placed on the image among them that they fit, else on ``source``.

    Raises StudyError for what can't be read or fits nothing.
    """
    kinds = {path: kind_of(path) for path in files}
    images = [_image(path) for path, kind in kinds.items() if kind == "image"]
    labels = [
        _labels(path, images, source, is_scar=kind == "scar")
        for path, kind in kinds.items()
        if kind in ("labels", "scar")
    ]
    reports = [_report(path) for path, kind in kinds.items() if kind == "report"]
    return Items(images, labels, reports)


def _image(path: Path) -> Study:
    from dataclasses import replace

    return replace(read_study(path), labels=None)


def _labels(path: Path, images: Sequence[Study], source: Study | None, *, is_scar: bool) -> LabelItem:
    bases = [*enumerate(images), *([] if source is None else [(None, source)])]
    if not bases:
        raise StudyError(f"Labels are drawn on an image: give that of {path} too, or --source DICOM_FOLDER.")
    failed: StudyError | None = None
    for number, study in bases:
        try:
            if is_scar:
                scar = read_scar_mask(path, study)
                array = np.zeros(scar.shape, np.uint8)
                array[scar == ScarLabel.SCAR], array[scar == ScarLabel.MVO] = Label.INFARCT, Label.MVO
            else:
                array = read_labels(path, study)
        except StudyError as error:
            failed = error
            continue
        synthetic = study.synthetic or read_volume(path).synthetic
        return LabelItem(path, array, number, synthetic, is_scar, _model(path))
    assert failed is not None
    raise failed


def _model(path: Path) -> str:
    recipe = recipe_beside(path)
    weights = recipe.get("weights")
    return str(weights.get("name", "")) if isinstance(weights, dict) else ""


def _report(folder: Path) -> ReportItem:
    try:
        report = read_json(folder / REPORT)
        numbers = report["quantification"]
        synthetic = report.get("synthetic") is True
        if not isinstance(numbers, dict) or not isinstance(numbers.get("segments", []), list):
            raise TypeError
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise StudyError(f"{folder / REPORT} is no report of a labelled study; make it again.") from error
    return ReportItem(folder, numbers, sorted(folder.glob("*.png")), synthetic)


def has_wall(item: LabelItem) -> bool:
    """Say whether there is a ventricle to measure."""
    return not item.is_scar and bool(myocardium_mask(item.array).any())
