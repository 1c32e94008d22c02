"""A report's pictures as secondary captures, which every viewer shows."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from pydicom import Dataset

from claimslicer.errors import StudyError
from claimslicer.export.identity import Identity, uid
from claimslicer.export.marks import MANUFACTURER, describe, mark


def captures(
    pictures: Sequence[Path], name: str, identity: Identity, number: int, *, synthetic: bool, content: str
) -> list[Dataset]:
    """Return one secondary capture a PNG file, in the order given. StudyError for a damaged file."""
    from highdicom.sc import SCImage

    series = uid("series", identity.study, content, "pictures")
    attributes = identity.attributes
    made: list[Dataset] = []
    for index, file in enumerate(pictures, start=1):
        dataset = SCImage(
            pixel_array=read_picture(file),
            photometric_interpretation="RGB",
            bits_allocated=8,
            coordinate_system="PATIENT",
            study_instance_uid=identity.study,
            series_instance_uid=series,
            series_number=number,
            sop_instance_uid=uid("instance", series, index),
            instance_number=index,
            manufacturer=MANUFACTURER,
            patient_id=str(attributes["PatientID"]),
            patient_orientation=("L", "P"),
            series_description=describe(f"{name} report", synthetic=synthetic),
        )
        identity.apply(dataset)
        for keyword in ("FrameOfReferenceUID", "PositionReferenceIndicator"):
            if keyword in dataset:
                del dataset[keyword]  # a page lies nowhere in the patient
        dataset.BurnedInAnnotation = "YES"  # the subject's name stands on a page
        dataset.BodyPartExamined = "HEART"
        dataset.ImageComments = file.stem
        mark(dataset, synthetic=synthetic)
        made.append(dataset)
    return made


def read_picture(file: Path) -> np.ndarray:
    """Return a PNG's colours, uint8 ``(y, x, 3)``, on white where it is transparent."""
    from matplotlib.image import imread

    try:
        picture = np.atleast_3d(imread(file))
    except (OSError, ValueError, SyntaxError) as error:
        raise StudyError(f"{file} is a damaged picture; make the report again.") from error
    if picture.dtype != np.uint8:
        picture = np.rint(picture * 255).astype(np.uint8)
    if picture.shape[2] == 4:
        alpha = picture[..., 3:].astype(float) / 255
        picture = np.rint(picture[..., :3] * alpha + 255 * (1 - alpha)).astype(np.uint8)
    return np.ascontiguousarray(np.broadcast_to(picture[..., :3], (*picture.shape[:2], 3)))
