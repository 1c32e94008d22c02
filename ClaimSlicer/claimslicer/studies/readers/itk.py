"""NRRD and MetaImage files, through SimpleITK."""

from __future__ import annotations

from pathlib import Path

from claimslicer.errors import StudyError
from claimslicer.studies.geometry import Geometry
from claimslicer.studies.readers.volume import Volume, refuse_many
from claimslicer.studies.synthetic import HEADER_KEY

FORMATS = {".nrrd": "NRRD", ".nhdr": "NRRD", ".mha": "MetaImage", ".mhd": "MetaImage"}


def read(path: Path) -> Volume:
    """Read ``path``; StudyError where it is damaged or holds anything but one 3-D volume."""
    import SimpleITK as sitk

    try:
        image = sitk.ReadImage(str(path))
    except RuntimeError as error:
        raise StudyError(
            f"{path} is damaged or not of the type that its name says; export it again."
        ) from error
    values = image.GetNumberOfComponentsPerPixel()
    if values > 1:
        raise StudyError(f"{path} holds {values} values at each voxel; save one volume of grey values.")
    if image.GetDimension() == 4:
        if image.GetSize()[3] != 1:
            raise refuse_many(path, image.GetSize()[3])
        image = image[:, :, :, 0]
    if image.GetDimension() == 2:
        raise StudyError(f"{path} holds a single slice; give a whole short-axis stack.")
    return Volume(
        image=sitk.GetArrayFromImage(image),
        geometry=Geometry.of_sitk(image),
        synthetic=HEADER_KEY in image.GetMetaDataKeys(),
        metadata={"format": FORMATS[path.suffix.lower()]},
    )
