"""Each slice's own grey levels: wall and blood set the scale, smoothly along the stack."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import ndimage

from claimslicer.errors import StudyError
from claimslicer.labels import Label, infarct_mask, myocardium_mask
from claimslicer.synthesis.normalisation import RemoteScale, remote_mask, remote_scale

ALONG_STACK = 1.0
"""SD, in slices, of the weights with which neighbouring slices' levels are averaged."""

ENOUGH_VOXELS = 150.0
"""A slice with more voxels of wall or blood than this weighs no more for it."""

LEAST_CONTRAST = 1.0
"""Blood that is less than so many remote SDs brighter than the wall is no scale; then that many SDs are."""


@dataclass(frozen=True)
class SliceLevels:
    """``u = (grey level − wall) / contrast``: 0 in remote wall, 1 in blood, in each slice.

    ``wall`` and ``contrast`` (blood − wall) are ``(z,)`` in grey levels; ``remote`` is the study's remote
    wall.
    """

    wall: np.ndarray
    contrast: np.ndarray
    remote: RemoteScale

    @property
    def remote_sd(self) -> float:
        """The remote wall's SD in the unit of ``u``."""
        return float(self.remote.sd / np.median(self.contrast))

    def forward(self, image: np.ndarray) -> np.ndarray:
        """Grey levels ``(z, y, x)`` to ``u``, float32."""
        return ((image - self.wall[:, None, None]) / self.contrast[:, None, None]).astype(np.float32)

    def backward(self, units: np.ndarray) -> np.ndarray:
        """``u`` to grey levels, float64."""
        return units.astype(np.float64) * self.contrast[:, None, None] + self.wall[:, None, None]


def slice_levels(
    image: np.ndarray, labels: np.ndarray, *, away_from: np.ndarray | None = None
) -> SliceLevels:
    """Measure wall and blood of each slice of ``image`` under ``labels``, both ``(z, y, x)``.

    Medians of a slice's remote wall and blood pool, averaged with those of its neighbours, more where a slice
    has more of them. ``away_from`` (bool) is a scar that is going to be painted: the wall under it does not
    count, unless too little would be left.

    Raises:
        StudyError: the labels hold no myocardium or no cavity, or the wall's grey levels are all the same.
    """
    scale = remote_scale(image, labels, away_from=away_from)
    known = labels
    if away_from is not None:
        known = np.where(away_from & myocardium_mask(labels), Label.INFARCT, labels)
    remote = remote_mask(known)
    healthy = myocardium_mask(known) & ~infarct_mask(known)
    cavity = labels == Label.CAVITY
    if not cavity.any():
        raise StudyError("The labels hold no blood pool, which the network looks at; label it too.")
    inner = ndimage.binary_erosion(cavity, np.ones((1, 3, 3), bool))
    wall = _along_stack(image, [remote, healthy], scale.mean)
    blood = _along_stack(image, [inner, cavity], float(np.median(image[cavity])))
    contrast = np.maximum(blood - wall, LEAST_CONTRAST * scale.sd)
    return SliceLevels(wall, contrast, scale)


def _along_stack(image: np.ndarray, regions: list[np.ndarray], otherwise: float) -> np.ndarray:
    """Return each slice's level ``(z,)``: medians of the first region that has voxels there, smoothed."""
    count = len(image)
    values, weights = np.full(count, otherwise), np.full(count, 1e-3)
    for z in range(count):
        for share, region in zip((1.0, 0.3), regions, strict=True):
            inside = image[z][region[z]]
            if inside.size >= 10:
                values[z], weights[z] = np.median(inside), share * min(inside.size, ENOUGH_VOXELS)
                break
    distance = np.subtract.outer(np.arange(count), np.arange(count))
    kernel = np.exp(-0.5 * (distance / ALONG_STACK) ** 2) * weights
    return np.asarray((kernel * values).sum(1) / kernel.sum(1))
