"""Real studies as another scanner would have shown them: pixels, matrix, noise, shading and grey-level curve.

A network that is to go on with any study's grain has to meet many: of a study, patches are taken at pixels
of 0.6 to 2.2 mm, cut in k-space to a smaller matrix as zero-filled and filtered images are, given noise
through the same filter, a coil's shading and another grey-level curve.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import torch

PIXELS_MM = (0.6, 2.2)
"""Pixel sizes that are drawn, evenly in their logarithm."""

MATRIX_MM = (1.2, 2.6)
"""Sizes of the pixels that were measured; smaller ones in the image are interpolated."""

BENT_TO = 4.0
"""What is brighter than this, fat, is shifted and not expanded further."""

NOISE = (0.01, 0.2)
"""SD of the noise added, in units of blood minus wall, evenly in its logarithm."""


@dataclass(frozen=True)
class Scanner:
    """One drawn scanner; ``matrix_mm`` is the measured pixel in rows and columns."""

    pixel_mm: float
    matrix_mm: tuple[float, float]
    rounded: float
    noise_sd: float
    shading: tuple[float, float]
    zero: float
    curve: float

    @classmethod
    def draw(cls, rng: np.random.Generator) -> Scanner:
        """Draw one."""
        measured = float(np.exp(rng.uniform(*np.log(MATRIX_MM))))
        other = measured * float(np.exp(rng.uniform(0.0, 0.4)))
        matrix = (measured, other) if rng.random() < 0.5 else (other, measured)
        rounded = float(rng.choice([0.0, rng.uniform(0.1, 0.6)]))
        noise = float(np.exp(rng.uniform(*np.log(NOISE))))
        shading = tuple(float(value) for value in rng.normal(0.0, 0.004, 2))
        pixel = float(np.exp(rng.uniform(*np.log(PIXELS_MM))))
        return cls(pixel, matrix, rounded, noise, shading, rng.uniform(0.2, 2.0), draw_curve(rng))  # type: ignore[arg-type]

    def image(self, units: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
        """Return ``units`` ``(n, h, w)``, sampled at ``pixel_mm``, as this scanner would have shown them."""
        height, width = units.shape[-2:]
        rows, columns = torch.arange(height) - height / 2, torch.arange(width) - width / 2
        slope_y, slope_x = (value * self.pixel_mm for value in self.shading)
        field = torch.exp(rows[:, None] * slope_y + columns[None] * slope_x)
        shaded = bend((units + self.zero) * field - self.zero, self.curve)
        noise = torch.randn(units.shape, generator=generator)
        return self._filtered(shaded) + self._filtered(noise) * (self.noise_sd / self._passed(height, width))

    def _filtered(self, images: torch.Tensor) -> torch.Tensor:
        """Keep what the matrix holds. Cosines go on at the border as in a mirror: no edge rings there."""
        rows, columns = (cosines(size) for size in images.shape[-2:])
        there = rows @ images @ columns.T
        kept = there * self._window(images.shape[-2], 0)[:, None] * self._window(images.shape[-1], 1)
        return rows.T @ kept @ columns

    def _window(self, size: int, axis: int) -> torch.Tensor:
        """Return the k-space window ``(size,)``: flat, its last part ``rounded`` off."""
        frequency = torch.arange(size) / size * (self.matrix_mm[axis] / self.pixel_mm)
        if not self.rounded:
            return (frequency <= 1.0).float()
        start = 1.0 - self.rounded
        fall = ((frequency - start) / self.rounded).clamp(0, 1)
        return 0.5 * (1 + torch.cos(torch.pi * fall))

    def _passed(self, height: int, width: int) -> float:
        """Return the SD that white noise of SD 1 has left after the filter."""
        rows, columns = self._window(height, 0), self._window(width, 1)
        return float((rows.square().mean() * columns.square().mean()).sqrt())


def draw_curve(rng: np.random.Generator) -> float:
    """Draw a grey-level curve for :func:`bend`: mild, either way."""
    return float(rng.uniform(-0.9, 0.6))


def bend(units: torch.Tensor, curve: float) -> torch.Tensor:
    """Bend grey levels smoothly, wall (0) and blood (1) staying: ``curve`` > 0 compresses what is bright."""
    if abs(curve) < 1e-3:
        return units
    strength = abs(curve)
    if curve > 0:
        return torch.asinh(units * strength) / float(np.arcsinh(strength))
    limited = units.clamp(-BENT_TO, BENT_TO)
    return torch.sinh(limited * strength) / float(np.sinh(strength)) + (units - limited)


def unbend(units: torch.Tensor, curve: float) -> torch.Tensor:
    """Undo :func:`bend`, passing gradients."""
    if abs(curve) < 1e-3:
        return units
    strength = abs(curve)
    if curve > 0:
        return torch.sinh(units * float(np.arcsinh(strength))) / strength
    limit = float(np.sinh(BENT_TO * strength) / np.sinh(strength))
    inside = units.clamp(-limit, limit)
    return torch.asinh(inside * float(np.sinh(strength))) / strength + (units - inside)


@lru_cache(maxsize=8)
def cosines(size: int) -> torch.Tensor:
    """Return the orthonormal DCT-II matrix ``(size, size)``."""
    index = np.arange(size)
    matrix = np.cos(np.pi * np.outer(index, index + 0.5) / size) * np.sqrt(2 / size)
    matrix[0] /= np.sqrt(2)
    return torch.from_numpy(matrix.astype(np.float32))
