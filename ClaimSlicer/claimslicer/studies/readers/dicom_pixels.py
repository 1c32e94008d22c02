"""The grey values of a DICOM stack, uncompressed, rescaled and, where it was planned in two goes, in line."""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

from claimslicer.errors import StudyError
from claimslicer.studies.readers.dicom_slices import Slice, Stack
from claimslicer.studies.study import Encoding


def pixels(stack: Stack, gap: float) -> tuple[np.ndarray, Encoding | None]:
    """Return the stack's values ``(z, y, x)`` and how they are stored; ``gap`` is the slice distance in mm.

    Raises StudyError for damaged pixels.
    """
    stored = [_stored(piece) for piece in stack.slices]
    if any(plane.shape != stack.reference.shape for plane in stored):
        file = stack.slices[0].path
        raise StudyError(f"The pixels of {file} are not what its header says; export the study again.")
    scalings = {(piece.slope, piece.intercept) for piece in stack.slices}
    in_line = stack.planned_first is None
    if in_line and scalings == {(1.0, 0.0)}:
        return np.stack(stored), None
    if in_line and len(scalings) == 1:
        values = np.stack(stored)
        encoding = Encoding(values.dtype, *scalings.pop())
        return encoding.decode(values), encoding
    planes = [
        plane if (piece.slope, piece.intercept) == (1, 0) else plane * piece.slope + piece.intercept
        for plane, piece in zip(stored, stack.slices, strict=True)
    ]
    if not in_line:
        planes = [_on_plane_of(stack, index, plane, gap) for index, plane in enumerate(planes)]
    return np.stack(planes), None


def _on_plane_of(stack: Stack, index: int, plane: np.ndarray, gap: float) -> np.ndarray:
    """Resample a slice to its place in the stack's grid, along its own plane, unless it is in line."""
    from scipy import ndimage

    piece, reference = stack.slices[index], stack.reference
    if piece.in_line_with(reference):
        return plane.astype(np.float64)
    rows, columns = np.indices(piece.shape)
    height = stack.heights[0] + index * gap - reference.centre @ reference.normal
    points = (
        reference.position
        + height * reference.normal
        + columns[..., None] * reference.axes[0] * reference.spacing[1]
        + rows[..., None] * reference.axes[1] * reference.spacing[0]
    )
    offset = points - piece.position
    at = [offset @ piece.axes[1] / piece.spacing[0], offset @ piece.axes[0] / piece.spacing[1]]
    return ndimage.map_coordinates(plane.astype(np.float64), at, order=1, mode="nearest")


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
    except Exception as error:  # of pydicom, its decoders and GDCM: of every kind
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
        # Told which reader to use, ITK doesn't try all others on a damaged file, which takes long.
        image = sitk.ReadImage(str(copy), imageIO="GDCMImageIO")
        return sitk.GetArrayFromImage(image)[piece.frame]
