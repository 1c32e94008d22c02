"""Results out as one DICOM study, whole or not at all."""

from __future__ import annotations

import copy
import os
import re
import shutil
import warnings
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from claimslicer.errors import AnatomyError, OutputError, StudyError
from claimslicer.events import SILENT, Events
from claimslicer.export.identity import Identity, choose_identity
from claimslicer.export.items import Items, LabelItem, ReportItem, has_wall, read_items, recipe_beside
from claimslicer.export.measurements import Numbers, structured_report
from claimslicer.export.pictures import captures
from claimslicer.export.segments import ALWAYS, Labels, segmentation
from claimslicer.export.series import Volume, classic_series, decimal, enhanced_series
from claimslicer.export.stored import as_stored
from claimslicer.labels import Label
from claimslicer.outputs import make_folder, output_error
from claimslicer.studies import Study
from claimslicer.studies.provenance import sha256_of_array
from claimslicer.studies.readers.dicom_stacks import NO_CHOICE, Choice

if TYPE_CHECKING:
    from pydicom import Dataset

Form = Literal["classic", "enhanced"]


@dataclass(frozen=True)
class Exported:
    """``folder`` holds a folder for each of ``series``: their descriptions. ``notes`` are sentences."""

    folder: Path
    series: Sequence[str]
    files: Sequence[Path]
    notes: Sequence[str]


@dataclass(frozen=True)
class _Source:
    study: Study
    headers: Sequence[Dataset]

    def of_slices(self) -> Sequence[Dataset]:
        """The header of each slice; that of an enhanced image counts for all."""
        count = len(self.study.image)
        return self.headers if len(self.headers) == count else [self.headers[0]] * count


def export(
    files: Sequence[Path],
    out: Path,
    *,
    source: Path | None = None,
    choice: Choice = NO_CHOICE,
    form: Form = "classic",
    identity: str | None = None,
    force: bool = False,
    events: Events = SILENT,
) -> Exported:
    """Write images, label maps, scar masks and reports as DICOM into the new folder ``out``.

    Images become MR series of the ``form`` asked for, labels DICOM SEG and, where there is a ventricle to
    measure, a structured report of its numbers, those of a report where its folder is given, and its
    pictures secondary captures. ``source`` is the DICOM folder that they were made from. For ``identity``
    and ``force`` see :func:`~claimslicer.export.identity.choose_identity`.

    Raises StudyError for what can't be read, SpecificationError for synthetic data under a patient's
    identity, OutputError where ``out`` holds something or can't be written.
    """
    check_packages()
    check_new(out)
    events.progress("exporting", 0.0, "reading")
    origin = None if source is None else _read_source(source, choice)
    items = read_items(files, None if origin is None else origin.study)
    return _export(items, origin, out, form, identity, force, events)


def export_study(
    study: Study,
    out: Path,
    *,
    source: Path | None = None,
    form: Form = "classic",
    identity: str | None = None,
    force: bool = False,
    events: Events = SILENT,
) -> Exported:
    """Write a study that isn't in a file, with its labels, as :func:`export` does.

    Where ``source`` is the DICOM folder of that very image, the labels go onto its slices; else the image is
    written as well.
    """
    check_packages()
    check_new(out)
    events.progress("exporting", 0.0, "reading")
    origin = None if source is None else _read_source(source, NO_CHOICE)
    there = origin is not None and origin.study.geometry.is_close(study.geometry, 0.5)
    of_source = there and not study.synthetic
    images = [] if of_source else [replace(study, labels=None)]
    labels = []
    if study.labels is not None:
        base = None if of_source else 0
        labels.append(LabelItem(Path(study.name), study.labels, base, study.synthetic, False, ""))
    if not images and not labels:
        raise StudyError(f"'{study.name}' is in DICOM already and has no labels: there is nothing to export.")
    return _export(Items(images, labels, []), origin, out, form, identity, force, events)


