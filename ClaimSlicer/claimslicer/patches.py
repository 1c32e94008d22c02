"""In-plane patches of a study: cropping, resampling and turning in one interpolation, and the way back.

A patch is a stack of square images, centred on a point of the slice plane, at its own pixel size. Slices stay
where they are: hearts are imaged in slices of 8–10 mm, and nothing is to be interpolated between them.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch.nn import functional


@dataclass(frozen=True)
class PatchGrid:
    """Where a patch lies on a study's slices.

    ``centre_yx`` in voxels of the study, ``spacing_yx`` the study's pixel size in mm, ``size`` the patch's
    number of rows and columns, ``pixel_mm`` its pixel size. ``rotation`` (radians) and ``flip`` (columns
    reversed) turn the patch about its centre; ``stretch`` > 1 makes the heart look larger.
    """

    centre_yx: tuple[float, float]
    spacing_yx: tuple[float, float]
    size: tuple[int, int]
    pixel_mm: float
    rotation: float = 0.0
    flip: bool = False
    stretch: float = 1.0

    def _turn(self) -> np.ndarray:
        """The 2×2 matrix from patch pixels to mm in the study, (y, x) order."""
        return turn_matrix(self.rotation, self.flip) * (self.pixel_mm / self.stretch)

    def sample(self, volume: torch.Tensor, mode: str = "bilinear") -> torch.Tensor:
        """Cut ``(n, h, w)`` float slices to ``(n, *size)``; beyond the image its border goes on.

        ``mode`` is that of :func:`torch.nn.functional.grid_sample`: bilinear, nearest or bicubic.
        """
        index = _pixel_offsets(self.size) @ self._turn().T / np.asarray(self.spacing_yx)
        return sample_at(volume, index + np.asarray(self.centre_yx), mode)

    def put_back(self, patch: torch.Tensor, shape_yx: tuple[int, int]) -> tuple[torch.Tensor, torch.Tensor]:
        """Take ``(n, *size)`` back to the study's ``shape_yx``; also return the bool mask that it covers."""
        rows, columns = np.indices(shape_yx, dtype=float)
        offset_mm = np.stack([rows, columns], -1) - np.asarray(self.centre_yx)
        index = (offset_mm * np.asarray(self.spacing_yx)) @ np.linalg.inv(self._turn()).T
        index = index + (np.asarray(self.size) - 1) / 2
        inside = ((index >= 0) & (index <= np.asarray(self.size) - 1)).all(-1)
        return sample_at(patch, index, "bilinear"), torch.from_numpy(inside)


def _pixel_offsets(size: tuple[int, int]) -> np.ndarray:
    rows, columns = np.indices(size, dtype=float)
    return np.stack([rows - (size[0] - 1) / 2, columns - (size[1] - 1) / 2], -1)


def turn_matrix(rotation: float, flip: bool) -> np.ndarray:
    """Return the 2×2 matrix, (y, x) order, that mirrors the columns if ``flip`` and turns by ``rotation``."""
    c, s = np.cos(rotation), np.sin(rotation)
    return np.array([[c, -s], [s, c]]) @ np.diag([1.0, -1.0 if flip else 1.0])


def sample_at(volume: torch.Tensor, index_yx: np.ndarray, mode: str) -> torch.Tensor:
    """Read ``(n, h, w)`` at fractional pixels ``(rows, columns, 2)``."""
    extent = np.maximum(np.asarray(volume.shape[-2:]) - 1, 1)
    unit = torch.from_numpy((2 * index_yx / extent - 1)[..., ::-1].astype(np.float32).copy())
    grid = unit[None].to(volume.device)
    sampled = functional.grid_sample(
        volume[None].float(), grid, mode=mode, padding_mode="border", align_corners=True
    )
    return sampled[0]


def neighbour_index(n_slices: int, index: int) -> list[int]:
    """Slices below, at and above ``index``; the outermost slice stands in for a missing neighbour."""
    return [max(index - 1, 0), index, min(index + 1, n_slices - 1)]


def with_neighbours(stack: torch.Tensor) -> torch.Tensor:
    """Turn ``(z, h, w)`` into ``(z, 3, h, w)``: each slice between its neighbours."""
    order = [neighbour_index(len(stack), i) for i in range(len(stack))]
    return stack[torch.tensor(order, device=stack.device)]
