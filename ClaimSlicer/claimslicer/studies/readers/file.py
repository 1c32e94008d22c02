"""One 3-D volume out of one file, whatever its format."""

from __future__ import annotations

from pathlib import Path

from claimslicer.errors import StudyError
from claimslicer.studies.readers import dicom_seg, itk, nifti
from claimslicer.studies.readers.volume import Volume, check_image
from claimslicer.studies.synthetic import VOLUME_SUFFIXES, is_marked_beside, split_suffix


def read_volume(path: Path) -> Volume:
    """Read a NIfTI, NRRD or MetaImage file; StudyError where it is no 3-D volume of finite numbers."""
    suffix = split_suffix(path)[1].lower()
    if not path.exists():
        raise StudyError(f"There is no file {path}; check its name.")
    if not path.is_file():
        raise StudyError(f"{path} is not a file; give one of the types {', '.join(VOLUME_SUFFIXES)}.")
    if not suffix and dicom_seg.is_one(path):
        return dicom_seg.read(path)
    if not suffix:
        raise StudyError(f"{path} has no suffix that I can read; give one of {', '.join(VOLUME_SUFFIXES)}.")
    volume = nifti.read(path) if suffix in (".nii", ".nii.gz") else itk.read(path)
    check_image(volume.image, path)
    if is_marked_beside(path):
        volume = Volume(volume.image, volume.geometry, volume.encoding, True, volume.metadata)
    return volume
