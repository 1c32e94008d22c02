"""What lies at a path, in words: for ``claim-slicer inspect`` and the panels' file dialogs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from claimslicer.errors import StudyError
from claimslicer.labels import Label
from claimslicer.studies.geometry import Geometry
from claimslicer.studies.read import find_case, read_study
from claimslicer.studies.readers.dicom_slices import Stack
from claimslicer.studies.readers.dicom_stacks import NO_CHOICE, Choice, is_another
from claimslicer.studies.readers.zipped import is_zip, unpacked
from claimslicer.studies.study import NOTES, Study
from claimslicer.terms import LABEL_NAMES

_AXES = (("left", "right"), ("back", "front"), ("head", "feet"))
"""Where x, y and z of LPS point to, and where they come from."""


@dataclass(frozen=True)
class Findings:
    """What is at a path. ``lines`` are sentences, ``stacks`` a DICOM folder's, each with what it is.

    ``study`` is what would be read, or None with the reason in ``refusal``. ``facts`` are JSON types.
    """

    lines: Sequence[str]
    study: Study | None = None
    refusal: str = ""
    facts: dict[str, Any] = field(default_factory=dict)

    @property
    def text(self) -> str:
        """All lines in one text."""
        return "\n".join(self.lines)


def inspect(path: str | Path, labels: str | Path | None = None, choice: Choice = NO_CHOICE) -> Findings:
    """Say what is at ``path``: series, kinds, geometry, order, units, labels; what would be read, and why.

    Raises StudyError where there is nothing.
    """
    path = Path(path)
    if not path.exists():
        raise StudyError(f"There is no file or folder {path}; check its name.")
    if is_zip(path):
        with unpacked(path) as folder:
            stacks = _stacks(folder)
    else:
        stacks = _stacks(path)
    lines = [f"{path} holds {_what(path, stacks)}."]
    lines += [f"  {number}. {_stack_line(stack)}" for number, stack in enumerate(stacks, start=1)]
    facts: dict[str, Any] = {"path": str(path), "stacks": [_stack_facts(stack) for stack in stacks]}
    try:
        study = read_study(path, labels, choice)
    except StudyError as error:
        refusal = str(error)
        return Findings([*lines, f"Nothing is read: {refusal}"], None, refusal, {**facts, "refusal": refusal})
    lines += study_words(study)
    return Findings(lines, study, "", {**facts, "study": _study_facts(study)})


def _stacks(path: Path) -> list[Stack]:
    """Return the stacks of a DICOM folder or file; none where it holds no DICOM image."""
    from claimslicer.studies.readers import dicom

    try:
        if find_case(path) is not None:
            return []
        with dicom.quiet():
            return dicom.find_stacks(path)
    except StudyError:
        return []


def _what(path: Path, stacks: Sequence[Stack]) -> str:
    if stacks:
        images = sum(len(stack.slices) for stack in stacks)
        series = len({piece.series for stack in stacks for piece in stack.slices})
        patients = len({piece.patient for stack in stacks for piece in stack.slices})
        several = f" of {patients} patients" if patients > 1 else ""
        made = "1 stack" if len(stacks) == 1 else f"{len(stacks)} stacks"
        return f"{images} MR images{several} in {series} series, which make {made}"
    try:
        case = find_case(path)
    except StudyError:
        return "volume files"
    if case is None:
        return "no volume or MR image that I know"
    layout = case.metadata.get("layout")
    return f"a case of the collection {layout}" if layout else "a volume file"


def _stack_line(stack: Stack) -> str:
    first = stack.reference
    rows, columns = first.shape
    parts = [
        str(stack),
        f"{columns} × {rows} pixels of {first.spacing[1]:.3g} × {first.spacing[0]:.3g} mm",
    ]
    if len(stack.slices) > 1 and not stack.repeats:
        gaps = np.diff(stack.heights)
        apart = f"{np.median(gaps):.3g}" if np.ptp(gaps) < 0.05 * np.median(gaps) else "unevenly"
        parts.append(f"slices {apart} mm apart" if apart != "unevenly" else "slices unevenly apart")
    parts.append(_across(first.normal))
    what = [*stack.notes]
    if stack.repeats:
        what.append("Several images lie at each place, as in cine: no stack.")
    elif is_another(stack):
        what.append("Another sequence or view.")
    if any(piece.synthetic for piece in stack.slices):
        what.append("Marked as SYNTHETIC.")
    return ", ".join(parts) + "." + "".join(f" {sentence}" for sentence in what)


def _across(normal: np.ndarray) -> str:
    """Say how slices lie in the patient."""
    axis = int(np.argmax(np.abs(normal)))
    names = ("sagittal", "coronal", "axial")
    angle = float(np.degrees(np.arccos(min(abs(normal[axis]), 1.0))))
    return names[axis] if angle < 1 else f"{angle:.0f}° off {names[axis]}"


def study_words(study: Study) -> list[str]:
    """Say what was read: grid, grey levels, order, labels, notes, marks."""
    grid, data = study.geometry, study.metadata
    why = f" ({data['choice']})" if "choice" in data else ""
    what = data.get("stack", study.source.name if study.source is not None else study.name)
    unit = data.get("unit")
    lines = [
        f"Read is {what}{why}.",
        f"  Grid: {_times(reversed(grid.shape))} voxels of {_times(grid.spacing)} mm"
        + (f", the file's unit being {unit}" if unit else "")
        + f"; the slices are {_across(_axis(grid, 2))} and go from {_from_to(_axis(grid, 2))}.",
        f"  Grey levels: {study.image.min():g} to {study.image.max():g}, {study.image.dtype}"
        + (", rescaled from the stored ones" if study.encoding is not None else "")
        + ".",
    ]
    lines += [f"  {study_order(study)}"] if study.labels is not None else []
    lines += [f"  {_labels_line(study)}"]
    lines += [f"  Note: {data[NOTES]}"] if data.get(NOTES) else []
    if study.synthetic:
        lines.append("  It is marked as SYNTHETIC, and so is all that is made from it.")
    return lines


def study_order(study: Study) -> str:
    """Say which end of a labelled study is the apex, and whether its slices lie across the ventricle."""
    from claimslicer.anatomy.stack import make_stack
    from claimslicer.errors import AnatomyError

    assert study.labels is not None
    try:
        stack = make_stack(study.labels, study.geometry, study.apex_first)
    except AnatomyError as error:
        return f"Order: {error}"
    end = "first" if stack.apex_first else "last"
    return f"Order: the {end} slice is the apex; the slices lie across the ventricle."


def _labels_line(study: Study) -> str:
    if study.labels is None:
        return "Labels: none beside it."
    counts = np.bincount(study.labels.ravel(), minlength=len(Label))
    ml = study.geometry.voxel_volume_ml
    shown = ", ".join(
        f"{LABEL_NAMES[label][0].lower() if label != Label.MVO else 'MVO'} {counts[label] * ml:.1f} ml"
        for label in LABEL_NAMES
        if counts[label]
    )
    placed = study.metadata.get("labels placed")
    return (
        f"Labels: {Path(study.metadata['labels']).name}, with {shown}"
        + (f"; {placed}" if placed else "")
        + "."
    )


def _axis(grid: Geometry, axis: int) -> np.ndarray:
    return np.asarray(grid.direction).reshape(3, 3)[:, axis]


def _from_to(direction: np.ndarray) -> str:
    axis = int(np.argmax(np.abs(direction)))
    toward, origin = _AXES[axis]
    return f"{origin} to {toward}" if direction[axis] > 0 else f"{toward} to {origin}"


def _times(numbers: Any) -> str:
    return " × ".join(f"{number:.4g}" for number in numbers)


def _stack_facts(stack: Stack) -> dict[str, Any]:
    first = stack.reference
    return {
        "description": first.description,
        "kind": first.kind,
        "images": len(stack.slices),
        "series_numbers": stack.series_numbers,
        "series_uids": sorted({piece.series for piece in stack.slices}),
        "acquisition": first.traits.get("acquisition"),
        "repeats": stack.repeats,
        "another": is_another(stack),
        "apart": stack.apart,
        "notes": list(stack.notes),
    }


def _study_facts(study: Study) -> dict[str, Any]:
    grid = study.geometry
    return {
        "name": study.name,
        "shape_zyx": list(grid.shape),
        "spacing_xyz_mm": list(grid.spacing),
        "origin_lps_mm": list(grid.origin),
        "direction": list(grid.direction),
        "dtype": str(study.image.dtype),
        "labelled": study.labels is not None,
        "synthetic": study.synthetic,
        "metadata": dict(study.metadata),
    }
