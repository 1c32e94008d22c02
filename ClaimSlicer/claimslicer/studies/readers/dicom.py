"""DICOM: a folder of late-enhancement slices, classic or enhanced, or one file of the stack wanted."""

from __future__ import annotations

import warnings
from collections import ChainMap
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from claimslicer.errors import StudyError
from claimslicer.studies.geometry import Geometry
from claimslicer.studies.readers.dicom_pixels import pixels
from claimslicer.studies.readers.dicom_slices import Slice, Stack, group, kind_of
from claimslicer.studies.readers.dicom_stacks import NO_CHOICE, Choice, choose
from claimslicer.studies.readers.sizes import check_lengths, check_size, field_note
from claimslicer.studies.readers.volume import check_image
from claimslicer.studies.study import NOTES, Study

if TYPE_CHECKING:
    from pydicom import Dataset

GAP_TOLERANCE = 0.02
"""Slice distances that differ by less than this fraction are equal, written with fewer digits."""

_HEADER_TAGS = {
    "manufacturer": "Manufacturer",
    "field strength (T)": "MagneticFieldStrength",
    "slice thickness (mm)": "SliceThickness",
    "inversion time (ms)": "InversionTime",
}
"""What goes into a study's metadata; nothing that names the patient."""
_TRAITS = {
    "component": "ComplexImageComponent",
    "acquisition": "AcquisitionNumber",
    "echo time": "EchoTime",
    "inversion time": "InversionTime",
}


def read(path: Path, choice: Choice = NO_CHOICE) -> Study:
    """Read the late-enhancement short-axis stack of a folder (searched to its depth), or of a given file.

    ``choice`` says what is asked for among several stacks. The choice between stacks and the rest of what
    the folder holds are in ``metadata``. StudyError where there is no stack, no single right one (it lists
    what is there), or slices are missing.
    """
    folder = path if path.is_dir() else path.parent
    with quiet():
        return _read(path, folder, choice)


@contextmanager
def quiet() -> Iterator[None]:
    """Silence pydicom, which warns of every value that strays from the standard, as scanners' do."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        yield


def find_stacks(path: Path) -> list[Stack]:
    """Return the stacks of the MR images in the folder ``path``, or beside the DICOM file ``path``.

    StudyError where there is no image.
    """
    folder = path if path.is_dir() else path.parent
    slices = _slices(folder, wanted=path if path.is_file() else None)
    if not slices:
        what = "is no volume or DICOM image" if path.is_file() else "holds no study that I can read"
        raise StudyError(f"{path} {what}; give a NIfTI, NRRD, MHA or DICOM study, or its case folder.")
    return group(slices)


def _read(path: Path, folder: Path, choice: Choice) -> Study:
    stacks = find_stacks(path)
    stack, reason = choose(stacks, folder, None if path.is_dir() else path, choice)
    gap = slice_distance(stack, folder)
    geometry = geometry_of(stack, gap)
    check_size(geometry.shape, 8, folder)
    check_lengths(geometry.shape, geometry.spacing, folder)
    image, encoding = pixels(stack, gap)
    check_image(image, folder)
    notes = [*stack.notes, field_note(geometry.shape, geometry.spacing)]
    others = "; ".join(str(other) for other in stacks if other is not stack)
    return Study(
        name=folder.name,
        image=image,
        geometry=geometry,
        source=folder,
        synthetic=any(piece.synthetic for piece in stack.slices),
        metadata={
            "format": "DICOM",
            "stack": str(stack),
            "choice": reason,
            **({"other stacks": others} if others else {}),
            **({NOTES: " ".join(filter(None, notes))} if any(notes) else {}),
            **_header(stack.slices[0].path),
        },
        encoding=encoding,
    )


def _slices(folder: Path, wanted: Path | None) -> list[Slice]:
    """Return every MR image under ``folder`` once, whatever order and names the files have."""
    try:
        import pydicom
        from pydicom.misc import is_dicom
    except ImportError as error:
        raise StudyError("Reading DICOM needs pydicom; install it with pip install pydicom.") from error
    if wanted is not None and not is_dicom(wanted):
        return []
    found: dict[tuple[str, int], Slice] = {}
    for file in sorted(path for path in folder.rglob("*") if path.is_file()):
        if not is_dicom(file):
            continue
        try:
            for piece in _frames(file, pydicom.dcmread(file, stop_before_pixels=True)):
                found.setdefault((piece.uid, piece.frame), piece)
        except StudyError:
            raise
        except Exception as error:  # pydicom raises of every kind, and only when a value is asked for
            raise StudyError(f"{file} is a damaged DICOM file; export the study again.") from error
    return list(found.values())


def _frames(file: Path, header: Dataset) -> Iterator[Slice]:
    """Give the slices of one file; none where it isn't a grey MR image with a place in the patient."""
    if header.get("Modality", "MR") != "MR" or "Rows" not in header or header.get("SamplesPerPixel", 1) != 1:
        return
    if "PerFrameFunctionalGroupsSequence" not in header:
        parts = [[header]]
    else:
        shared = _group_items(header.get("SharedFunctionalGroupsSequence", []))
        frames = header.PerFrameFunctionalGroupsSequence
        parts = [[*_group_items([frame]), *shared, header] for frame in frames]
    for index, datasets in enumerate(parts):
        values = ChainMap(*({element.keyword: element.value for element in part} for part in datasets))
        if {"ImagePositionPatient", "ImageOrientationPatient", "PixelSpacing"} <= values.keys():
            yield _slice(file, index, values)


