"""The generator: a small conditional 2-D U-Net that sees a slice between its neighbours."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from typing import Any

import torch
from torch import nn
from torch.nn import functional

from claimslicer.synthesis.texture import HISTOGRAM_BINS

CONDITION_VALUES = HISTOGRAM_BINS + 2
"""The texture histogram, whether it is there, and the logarithm of the pixel size."""

INPUT_CHANNELS = 12
"""Noisy scar, surroundings and scar mask of three slices; MVO, myocardium and cavity of the middle one."""


@dataclass(frozen=True)
class GeneratorSettings:
    """Widths per resolution and the length of the embedding."""

    widths: tuple[int, ...] = (24, 48, 96)
    embedding: int = 96

    def to_dict(self) -> dict[str, Any]:
        """Return JSON types."""
        return asdict(self)

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> GeneratorSettings:
        """Read what :meth:`to_dict` wrote."""
        return cls(**{**values, "widths": tuple(values["widths"])})

    @property
    def divisor(self) -> int:
        """Height and width of the input must be multiples of this."""
        return int(2 ** (len(self.widths) - 1))


class _Block(nn.Module):
    """Residual block of two 3×3 convolutions, scaled and shifted by the embedding."""

    def __init__(self, inputs: int, outputs: int, embedding: int) -> None:
        super().__init__()
        self.norm1 = nn.GroupNorm(math.gcd(8, inputs), inputs)
        self.conv1 = nn.Conv2d(inputs, outputs, 3, padding=1)
        self.modulation = nn.Linear(embedding, 2 * outputs)
        self.norm2 = nn.GroupNorm(8, outputs)
        self.conv2 = nn.Conv2d(outputs, outputs, 3, padding=1)
        nn.init.zeros_(self.conv2.weight)
        nn.init.zeros_(self.conv2.bias)  # type: ignore[arg-type]
        self.skip = nn.Conv2d(inputs, outputs, 1) if inputs != outputs else nn.Identity()

    def forward(self, x: torch.Tensor, embedding: torch.Tensor) -> torch.Tensor:
        scale, shift = self.modulation(embedding)[:, :, None, None].chunk(2, dim=1)
        hidden = self.conv1(functional.silu(self.norm1(x)))
        hidden = self.norm2(hidden) * (1 + scale) + shift
        return self.skip(x) + self.conv2(functional.silu(hidden))


class Generator(nn.Module):
    """Predicts the velocity *v* of the middle slice's scar.

    ``forward(images, time, condition)`` takes ``(n, 12, h, w)`` (see :data:`INPUT_CHANNELS`), diffusion times
    ``(n,)`` in [0, 1] and ``(n, CONDITION_VALUES)``; it returns ``(n, 1, h, w)``.
    """

    def __init__(self, settings: GeneratorSettings) -> None:
        super().__init__()
        self.settings = settings
        widths, size = settings.widths, settings.embedding
        self.embed = nn.Sequential(
            nn.Linear(32 + CONDITION_VALUES, size), nn.SiLU(), nn.Linear(size, size), nn.SiLU()
        )
        self.first = nn.Conv2d(INPUT_CHANNELS, widths[0], 3, padding=1)
        self.down = nn.ModuleList(
            _Block(widths[max(i - 1, 0)], width, size) for i, width in enumerate(widths)
        )
        self.middle = _Block(widths[-1], widths[-1], size)
        self.up = nn.ModuleList(
            _Block(width + widths[min(i + 1, len(widths) - 1)], width, size) for i, width in enumerate(widths)
        )
        self.last = nn.Sequential(
            nn.GroupNorm(8, widths[0]), nn.SiLU(), nn.Conv2d(widths[0], 1, 3, padding=1)
        )

    def forward(self, images: torch.Tensor, time: torch.Tensor, condition: torch.Tensor) -> torch.Tensor:
        embedding = self.embed(torch.cat([_time_features(time), condition], dim=1))
        x = self.first(images)
        skips = []
        for level, block in enumerate(self.down):
            x = block(functional.avg_pool2d(x, 2) if level else x, embedding)
            skips.append(x)
        x = self.middle(x, embedding)
        for level in reversed(range(len(self.up))):
            if level < len(self.up) - 1:
                x = functional.interpolate(x, scale_factor=2.0, mode="nearest")
            x = self.up[level](torch.cat([x, skips[level]], dim=1), embedding)
        return self.last(x)


def _time_features(time: torch.Tensor) -> torch.Tensor:
    """Sines and cosines of 16 frequencies: ``(n,)`` to ``(n, 32)``."""
    frequencies = torch.exp(torch.linspace(0.0, math.log(200.0), 16, device=time.device))
    angles = time[:, None] * frequencies
    return torch.cat([angles.sin(), angles.cos()], dim=1)