def _export(
    items: Items,
    origin: _Source | None,
    out: Path,
    form: Form,
    identity: str | None,
    force: bool,
    events: Events,
) -> Exported:
    synthetic = items.synthetic or (origin is not None and origin.study.synthetic)
    content = _content(items, origin)
    chosen = choose_identity(
        identity,
        None if origin is None else origin.headers[0],
        synthetic=synthetic,
        forced=force,
        content=content,
    )
    if chosen.profile == "new" and any(item.base is None for item in items.labels):
        raise StudyError(
            "Labels in a study of their own need the image that they lie on: give its file as well."
        )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # of names and values that the source has
        made, notes = _make(items, origin, chosen, form, events)
    events.progress("exporting", 0.9, "writing")
    written = _write(out, made)
    names = [str(datasets[0].SeriesDescription) for datasets in made]
    return Exported(out, names, written, notes)


def check_packages() -> None:
    """Raise StudyError where what writes DICOM isn't installed."""
    try:
        import highdicom  # noqa: F401
        import pydicom  # noqa: F401
    except ImportError as error:
        raise StudyError("Writing DICOM needs highdicom; install it with pip install highdicom.") from error


def check_new(out: Path) -> None:
    """Raise OutputError unless ``out`` can be made, or is an empty folder."""
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise OutputError(f"{out} holds something already: name a new folder for the DICOM files.")
    parent = next(folder for folder in out.absolute().parents if folder.exists())
    make_folder(parent)


def _read_source(path: Path, choice: Choice) -> _Source:
    import pydicom

    from claimslicer.studies.readers import dicom
    from claimslicer.studies.readers.dicom_stacks import choose

    with dicom.quiet():
        study = dicom.read(path, choice)
        folder = path if path.is_dir() else path.parent
        stack, _ = choose(dicom.find_stacks(path), folder, None if path.is_dir() else path, choice)
        paths = dict.fromkeys(piece.path for piece in stack.slices)
        return _Source(study, [pydicom.dcmread(file, stop_before_pixels=True) for file in paths])


def _content(items: Items, origin: _Source | None) -> str:
    """Return a text that is the same for the same content, from which UIDs are made."""
    arrays = [*(study.image for study in items.images), *(item.array for item in items.labels)]
    arrays += [] if origin is None else [origin.study.image]
    reports = [str(sorted(item.numbers.items(), key=str)) for item in items.reports]
    return " ".join([*(sha256_of_array(array) for array in arrays), *reports])


def _make(
    items: Items, origin: _Source | None, identity: Identity, form: Form, events: Events
) -> tuple[list[list[Dataset]], list[str]]:
    """Return the data sets of each series, and what is to be said of them."""
    made: list[list[Dataset]] = []
    notes: list[str] = []
    headers = [] if origin is None else [_as_of(header, identity, origin.study) for header in origin.headers]
    bases: dict[int | None, Sequence[Dataset]] = {None: headers}
    for number, study in enumerate(items.images):
        events.progress("exporting", 0.1, study.name)
        volume = _volume(study, origin)
        if volume.stored.largest_error > 1e-6:
            notes.append(
                f"'{study.name}' is stored in 65,536 steps of grey, at most "
                f"{volume.stored.largest_error:.2g} off."
            )
        make = classic_series if form == "classic" else enhanced_series
        made.append(make(volume, identity, _number(made)))
        bases[number] = made[-1]
    reports = list(items.reports)
    for item in items.labels:
        events.progress("exporting", 0.4, item.path.name)
        base = items.images[item.base] if item.base is not None else _study(origin)
        labels = Labels(
            item.array,
            base.geometry,
            base.name,
            item.synthetic,
            f"{sha256_of_array(item.array)} {item.path.name}",
            item.model,
            (Label.INFARCT, Label.MVO) if item.is_scar else ALWAYS,
        )
        drawn = segmentation(labels, bases[item.base], identity, _number(made))
        made.append([drawn])
        if has_wall(item):
            numbers, note = _numbers(item, base, reports)
            notes += [note] if note else []
            made.append([structured_report(numbers, drawn, bases[item.base], identity, _number(made))])
    if reports and not any(has_wall(item) for item in items.labels):
        raise StudyError("A report's numbers belong to labels: give the label map that was measured as well.")
    for report in reports:
        marked = report.synthetic or items.synthetic
        pages = captures(
            report.pictures,
            report.folder.name,
            identity,
            _number(made),
            synthetic=marked,
            content=str(sorted(report.numbers.items(), key=str)),
        )
        made += [pages] if pages else []
    return made, notes


