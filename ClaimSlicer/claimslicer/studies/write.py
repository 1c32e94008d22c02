"""Writing: volumes in a study's own grid, direction and scaling, with their recipe beside them."""

from __future__ import annotations

import errno
import json
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import numpy as np

from claimslicer import __version__
from claimslicer.errors import OutputError
from claimslicer.json_files import read_json
from claimslicer.outputs import check_no_input, check_output, written_whole, written_with
from claimslicer.studies.geometry import Geometry
from claimslicer.studies.provenance import to_json
from claimslicer.studies.segments import LABEL_SEGMENTS, segmentation_header
from claimslicer.studies.study import Encoding
from claimslicer.studies.synthetic import (
    HEADER_KEY,
    HEADER_TEXT,
    INTENT_NAME,
    recipe_says,
    sidecar_path,
    split_suffix,
    with_token,
)
from claimslicer.terms import Term

WRITABLE = (".nii.gz", ".nii", ".seg.nrrd", ".nrrd", ".mha")
MADE_WITH = "claim_slicer"
"""Key that every sidecar of ours has; its value is our version."""


def write_volume(
    path: str | Path,
    array: np.ndarray,
    geometry: Geometry,
    *,
    recipe: Mapping[str, Any] | None = None,
    synthetic: bool | None = None,
    inputs: Sequence[str | Path] = (),
    encoding: Encoding | None = None,
    segments: Mapping[int, tuple[str, Term]] | None = None,
) -> Path:
    """Write ``array`` ``(z, y, x)`` as NIfTI, NRRD or MHA by the suffix of ``path``; return the path written.

    Of a ``synthetic`` volume the header says so, and ``_synthetic`` is put into the file name where it isn't
    yet: print the path returned. Unsaid, it is what the ``recipe`` says (:func:`recipe_says`), else not
    synthetic. A ``recipe``, or ``synthetic``, adds a JSON file of the same name. ``inputs``
    are the files and folders the result was made from, none of which is written over. ``encoding`` is the
    study's: with it a NIfTI file holds the values as the study's own file does. ``segments`` are the names
    and terms of a label map's values, else those of :class:`~claimslicer.labels.Label`: a ``.seg.nrrd`` file,
    which Slicer opens as a segmentation, holds them, any other volume's recipe. Parent folders are made.
    Raises OutputError, and leaves nothing behind, where that can't be done, and where ``synthetic`` and the
    recipe contradict each other.
    """
    if array.shape != geometry.shape:
        raise ValueError(f"array has shape {array.shape}, its grid {geometry.shape}")
    has_recipe = recipe is not None
    synthetic = _mark(Path(path), recipe, synthetic)
    target = check_volume_path(path, synthetic=synthetic, recipe=has_recipe, inputs=inputs)
    with ExitStack() as files:
        if has_recipe or synthetic:
            text = _sidecar(target, {**(recipe or {}), **_terms_of(segments)}, synthetic)
            file, sidecar = files.enter_context(written_with(target, sidecar_path(target)))
            sidecar.write_text(text, encoding="utf-8", newline="\n")
        else:
            file = files.enter_context(written_whole(target))
        if file.name.lower().endswith((".nii", ".nii.gz")):
            _save_nifti(file, array, geometry, synthetic, encoding)
        else:
            _save_itk(file, array, geometry, synthetic, segments)
    return target


def check_volume_path(
    path: str | Path,
    *,
    synthetic: bool = False,
    recipe: bool = True,
    inputs: Sequence[str | Path] = (),
) -> Path:
    """Return the path that :func:`write_volume` would write; OutputError where it would refuse.

    For commands to call before long work. ``recipe`` says whether a recipe will go beside the volume.
    """
    target = with_token(Path(path)) if synthetic else Path(path)
    if split_suffix(target)[1].lower() not in WRITABLE:
        endings = ", ".join(WRITABLE)
        raise OutputError(f"I can't write a volume called {target.name}; end its name in {endings}.")
    check_output(target)
    check_no_input(target, inputs)
    if recipe or synthetic:
        check_no_input(sidecar_path(target), inputs)
        _protect_foreign(sidecar_path(target))
    return target


