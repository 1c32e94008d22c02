"""Infarct by every signal method, side by side: n-SD, FWHM, Otsu and EWA, over a study or slice by slice."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from claimslicer.anatomy.frame import LVFrame
from claimslicer.errors import AnatomyError, SpecificationError, StudyError
from claimslicer.quantification.ewa import ewa
from claimslicer.quantification.image_kind import ImageLevels
from claimslicer.quantification.thresholds import (
    REMOTE_MINIMUM_VOXELS,
    ThresholdResult,
    fwhm,
    n_sd,
    otsu,
    remote_region,
)

METHODS = ("2 SD", "3 SD", "4 SD", "5 SD", "6 SD", "FWHM", "FWHM of region", "FWHM, grown", "Otsu", "EWA")
"""``FWHM`` is half the maximum of the wall; ``of region`` half that of the hyper-enhanced region; ``grown``
keeps what is connected with it. What each does is said by :func:`find_infarct`."""


@dataclass(frozen=True)
class MethodSettings:
    """How the methods measure.

    ``remote`` and ``seeds`` (bool, (z, y, x)) are drawn or imported regions: unenhanced myocardium, and the
    hyper-enhanced region that FWHM takes its maximum from; without them both are found. ``include`` limits
    the wall that may be infarct, ``exclude`` takes away from it. ``per_slice`` sets a threshold a slice.
    """

    per_slice: bool = False
    remote: np.ndarray | None = None
    seeds: np.ndarray | None = None
    include: np.ndarray | None = None
    exclude: np.ndarray | None = None

    def describe(self) -> dict[str, Any]:
        """Return the settings as a report says them, without arrays."""
        return {
            "per_slice": self.per_slice,
            "remote": "automatic" if self.remote is None else "drawn",
            "hyper_enhanced_region": "above 5 SD" if self.seeds is None else "drawn",
            "include": self.include is not None,
            "exclude": self.exclude is not None,
        }


@dataclass(frozen=True)
class MethodResult:
    """What one method finds.

    ``mask`` bool and ``weights`` float32 0–1 (z, y, x) say where infarct is and how much of each voxel: they
    differ for EWA alone. ``thresholds`` are the grey levels of the cut, one or one a slice with wall; NaN
    where nothing is enhanced. ``problem`` says in a sentence why a method has no result.
    """

    method: str
    mask: np.ndarray
    weights: np.ndarray
    thresholds: tuple[float, ...]
    problem: str = ""

    @property
    def threshold(self) -> float:
        """The one threshold, or the median of the slices'."""
        known = [value for value in self.thresholds if not np.isnan(value)]
        return float(np.median(known)) if known else float("nan")

    @property
    def voxels(self) -> float:
        """Infarct in voxels."""
        return float(self.weights.sum())


@dataclass(frozen=True)
class Remote:
    """The remote region (bool), whether it was drawn, and its grey levels."""

    mask: np.ndarray
    drawn: bool
    mean: float
    sd: float


def find_remote(
    image: np.ndarray, frame: LVFrame, settings: MethodSettings, infarct: np.ndarray | None = None
) -> Remote:
    """Return the drawn remote region, else the one found in the wall, clear of ``infarct`` where known.

    Raises StudyError for a drawn region that holds too little wall, AnatomyError where none can be found.
    """
    if settings.remote is None:
        mask = remote_region(image, frame, infarct)
    else:
        mask = _region(settings.remote, image, "remote region") & frame.myocardium
        if mask.sum() < 2:
            raise StudyError(
                "The remote region that was given holds no wall: draw it in unenhanced myocardium."
            )
    values = image[mask].astype(float)
    return Remote(mask, settings.remote is not None, float(values.mean()), float(values.std(ddof=1)))


def find_infarct(
    image: np.ndarray,
    frame: LVFrame,
    levels: ImageLevels,
    settings: MethodSettings | None = None,
    methods: Sequence[str] = METHODS,
    infarct: np.ndarray | None = None,
) -> dict[str, MethodResult]:
    """Find the infarct in the wall of ``frame`` by each of ``methods``.

    n-SD takes wall above the remote region's mean + n SD. FWHM takes wall above half the way from the level
    of no signal (``levels.zero``) to a maximum (Amado et al., JACC 2004, 44:2383): the wall's; that of the
    hyper-enhanced region; or the latter, grown from it. Otsu splits the wall's grey levels, those below no
    signal counted as none. EWA is :func:`~claimslicer.quantification.ewa.ewa`. ``infarct`` (bool) is what is
    known of it; the automatic remote region keeps clear of it.

    Raises what :func:`find_remote` does, and SpecificationError for an unknown method.
    """
    settings = settings or MethodSettings()
    for name in methods:
        if name not in METHODS:
            raise SpecificationError(f"There is no method {name!r}: choose from {', '.join(METHODS)}.")
    remote = find_remote(image, frame, settings, infarct)
    wall = _allowed(image, frame.myocardium, settings)
    results = {}
    for name in methods:
        try:
            results[name] = _by_method(name, image, frame, wall, remote, levels, settings)
        except (StudyError, AnatomyError) as error:
            nothing = np.zeros(image.shape, bool)
            results[name] = MethodResult(name, nothing, nothing.astype(np.float32), (), str(error))
    return results