def _number(made: Sequence[Any]) -> int:
    """Return the next series' number: high, so that it stands after the scanner's own."""
    return 9001 + len(made)


def _as_of(header: Dataset, identity: Identity, study: Study) -> Dataset:
    """Return a copy of a source's header with all that an export needs of it and that others strip."""
    header = copy.copy(header)
    identity.apply(header)
    for keyword in ("Manufacturer", "SeriesNumber", "InstanceNumber"):
        if keyword not in header:
            setattr(header, keyword, "")
    if "SliceThickness" not in header:
        header.SliceThickness = decimal(study.geometry.spacing[2])
    return header


def _study(origin: _Source | None) -> Study:
    assert origin is not None
    return origin.study


def _volume(study: Study, origin: _Source | None) -> Volume:
    same = origin is not None and origin.study.geometry.is_close(study.geometry, 0.5)
    recipe = recipe_beside(study.source) if study.source is not None else {}
    facts = (
        [f"Made by claim-slicer {recipe['command']}"]
        if "command" in recipe
        else ["Converted from a volume file"]
    )
    facts += [f"seed {recipe['seed']}"] if recipe.get("seed") is not None else []
    weights = recipe.get("weights")
    if isinstance(weights, dict) and weights:
        facts.append(f"weights {weights.get('name')} {str(weights.get('sha256', ''))[:16]}")
    return Volume(
        as_stored(study.image, study.encoding),
        study.geometry,
        study.name,
        study.synthetic,
        f"{sha256_of_array(study.image)} {study.name}",
        ", ".join(facts) + ".",
        origin.of_slices() if same and origin is not None else (),
    )


def _numbers(item: LabelItem, base: Study, reports: Sequence[ReportItem]) -> tuple[Numbers, str]:
    """Return the numbers of labels: those of the one report given, else measured now."""
    from claimslicer.anatomy import build_frame
    from claimslicer.quantification import measure, quantify

    content = f"{sha256_of_array(item.array)} {item.path.name}"
    if len(reports) == 1:
        numbers = dict(reports[0].numbers)
        rows = numbers.pop("segments", [])
        mine = quantify(item.array, base.geometry).totals()
        if any(abs(float(numbers.get(key, -1)) - value) > 1e-6 for key, value in mine.items()):
            raise StudyError(
                f"The report {reports[0].folder} is not of the labels {item.path}; measure those."
            )
        return Numbers(numbers, rows, base.name, item.synthetic, content), ""
    try:
        frame = build_frame(item.array, base.geometry, image=base.image, apex_first=base.apex_first)
        measured = measure(item.array, frame).quantification
        return Numbers(measured.totals(), measured.rows(), base.name, item.synthetic, content), ""
    except AnatomyError as error:
        totals = quantify(item.array, base.geometry).totals()
        note = f"The report holds totals alone, no segments: {error}"
        return Numbers(totals, [], base.name, item.synthetic, content), note


def _write(out: Path, made: Sequence[Sequence[Dataset]]) -> list[Path]:
    """Write a folder for each series under ``out``, all or nothing; return the files."""
    out = out.absolute()
    temporary = out.with_name(f".{os.getpid()}-{out.name}")
    files = []
    try:
        for datasets in made:
            title = re.sub(r"[^A-Za-z0-9]+", "_", str(datasets[0].SeriesDescription)).strip("_")
            folder = Path(f"{datasets[0].SeriesNumber}_{datasets[0].Modality}_{title}"[:60])
            (temporary / folder).mkdir(parents=True)
            for index, dataset in enumerate(datasets, start=1):
                file = folder / f"{index:04d}.dcm"
                dataset.save_as(temporary / file, enforce_file_format=True)
                files.append(out / file)
        if out.exists():
            out.rmdir()  # it is empty
        temporary.replace(out)
    except OSError as error:
        raise output_error(out, error) from error
    finally:
        if temporary.exists():
            shutil.rmtree(temporary, ignore_errors=True)
    return files
