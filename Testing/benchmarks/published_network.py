"""A network of the published generator's size, written from its description, for cost alone.

CLAIM's released generator takes 2-D slices of 72×72 pixels. Its width is the slice's side: 72 channels, then
144, 288 and 576, at half the resolution each time. Every level has two residual blocks (3×3 convolutions,
group norm, scale and shift from the time and a 16-bin histogram), linear attention over the slice's pixels
and attention over frames, of which a slice has one; the deepest also has full attention. A 7×7 convolution
begins, 4×4 ones change the resolution. It predicts noise; neither mask nor surroundings are inputs. Run as a
script, it prints its parameters and what one evaluation costs:

    python Testing/benchmarks/published_network.py
"""

from __future__ import annotations

import math
from itertools import pairwise

import torch
from claimslicer.synthesis.samplers import Denoiser
from torch import nn
from torch.nn import functional
from torch.utils.flop_counter import FlopCounterMode

SIDE = 72
"""Pixels of a slice's side, and channels of the finest level."""

HEADS, HEAD_WIDTH = 8, 32
HISTOGRAM_VALUES = 16
BATCH = 4
"""Slices per call, as in the released script."""


class _Convolution(nn.Module):
    """3×3 convolution, group norm, optional scale and shift, SiLU."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.convolution = nn.Conv2d(inputs, outputs, 3, padding=1)
        self.norm = nn.GroupNorm(8, outputs)

    def forward(self, x: torch.Tensor, modulation: torch.Tensor | None = None) -> torch.Tensor:
        x = self.norm(self.convolution(x))
        if modulation is not None:
            scale, shift = modulation[:, :, None, None].chunk(2, dim=1)
            x = x * (scale + 1) + shift
        return functional.silu(x)


class _Residual(nn.Module):
    def __init__(self, inputs: int, outputs: int, embedding: int) -> None:
        super().__init__()
        self.modulation = nn.Linear(embedding, 2 * outputs) if embedding else None
        self.first = _Convolution(inputs, outputs)
        self.second = _Convolution(outputs, outputs)
        self.skip = nn.Conv2d(inputs, outputs, 1) if inputs != outputs else nn.Identity()

    def forward(self, x: torch.Tensor, embedding: torch.Tensor | None = None) -> torch.Tensor:
        modulation = self.modulation(functional.silu(embedding)) if self.modulation else None
        return self.skip(x) + self.second(self.first(x, modulation))


class _LinearAttention(nn.Module):
    """Attention over pixels whose cost grows with their number, not its square; added to its input."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.norm = nn.GroupNorm(1, channels)
        self.project = nn.Conv2d(channels, 3 * HEADS * HEAD_WIDTH, 1, bias=False)
        self.combine = nn.Conv2d(HEADS * HEAD_WIDTH, channels, 1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        n, _, height, width = x.shape
        query, key, value = self.project(self.norm(x)).view(n, 3, HEADS, HEAD_WIDTH, -1).unbind(1)
        query = query.softmax(dim=2) / math.sqrt(HEAD_WIDTH)
        context = key.softmax(dim=3) @ value.transpose(2, 3)
        found = context.transpose(2, 3) @ query
        return x + self.combine(found.reshape(n, -1, height, width))


class _Attention(nn.Module):
    """Full attention over the pixels, or over the one frame at each pixel; added to its input."""

    def __init__(self, channels: int, *, over_frames: bool) -> None:
        super().__init__()
        self.over_frames = over_frames
        self.norm = nn.GroupNorm(1, channels)
        self.project = nn.Linear(channels, 3 * HEADS * HEAD_WIDTH, bias=False)
        self.combine = nn.Linear(HEADS * HEAD_WIDTH, channels, bias=False)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        n, channels, height, width = x.shape
        tokens = self.norm(x).flatten(2).transpose(1, 2)
        if self.over_frames:
            tokens = tokens.reshape(n * height * width, 1, channels)
        split = self.project(tokens).unflatten(2, (3, HEADS, HEAD_WIDTH)).permute(2, 0, 3, 1, 4)
        found = functional.scaled_dot_product_attention(*split.unbind(0))
        found = self.combine(found.transpose(1, 2).flatten(2))
        return x + found.reshape(n, height * width, channels).transpose(1, 2).view_as(x)


class _Level(nn.Module):
    def __init__(self, inputs: int, outputs: int, embedding: int) -> None:
        super().__init__()
        self.blocks = nn.ModuleList(_Residual(i, outputs, embedding) for i in (inputs, outputs))
        self.attention = nn.Sequential(_LinearAttention(outputs), _Attention(outputs, over_frames=True))

    def forward(self, x: torch.Tensor, embedding: torch.Tensor) -> torch.Tensor:
        for block in self.blocks:
            x = block(x, embedding)
        return self.attention(x)


class PublishedSize(nn.Module):
    """``forward(images, time, histogram)``: ``(n, 1, 72, 72)``, ``(n,)`` and ``(n, 16)`` to the noise."""

    def __init__(self) -> None:
        super().__init__()
        widths = (SIDE, SIDE, 2 * SIDE, 4 * SIDE, 8 * SIDE)
        hidden = 4 * SIDE
        embedding = hidden + HISTOGRAM_VALUES
        self.embed = nn.Sequential(nn.Linear(SIDE, hidden), nn.GELU(), nn.Linear(hidden, hidden))
        self.first = nn.Conv2d(1, SIDE, 7, padding=3)
        self.first_attention = _Attention(SIDE, over_frames=True)
        pairs = list(pairwise(widths))
        self.down = nn.ModuleList(_Level(i, o, embedding) for i, o in pairs)
        self.shrink = nn.ModuleList(nn.Conv2d(o, o, 4, 2, 1) for _, o in pairs[:-1])
        self.middle = nn.ModuleList(_Residual(widths[-1], widths[-1], embedding) for _ in range(2))
        self.middle_attention = nn.Sequential(
            *(_Attention(widths[-1], over_frames=over_frames) for over_frames in (False, True))
        )
        self.up = nn.ModuleList(_Level(2 * o, i, embedding) for i, o in reversed(pairs))
        self.grow = nn.ModuleList(nn.ConvTranspose2d(i, i, 4, 2, 1) for i, _ in pairs[:0:-1])
        self.last = _Residual(2 * SIDE, SIDE, 0)
        self.to_image = nn.Conv2d(SIDE, 1, 1)

    def forward(self, images: torch.Tensor, time: torch.Tensor, histogram: torch.Tensor) -> torch.Tensor:
        embedding = torch.cat([self.embed(_time_features(time)), histogram], dim=1)
        first = self.first(images)
        x, skips = self.first_attention(first), []
        for level, block in enumerate(self.down):
            x = block(self.shrink[level - 1](x) if level else x, embedding)
            skips.append(x)
        x = self.middle[1](self.middle_attention(self.middle[0](x, embedding)), embedding)
        for level, block in enumerate(self.up):
            x = block(torch.cat([self.grow[level - 1](x) if level else x, skips.pop()], dim=1), embedding)
        return self.to_image(self.last(torch.cat([x, first], dim=1)))


def _time_features(time: torch.Tensor) -> torch.Tensor:
    """Sines and cosines of 36 frequencies, ``(n,)`` in [0, 1] to ``(n, 72)``; 300 steps, as published."""
    frequencies = torch.exp(torch.linspace(0, -math.log(10000), SIDE // 2, device=time.device))
    angles = 300 * time[:, None] * frequencies
    return torch.cat([angles.sin(), angles.cos()], dim=1)


def published_denoiser(network: PublishedSize, histogram: torch.Tensor, device: torch.device) -> Denoiser:
    """Return a denoiser of slices ``(z, 72, 72)`` in [−1, 1], which takes them in batches as published."""

    def denoise(noisy: torch.Tensor, time: float) -> torch.Tensor:
        alpha, sigma = math.cos(time * math.pi / 2), math.sin(time * math.pi / 2)
        found = []
        for part in noisy.to(device).split(BATCH):
            times = torch.full((len(part),), time, device=device)
            noise = network(part[:, None], times, histogram.to(device).expand(len(part), -1))[:, 0]
            found.append(((part - sigma * noise) / alpha).clamp(-1, 1))
        return torch.cat(found).to(noisy)

    return denoise


def flop_per_slice(network: PublishedSize) -> int:
    """Count one evaluation of one slice; a multiplication with its addition counts as two."""
    device = next(network.parameters()).device
    with torch.inference_mode(), FlopCounterMode(display=False) as counter:
        network(
            torch.zeros(1, 1, SIDE, SIDE, device=device),
            torch.zeros(1, device=device),
            torch.zeros(1, HISTOGRAM_VALUES, device=device),
        )
    return counter.get_total_flops()


def main() -> None:
    network = PublishedSize().eval()
    parameters = sum(parameter.numel() for parameter in network.parameters())
    flop = flop_per_slice(network)
    print(f"{parameters / 1e6:.2f} M parameters; one evaluation of one {SIDE}×{SIDE} slice: ", end="")
    print(f"{flop / 1e9:.1f} GFLOP, which are {flop / 2e9:.1f} G multiply-adds")


if __name__ == "__main__":
    main()
