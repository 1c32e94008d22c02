"""Which kind of LGE image this is, and the grey level that stands for no signal.

A magnitude image is dark where there is no signal. A phase-sensitive (PSIR) image has negative grey levels;
lifted by a constant, as many exports do, its air is mid-grey. Thresholds that are a share of the maximum
mean different things on each, so a report says which it measured.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np

from claimslicer.errors import SpecificationError, StudyError

ImageKind = Literal["magnitude", "PSIR", "lifted PSIR"]
IMAGE_KINDS: tuple[ImageKind, ...] = get_args(ImageKind)
CORNER = 0.12
"""Share of the image's sides that a corner takes."""
NEGATIVE_SHARE = 0.01
LIFTED_LEVEL = 0.25
"""Air above this share of the image's range (its 0.5th to 99.5th percentile) isn't a magnitude image's."""


@dataclass(frozen=True)
class ImageLevels:
    """The kind of image, whether it was given or found, and ``zero``, the grey level of no signal."""

    kind: ImageKind
    zero: float
    given: bool

    def __str__(self) -> str:
        """Say the kind as a report does."""
        return f"{self.kind} ({'given' if self.given else 'found from the grey levels'})"


def image_levels(image: np.ndarray, kind: ImageKind | None = None) -> ImageLevels:
    """Find the kind of ``image`` (z, y, x), or take the one given, and its level of no signal.

    With more than 1 % of negative grey levels it is PSIR. Else the darkest of the four corners of the stack,
    which nearly always is air, tells: where its median lies above 25 % of the image's range, the image is a
    lifted PSIR whose zero is that median. Its lowest grey level is left out, which exports pad with. Raises
    StudyError for an image of one grey level or with values that are no numbers, SpecificationError for
    another kind.
    """
    if kind is not None and kind not in IMAGE_KINDS:
        raise SpecificationError(f"There is no kind of image {kind!r}: give {', '.join(IMAGE_KINDS)}.")
    if not np.isfinite(image).all():
        raise StudyError("The image holds values that are no numbers: export it again.")
    low, high = (float(v) for v in np.percentile(image, (0.5, 99.5)))
    if high <= low:
        raise StudyError("The image is of one grey level, so no threshold can be set: check the file.")
    air = _air(image, float(image.min()))
    if kind is None:
        if float((image < 0).mean()) > NEGATIVE_SHARE:
            found: ImageKind = "PSIR"
        else:
            found = "lifted PSIR" if (air - low) / (high - low) > LIFTED_LEVEL else "magnitude"
        return ImageLevels(found, air if found == "lifted PSIR" else 0.0, False)
    return ImageLevels(kind, air if kind == "lifted PSIR" else 0.0, True)


def _air(image: np.ndarray, padding: float) -> float:
    """Return the median of the darkest corner of the stack, without the level that an export pads with."""
    rows, columns = (max(1, round(CORNER * n)) for n in image.shape[1:])
    corners = [image[:, r, c] for r in (slice(rows), slice(-rows, None)) for c in _ends(columns)]
    seen = [corner[corner > padding] for corner in corners]
    levels = [np.median(v) for v, corner in zip(seen, corners, strict=True) if v.size >= 0.05 * corner.size]
    return float(min(levels, default=padding))


def _ends(count: int) -> tuple[slice, slice]:
    return slice(count), slice(-count, None)
