"""What the generator sees of a study: built the same way for training and inpainting."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch

from claimslicer.labels import Label, ScarLabel, myocardium_mask
from claimslicer.patches import PatchGrid, neighbour_index
from claimslicer.synthesis.settings import GeneratorSettings
from claimslicer.synthesis.texture import CONTRAST_SCALE, HISTOGRAM_BINS, Texture

CENTRE, WIDTH = 0.55, 0.55
"""The network's own unit is (arcsinh(u) − 0.55) / 0.55, u as :class:`SliceLevels` has it: about mean 0 and
SD 1 over scars and their bands, and fat does not outweigh them."""

LEAST_SHOWN, MVO_SHOWN = 0.05, 0.4
"""How little a scar can be told to show, and how much MVO does beside it, as in real scars."""

ENOUGH_GRAIN = 60
"""Fewer differences than this within the heart say too little; the whole patch is looked at then."""


@dataclass(frozen=True)
class Surroundings:
    """Float32 stacks ``(z, y, x)`` on one grid.

    ``clean`` is the image in the network's unit, what is to be painted taken out; ``paint`` is what is
    painted (scar and band), ``scar`` all scar, also that which stays, ``intensity`` how much of it shows
    where that is asked (0: not asked), ``mvo`` a part of ``scar``; ``wall`` and ``cavity`` as they are. All
    but ``clean`` and ``intensity`` are 0/1.
    """

    clean: torch.Tensor
    intensity: torch.Tensor
    paint: torch.Tensor
    scar: torch.Tensor
    mvo: torch.Tensor
    wall: torch.Tensor
    cavity: torch.Tensor

    def cut(self, grid: PatchGrid) -> Surroundings:
        """Cut all stacks with ``grid``; masks stay 0/1."""
        clean, intensity, *masks = vars(self).values()
        smooth = (grid.sample(clean), grid.sample(intensity))
        return Surroundings(*smooth, *(grid.sample(mask, "nearest") for mask in masks))

    def slices(self, order: list[int]) -> Surroundings:
        """Return the slices ``order``."""
        return Surroundings(*(stack[order] for stack in vars(self).values()))

    def grain(self, z: int) -> np.ndarray:
        """Return the grain ``(4,)`` in and beside slice ``z``, where nothing is painted: :func:`grain_of`."""
        order = neighbour_index(len(self.scar), z)
        heart = ((self.wall + self.cavity) > 0)[order].numpy()
        return grain_of(self.clean[order].numpy(), heart, self.paint[order].numpy() > 0)


def surroundings(
    units: np.ndarray,
    labels: np.ndarray,
    scar: np.ndarray,
    band: np.ndarray,
    *,
    kept: np.ndarray | None = None,
    intensity: np.ndarray | None = None,
) -> Surroundings:
    """Build the conditioning from an image in ``u``, labels, scar mask and band, all ``(z, y, x)``.

    ``kept`` (bool) is scar that is there and is not painted; ``intensity`` (0–1) how much of the scar shows.
    """
    inside = scar != ScarLabel.NONE
    paint = inside | band
    if kept is not None:
        paint = paint & ~kept
    clean = to_network(units)
    clean[torch.from_numpy(paint)] = 0.0
    mvo = scar == ScarLabel.MVO
    shows = np.zeros(scar.shape)
    if intensity is not None:
        shows = np.where(inside, np.clip(intensity, LEAST_SHOWN, np.where(mvo, MVO_SHOWN, 1.0)), 0.0)
    if kept is not None:
        inside, mvo = inside | kept, mvo | (kept & (labels == Label.MVO))
    wall, cavity = myocardium_mask(labels), labels == Label.CAVITY
    arrays = (shows, paint, inside, mvo, wall, cavity)
    masks = (torch.from_numpy(np.ascontiguousarray(a, dtype=np.float32)) for a in arrays)
    return Surroundings(clean, *masks)


def context_input(around: Surroundings, slices: list[int], settings: GeneratorSettings) -> torch.Tensor:
    """Stack what stays the same while ``slices`` are painted: ``(n, 15, h, w)``."""
    order = _neighbours(around, slices, settings)
    clean = around.clean[order] if settings.surroundings else torch.zeros_like(around.clean[order])
    middle = torch.stack([around.mvo[slices], around.wall[slices], around.cavity[slices]], dim=1)
    return torch.cat([clean, around.paint[order], around.scar[order], around.intensity[order], middle], dim=1)


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
    texture: Texture | None, pixel_mm: float, grain: np.ndarray, text: np.ndarray | None = None
) -> torch.Tensor:
    """Return histogram and MVO contrast of ``texture`` (absent: zeros), whether it is there, pixel and grain.

    ``grain`` is that of :func:`grain_of`. ``text`` (d,) follows for weights that know text: a caption's
    embedding, zeros for none.
    """
    values = np.zeros(HISTOGRAM_BINS + 2)
    if texture is not None:
        values = np.array([*texture.histogram(), texture.mvo_contrast / CONTRAST_SCALE, 1.0])
    scale = np.log(pixel_mm / 1.5)
    return torch.tensor([*values, scale, *grain, *(() if text is None else text)], dtype=torch.float32)


def grain_of(values: np.ndarray, heart: np.ndarray, painted: np.ndarray) -> np.ndarray:
    """Return the logarithms of how much voxels differ from the mean of two neighbours ``(4,)``.

    Medians within the ``heart`` and outside what is ``painted``, arrays ``(z, y, x)``, for neighbours 1 and 2
    voxels away in rows and in columns: noise level and sharpness, and how many of the voxels were measured
    and how many interpolated. Centred, so that 0 is common.
    """
    found = []
    for axis in (1, 2):
        for step in (1, 2):
            low, middle, high = (
                tuple(slice(start, stop) if a == axis else slice(None) for a in range(3))
                for start, stop in ((None, -2 * step), (step, -step), (2 * step, None))
            )
            known = ~(painted[low] | painted[middle] | painted[high])
            within = known & heart[low] & heart[middle] & heart[high]
            used = within if within.sum() >= ENOUGH_GRAIN else known
            differences = np.abs(values[low] - 2 * values[middle] + values[high])[used]
            found.append(np.median(differences) if differences.size else 0.1)
    return np.log(np.maximum(found, 1e-3)) + 1.5


def to_network(units: np.ndarray) -> torch.Tensor:
    """``u`` to the network's unit."""
    return torch.from_numpy(((np.arcsinh(units) - CENTRE) / WIDTH).astype(np.float32))


def from_network(values: torch.Tensor) -> np.ndarray:
    """The network's unit to ``u``."""
    return np.asarray(units_from_network(values).numpy())


def units_from_network(values: torch.Tensor) -> torch.Tensor:
    """The network's unit to ``u``, passing gradients."""
    return torch.sinh(values * WIDTH + CENTRE)
