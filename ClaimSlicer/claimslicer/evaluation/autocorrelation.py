"""The grain of a scar: over how many millimetres its grey levels stay alike."""

from __future__ import annotations

import numpy as np

LONGEST_MM = 10.0
"""Longest lag looked at, about a wall's thickness; also the length of grey levels that are all the same."""
LEVEL = 0.5
"""Half: at 1/e, which real scars reach late, a gradient over the scar counts for more than its grain."""
FEWEST_VOXELS = 12
"""A slice with less scar has no grain to speak of."""
FEWEST_PAIRS = 20
"""Lags with fewer pairs of voxels are not looked at."""


def autocorrelation_length(units: np.ndarray, scar: np.ndarray, pixel_mm: tuple[float, float]) -> float:
    """Return the in-plane distance, in mm, at which the autocorrelation inside the scar falls to one half.

    ``units`` and ``scar`` (bool) are ``(z, y, x)``, ``pixel_mm`` the pixel's height and width. Each slice's
    own mean is taken off; pairs of voxels of all slices count alike. White noise smoothed by a Gaussian of
    SD s has the length 2 s √ln 2. :data:`LONGEST_MM` where the correlation never falls so far; NaN where no
    slice holds :data:`FEWEST_VOXELS` of scar.
    """
    slices = [z for z in range(len(scar)) if scar[z].sum() >= FEWEST_VOXELS]
    if not slices:
        return float("nan")
    centred = [np.where(scar[z], units[z] - units[z][scar[z]].mean(), 0.0) for z in slices]
    sums, counts = _lag_sums(np.stack(centred), scar[slices])
    variance = sums[0, 0] / counts[0, 0]
    # Below a millionth of a remote SD there is rounding and nothing else.
    if not variance > 1e-12:
        return LONGEST_MM
    lags = [_lags(count, mm) for count, mm in zip(sums.shape, pixel_mm, strict=True)]
    distance = np.hypot(*np.meshgrid(*lags, indexing="ij"))
    radii, correlation = _by_distance(distance, sums / variance, counts, min(pixel_mm))
    return _first_crossing(radii, correlation, LEVEL)


def _lag_sums(values: np.ndarray, inside: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the sum of products and the number of pairs of every lag (y, x), over all slices, by FFT."""
    size = [2 * n for n in values.shape[1:]]
    parts = []
    for array in (values, inside.astype(float)):
        power = np.abs(np.fft.rfft2(array, size)) ** 2
        parts.append(np.fft.irfft2(power, size).sum(0))
    return parts[0], np.rint(parts[1])


def _lags(count: int, mm: float) -> np.ndarray:
    return np.abs(np.fft.fftfreq(count, 1.0 / count)) * mm


def _by_distance(
    distance: np.ndarray, sums: np.ndarray, counts: np.ndarray, width_mm: float
) -> tuple[np.ndarray, np.ndarray]:
    """Return mean distance and mean correlation of the lags in rings ``width_mm`` wide; lag 0 by itself."""
    used = (counts > 0) & (distance <= LONGEST_MM)
    ring = np.ceil(distance[used] / width_mm - 1e-6).astype(int)
    pairs = np.bincount(ring, counts[used])
    enough = pairs >= FEWEST_PAIRS
    enough[0] = True
    pairs = np.maximum(pairs, 1)
    radii = np.bincount(ring, (distance * counts)[used]) / pairs
    return radii[enough], (np.bincount(ring, sums[used]) / pairs)[enough]


def _first_crossing(radii: np.ndarray, values: np.ndarray, level: float) -> float:
    """Return where ``values`` first fall to ``level``, by linear interpolation; LONGEST_MM if nowhere."""
    below = np.flatnonzero(values <= level)
    if not len(below):
        return LONGEST_MM
    i = int(below[0])
    share = (values[i - 1] - level) / (values[i - 1] - values[i])
    return float(radii[i - 1] + share * (radii[i] - radii[i - 1]))
