"""Samplers: from noise to scar by repeated calls of a denoiser.

A denoiser takes ``(x_t, t)``, x_t a tensor of any shape and t a float in [0, 1], and returns the estimate of
x_0. The process keeps the variance: x_t = cos(πt/2) x_0 + sin(πt/2) ε. All samplers share one network.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import Literal, get_args

import torch

from claimslicer.errors import SpecificationError

Denoiser = Callable[[torch.Tensor, float], torch.Tensor]
SamplerName = Literal["dpm", "ddim", "flow", "repaint"]
SAMPLERS: tuple[SamplerName, ...] = get_args(SamplerName)

Jumps = int | tuple[int, int]
"""RePaint's (jump length, times): each stretch of so many steps is walked so often. 5 is short for (5, 5)."""

Generators = torch.Generator | Sequence[torch.Generator]
"""One for the whole tensor, or one for each entry of its first axis (variants, each with its seed)."""

LATE = 2.0
"""Power by which sampling times are crowded towards the end, where a study's grain is made."""

FIRST_TIME = 0.99
"""At t = 1 the noise level is infinite in units of the signal; sampling starts just below."""


def sample(
    name: SamplerName,
    denoise: Denoiser,
    noise: torch.Tensor,
    steps: int,
    generator: Generators,
    jumps: Jumps = 1,
) -> torch.Tensor:
    """Return the sample, of ``noise``'s shape, that sampler ``name`` makes of standard normal ``noise``.

    ``denoise`` is called :func:`network_evaluations` times. Only ``repaint`` draws from ``generator``.

    Raises:
        SpecificationError: as :func:`check_sampling`.
    """
    check_sampling(name, steps, jumps)
    if name == "repaint":
        return repaint(denoise, noise, steps, generator, jumps)
    deterministic = {"dpm": dpm_solver, "ddim": ddim, "flow": flow}
    return deterministic[name](denoise, noise, steps)


def network_evaluations(name: SamplerName, steps: int, jumps: Jumps = 1) -> int:
    """Return how often ``sample`` calls the denoiser; RePaint's 300 steps are 300, 598 (2/2) or 1480 (5/5).

    Raises:
        SpecificationError: as :func:`check_sampling`.
    """
    check_sampling(name, steps, jumps)
    return sum(following < level for level, following in pairwise(repaint_levels(steps, jumps)))


def check_sampling(name: str, steps: int, jumps: Jumps = 1) -> None:
    """Raise :class:`SpecificationError` where the sampler is unknown, or steps or jumps are impossible."""
    if name not in SAMPLERS:
        raise SpecificationError(f"There is no sampler '{name}'; choose one of {', '.join(SAMPLERS)}.")
    if not 1 <= steps <= 1000:
        raise SpecificationError(f"{steps} sampling steps are not possible; choose 1 to 1000.")
    length, times = _length_and_times(jumps)
    if length < 1 or times < 1:
        raise SpecificationError(f"Jumps of {length}/{times} are not possible; both must be 1 or more.")
    if times > 1 and name != "repaint":
        raise SpecificationError(f"The sampler '{name}' makes no jumps; leave them at 1, or choose repaint.")


def _length_and_times(jumps: Jumps) -> tuple[int, int]:
    return (jumps, jumps) if isinstance(jumps, int) else jumps


def _levels(time: float) -> tuple[float, float]:
    return math.cos(time * math.pi / 2), math.sin(time * math.pi / 2)


def _times(steps: int, late: float = LATE) -> list[float]:
    """Return the diffusion times ``(steps + 1,)``, closer together towards the end.

    The last evaluation gives a mean, without the grain that the noise still hides then: at evenly spaced
    times a third of it is lost.
    """
    return [FIRST_TIME * (1 - index / steps) ** late for index in range(steps)] + [0.0]


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


def flow(denoise: Denoiser, noise: torch.Tensor, steps: int) -> torch.Tensor:
    """Rectified flow, Liu et al. 2022: Euler's steps of equal length on the path x_τ = (1 − τ) x_0 + τ ε.

    A point of that path over √((1 − τ)² + τ²) is a point of the denoiser's own process, at the time with the
    same ratio of noise to signal, so that no other network is needed. ``steps`` evaluations, deterministic;
    each is DDIM's step at another time.
    """
    ratio = math.tan(FIRST_TIME * math.pi / 2)
    first = ratio / (1 + ratio)
    x = noise * math.hypot(first, 1 - first)
    for index in range(steps):
        tau, following = (first * (1 - done / steps) for done in (index, index + 1))
        time = 2 / math.pi * math.atan2(tau, 1 - tau)
        clean = denoise(x / math.hypot(tau, 1 - tau), time)
        velocity = (x - clean) / tau
        x = x + (following - tau) * velocity
    return x


