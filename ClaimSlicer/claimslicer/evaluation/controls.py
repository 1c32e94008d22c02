"""Fakes that every yardstick worth having must expose."""

from __future__ import annotations

import numpy as np
from scipy import ndimage

NOISE_MM = 4.0
"""SD of the Gaussian that blurs the noise."""


def constant_fill(image: np.ndarray, scar: np.ndarray) -> np.ndarray:
    """Return ``image`` with the mean of its own grey levels everywhere in ``scar`` (bool, ``(z, y, x)``)."""
    values = np.full(int(scar.sum()), image[scar].mean())
    return _with_values(image, scar, values)


def blurred_noise(
    image: np.ndarray, scar: np.ndarray, pixel_mm: tuple[float, float], rng: np.random.Generator
) -> np.ndarray:
    """Return ``image`` with smooth noise in ``scar`` that has its own mean and SD.

    The noise is blurred in plane by :data:`NOISE_MM`; ``pixel_mm`` is a pixel's height and width.
    """
    sigma = (0.0, *(NOISE_MM / mm for mm in pixel_mm))
    noise = ndimage.gaussian_filter(rng.standard_normal(image.shape), sigma)[scar]
    noise = (noise - noise.mean()) / max(noise.std(), 1e-12)
    return _with_values(image, scar, image[scar].mean() + image[scar].std() * noise)


def _with_values(image: np.ndarray, scar: np.ndarray, values: np.ndarray) -> np.ndarray:
    result = image.copy()
    if np.issubdtype(image.dtype, np.integer):
        limits = np.iinfo(image.dtype)
        values = np.clip(np.rint(values), limits.min, limits.max)
    result[scar] = values.astype(image.dtype)
    return result
