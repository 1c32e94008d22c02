"""What the generator sees of a study: built the same way for training and inpainting."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from scipy import ndimage

from claimslicer.labels import Label, ScarLabel, myocardium_mask
from claimslicer.patches import PatchGrid, neighbour_index
from claimslicer.synthesis.normalisation import IN_PLANE
from claimslicer.synthesis.texture import HISTOGRAM_BINS

SCAR_CENTRE, SCAR_WIDTH = 4.0, 3.0
"""The network's own unit for scar is (u − 4) / 3, u in remote SDs: about mean 0, SD 1 over real scars."""

HIDDEN_RING = 2
"""Healthy wall this close to scar (voxels, in plane) is shown as plain remote myocardium: around real scars
it carries their halo, which isn't there when a scar is painted into a healthy wall."""


@dataclass(frozen=True)
class Surroundings:
    """Float32 stacks ``(z, y, x)`` on one grid.

    ``clean`` is the image in the network's unit with the scar (and its ring) taken out; ``scar`` and ``mvo``
    (a part of ``scar``), ``wall`` and ``cavity`` are 0/1.
    """

    clean: torch.Tensor
    scar: torch.Tensor
    mvo: torch.Tensor
    wall: torch.Tensor
    cavity: torch.Tensor

    def cut(self, grid: PatchGrid) -> Surroundings:
        """Cut all stacks with ``grid``; masks stay 0/1."""
        masks = [grid.sample(mask, "nearest") for mask in (self.scar, self.mvo, self.wall, self.cavity)]
        return Surroundings(grid.sample(self.clean), *masks)

    def slices(self, order: list[int]) -> Surroundings:
        """Return the slices ``order``."""
        return Surroundings(*(stack[order] for stack in vars(self).values()))


def surroundings(units: np.ndarray, labels: np.ndarray, scar: np.ndarray) -> Surroundings:
    """Build the conditioning from an image in remote SDs, labels and a scar mask, all ``(z, y, x)``."""
    inside = scar != ScarLabel.NONE
    wall = myocardium_mask(labels)
    healthy = labels == Label.MYOCARDIUM
    ring = healthy & ndimage.binary_dilation(inside, IN_PLANE, iterations=HIDDEN_RING)
    clean = np.arcsinh(units / SCAR_WIDTH)
    clean[inside | ring] = 0.0
    arrays = (clean, inside, scar == ScarLabel.MVO, wall, labels == Label.CAVITY)
    return Surroundings(*(torch.from_numpy(np.ascontiguousarray(a, dtype=np.float32)) for a in arrays))


def network_input(noisy: torch.Tensor, around: Surroundings, index: int) -> torch.Tensor:
    """Stack the channels of slice ``index``: ``(12, h, w)``; ``noisy`` is ``(z, h, w)``."""
    order = neighbour_index(len(noisy), index)
    middle = [around.mvo[index], around.wall[index], around.cavity[index]]
    return torch.cat(
        [noisy[order] * around.scar[order], around.clean[order], around.scar[order], torch.stack(middle)]
    )


def condition_vector(histogram: np.ndarray | None, pixel_mm: float) -> torch.Tensor:
    """Return the texture histogram (absent: zeros), whether it is there, and log(pixel / 1.5 mm)."""
    values = np.zeros(HISTOGRAM_BINS) if histogram is None else histogram
    present = 0.0 if histogram is None else 1.0
    return torch.tensor([*values, present, np.log(pixel_mm / 1.5)], dtype=torch.float32)


def to_network(units: np.ndarray) -> torch.Tensor:
    """Remote SDs to the network's unit."""
    return torch.from_numpy(((units - SCAR_CENTRE) / SCAR_WIDTH).astype(np.float32))


def from_network(values: torch.Tensor) -> np.ndarray:
    """The network's unit to remote SDs."""
    return values.numpy() * SCAR_WIDTH + SCAR_CENTRE
