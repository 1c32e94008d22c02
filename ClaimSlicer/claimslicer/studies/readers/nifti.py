"""NIfTI files, through nibabel, with the stored values and both header traps of the EMIDEC copies."""

from __future__ import annotations

import zlib
from pathlib import Path
from typing import Any

import numpy as np

from claimslicer.errors import StudyError
from claimslicer.studies.geometry import Geometry
from claimslicer.studies.readers.sizes import NIFTI_UNITS, check_lengths, check_size
from claimslicer.studies.readers.volume import Volume, refuse_many
from claimslicer.studies.study import Encoding
from claimslicer.studies.synthetic import says_synthetic

RAS_TO_LPS = np.diag([-1.0, -1.0, 1.0])
SPACING_TOLERANCE = 0.01
"""Voxel sizes that differ by less than this fraction are the same size, written with fewer digits."""
SHEAR_TOLERANCE = 1e-3
"""Largest cosine between two axes that still counts as a right angle, rounded."""


def read(path: Path) -> Volume:
    """Read ``path``; StudyError where it is damaged, not 3-D, or its grid can't be told."""
    import nibabel
    from nibabel.filebasedimages import ImageFileError
    from nibabel.spatialimages import HeaderDataError

    try:
        file: Any = nibabel.load(path, mmap=False)  # a mapped file could not be replaced on Windows
        header = file.header
        shape = _three_dimensions(path, file.shape)
        check_size(shape, header.get_data_dtype().itemsize, path)
        stored = np.asanyarray(file.dataobj.get_unscaled()).reshape(shape).T
    except (ImageFileError, HeaderDataError, ValueError) as error:
        raise StudyError(f"{path} is not a NIfTI file; check what was saved under this name.") from error
    except (OSError, EOFError, zlib.error) as error:
        raise StudyError(
            f"{path} can't be read to its end ({_reason(error)}); copy or export it again."
        ) from error
    stored = np.ascontiguousarray(stored, stored.dtype.newbyteorder("="))
    encoding = _encoding(stored.dtype, file.dataobj.slope, file.dataobj.inter)
    text = f"{_text(header['descrip'])} {_text(header['intent_name'])}"
    return Volume(
        image=stored if encoding is None else encoding.decode(stored),
        geometry=_geometry(path, header, stored.shape),
        encoding=encoding,
        synthetic=says_synthetic(text),
        metadata={
            "format": "NIfTI",
            **_unit(header),
            **({"description": text.strip()} if text.strip() else {}),
        },
    )


def same_affine(path: Path, image: Path) -> bool:
    """Say whether two NIfTI files hold the very same affine.

    Programs that copy an image's affine and not its header write labels beside it with EMIDEC's own, which
    knows no voxel sizes: they lie where the image does, whatever size the affine alone gives their voxels.
    """
    import nibabel
    from nibabel.filebasedimages import ImageFileError

    try:
        one, other = (nibabel.load(file).affine for file in (path, image))  # type: ignore[attr-defined]
    except (ImageFileError, OSError, ValueError):
        return False
    return bool(np.allclose(one, other, atol=1e-4))


def _three_dimensions(path: Path, shape: tuple[int, ...]) -> tuple[int, ...]:
    extra = int(np.prod(shape[3:]))
    if extra != 1:
        raise refuse_many(path, extra)
    return (*shape[:3], *(1,) * (3 - len(shape)))


def _encoding(dtype: np.dtype, slope: float, intercept: float) -> Encoding | None:
    if (slope, intercept) == (1.0, 0.0) or not np.issubdtype(dtype, np.number):
        return None
    return Encoding(dtype, float(slope), float(intercept))


def _text(field: np.ndarray) -> str:
    return bytes(field.item()).decode("latin-1").strip("\0 ")


def _reason(error: BaseException) -> str:
    return str(error).rstrip(".").splitlines()[0] if str(error) else type(error).__name__


def _unit(header: Any) -> dict[str, str]:
    name = NIFTI_UNITS.get(int(header["xyzt_units"]) & 7, ("", 1.0))[0]
    return {"unit": name} if name else {}


def _geometry(path: Path, header: Any, shape: tuple[int, ...]) -> Geometry:
    """Return the grid in LPS from the sform, else the qform, else the voxel sizes alone."""
    affine = _affine(path, header)
    lengths = np.linalg.norm(affine[:3, :3], axis=0)
    cosines = RAS_TO_LPS @ affine[:3, :3] / lengths
    spacing = _spacing(path, np.abs(np.asarray(header["pixdim"][1:4], float)), lengths)
    origin = RAS_TO_LPS @ affine[:3, 3]
    unit, mm = NIFTI_UNITS.get(int(header["xyzt_units"]) & 7, ("", 1.0))
    spacing, origin = spacing * mm, origin * mm
    check_lengths(shape, spacing.tolist(), path, unit)
    # np.linalg.svd gives the nearest true rotation or mirror image, so rounding doesn't build up.
    left, _, right = np.linalg.svd(cosines)
    return Geometry(
        shape=(shape[0], shape[1], shape[2]),
        spacing=(float(spacing[0]), float(spacing[1]), float(spacing[2])),
        origin=(float(origin[0]), float(origin[1]), float(origin[2])),
        direction=tuple(float(cosine) for cosine in (left @ right).ravel()),
    )


def _affine(path: Path, header: Any) -> np.ndarray:
    """Return the first affine (RAS) with three right-angled axes; without any, ITK's choice: LPS axes."""
    candidates = []
    if int(header["sform_code"]) > 0:
        candidates.append(header.get_sform())
    if int(header["qform_code"]) > 0:
        candidates.append(header.get_qform())
    for affine in candidates:
        lengths = np.linalg.norm(affine[:3, :3], axis=0)
        if not np.all(np.isfinite(affine)) or np.any(lengths == 0):
            continue
        cosines = affine[:3, :3] / lengths
        if np.abs(cosines.T @ cosines - np.eye(3)).max() < SHEAR_TOLERANCE:
            return affine
    if candidates:
        raise StudyError(f"The axes of {path} are not at right angles; resample it to a straight grid.")
    return np.diag([-1.0, -1.0, 1.0, 1.0])


def _spacing(path: Path, voxel_sizes: np.ndarray, lengths: np.ndarray) -> np.ndarray:
    """Choose between the voxel sizes (pixdim) and the lengths of the affine's axes, in mm.

    They agree in a sound file. EMIDEC's originals have true voxel sizes and an affine without any (all axes
    of length 1); other copies have it the other way round.
    """
    sizes_known = np.all(np.isfinite(voxel_sizes)) and np.all(voxel_sizes > 0)
    if not sizes_known or np.allclose(voxel_sizes, 1):
        return lengths
    if np.allclose(voxel_sizes, lengths, rtol=SPACING_TOLERANCE, atol=0) or np.allclose(lengths, 1):
        return voxel_sizes
    given, derived = (" × ".join(f"{size:.3g}" for size in sizes) for sizes in (voxel_sizes, lengths))
    raise StudyError(
        f"The header of {path} gives two voxel sizes, {given} mm and {derived} mm; "
        "export it again from a program that writes both alike."
    )