def _mark(path: Path, recipe: Mapping[str, Any] | None, synthetic: bool | None) -> bool:
    """Return whether a volume is synthetic, by what was said and by its recipe, which must agree."""
    said = recipe_says(recipe)
    if None not in (said, synthetic) and said != synthetic:
        word = "synthetic" if said else "not synthetic"
        raise OutputError(
            f"The recipe of {path.name} says that it is {word}, the call says the opposite: leave the "
            "mark to the recipe, or give the recipe of this volume."
        )
    return bool(said if synthetic is None else synthetic)


def _sidecar(target: Path, recipe: Mapping[str, Any], synthetic: bool) -> str:
    record = {MADE_WITH: __version__, "file": target.name, "synthetic": synthetic}
    if synthetic:
        record["notice"] = HEADER_TEXT
    more = {key: value for key, value in to_json(recipe).items() if key not in record}
    return json.dumps({**record, **more}, indent=2, ensure_ascii=False) + "\n"


def _protect_foreign(sidecar: Path) -> None:
    """Raise OutputError where the sidecar would replace a JSON file that isn't one of ours."""
    if not sidecar.exists():
        return
    try:
        record = read_json(sidecar)
    except (OSError, ValueError):
        record = None
    if not isinstance(record, dict) or MADE_WITH not in record:
        raise OutputError(f"{sidecar} exists and is no recipe of ours; choose another name for the result.")


def _as_saved(array: np.ndarray) -> np.ndarray:
    """Return ``array`` in a type that every format has: bool as uint8, half precision as single."""
    if array.dtype == bool:
        return array.astype(np.uint8)
    return array.astype(np.float32) if array.dtype == np.float16 else array


def _save_nifti(
    file: Path, array: np.ndarray, geometry: Geometry, synthetic: bool, encoding: Encoding | None
) -> None:
    import nibabel

    stored = _as_saved(array) if encoding is None else encoding.encode(array)
    affine = np.eye(4)
    affine[:3, :3] = geometry.matrix
    affine[:3, 3] = geometry.origin
    affine[:2] *= -1  # LPS to NIfTI's RAS
    image = nibabel.Nifti1Image(stored.T, affine, dtype=stored.dtype)
    header = image.header
    # The sform alone: a qform's single-precision quaternion can turn a half-turned grid by 0.05°.
    image.set_sform(affine, code=1)
    image.set_qform(None, code=0)
    header.set_xyzt_units("mm")
    if encoding is not None:
        header.set_slope_inter(encoding.slope, encoding.intercept)
    if synthetic:
        header["descrip"] = HEADER_TEXT.encode("ascii")
        header["intent_name"] = INTENT_NAME.encode("ascii")
    image.to_filename(file)


def _terms_of(segments: Mapping[int, tuple[str, Term]] | None) -> dict[str, Any]:
    """Return what a sidecar says of a label map's values, for formats that have no place for it."""
    if segments is None:
        return {}
    return {
        "label_terms": {
            str(int(value)): {"name": name, "term": to_json(term)} for value, (name, term) in segments.items()
        }
    }


def _save_itk(
    file: Path,
    array: np.ndarray,
    geometry: Geometry,
    synthetic: bool,
    segments: Mapping[int, tuple[str, Term]] | None,
) -> None:
    import SimpleITK as sitk

    image = geometry.to_sitk(_as_saved(array))
    if file.name.lower().endswith(".seg.nrrd"):
        for key, value in segmentation_header(array, segments or LABEL_SEGMENTS).items():
            image.SetMetaData(key, value)
    if synthetic:
        image.SetMetaData(HEADER_KEY, HEADER_TEXT)
    try:
        sitk.WriteImage(image, str(file), useCompression=True)
        written = sitk.GetArrayFromImage(sitk.ReadImage(str(file)))
    except RuntimeError as error:
        raise OSError(errno.EIO, "it could not be written whole") from error
    # ITK doesn't report every failed write, a full disk for one; what can't be read back wasn't written.
    if written.tobytes() != _as_saved(array).tobytes():
        raise OSError(errno.EIO, "it could not be written whole")
