"""Every slice's grey levels in its own units: 0 is its remote wall, 1 its blood."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import ndimage

from claimslicer.labels import Label, infarct_mask, myocardium_mask
from claimslicer.synthesis.normalisation import IN_PLANE, remote_scale

AWAY_MM = 6.0
"""Wall and blood so far from the infarct set the scale: what is painted round a scar ends before."""
FEWEST_VOXELS = 15
"""A slice with less remote wall (or blood) takes the level that its neighbours show."""
LEAST_RISE = 2.0
"""Blood is taken to lie at least so many SDs of its slice's remote wall above it: some hardly stands out."""


@dataclass(frozen=True)
class SliceScale:
    """Per slice the grey level of remote wall and how far blood lies above it.

    ``remote`` and ``blood`` (bool, ``(z, y, x)``) are where they were taken.
    """

    wall: np.ndarray
    rise: np.ndarray
    remote: np.ndarray
    blood: np.ndarray

    def forward(self, image: np.ndarray) -> np.ndarray:
        """Return ``image`` in units: 0 the slice's remote wall, 1 its blood; float32 ``(z, y, x)``."""
        wall, rise = self.wall[:, None, None], self.rise[:, None, None]
        return ((image - wall) / rise).astype(np.float32)


def slice_scale(image: np.ndarray, labels: np.ndarray, spacing_zyx: tuple[float, float, float]) -> SliceScale:
    """Measure every slice's remote wall and blood, ``(z, y, x)``, spacing in mm.

    Raises StudyError where the labels hold no myocardium or its grey levels are all the same.
    """
    scar = infarct_mask(labels)
    far = _distance_mm(~scar, spacing_zyx) >= AWAY_MM
    inner = ndimage.binary_erosion(myocardium_mask(labels), IN_PLANE) & (labels == Label.MYOCARDIUM)
    pool = labels == Label.CAVITY
    core = ndimage.binary_erosion(pool, IN_PLANE, iterations=max(1, round(2.0 / spacing_zyx[1])))
    remote = _first_with_enough(inner & far, inner, labels == Label.MYOCARDIUM)
    blood = _first_with_enough(core & far, core, pool)
    study = remote_scale(image, labels)
    wall = _levels(image, remote, study.mean)
    rise = _levels(image, blood, study.mean + 3 * study.sd) - wall
    scatter = np.array([_robust_sd(image[z][remote[z]], study.sd) for z in range(len(image))])
    return SliceScale(wall, np.maximum(rise, LEAST_RISE * scatter), remote, blood)


def _robust_sd(values: np.ndarray, otherwise: float) -> float:
    if values.size < FEWEST_VOXELS:
        return otherwise
    sd = 1.4826 * float(np.median(np.abs(values - np.median(values))))
    return sd if sd > 0 else otherwise


def _distance_mm(mask: np.ndarray, spacing_zyx: tuple[float, float, float]) -> np.ndarray:
    """Return each voxel's in-plane distance to the nearest one outside ``mask``, infinite where none is."""
    distance = np.full(mask.shape, np.inf)
    for z, plane in enumerate(mask):
        if not plane.all():
            distance[z] = ndimage.distance_transform_edt(plane, sampling=spacing_zyx[1:])
    return distance


def _first_with_enough(*choices: np.ndarray) -> np.ndarray:
    """Return, slice by slice, the first mask that holds enough voxels; the last one where none does."""
    result = choices[-1].copy()
    for z in range(len(result)):
        for choice in choices:
            if choice[z].sum() >= FEWEST_VOXELS:
                result[z] = choice[z]
                break
    return result


def _levels(image: np.ndarray, region: np.ndarray, otherwise: float) -> np.ndarray:
    """Return every slice's median in ``region``; slices with too little of it take their neighbours'."""
    known = [z for z in range(len(image)) if region[z].sum() >= FEWEST_VOXELS]
    if not known:
        return np.full(len(image), otherwise)
    return np.interp(np.arange(len(image)), known, [float(np.median(image[z][region[z]])) for z in known])
