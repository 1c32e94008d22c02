"""What is painted: the scar, and a band of whatever lies round it, as one draw."""

from __future__ import annotations

import numpy as np
from scipy import ndimage

from claimslicer.labels import ScarLabel
from claimslicer.synthesis.settings import BAND_MM


def band_mask(scar: np.ndarray, spacing_yx: tuple[float, float], band_mm: float = BAND_MM) -> np.ndarray:
    """Return what lies within ``band_mm`` of ``scar`` in its slice, and not in it, bool ``(z, y, x)``."""
    band = np.zeros(scar.shape, bool)
    for z in np.flatnonzero((scar != ScarLabel.NONE).any((1, 2))) if band_mm > 0 else ():
        distance = ndimage.distance_transform_edt(scar[z] == ScarLabel.NONE, sampling=spacing_yx)
        band[z] = (distance > 0) & (distance <= band_mm)
    return band