def repaint(
    denoise: Denoiser, noise: torch.Tensor, steps: int, generator: Generators, jumps: Jumps = 1
) -> torch.Tensor:
    """Ancestral sampling with resampling, RePaint of Lugmayr et al. 2022; published for CLAIM with 300 steps.

    Our network sees the surroundings clean. For one that doesn't, see :func:`with_known_background`.
    """
    times, x = _times(steps, 1.0), noise  # as published
    for level, following in pairwise(repaint_levels(steps, jumps)):
        time, next_time = times[steps - level], times[steps - following]
        if following < level:
            x = _ancestral(denoise(x, time), x, time, next_time, generator)
        else:
            x = _noise_again(x, time, next_time, generator)
    return x


def repaint_levels(steps: int, jumps: Jumps = 1) -> list[int]:
    """Return the noise levels that RePaint visits, from ``steps`` (noise) to 0 (clean).

    At every ``length``-th level, counted from 1, the way goes back up by ``length``, until each stretch was
    walked ``times`` times. A stretch that would begin at pure noise is walked once, as in the authors' code.
    """
    length, times = _length_and_times(jumps)
    left = dict.fromkeys(range(1, steps - length + 1, length), times - 1)
    level, levels = steps, [steps]
    while level > 0:
        if left.get(level, 0) > 0:
            left[level] -= 1
            level += length
        else:
            level -= 1
        levels.append(level)
    return levels


def with_known_background(
    denoise: Denoiser, known: torch.Tensor, hole: torch.Tensor, generator: Generators
) -> Denoiser:
    """Return a denoiser to which everything outside ``hole`` is ``known``: how RePaint and CLAIM inpaint.

    Before each evaluation the background is replaced by the known one, noised to the same level. For networks
    that have no other way to see the surroundings. All tensors have the sample's shape, ``hole`` is boolean.
    """

    def inpainting(x: torch.Tensor, time: float) -> torch.Tensor:
        alpha, sigma = _levels(time)
        noised = alpha * known + sigma * _noise_like(x, generator)
        return torch.where(hole, denoise(torch.where(hole, x, noised), time), known)

    return inpainting


def _ancestral(
    clean: torch.Tensor, x: torch.Tensor, time: float, following: float, generator: Generators
) -> torch.Tensor:
    """Draw x_s from q(x_s | x_t, x_0), s < t (Ho et al. 2020, equation 7)."""
    if following == 0.0:
        return clean
    (alpha, sigma), (next_alpha, next_sigma) = _levels(time), _levels(following)
    step_alpha = alpha / next_alpha
    step_variance = sigma**2 - step_alpha**2 * next_sigma**2
    mean = (step_alpha * next_sigma**2 * x + next_alpha * step_variance * clean) / sigma**2
    spread = next_sigma * math.sqrt(max(step_variance, 0.0)) / sigma
    return mean + spread * _noise_like(x, generator)


def _noise_again(x: torch.Tensor, time: float, later: float, generator: Generators) -> torch.Tensor:
    """Draw x_t from q(x_t | x_s), s < t."""
    (alpha, sigma), (later_alpha, later_sigma) = _levels(time), _levels(later)
    ratio = later_alpha / alpha
    variance = max(later_sigma**2 - ratio**2 * sigma**2, 0.0)
    return ratio * x + math.sqrt(variance) * _noise_like(x, generator)


def _noise_like(x: torch.Tensor, generator: Generators) -> torch.Tensor:
    """Draw where the generator lives, so that a seed gives the same noise on every device."""
    if isinstance(generator, torch.Generator):
        noise = torch.randn(x.shape, generator=generator, device=generator.device)
    else:
        pairs = zip(x, generator, strict=True)
        noise = torch.stack([torch.randn(part.shape, generator=g, device=g.device) for part, g in pairs])
    return noise.to(x)
