"""One 3-D volume out of one file, whatever its format."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from claimslicer.errors import StudyError
from claimslicer.studies.geometry import Geometry
from claimslicer.studies.study import Encoding
from claimslicer.studies.synthetic import VOLUME_SUFFIXES, is_marked_beside, split_suffix


@dataclass(frozen=True)
class Volume:
    """What one file holds: see :class:`claimslicer.studies.Study` for the fields."""

    image: np.ndarray
    geometry: Geometry
    encoding: Encoding | None = None
    synthetic: bool = False
    metadata: Mapping[str, str] = field(default_factory=dict)


def read_volume(path: Path) -> Volume:
    """Read a NIfTI, NRRD or MetaImage file; StudyError where it is no 3-D volume of finite numbers."""
    from claimslicer.studies.readers import itk, nifti

    suffix = split_suffix(path)[1].lower()
    if not path.exists():
        raise StudyError(f"There is no file {path}; check its name.")
    if not path.is_file():
        raise StudyError(f"{path} is not a file; give one of the types {', '.join(VOLUME_SUFFIXES)}.")
    if not suffix:
        raise StudyError(f"{path} has no suffix that I can read; give one of {', '.join(VOLUME_SUFFIXES)}.")
    volume = nifti.read(path) if suffix in (".nii", ".nii.gz") else itk.read(path)
    check_image(volume.image, path)
    if is_marked_beside(path):
        volume = Volume(volume.image, volume.geometry, volume.encoding, True, volume.metadata)
    return volume


def check_image(image: np.ndarray, path: Path) -> None:
    """Raise StudyError unless ``image`` has at least two slices of real, finite numbers."""
    if not (np.issubdtype(image.dtype, np.integer) or np.issubdtype(image.dtype, np.floating)):
        raise StudyError(
            f"{path} holds colours or complex numbers; give an image with one grey value a voxel."
        )
    if image.ndim != 3 or image.shape[0] < 2:
        raise StudyError(f"{path} holds a single slice; give a whole short-axis stack.")
    broken = int(np.count_nonzero(~np.isfinite(image)))
    if broken:
        voxels = "1 voxel that is" if broken == 1 else f"{broken} voxels that are"
        raise StudyError(f"{path} holds {voxels} not a finite number (NaN or infinite); export it again.")


def refuse_many(path: Path, count: int) -> StudyError:
    """Return the error for a file that holds more than one volume."""
    return StudyError(
        f"{path} is 4-D, with {count} volumes; save the one late-enhancement volume on its own."
    )
