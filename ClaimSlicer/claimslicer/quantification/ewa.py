"""EWA: a threshold by expectation maximisation, knowledge about infarcts, and partial volume by weights.

In the manner of Engblom et al., JCMR 2016, 18:27, and Heiberg et al., Radiology 2008, 246:581; written anew
from what they describe, so numbers differ in detail from the authors' program.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from claimslicer.anatomy.frame import LVFrame
from claimslicer.errors import StudyError

MINIMUM_ML = 0.3
"""Smaller islands are noise, unless nothing larger is found."""
SEPARATION_SD = 2.0
"""Two groups of grey levels that lie closer, in SDs of the remote region, are one: no infarct."""
INNER_WALL = 0.5
"""An infarct begins at the endocardium: a part that doesn't reach this depth is left out."""
_STEPS = 100


@dataclass(frozen=True)
class EwaResult:
    """Infarct (bool), each voxel's infarcted share (float32, 0–1) and the threshold (NaN: none)."""

    mask: np.ndarray
    weights: np.ndarray
    threshold: float


@dataclass(frozen=True)
class _Mixture:
    low: float
    high: float
    sd_low: float
    sd_high: float
    share: float

    @property
    def threshold(self) -> float:
        """The grey level between the means at which both groups are equally likely."""
        at = np.linspace(self.low, self.high, 512)
        low = (1 - self.share) * np.exp(-0.5 * ((at - self.low) / self.sd_low) ** 2) / self.sd_low
        high = self.share * np.exp(-0.5 * ((at - self.high) / self.sd_high) ** 2) / self.sd_high
        return float(at[np.argmax(high >= low)])


def ewa(image: np.ndarray, wall: np.ndarray, remote: np.ndarray, frame: LVFrame) -> EwaResult:
    """Find the infarct in ``wall`` (bool); all arrays are (z, y, x), ``remote`` is unenhanced wall.

    Two Gaussian groups are fitted to the wall's grey levels by expectation maximisation, the lower one begun
    at the remote region's; the threshold is where both are equally likely. Known of infarcts: parts below
    0.3 ml and parts that don't reach the inner half of the wall are left out, and a dark core between scar
    and cavity (MVO) is infarct. Each infarct voxel then counts by how far it lies between the two groups'
    means, and a core wholly. Raises StudyError for a wall of one grey level.
    """
    values = image[wall].astype(float)
    if values.size < 10 or np.ptp(values) == 0:
        raise StudyError("The wall is of one grey level or too small, so EWA finds no groups in it.")
    nothing = np.zeros(image.shape, bool)
    mean, sd = float(image[remote].mean()), float(image[remote].std(ddof=1))
    mixture = _fit(values, mean, max(sd, 1e-6 * np.ptp(values)))
    if mixture is None or mixture.high - mixture.low < SEPARATION_SD * sd:
        return EwaResult(nothing, nothing.astype(np.float32), float("nan"))
    threshold = mixture.threshold
    bright = _plausible(wall & (image > threshold), frame)
    core = _dark_core(bright, wall, frame)
    weights = np.clip((image - mixture.low) / (mixture.high - mixture.low), 0.0, 1.0)
    weights = np.where(bright, weights, 0.0)
    weights[core] = 1.0
    return EwaResult(bright | core, weights.astype(np.float32), threshold)


def _fit(values: np.ndarray, mean: float, sd: float) -> _Mixture | None:
    """Fit two groups; None where the upper one dies out."""
    bright = values[values > mean + 3 * sd]
    if bright.size < 3:
        return None
    low, high, sd_low, sd_high = mean, float(bright.mean()), sd, max(float(bright.std()), sd)
    share = bright.size / values.size
    for _ in range(_STEPS):
        a = (1 - share) * np.exp(-0.5 * ((values - low) / sd_low) ** 2) / sd_low
        b = share * np.exp(-0.5 * ((values - high) / sd_high) ** 2) / sd_high
        # Beyond the upper mean a wide lower group would win again: brighter is never less likely infarct.
        upper = np.where(values >= high, 1.0, np.where(values <= low, 0.0, b / np.maximum(a + b, 1e-300)))
        before, share = share, float(upper.mean())
        if not 0.001 < share < 0.95:
            return None
        low, high = (float(np.average(values, weights=w)) for w in (1 - upper, upper))
        sd_low, sd_high = (
            max(float(np.sqrt(np.average((values - m) ** 2, weights=w))), 0.25 * sd)
            for m, w in ((low, 1 - upper), (high, upper))
        )
        if abs(share - before) < 1e-5:
            break
    return _Mixture(low, high, sd_low, sd_high, share)


def _plausible(bright: np.ndarray, frame: LVFrame) -> np.ndarray:
    """Keep the parts that are large enough and reach the inner half of the wall."""
    from scipy.ndimage import generate_binary_structure, label

    parts, count = label(bright, structure=generate_binary_structure(3, 2))
    if not count:
        return bright
    ml = np.bincount(parts.ravel(), minlength=count + 1) * frame.geometry.voxel_volume_ml
    with np.errstate(invalid="ignore"):
        inner = set(np.unique(parts[bright & (frame.transmural <= INNER_WALL)]).tolist())
    reaching = [k for k in range(1, count + 1) if k in inner]
    kept = [k for k in reaching if ml[k] >= MINIMUM_ML] or sorted(reaching, key=lambda k: -ml[k])[:1]
    return np.isin(parts, kept) & bright


def _dark_core(bright: np.ndarray, wall: np.ndarray, frame: LVFrame) -> np.ndarray:
    """Return the wall that scar, or scar and cavity together, shut in within a slice."""
    from scipy.ndimage import binary_fill_holes

    core = np.zeros(wall.shape, bool)
    layers = (np.moveaxis(a, frame.slice_axis, 0) for a in (bright, wall, frame.cavity, core))
    for scar, muscle, cavity, out in zip(*layers, strict=True):
        if scar.any():
            # A dark core is shut in by scar, or by scar and blood; healthy wall runs on round the ring.
            out[:] = binary_fill_holes(scar | cavity) & muscle & ~scar
    return core