def _by_method(
    name: str,
    image: np.ndarray,
    frame: LVFrame,
    wall: np.ndarray,
    remote: Remote,
    levels: ImageLevels,
    settings: MethodSettings,
) -> MethodResult:
    weights = np.zeros(image.shape, np.float32)
    mask = np.zeros(image.shape, bool)
    thresholds = []
    if not wall.any():
        raise StudyError("No wall is left between the include and exclude regions: draw them again.")
    seeds = None if settings.seeds is None else _region(settings.seeds, image, "hyper-enhanced region")
    for part in _parts(frame, wall, settings.per_slice):
        own_remote = _own_remote(image, frame, remote, part)
        rule = _RULES.get(name, _sd)
        found, share, threshold = rule(_Part(name, image, wall & part, own_remote, levels.zero, seeds, frame))
        mask |= found
        weights = np.maximum(weights, share)
        thresholds.append(threshold)
    return MethodResult(name, mask, weights, tuple(thresholds))


def _parts(frame: LVFrame, wall: np.ndarray, per_slice: bool) -> Iterator[np.ndarray]:
    """Yield the regions that get a threshold each: all, or one slice after the other."""
    if not per_slice:
        yield np.ones(wall.shape, bool)
        return
    moved = np.moveaxis(wall, frame.slice_axis, 0)
    for k in np.flatnonzero(moved.any(axis=(1, 2))):
        part = np.zeros(wall.shape, bool)
        np.moveaxis(part, frame.slice_axis, 0)[k] = True
        yield part


def _own_remote(image: np.ndarray, frame: LVFrame, remote: Remote, part: np.ndarray) -> np.ndarray:
    """Return the remote region of a part: what lies in it, else its darkest segment, else that of all."""
    own = remote.mask & part
    if own.sum() >= REMOTE_MINIMUM_VOXELS or part.all():
        return own
    if not remote.drawn:
        with np.errstate(invalid="ignore"):
            middle = frame.myocardium & part & (frame.transmural >= 0.2) & (frame.transmural <= 0.8)
        regions = [middle & (frame.segments == k) for k in range(1, 18)]
        regions = [region for region in regions if region.sum() >= REMOTE_MINIMUM_VOXELS // 2]
        if regions:
            return min(regions, key=lambda region: float(np.percentile(image[region], 90)))
    return remote.mask


@dataclass(frozen=True)
class _Part:
    """What a rule works on: the wall that may be infarct and the remote region, of a study or a slice."""

    name: str
    image: np.ndarray
    wall: np.ndarray
    remote: np.ndarray
    zero: float
    seeds: np.ndarray | None
    frame: LVFrame


_Found = tuple[np.ndarray, np.ndarray, float]


def _sd(part: _Part) -> _Found:
    return _whole(n_sd(part.image, part.wall, part.remote, float(part.name.split(" ")[0])))


def _fwhm(part: _Part) -> _Found:
    if part.name == "FWHM":
        threshold = (part.zero + float(part.image[part.wall].max())) / 2.0
        return _whole(ThresholdResult(part.wall & (part.image > threshold), threshold))
    grown = fwhm(part.image, part.wall, part.remote, part.seeds, baseline=part.zero)
    if part.name == "FWHM, grown":
        return _whole(grown)
    # Nothing lies above a threshold that is no number.
    return _whole(ThresholdResult(part.wall & (part.image > grown.threshold), grown.threshold))


def _otsu(part: _Part) -> _Found:
    return _whole(otsu(np.maximum(part.image, part.zero), part.wall))


def _ewa(part: _Part) -> _Found:
    found = ewa(part.image, part.wall, part.remote, part.frame)
    return found.mask, found.weights, found.threshold


def _whole(found: ThresholdResult) -> _Found:
    return found.mask, found.mask.astype(np.float32), found.threshold


_RULES: dict[str, Callable[[_Part], _Found]] = {
    "FWHM": _fwhm,
    "FWHM of region": _fwhm,
    "FWHM, grown": _fwhm,
    "Otsu": _otsu,
    "EWA": _ewa,
}


def _allowed(image: np.ndarray, wall: np.ndarray, settings: MethodSettings) -> np.ndarray:
    if settings.include is not None:
        wall = wall & _region(settings.include, image, "include region")
    if settings.exclude is not None:
        wall = wall & ~_region(settings.exclude, image, "exclude region")
    return wall


def _region(mask: np.ndarray, image: np.ndarray, name: str) -> np.ndarray:
    if mask.shape != image.shape:
        raise StudyError(
            f"The {name} measures {mask.shape} voxels and the image {image.shape}: draw it on this study."
        )
    return mask.astype(bool)
