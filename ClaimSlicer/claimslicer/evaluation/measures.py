"""What one scar in one image looks like, in numbers; real and synthetic scars are measured alike.

Grey levels are in SDs of the study's own remote myocardium, which every measure but the ratio is free of
the scanner's scale by.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from itertools import pairwise

import numpy as np

from claimslicer.errors import StudyError
from claimslicer.evaluation.autocorrelation import FEWEST_VOXELS, autocorrelation_length
from claimslicer.labels import Label
from claimslicer.synthesis.normalisation import remote_scale
from claimslicer.synthesis.texture import edge_step

QUANTILES = np.linspace(0.0025, 0.9975, 200)
"""The quantiles that stand for a scar's grey levels, so that every study weighs the same."""


@dataclass(frozen=True)
class ScarMeasures:
    """Measures of a scar (label 3; MVO is measured by itself); NaN where a scar can't show one.

    ``cnr`` is (mean of scar − mean of remote) ÷ SD of remote; ``spread`` the SD of the scar's grey levels;
    ``ratio`` mean of scar ÷ mean of remote, in the image's own values; ``blood`` the scar's median ÷ the
    blood pool's, both in remote SDs; ``edge`` the mean in-plane step from a healthy neighbour up to a scar
    voxel; ``texture_mm`` the autocorrelation length; ``slice_mean`` and ``slice_sd`` the mean absolute
    difference of neighbouring slices' scar mean and SD; ``mvo_contrast`` mean of scar − mean of MVO. All but
    ``ratio``, ``blood`` and ``texture_mm`` are in remote SDs.
    """

    cnr: float
    spread: float
    ratio: float
    blood: float
    edge: float
    texture_mm: float
    slice_mean: float
    slice_sd: float
    mvo_contrast: float


YARDSTICKS = tuple(field.name for field in fields(ScarMeasures))


def measure_scar(
    image: np.ndarray, labels: np.ndarray, pixel_mm: tuple[float, float]
) -> tuple[ScarMeasures, np.ndarray]:
    """Return the measures of the scar in ``labels``, and its grey levels' :data:`QUANTILES` in remote SDs.

    ``image`` and ``labels`` (internal table) are ``(z, y, x)``, ``pixel_mm`` is a pixel's height and width.
    Raises StudyError where there is no scar (label 3), or no usable remote myocardium.
    """
    scar = labels == Label.INFARCT
    if not scar.any():
        raise StudyError("The labels hold no infarct (value 3), so there is no scar to measure.")
    scale = remote_scale(image, labels)
    units = scale.forward(image).astype(np.float64)
    blood = units[labels == Label.CAVITY]
    mvo = units[labels == Label.MVO]
    inside = units[scar]
    slice_mean, slice_sd = slice_differences(units, scar)
    measures = ScarMeasures(
        cnr=float(inside.mean()),
        spread=float(inside.std()),
        ratio=float(image[scar].mean() / scale.mean),
        blood=float(np.median(inside) / np.median(blood)) if blood.size else float("nan"),
        edge=edge_step(units, labels),
        texture_mm=autocorrelation_length(units, scar, pixel_mm),
        slice_mean=slice_mean,
        slice_sd=slice_sd,
        mvo_contrast=float(inside.mean() - mvo.mean()) if mvo.size else float("nan"),
    )
    return measures, np.quantile(inside, QUANTILES)


def slice_differences(units: np.ndarray, scar: np.ndarray) -> tuple[float, float]:
    """Return how much neighbouring slices' scar differ: mean |Δ mean| and mean |Δ SD|, NaN without two.

    Slices with fewer than :data:`~claimslicer.evaluation.autocorrelation.FEWEST_VOXELS` of scar don't count.
    """
    moments = [
        (units[z][scar[z]].mean(), units[z][scar[z]].std()) if scar[z].sum() >= FEWEST_VOXELS else None
        for z in range(len(scar))
    ]
    pairs = [(a, b) for a, b in pairwise(moments) if a is not None and b is not None]
    if not pairs:
        return float("nan"), float("nan")
    mean, sd = np.abs(np.diff(np.array(pairs), axis=1)).mean(axis=(0, 1))
    return float(mean), float(sd)
