"""DICOM: a folder of late-enhancement slices, classic or enhanced, or one file of the stack wanted."""

from __future__ import annotations

import warnings
from collections import ChainMap
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

import numpy as np

from claimslicer.errors import StudyError
from claimslicer.studies.geometry import Geometry
from claimslicer.studies.readers.dicom_stacks import Slice, Stack, choose, group, kind_of
from claimslicer.studies.readers.volume import check_image
from claimslicer.studies.study import Encoding, Study

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


def read(path: Path) -> Study:
    """Read the late-enhancement short-axis stack of a folder (searched to its depth), or of a given file.

    The choice between stacks and the rest of what the folder holds are in ``metadata``. StudyError where
    there is no stack, no single right one (it lists what is there), or slices are missing.
    """
    folder = path if path.is_dir() else path.parent
    with warnings.catch_warnings():
        # pydicom warns of every value that strays from the standard, as scanners' do.
        warnings.simplefilter("ignore", UserWarning)
        return _read(path, folder)


def _read(path: Path, folder: Path) -> Study:
    slices = _slices(folder, wanted=path if path.is_file() else None)
    if not slices:
        what = "is no volume or DICOM image" if path.is_file() else "holds no study that I can read"
        raise StudyError(f"{path} {what}; give a NIfTI, NRRD, MHA or DICOM study, or its case folder.")
    stacks = group(slices)
    stack, reason = choose(stacks, folder, None if path.is_dir() else path)
    gap = _slice_distance(stack, folder)
    image, encoding = _pixels(stack)
    check_image(image, folder)
    others = "; ".join(str(other) for other in stacks if other is not stack)
    return Study(
        name=folder.name,
        image=image,
        geometry=_geometry(stack, gap),
        source=folder,
        synthetic=any(piece.synthetic for piece in stack.slices),
        metadata={
            "format": "DICOM",
            "stack": str(stack),
            "choice": reason,
            **({"other stacks": others} if others else {}),
            **_header(stack.slices[0].path),
        },
        encoding=encoding,
    )


def _slices(folder: Path, wanted: Path | None) -> list[Slice]:
    """Return every MR image under ``folder`` once, whatever order and names the files have."""
    try:
        import pydicom
        from pydicom.errors import InvalidDicomError
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
            header = pydicom.dcmread(file, stop_before_pixels=True)
        except (InvalidDicomError, OSError, ValueError, EOFError) as error:
            raise StudyError(f"{file} is a damaged DICOM file; export the study again.") from error
        for piece in _frames(file, header):
            found.setdefault((piece.uid, piece.frame), piece)
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
    try:
        return Slice(
            path=file,
            frame=frame,
            uid=str(values.get("SOPInstanceUID", file)),
            study=str(values.get("StudyInstanceUID", "")),
            series=str(values.get("SeriesInstanceUID", "")),
            series_number=int(values.get("SeriesNumber") or 0),
            description=description,
            kind=kind_of(tuple(map(str, image_type)), description),
            shape=(int(values["Rows"]), int(values["Columns"])),
            spacing=(float(values["PixelSpacing"][0]), float(values["PixelSpacing"][1])),
            axes=np.array(values["ImageOrientationPatient"], float).reshape(2, 3),
            position=np.array(values["ImagePositionPatient"], float).reshape(3),
            slope=float(values.get("RescaleSlope", 1)),
            intercept=float(values.get("RescaleIntercept", 0)),
            synthetic=values.get("SyntheticData", "NO") == "YES",
        )
    except (TypeError, ValueError, IndexError) as error:
        raise StudyError(f"{file} doesn't say where its slice lies; export the study again.") from error


def _slice_distance(stack: Stack, folder: Path) -> float:
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


def _geometry(stack: Stack, gap: float) -> Geometry:
    first = stack.slices[0]
    # Columns of the direction are the axes of x (along a row), y (down a column) and z (the normal).
    direction = np.column_stack([first.axes[0], first.axes[1], first.normal])
    x, y, z = (float(value) for value in first.position)
    return Geometry(
        shape=(len(stack.slices), *first.shape),
        spacing=(first.spacing[1], first.spacing[0], gap),
        origin=(x, y, z),
        direction=tuple(float(cosine) for cosine in direction.ravel()),
    )


def _pixels(stack: Stack) -> tuple[np.ndarray, Encoding | None]:
    """Return the stack's values ``(z, y, x)`` and how they are stored."""
    stored = np.stack([_stored(piece) for piece in stack.slices])
    scalings = {(piece.slope, piece.intercept) for piece in stack.slices}
    if scalings == {(1.0, 0.0)}:
        return stored, None
    if len(scalings) == 1:
        encoding = Encoding(stored.dtype, *scalings.pop())
        return encoding.decode(stored), encoding
    slopes = np.array([piece.slope for piece in stack.slices])[:, None, None]
    intercepts = np.array([piece.intercept for piece in stack.slices])[:, None, None]
    return stored * slopes + intercepts, None


def _stored(piece: Slice) -> np.ndarray:
    """Return the stored pixels ``(y, x)`` of one slice."""
    import pydicom
    from pydicom.pixels import pixel_array
    from pydicom.uid import RLELossless

    try:
        syntax = pydicom.dcmread(piece.path, stop_before_pixels=True).file_meta.TransferSyntaxUID
        if not syntax.is_compressed or syntax == RLELossless:
            return np.array(pixel_array(piece.path, index=piece.frame))
        return _decompressed(piece)
    except (RuntimeError, ValueError, AttributeError, NotImplementedError, OSError, EOFError) as error:
        raise StudyError(
            f"The pixels of {piece.path} are damaged or packed in a way I can't read; "
            "export the study again without compression."
        ) from error


def _decompressed(piece: Slice) -> np.ndarray:
    """Return the stored pixels of a compressed slice, through GDCM.

    GDCM rescales some kinds of image and not others, so it gets a copy that says nothing of rescaling.
    """
    import pydicom
    import SimpleITK as sitk

    dataset = pydicom.dcmread(piece.path)
    shared, frames = "SharedFunctionalGroupsSequence", "PerFrameFunctionalGroupsSequence"
    for part in (dataset, *dataset.get(shared, ()), *dataset.get(frames, ())):
        for keyword in ("RescaleSlope", "RescaleIntercept", "PixelValueTransformationSequence"):
            if keyword in part:
                del part[keyword]
    with TemporaryDirectory() as folder:
        copy = Path(folder) / "stored.dcm"
        dataset.save_as(copy)
        return sitk.GetArrayFromImage(sitk.ReadImage(str(copy)))[piece.frame]


def _header(file: Path) -> dict[str, str]:
    import pydicom

    header = pydicom.dcmread(file, stop_before_pixels=True)
    return {name: str(header[tag].value) for name, tag in _HEADER_TAGS.items() if tag in header}