def _group_items(groups: Iterable[Dataset]) -> list[Dataset]:
    """Return the item of each functional group (plane position, pixel measures, …) of an enhanced image."""
    return [element.value[0] for group in groups for element in group if element.VR == "SQ" and element.value]


def _slice(file: Path, frame: int, values: Mapping[str, Any]) -> Slice:
    description = str(values.get("SeriesDescription") or values.get("ProtocolName") or "")
    image_type = values.get("FrameType") or values.get("ImageType") or ()
    types = (image_type,) if isinstance(image_type, str) else tuple(map(str, image_type))
    component = str(values.get("ComplexImageComponent") or "")
    try:
        return Slice(
            path=file,
            frame=frame,
            uid=str(values.get("SOPInstanceUID", file)),
            study=str(values.get("StudyInstanceUID", "")),
            series=str(values.get("SeriesInstanceUID", "")),
            series_number=int(values.get("SeriesNumber") or 0),
            description=description,
            kind=kind_of(types, description, component),
            shape=(int(values["Rows"]), int(values["Columns"])),
            spacing=(float(values["PixelSpacing"][0]), float(values["PixelSpacing"][1])),
            axes=np.array(values["ImageOrientationPatient"], float).reshape(2, 3),
            position=np.array(values["ImagePositionPatient"], float).reshape(3),
            slope=float(values.get("RescaleSlope", 1)),
            intercept=float(values.get("RescaleIntercept", 0)),
            synthetic=values.get("SyntheticData", "NO") == "YES",
            image_type=types,
            component=component,
            traits=_traits(values, types),
            taken=_taken(values),
            cine=int(values.get("CardiacNumberOfImages") or 1) > 1,
            patient=f"{values.get('PatientID', '')}\n{values.get('PatientName', '')}",
        )
    except (TypeError, ValueError, IndexError) as error:
        raise StudyError(f"{file} doesn't say where its slice lies; export the study again.") from error


def _traits(values: Mapping[str, Any], types: tuple[str, ...]) -> dict[str, str]:
    """Return what may tell images at one place apart, in the order in which it is tried."""
    found = {"image type": "\\".join(types)}
    found |= {name: str(values[tag]) for name, tag in _TRAITS.items() if values.get(tag) not in (None, "")}
    return found


def _taken(values: Mapping[str, Any]) -> tuple[str, ...]:
    """Return when an image was acquired, as text that sorts by time; empty where the header doesn't say."""
    times = ("AcquisitionDateTime", "AcquisitionDate", "AcquisitionTime")
    numbers = ("AcquisitionNumber", "InstanceNumber")
    return (
        *(str(values.get(tag) or "") for tag in times),
        *(str(values.get(tag) or "").zfill(12) for tag in numbers),
    )


def slice_distance(stack: Stack, folder: Path) -> float:
    """Return the distance of neighbouring slices in mm; StudyError where it isn't the same everywhere."""
    if len(stack.slices) < 2:
        raise StudyError(f"{folder} holds a single slice; give a whole short-axis stack.")
    gaps = np.diff(stack.heights)
    usual = float(np.median(gaps))
    if np.abs(gaps - usual).max() > max(GAP_TOLERANCE * usual, 0.05):
        listed = ", ".join(f"{gap:.4g}" for gap in gaps)
        raise StudyError(
            f"The slices of {stack} in {folder} are {listed} mm apart, so some are missing or doubled; "
            "export the study again with all of them."
        )
    return float(np.mean(gaps))


def geometry_of(stack: Stack, gap: float) -> Geometry:
    first = stack.reference
    lowest = first.position + (stack.heights[0] - first.centre @ first.normal) * first.normal
    # Columns of the direction are the axes of x (along a row), y (down a column) and z (the normal).
    direction = np.column_stack([first.axes[0], first.axes[1], first.normal])
    x, y, z = (float(value) for value in lowest)
    return Geometry(
        shape=(len(stack.slices), *first.shape),
        spacing=(first.spacing[1], first.spacing[0], gap),
        origin=(x, y, z),
        direction=tuple(float(cosine) for cosine in direction.ravel()),
    )


def _header(file: Path) -> dict[str, str]:
    import pydicom

    header = pydicom.dcmread(file, stop_before_pixels=True)
    return {name: str(header[tag].value) for name, tag in _HEADER_TAGS.items() if tag in header}
