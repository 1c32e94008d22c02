"""What any reader gives of one file, a 3-D volume, and the checks that hold for all formats."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from claimslicer.errors import StudyError
from claimslicer.studies.geometry import Geometry
from claimslicer.studies.study import Encoding


@dataclass(frozen=True)
class Volume:
    """What one file holds: see :class:`claimslicer.studies.Study` for the fields."""

    image: np.ndarray
    geometry: Geometry
    encoding: Encoding | None = None
    synthetic: bool = False
    metadata: Mapping[str, str] = field(default_factory=dict)


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
