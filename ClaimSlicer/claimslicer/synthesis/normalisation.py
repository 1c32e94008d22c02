"""One normalisation per study: grey levels in units of the remote myocardium, and back."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import ndimage

from claimslicer.errors import StudyError
from claimslicer.labels import Label, infarct_mask, myocardium_mask

MINIMUM_VOXELS = 50
"""Fewer remote voxels than this don't give a standard deviation worth using."""

IN_PLANE = np.zeros((3, 3, 3), bool)
"""A voxel and its four neighbours within the slice: slices are too far apart to count as neighbours."""
IN_PLANE[1] = ndimage.generate_binary_structure(2, 1)


@dataclass(frozen=True)
class RemoteScale:
    """``u = (grey level − mean) / sd``, the grey level in SDs of remote myocardium.

    ``region`` says where mean and SD were taken: ``remote`` (off both borders and away from scar),
    ``healthy`` (all healthy myocardium, where the first has under 50 voxels) or ``darkest quarter`` (of the
    wall, where a study is full of scar).
    """

    mean: float
    sd: float
    region: str

    def forward(self, image: np.ndarray) -> np.ndarray:
        """Grey levels to remote SDs, float32."""
        return ((image - self.mean) / self.sd).astype(np.float32)

    def backward(self, units: np.ndarray) -> np.ndarray:
        """Remote SDs to grey levels, float64."""
        return units.astype(np.float64) * self.sd + self.mean


def remote_scale(
    image: np.ndarray, labels: np.ndarray, *, away_from: np.ndarray | None = None
) -> RemoteScale:
    """Measure the remote myocardium of ``image`` under ``labels``, both ``(z, y, x)``.

    ``away_from`` (bool) is a scar that is going to be painted: it is avoided like one that is there already,
    unless too little wall would be left.

    Raises:
        StudyError: the labels hold no myocardium, or its grey levels are all the same.
    """
    wall = myocardium_mask(labels)
    if not wall.any():
        raise StudyError("The labels hold no myocardium; give labels with the left-ventricular wall.")
    values, region = image[remote_mask(labels)], "remote"
    if away_from is not None:
        further = image[remote_mask(np.where(away_from & wall, Label.INFARCT, labels))]
        values = further if further.size >= MINIMUM_VOXELS else values
    if values.size < MINIMUM_VOXELS:
        values, region = image[labels == Label.MYOCARDIUM], "healthy"
    if values.size < MINIMUM_VOXELS:
        values, region = image[wall], "darkest quarter"
        values = values[values <= np.quantile(values, 0.25)]
    mean, sd = float(values.mean()), float(values.std())
    if not sd > 1e-6 * max(abs(mean), 1e-6):
        raise StudyError("The myocardium has the same grey level everywhere; this is not an LGE image.")
    return RemoteScale(mean, sd, region)


def remote_mask(labels: np.ndarray) -> np.ndarray:
    """Return unenhanced myocardium one voxel off both borders and two voxels away from scar, in plane."""
    inner = ndimage.binary_erosion(myocardium_mask(labels), IN_PLANE)
    return inner & ~ndimage.binary_dilation(infarct_mask(labels), IN_PLANE, iterations=2)
