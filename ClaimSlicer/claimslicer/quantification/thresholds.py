"""Scar by signal thresholds: n-SD, full width at half maximum, and Otsu."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from claimslicer.anatomy.frame import LVFrame
from claimslicer.errors import AnatomyError, SpecificationError, StudyError

REMOTE_TRANSMURAL_RANGE = (0.25, 0.75)
"""The remote region keeps to the middle of the wall: blood and fat shine into its borders."""
REMOTE_MINIMUM_VOXELS = 20


@dataclass(frozen=True)
class ThresholdResult:
    """Voxels of the wall that count as enhanced (bool, shape of the image), and the grey level of the cut."""

    mask: np.ndarray
    threshold: float


def remote_region(image: np.ndarray, frame: LVFrame, infarct: np.ndarray | None = None) -> np.ndarray:
    """Return a remote region (bool): unenhanced wall away from both borders.

    It is the AHA segment (1–16) whose mid-wall has the lowest 90th percentile: low all through, so that
    neither scar nor a dark core inside scar is taken for remote. Where ``infarct`` (bool) is known its voxels
    are left out. Raises AnatomyError where no segment is thick enough.
    """
    low, high = REMOTE_TRANSMURAL_RANGE
    with np.errstate(invalid="ignore"):
        middle = frame.myocardium & (frame.transmural >= low) & (frame.transmural <= high)
    if infarct is not None:
        middle &= ~infarct
    candidates = {k: middle & (frame.segments == k) for k in range(1, 17)}
    levels = {
        k: np.percentile(image[region], 90)
        for k, region in candidates.items()
        if region.sum() >= REMOTE_MINIMUM_VOXELS
    }
    if not levels:
        raise AnatomyError(
            "No segment's mid-wall is large enough for a remote region; check the labels or draw one by hand."
        )
    return candidates[min(levels, key=lambda k: levels[k])]


def n_sd(image: np.ndarray, myocardium: np.ndarray, remote: np.ndarray, n: float = 5.0) -> ThresholdResult:
    """Take wall above mean + ``n`` SD of the remote region; ``n`` is 2 to 6. All arrays have one shape."""
    if not 2 <= n <= 6:
        raise SpecificationError(f"n-SD thresholds are used with n from 2 to 6, not {n:g}.")
    mean, sd = _remote_statistics(image, remote)
    threshold = mean + n * sd
    return ThresholdResult(myocardium & (image > threshold), threshold)


def fwhm(
    image: np.ndarray,
    myocardium: np.ndarray,
    remote: np.ndarray,
    seeds: np.ndarray | None = None,
    seed_sd: float = 5.0,
    baseline: float = 0.0,
) -> ThresholdResult:
    """Take wall above half the maximum of the hyper-enhanced region (Amado et al., JACC 2004, 44:2383).

    ``seeds`` (bool) marks the hyper-enhanced region; without it, that is the wall above mean + ``seed_sd`` SD
    of the remote region, and where there is none nothing is enhanced (threshold NaN). Kept are the connected
    parts above half the maximum that touch a seed. ``baseline`` is the grey level of no signal: where a
    scanner or an export lifts the grey levels, give the mean of the remote region.
    """
    from scipy.ndimage import generate_binary_structure, label

    if seeds is None:
        mean, sd = _remote_statistics(image, remote)
        seeds = image > mean + seed_sd * sd
    seeds = seeds & myocardium
    if not seeds.any():
        return ThresholdResult(np.zeros(image.shape, bool), float("nan"))
    threshold = (baseline + float(image[seeds].max())) / 2.0
    parts, _ = label(myocardium & (image > threshold), structure=generate_binary_structure(3, 3))
    grown = np.isin(parts, np.setdiff1d(np.unique(parts[seeds]), 0))
    return ThresholdResult(grown, threshold)


def otsu(image: np.ndarray, myocardium: np.ndarray) -> ThresholdResult:
    """Split the wall's grey levels in two by Otsu's method.

    It always finds two classes, so use it only on a wall that is known to hold scar.
    """
    from skimage.filters import threshold_otsu

    if not myocardium.any():
        raise StudyError("The labels hold no myocardium, so there is nothing to threshold.")
    threshold = float(threshold_otsu(image[myocardium]))
    return ThresholdResult(myocardium & (image > threshold), threshold)


def threshold_masks(
    image: np.ndarray, frame: LVFrame, infarct: np.ndarray, n: float = 5.0
) -> dict[str, np.ndarray]:
    """Return the infarct (bool) that each threshold finds in the wall of ``frame``, by its name.

    ``infarct`` (bool) is what is known of it: the remote region keeps clear of it, and Otsu, which always
    finds two classes, is left out where it is empty. FWHM counts from the level of the remote region, so that
    grey levels that an export has lifted don't matter.
    """
    wall = frame.myocardium
    remote = remote_region(image, frame, infarct)
    level = float(image[remote].mean())
    masks = {
        f"{n:g} SD": n_sd(image, wall, remote, n).mask,
        "FWHM": fwhm(image, wall, remote, baseline=level).mask,
    }
    return masks | ({"Otsu": otsu(image, wall).mask} if infarct.any() else {})


def _remote_statistics(image: np.ndarray, remote: np.ndarray) -> tuple[float, float]:
    if remote.sum() < 2:
        raise StudyError("The remote region is empty; draw one in unenhanced myocardium.")
    values = image[remote].astype(float)
    return float(values.mean()), float(values.std(ddof=1))
