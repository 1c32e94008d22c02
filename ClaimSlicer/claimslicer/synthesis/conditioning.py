"""What the generator sees of a study: built the same way for training and inpainting."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from scipy import ndimage

from claimslicer.labels import Label, ScarLabel, myocardium_mask
from claimslicer.patches import PatchGrid, neighbour_index
from claimslicer.synthesis.settings import HALO_MM, GeneratorSettings
from claimslicer.synthesis.texture import HISTOGRAM_BINS, Texture

SCAR_CENTRE, SCAR_WIDTH = 2.0, 1.75
"""The network's own unit for what it paints is (u − 2) / 1.75, u in remote SDs: about mean 0, SD 1 over real
scars and their halos."""

SURROUNDINGS_SOFTNESS = 3.0
"""Surroundings are shown as arcsinh(u / 3): blood and fat are tens of remote SDs bright."""


@dataclass(frozen=True)
class Surroundings:
    """Float32 stacks ``(z, y, x)`` on one grid.

    ``clean`` is the image as the network sees it, what is to be painted taken out; ``paint`` is what is
    painted (scar, and its halo where asked), ``scar``, ``mvo`` (a part of ``scar``), ``wall`` and ``cavity``
    are 0/1.
    """

    clean: torch.Tensor
    paint: torch.Tensor
    scar: torch.Tensor
    mvo: torch.Tensor
    wall: torch.Tensor
    cavity: torch.Tensor

    def cut(self, grid: PatchGrid) -> Surroundings:
        """Cut all stacks with ``grid``; masks stay 0/1."""
        clean, *masks = vars(self).values()
        return Surroundings(grid.sample(clean), *(grid.sample(mask, "nearest") for mask in masks))

    def slices(self, order: list[int]) -> Surroundings:
        """Return the slices ``order``."""
        return Surroundings(*(stack[order] for stack in vars(self).values()))


def halo_mask(
    labels: np.ndarray, scar: np.ndarray, spacing_yx: tuple[float, float], halo_mm: float = HALO_MM
) -> np.ndarray:
    """Return the healthy wall within ``halo_mm`` of ``scar`` in its slice, bool ``(z, y, x)``."""
    near = np.zeros(scar.shape, bool)
    for z in np.flatnonzero((scar != ScarLabel.NONE).any((1, 2))) if halo_mm > 0 else ():
        distance = ndimage.distance_transform_edt(scar[z] == ScarLabel.NONE, sampling=spacing_yx)
        near[z] = (distance > 0) & (distance <= halo_mm)
    return near & (labels == Label.MYOCARDIUM)


def surroundings(units: np.ndarray, labels: np.ndarray, scar: np.ndarray, halo: np.ndarray) -> Surroundings:
    """Build the conditioning from an image in remote SDs, labels, scar mask and halo, all ``(z, y, x)``."""
    inside = scar != ScarLabel.NONE
    paint = inside | halo
    clean = np.arcsinh(units / SURROUNDINGS_SOFTNESS)
    clean[paint] = 0.0
    wall, cavity = myocardium_mask(labels), labels == Label.CAVITY
    arrays = (clean, paint, inside, scar == ScarLabel.MVO, wall, cavity)
    return Surroundings(*(torch.from_numpy(np.ascontiguousarray(a, dtype=np.float32)) for a in arrays))


def context_input(around: Surroundings, slices: list[int], settings: GeneratorSettings) -> torch.Tensor:
    """Stack what stays the same while ``slices`` are painted: ``(n, 12, h, w)``."""
    order = _neighbours(around, slices, settings)
    clean = around.clean[order] if settings.surroundings else torch.zeros_like(around.clean[order])
    middle = torch.stack([around.mvo[slices], around.wall[slices], around.cavity[slices]], dim=1)
    return torch.cat([clean, around.paint[order], around.scar[order], middle], dim=1)


def noisy_input(
    noisy: torch.Tensor, around: Surroundings, slices: list[int], settings: GeneratorSettings
) -> torch.Tensor:
    """Stack the noisy values of ``slices``: ``(…, z, h, w)`` to ``(…, n, 3, h, w)``.

    A network that sees clean surroundings is shown the painted region alone.
    """
    order = _neighbours(around, slices, settings)
    stacked = noisy[..., order, :, :]
    return stacked * around.paint[order].to(noisy.device) if settings.surroundings else stacked


def _neighbours(around: Surroundings, slices: list[int], settings: GeneratorSettings) -> torch.Tensor:
    if not settings.neighbours:
        return torch.tensor([[index] * 3 for index in slices])
    return torch.tensor([neighbour_index(len(around.scar), index) for index in slices])


def condition_vector(
    texture: Texture | None, pixel_mm: float, blood: float, text: np.ndarray | None = None
) -> torch.Tensor:
    """Return histogram and MVO contrast of ``texture`` (absent: zeros), whether it is there, pixel and blood.

    ``blood`` is the blood pool's median in remote SDs. ``text`` (d,) follows for weights that know text: a
    caption's embedding, zeros for none.
    """
    values = np.zeros(HISTOGRAM_BINS + 2)
    if texture is not None:
        values = np.array([*texture.histogram(), texture.mvo_contrast / SCAR_WIDTH, 1.0])
    scales = (np.log(pixel_mm / 1.5), np.arcsinh(blood / SURROUNDINGS_SOFTNESS))
    return torch.tensor([*values, *scales, *(() if text is None else text)], dtype=torch.float32)


def to_network(units: np.ndarray) -> torch.Tensor:
    """Remote SDs to the network's unit."""
    return torch.from_numpy(((units - SCAR_CENTRE) / SCAR_WIDTH).astype(np.float32))


def from_network(values: torch.Tensor) -> np.ndarray:
    """The network's unit to remote SDs."""
    return values.numpy() * SCAR_WIDTH + SCAR_CENTRE
