"""How the scanner sees it: coil sensitivity, a limited k-space, noise in two channels, magnitude."""

from __future__ import annotations

import numpy as np
from scipy import fft, ndimage

from claimslicer.studies.geometry import Geometry


class Fields:
    """A source of smooth random fields on a grid: ``fields(grain_mm)`` is ``(z, y, x)``, mean 0 and SD 1.

    One field a grain is computed; further ones are its mirror images and negatives, drawn anew when those
    are used up, because smoothing costs more than everything else in a phantom.
    """

    def __init__(self, geometry: Geometry, rng: np.random.Generator) -> None:
        self._geometry = geometry
        self._rng = rng
        self._drawn: dict[float, tuple[np.ndarray, int]] = {}

    def __call__(self, grain_mm: float) -> np.ndarray:
        """Return the next field of this grain."""
        field, uses = self._drawn.get(grain_mm, (None, 0))
        if field is None or uses == 8:
            field = smooth_field(self._geometry.shape, self._geometry.spacing_zyx, grain_mm, self._rng)
            uses = 0
        self._drawn[grain_mm] = field, uses + 1
        rows, columns, sign = (-1 if uses & bit else 1 for bit in (1, 2, 4))
        return field[:, ::rows, ::columns] * np.float32(sign)


def smooth_field(
    shape: tuple[int, ...], spacing_zyx: tuple[float, float, float], grain_mm: float, rng: np.random.Generator
) -> np.ndarray:
    """Return a random field of ``shape`` (z, y, x), mean 0 and SD 1, smooth over ``grain_mm``.

    Coarse grains are drawn on a coarse grid and interpolated linearly, so their cost does not grow.
    """
    in_plane = (spacing_zyx[1] + spacing_zyx[2]) / 2
    sigma = grain_mm / 2.0 / in_plane
    step = max(1, int(sigma // 1.5))
    coarse = (shape[0], -(-shape[1] // step) + 4, -(-shape[2] // step) + 4)
    sigmas = (grain_mm / 2.0 / spacing_zyx[0], sigma / step, sigma / step)
    field = rng.standard_normal(coarse, dtype=np.float32)
    field = ndimage.gaussian_filter(field, sigmas, mode="wrap")
    field /= max(float(field.std()), 1e-6)
    if step == 1:
        return np.ascontiguousarray(field[:, : shape[1], : shape[2]])
    rows, columns = (_interpolation(shape[k], coarse[k], step) for k in (1, 2))
    return rows @ field @ columns.T


def _interpolation(fine: int, coarse: int, step: int) -> np.ndarray:
    """Return the ``(fine, coarse)`` matrix that interpolates linearly between samples ``step`` apart."""
    position = np.arange(fine)[:, None] / step
    return np.clip(1 - np.abs(position - np.arange(coarse)), 0, 1).astype(np.float32)


def coil_sensitivity(u: np.ndarray, v: np.ndarray, shading: float) -> np.ndarray:
    """Return a surface coil's profile over the view (mm): 1 at the heart, brighter towards the chest wall."""
    reach = np.float32(2 * 110.0**2)
    profile = np.exp(-((u + 95) ** 2 + (v + 75) ** 2) / reach)
    at_heart = np.exp(-(95.0**2 + 75.0**2) / reach)
    return (1 + shading * (profile - at_heart)).astype(np.float32)


def measure(
    signal: np.ndarray, acquired: float, noise: float, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """Measure slices ``signal`` (z, y, x) through a limited k-space and return (magnitude, noise-free).

    ``acquired`` is the measured fraction of each in-plane axis; the rest is zero-filled after a Tukey
    roll-off. White complex noise is scaled so that each channel has standard deviation ``noise`` in the
    image; the magnitude is then Rician (Gudbjartsson and Patz 1995). Both results are float32.
    """
    window = np.ones((1, 1, 1), np.float32)
    for axis in (1, 2):
        n = signal.shape[axis]
        frequency = np.abs(fft.fftfreq(n)) * 2 / acquired
        edge = 0.5 * (1 + np.cos(np.pi * np.clip((frequency - 0.2) / 0.8, 0, 1)))
        edge[frequency > 1] = 0
        window = window * edge.astype(np.float32).reshape([-1 if a == axis else 1 for a in range(3)])
    spectrum = fft.fft2(signal.astype(np.complex64), axes=(1, 2)) * window
    clean = fft.ifft2(spectrum, axes=(1, 2)).real
    white = rng.standard_normal((2, *signal.shape), dtype=np.float32)
    channels = fft.ifft2(fft.fft2(white[0] + 1j * white[1], axes=(1, 2)) * window, axes=(1, 2))
    gain = noise / float(np.sqrt(np.mean(np.abs(window) ** 2)))
    return np.abs(clean + gain * channels).astype(np.float32), np.abs(clean).astype(np.float32)
