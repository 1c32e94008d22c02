"""Grey levels as 16-bit whole numbers, which is what MR images in DICOM hold."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from claimslicer.studies.study import Encoding

_TYPES = (np.dtype(np.uint16), np.dtype(np.int16))


@dataclass(frozen=True)
class Stored:
    """``values`` uint16 or int16 ``(z, y, x)``; ``image = slope * values + intercept``.

    ``largest_error`` is how far that is from the image at most, in its own grey levels.
    """

    values: np.ndarray
    slope: float = 1.0
    intercept: float = 0.0
    largest_error: float = 0.0


def as_stored(image: np.ndarray, encoding: Encoding | None = None) -> Stored:
    """Return ``image`` as whole numbers: its own where it has such, else the nearest of 65,536 steps."""
    if encoding is not None and encoding.dtype in _TYPES:
        values = encoding.encode(image)
        error = float(np.abs(encoding.decode(values) - image).max())
        return Stored(values, encoding.slope, encoding.intercept, error)
    low, high = float(image.min()), float(image.max())
    rounded = np.rint(image)
    if np.array_equal(rounded, image):
        for dtype in _TYPES:
            if np.iinfo(dtype).min <= low and high <= np.iinfo(dtype).max:
                return Stored(image.astype(dtype))
    # Short decimals, so that a header's 16 characters hold them whole.
    slope = float(f"{max((high - low) / 65535, 1e-9):.8g}")
    slope = slope if slope * 65535 >= high - low else float(f"{slope * 1.0000001:.8g}")
    intercept = float(f"{low:.8g}")
    values = np.clip(np.rint((image - intercept) / slope), 0, 65535).astype(np.uint16)
    error = float(np.abs(values * slope + intercept - image).max())
    return Stored(values, slope, intercept, error)
