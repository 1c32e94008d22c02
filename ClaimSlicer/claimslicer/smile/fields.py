"""Random fields on the LV wall.

A field is a sum of cosines with random wave numbers and phases (random Fourier features: Rahimi and Recht,
2007), evaluated where the points are. It depends on ventricular coordinates and the seed only, so the same
seed gives the same scar however the array is laid out, and no grid is filtered.
"""

from __future__ import annotations

from enum import IntEnum

import numpy as np

from claimslicer.smile.wall import Wall

FEATURES = 32


class Stream(IntEnum):
    """What a seed is used for; each use has its own stream, so that none shifts another."""

    FOCUS = 0
    SHAPE = 1
    GRAIN = 2
    MVO = 3
    BLOB = 4


class Draws:
    """Random numbers that are the same on every machine and NumPy version.

    NumPy promises the raw stream of its bit generators, but not the streams of its distributions; so the
    uniform and normal numbers are made here from raw PCG64 output.
    """

    def __init__(self, seed: int, *key: int) -> None:
        self._bits = np.random.PCG64(np.random.SeedSequence(seed, spawn_key=key))

    def uniform(self, *shape: int) -> np.ndarray:
        """Return numbers in the open interval (0, 1)."""
        raw = self._bits.random_raw(int(np.prod(shape)))
        return (((raw >> np.uint64(11)).astype(float) + 0.5) * 2.0**-53).reshape(shape)

    def normal(self, *shape: int) -> np.ndarray:
        """Return standard normal numbers."""
        from scipy.special import ndtri  # here, as Slicer imports this file when it starts

        return ndtri(self.uniform(*shape))

    def integer(self, low: int, high: int) -> int:
        """Return one whole number from ``low`` to ``high``, both included."""
        return low + int(self.uniform(1)[0] * (high - low + 1))


def random_field(wall: Wall, draws: Draws, along_mm: float, through_mm: float = np.inf) -> np.ndarray:
    """Return a smooth field (N,) of mean 0 and standard deviation 1 with Gaussian covariance.

    ``along_mm`` is the width of its grains along the wall, ``through_mm`` across it (infinite: the field is
    the same through the whole wall). A grain's width is twice the correlation length. Around the LV the wave
    numbers are whole, so the field closes on itself.
    """
    normal = draws.normal(3, FEATURES)
    around = np.rint(normal[0] * 2.0 * wall.radius_mm / along_mm)
    lengthwise = normal[1] * 2.0 * wall.length_mm / along_mm
    through = normal[2] * 2.0 * wall.thickness_mm / through_mm
    phase = draws.uniform(FEATURES) * 2.0 * np.pi
    coordinates = np.stack([wall.angle_rad, wall.longitudinal, wall.depth], axis=1)
    argument = coordinates @ np.stack([around, lengthwise, through])
    argument += phase
    return np.cos(argument, out=argument).sum(axis=1) * np.sqrt(2.0 / FEATURES)
