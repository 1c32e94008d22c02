"""The generator: a context network that reads the study once, and a light denoiser that is called often.

What doesn't change while a scar is painted (surroundings and masks, of a slice between its neighbours) goes
through the wider network once; each evaluation then costs the denoiser alone, and variants of one scar share
the context.
"""

from __future__ import annotations

import math
from itertools import pairwise

import torch
from torch import nn
from torch.nn import functional

from claimslicer.synthesis.settings import GRAIN_VALUES, GeneratorSettings
from claimslicer.synthesis.texture import HISTOGRAM_BINS

CONDITION_VALUES = HISTOGRAM_BINS + 3 + GRAIN_VALUES
"""The texture histogram, the contrast of MVO, whether these are there; log pixel size; the grain."""

CONTEXT_CHANNELS = 15
"""Surroundings, painted region, scar and its intensity in three slices; MVO, myocardium and cavity of the
middle one."""

NOISY_CHANNELS = 3
"""The noisy scar of three slices."""

Context = list[torch.Tensor]
"""Features of each resolution, finest first: ``(n, widths[i], h / 2ⁱ, w / 2ⁱ)``."""


class _Block(nn.Module):
    """Residual block of two 3×3 convolutions, scaled and shifted by an embedding where one is given."""

    def __init__(self, inputs: int, outputs: int, embedding: int = 0) -> None:
        super().__init__()
        self.norm1 = nn.GroupNorm(math.gcd(8, inputs), inputs)
        self.conv1 = nn.Conv2d(inputs, outputs, 3, padding=1)
        self.modulation = nn.Linear(embedding, 2 * outputs) if embedding else None
        self.norm2 = nn.GroupNorm(math.gcd(8, outputs), outputs)
        self.conv2 = nn.Conv2d(outputs, outputs, 3, padding=1)
        nn.init.zeros_(self.conv2.weight)
        nn.init.zeros_(self.conv2.bias)  # type: ignore[arg-type]
        self.skip = nn.Conv2d(inputs, outputs, 1) if inputs != outputs else nn.Identity()

    def forward(self, x: torch.Tensor, embedding: torch.Tensor | None = None) -> torch.Tensor:
        hidden = self.norm2(self.conv1(functional.silu(self.norm1(x))))
        if self.modulation is not None and embedding is not None:
            scale, shift = self.modulation(embedding)[:, :, None, None].chunk(2, dim=1)
            hidden = hidden * (1 + scale) + shift
        return self.skip(x) + self.conv2(functional.silu(hidden))


class ContextNetwork(nn.Module):
    """A U-Net over what stays the same: ``(n, 15, h, w)`` to a :data:`Context`."""

    def __init__(self, settings: GeneratorSettings) -> None:
        super().__init__()
        widths = settings.context_widths
        self.first = nn.Conv2d(CONTEXT_CHANNELS, widths[0], 3, padding=1)
        self.down = nn.ModuleList(_Block(widths[max(i - 1, 0)], width) for i, width in enumerate(widths))
        self.middle = _Block(widths[-1], widths[-1])
        self.up = nn.ModuleList(
            _Block(width + widths[min(i + 1, len(widths) - 1)], width) for i, width in enumerate(widths)
        )
        self.heads = nn.ModuleList(
            nn.Sequential(nn.GroupNorm(math.gcd(8, width), width), nn.SiLU(), nn.Conv2d(width, out, 1))
            for width, out in zip(widths, settings.widths, strict=True)
        )

    def forward(self, images: torch.Tensor) -> Context:
        x = self.first(images)
        skips = []
        for level, block in enumerate(self.down):
            x = block(functional.avg_pool2d(x, 2) if level else x)
            skips.append(x)
        x = self.middle(x)
        features = []
        for level in reversed(range(len(self.up))):
            if level < len(self.up) - 1:
                x = functional.interpolate(x, scale_factor=2.0, mode="nearest")
            x = self.up[level](torch.cat([x, skips[level]], dim=1))
            features.append(self.heads[level](x))
        return features[::-1]


class Denoiser(nn.Module):
    """A light U-Net with added skips: ``(n, 3, h, w)`` noisy scars and a context to ``(n, 1, h, w)``."""

    def __init__(self, settings: GeneratorSettings) -> None:
        super().__init__()
        widths, size = settings.widths, settings.embedding
        self.embed = nn.Sequential(
            nn.Linear(32 + CONDITION_VALUES + settings.text_features, size),
            nn.SiLU(),
            nn.Linear(size, size),
            nn.SiLU(),
        )
        self.first = nn.Conv2d(NOISY_CHANNELS, widths[0], 3, padding=1)
        self.down = nn.ModuleList(
            _Block(widths[max(i - 1, 0)], width, size) for i, width in enumerate(widths)
        )
        self.middle = _Block(widths[-1], widths[-1], size)
        self.narrow = nn.ModuleList(nn.Conv2d(below, width, 1) for width, below in pairwise(widths))
        self.up = nn.ModuleList(_Block(width, width, size) for width in widths[:-1])
        self.last = nn.Sequential(
            nn.GroupNorm(math.gcd(8, widths[0]), widths[0]), nn.SiLU(), nn.Conv2d(widths[0], 1, 3, padding=1)
        )

    def forward(
        self, noisy: torch.Tensor, time: torch.Tensor, condition: torch.Tensor, context: Context
    ) -> torch.Tensor:
        embedding = self.embed(torch.cat([_time_features(time), condition], dim=1))
        x = self.first(noisy) + context[0]
        skips = []
        for level, block in enumerate(self.down):
            x = block(functional.avg_pool2d(x, 2) if level else x, embedding)
            x = x + context[level] if level else x
            skips.append(x)
        x = self.middle(x, embedding)
        for level in reversed(range(len(self.up))):
            x = functional.interpolate(self.narrow[level](x), scale_factor=2.0, mode="nearest")
            x = self.up[level](x + skips[level], embedding)
        return self.last(x)


class Generator(nn.Module):
    """Predicts the middle slice's scar: velocity or noise, by ``settings.prediction``.

    ``context(images)`` reads ``(n, 15, h, w)`` (:data:`CONTEXT_CHANNELS`) once;
    ``denoise(noisy, time, condition, context)`` takes ``(n, 3, h, w)``, diffusion times ``(n,)`` in [0, 1]
    and ``(n, CONDITION_VALUES + text_features)``, and returns ``(n, 1, h, w)``. ``forward`` does both.
    """

    def __init__(self, settings: GeneratorSettings) -> None:
        super().__init__()
        self.settings = settings
        self.context = ContextNetwork(settings)
        self.denoise = Denoiser(settings)

    def forward(
        self, images: torch.Tensor, noisy: torch.Tensor, time: torch.Tensor, condition: torch.Tensor
    ) -> torch.Tensor:
        return self.denoise(noisy, time, condition, self.context(images))


def _time_features(time: torch.Tensor) -> torch.Tensor:
    """Sines and cosines of 16 frequencies: ``(n,)`` to ``(n, 32)``."""
    frequencies = torch.exp(torch.linspace(0.0, math.log(200.0), 16, device=time.device))
    angles = time[:, None] * frequencies
    return torch.cat([angles.sin(), angles.cos()], dim=1)
