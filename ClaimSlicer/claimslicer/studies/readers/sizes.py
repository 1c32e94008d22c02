"""Sizes that a study of a heart can have: what a header claims is looked at before it is believed."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path

from claimslicer.errors import StudyError

MAX_BYTES = 2**29
"""The largest volume that is read, as stored; a late-enhancement study has a few million bytes."""
MAX_VOXELS = 2**27
VOXEL_MM = (0.1, 40.0)
"""Smallest and largest side of a voxel that a heart is imaged with; MyoPS has slices 25 mm apart."""
FIELD_MM = (40.0, 1000.0)
"""Sides of a slice: smaller ones hold no whole left ventricle, larger ones no scanner takes."""
NIFTI_UNITS = {1: ("metres", 1000.0), 2: ("millimetres", 1.0), 3: ("micrometres", 0.001)}
"""NIfTI's codes of units of length, and how many mm each is."""


def check_size(shape: Sequence[int], bytes_each: int, path: Path) -> None:
    """Raise StudyError for a volume that a header claims and that no heart needs, before it is allocated."""
    count = math.prod(int(size) for size in shape)
    if min(shape, default=0) < 0 or count > MAX_VOXELS or count * bytes_each > MAX_BYTES:
        raise StudyError(
            f"{path} claims {count:,} voxels, more than a heart needs (at most {MAX_VOXELS:,} are read); "
            "its header is damaged, or it is no study of a heart."
        )


def check_lengths(shape: Sequence[int], spacing: Sequence[float], path: Path, unit: str = "") -> None:
    """Raise StudyError for voxels or a field of view that no heart is imaged with.

    ``shape`` is ``(z, y, x)``, ``spacing`` ``(x, y, z)`` in mm; ``unit`` is that of the header, if it says.
    """
    low, high = VOXEL_MM
    extent = max(size * count for size, count in zip(spacing, reversed(shape), strict=True))
    if all(low <= size <= high for size in spacing) and extent <= FIELD_MM[1]:
        return
    sizes = " × ".join(f"{size:.3g}" for size in spacing)
    stored = dict(NIFTI_UNITS.values()).get(unit, 1.0)
    fitting = [
        name
        for name, mm in NIFTI_UNITS.values()
        if name != (unit or "millimetres") and all(0.3 <= size * mm / stored <= 30 for size in spacing)
    ]
    hint = f"; were they {fitting[0]}, they would fit" if fitting else ""
    says = f"the header says {unit}" if unit else "taken as millimetres"
    raise StudyError(
        f"The voxels of {path} measure {sizes} mm ({says}), which no image of a heart has{hint}; "
        "correct the voxel size and its unit in the file's header."
    )


def field_note(shape: Sequence[int], spacing: Sequence[float]) -> str:
    """Return a sentence where slices are too small for a whole ventricle; empty where they are not."""
    sides = [shape[2] * spacing[0], shape[1] * spacing[1]]
    if min(sides) >= FIELD_MM[0]:
        return ""
    return (
        f"A slice measures {sides[0]:.0f} × {sides[1]:.0f} mm, too little for a whole left ventricle: "
        "check the voxel size."
    )
