"""How the segmenter sees a study: the same in training and prediction."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch

from claimslicer.patches import PatchGrid, neighbour_index
from claimslicer.polar import PolarGrid
from claimslicer.segmentation.network import UNetSettings
from claimslicer.studies.phase import Phase

PHASE_FACTORS: dict[Phase | None, float] = {"acute": 10.0, None: 0.0, "chronic": -10.0}
"""Of the grey levels that tell a network the phase. They are large so that one that goes on from weights
without this channel, which begin at zero, learns it in the few gentle steps of fine-tuning."""


@dataclass(frozen=True)
class GreyRange:
    """How grey levels become the segmenter's input: clipped to ``low``–``high``, then mean 0 and SD 1."""

    low: float
    high: float
    mean: float
    sd: float

    def normalised(self, grey: torch.Tensor) -> torch.Tensor:
        """Return grey levels as the segmenter sees them; gradients pass where nothing is clipped."""
        return (grey.clamp(float(self.low), float(self.high)) - float(self.mean)) / self.sd


def normalise(
    image: np.ndarray, centre_yx: tuple[float, float] | None, spacing_yx: tuple[float, float]
) -> torch.Tensor:
    """Return ``image`` (z, y, x) as float32 with mean 0 and SD 1, see :func:`grey_range`."""
    found = grey_range(image, centre_yx, spacing_yx)
    if found is None:
        return torch.zeros(image.shape)
    clipped = np.clip(image.astype(np.float32), found.low, found.high)
    return torch.from_numpy((clipped - found.mean) / found.sd).float()


def grey_range(
    image: np.ndarray, centre_yx: tuple[float, float] | None, spacing_yx: tuple[float, float]
) -> GreyRange | None:
    """Return the range of ``image`` (z, y, x), None where it is empty.

    Mean and SD are taken within 60 mm of ``centre_yx`` (voxels), or over the whole slices where it is None,
    from voxels that are not exact zeros (padding), after clipping the brightest and darkest 0.5 %.
    """
    window = image
    if centre_yx is not None:
        bounds = []
        for centre, spacing, extent in zip(centre_yx, spacing_yx, image.shape[1:], strict=True):
            low, high = round(centre - 60 / spacing), round(centre + 60 / spacing)
            bounds.append(slice(max(low, 0), min(high, extent)))
        window = image[:, bounds[0], bounds[1]]
    values = window[window != 0]
    if values.size < 2:
        return None
    low, high = np.percentile(values, (0.5, 99.5))
    values = np.clip(values, low, high)
    return GreyRange(low, high, values.mean(), max(float(values.std()), 1e-6))


def whole_slice_grid(
    shape_yx: tuple[int, int], spacing_yx: tuple[float, float], settings: UNetSettings
) -> PatchGrid:
    """Return the locator's patch: the whole slice, enlarged where it is larger than the training patch."""
    needed = [extent * mm / settings.pixel_mm for extent, mm in zip(shape_yx, spacing_yx, strict=True)]
    size = [max(settings.patch_size, int(-(-length // 16) * 16)) for length in needed]
    centre = ((shape_yx[0] - 1) / 2, (shape_yx[1] - 1) / 2)
    return PatchGrid(centre, spacing_yx, (size[0], size[1]), settings.pixel_mm)


def heart_grid(
    centre_yx: tuple[float, float], spacing_yx: tuple[float, float], settings: UNetSettings
) -> PatchGrid | PolarGrid:
    """Return the labeller's patch round the LV centre (voxels) of a slice."""
    if settings.rays:
        return PolarGrid(centre_yx, spacing_yx, settings.patch_size, settings.rays, settings.pixel_mm)
    return PatchGrid(centre_yx, spacing_yx, (settings.patch_size,) * 2, settings.pixel_mm)


def left_ventricle_centre(labels_or_mask: np.ndarray) -> tuple[float, float]:
    """Return the mean (y, x) voxel of a mask over all slices."""
    _, rows, columns = np.nonzero(labels_or_mask)
    return float(rows.mean()), float(columns.mean())


def slice_centres(left_ventricle: np.ndarray, settings: UNetSettings) -> list[tuple[float, float]]:
    """Return for each slice of a mask ``(z, y, x)`` the (y, x) voxel round which the labeller looks.

    Square patches all lie round the mean of the mask, polar ones round that of each slice; a slice without
    mask takes that of the nearest one which has some.
    """
    if not settings.rays:
        return [left_ventricle_centre(left_ventricle)] * len(left_ventricle)
    filled = np.flatnonzero(left_ventricle.any((1, 2)))
    nearest = filled[np.abs(np.arange(len(left_ventricle))[:, None] - filled).argmin(1)]
    return [left_ventricle_centre(left_ventricle[z : z + 1]) for z in nearest]


def cut(stack: torch.Tensor, grids: Sequence[PatchGrid | PolarGrid]) -> torch.Tensor:
    """Return ``(z, 3, *size)``: slices of ``stack`` (z, y, x) between their neighbours, each on its grid."""
    return torch.stack([grid.sample(stack[neighbour_index(len(stack), z)]) for z, grid in enumerate(grids)])


def with_phases(
    patches: torch.Tensor, phases: Sequence[Phase | None], settings: UNetSettings
) -> torch.Tensor:
    """Return ``patches`` (n, 3, h, w) as a network with ``settings`` takes them.

    One that knows phases sees the middle slice once more, times :data:`PHASE_FACTORS`: positive where acute,
    negative where chronic, zero where nothing is said. A channel that is the same everywhere would tell it
    next to nothing: the instance normalisation after the first convolution takes away every feature's mean.
    """
    if not settings.phase:
        return patches
    factors = patches.new_tensor([PHASE_FACTORS[phase] for phase in phases])[:, None, None, None]
    return torch.cat((patches, factors * patches[:, 1:2]), 1)


def put_back(
    probabilities: torch.Tensor, grids: Sequence[PatchGrid | PolarGrid], shape_yx: tuple[int, int]
) -> np.ndarray:
    """Return class probabilities ``(z, c, *size)`` on the study's slices, ``(c, z, y, x)`` float32.

    What lies beyond a grid is background.
    """
    whole = np.zeros((probabilities.shape[1], len(grids), *shape_yx), np.float32)
    whole[0] = 1
    for z, grid in enumerate(grids):
        back, inside = grid.put_back(probabilities[z], shape_yx)
        whole[:, z, inside] = back[:, inside]
    return whole
