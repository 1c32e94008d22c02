"""Samplers: from noise to scar by repeated calls of a denoiser.

A denoiser takes ``(x_t, t)``, x_t a tensor of any shape and t a float in [0, 1], and returns the estimate of
x_0.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from itertools import pairwise
from typing import Literal, get_args

import torch

Denoiser = Callable[[torch.Tensor, float], torch.Tensor]
SamplerName = Literal["dpm", "ddim", "repaint"]
SAMPLERS: tuple[SamplerName, ...] = get_args(SamplerName)

FIRST_TIME = 0.99
"""At t = 1 the noise level is infinite in units of the signal; sampling starts just below."""


def _levels(time: float) -> tuple[float, float]:
    return math.cos(time * math.pi / 2), math.sin(time * math.pi / 2)


def _times(steps: int) -> list[float]:
    return [FIRST_TIME * (1 - index / steps) for index in range(steps)] + [0.0]


def dpm_solver(denoise: Denoiser, noise: torch.Tensor, steps: int) -> torch.Tensor:
    """DPM-Solver++(2M), Lu et al. 2022, algorithm 2: ``steps`` evaluations, deterministic."""
    times, x = _times(steps), noise
    previous: torch.Tensor | None = None
    previous_step = 0.0
    for time, following in pairwise(times):
        (alpha, sigma), (next_alpha, next_sigma) = _levels(time), _levels(following)
        clean = denoise(x, time)
        if following == 0.0:
            return clean
        step = math.log(next_alpha / next_sigma) - math.log(alpha / sigma)
        direction = clean
        if previous is not None:
            ratio = previous_step / step
            direction = (1 + 0.5 / ratio) * clean - 0.5 / ratio * previous
        x = next_sigma / sigma * x - next_alpha * math.expm1(-step) * direction
        previous, previous_step = clean, step
    raise ValueError("at least one step is needed")


def ddim(denoise: Denoiser, noise: torch.Tensor, steps: int) -> torch.Tensor:
    """DDIM, Song et al. 2021, without added noise: ``steps`` evaluations, deterministic."""
    times, x = _times(steps), noise
    for time, following in pairwise(times):
        (alpha, sigma), (next_alpha, next_sigma) = _levels(time), _levels(following)
        clean = denoise(x, time)
        x = next_alpha * clean + next_sigma * (x - alpha * clean) / sigma
    return x


def repaint(
    denoise: Denoiser, noise: torch.Tensor, steps: int, generator: torch.Generator, jumps: int = 1
) -> torch.Tensor:
    """Ancestral sampling with resampling, Lugmayr et al. 2022, as published for CLAIM (300 steps).

    Every step is taken ``jumps`` times, going back up by forward noising in between. The surroundings need no
    pasting at each step: the network sees them clean.
    """
    times, x = _times(steps), noise
    for time, following in pairwise(times):
        for jump in range(jumps):
            x = _ancestral(denoise(x, time), x, time, following, generator)
            if jump < jumps - 1:
                x = _noise_again(x, following, time, generator)
    return x


def _ancestral(
    clean: torch.Tensor, x: torch.Tensor, time: float, following: float, generator: torch.Generator
) -> torch.Tensor:
    """Draw x_s from q(x_s | x_t, x_0), s < t (Ho et al. 2020, equation 7)."""
    if following == 0.0:
        return clean
    (alpha, sigma), (next_alpha, next_sigma) = _levels(time), _levels(following)
    step_alpha = alpha / next_alpha
    step_variance = sigma**2 - step_alpha**2 * next_sigma**2
    mean = (step_alpha * next_sigma**2 * x + next_alpha * step_variance * clean) / sigma**2
    spread = next_sigma * math.sqrt(max(step_variance, 0.0)) / sigma
    return mean + spread * torch.randn(x.shape, generator=generator)


def _noise_again(x: torch.Tensor, time: float, later: float, generator: torch.Generator) -> torch.Tensor:
    (alpha, sigma), (later_alpha, later_sigma) = _levels(time), _levels(later)
    ratio = later_alpha / alpha
    variance = max(later_sigma**2 - ratio**2 * sigma**2, 0.0)
    return ratio * x + math.sqrt(variance) * torch.randn(x.shape, generator=generator)
