"""The ways in which a patch is shown to a network, whose answers are averaged."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import nn


@dataclass(frozen=True)
class View:
    """A way to look at patches ``(z, c, h, w)``: columns mirrored, quarter turns, slice order reversed.

    The first three channels are neighbouring slices.
    """

    mirrored: bool = False
    quarters: int = 0
    reversed: bool = False

    def of(self, stack: torch.Tensor) -> torch.Tensor:
        """Return ``stack`` so seen."""
        stack = torch.rot90(stack.flip(3) if self.mirrored else stack, self.quarters, (2, 3))
        return torch.cat((stack[:, :3].flip(1), stack[:, 3:]), 1) if self.reversed else stack

    def back(self, found: torch.Tensor) -> torch.Tensor:
        """Return what was found in :meth:`of`, ``(z, c, h, w)``, in the place of the patches."""
        found = torch.rot90(found, -self.quarters, (2, 3))
        return found.flip(3) if self.mirrored else found

    def ask(self, network: nn.Module, stack: torch.Tensor, device: torch.device) -> torch.Tensor:
        """Return the class probabilities ``(z, c, h, w)`` that ``network`` gives patches so seen."""
        with torch.inference_mode():
            return self.back(torch.softmax(network(self.of(stack).to(device)), 1).cpu())


VIEWS_SQUARE = tuple(View(number >= 4, number % 4, bool(number % 2)) for number in range(8))
VIEWS_POLAR = tuple(View(number >= 2, 0, bool(number % 2)) for number in range(4))
