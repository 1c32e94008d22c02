"""From a network to a denoiser of a whole study, as samplers take it."""

from __future__ import annotations

from collections.abc import Callable

import torch

from claimslicer.synthesis.conditioning import Surroundings, context_input, noisy_input
from claimslicer.synthesis.diffusion import clean_estimate
from claimslicer.synthesis.network import Generator
from claimslicer.synthesis.samplers import Denoiser, Generators, with_known_background


def slice_denoiser(
    network: Generator,
    device: torch.device,
    around: Surroundings,
    conditions: torch.Tensor,
    *,
    without: torch.Tensor | None = None,
    guidance: float = 1.0,
    known: torch.Tensor | None = None,
    generator: Generators | None = None,
    on_evaluation: Callable[[], None] = lambda: None,
) -> Denoiser:
    """Return the denoiser of all slices of some variants at once: ``(v, z, h, w)``, on the CPU.

    ``conditions`` is ``(v, z, c)``. Slices where nothing is painted are not computed. ``guidance`` other than
    1 leans away from what the condition ``without`` ``(z, c)`` would give (classifier-free guidance, Ho &
    Salimans 2022), for a second evaluation's time. A network that doesn't see its surroundings gets them as
    published, pasted at each step: ``known`` ``(z, h, w)``, noised from ``generator``.
    """
    settings = network.settings
    slices = torch.nonzero(around.paint.flatten(1).any(1))[:, 0].tolist()
    context = network.context(context_input(around, slices, settings).to(device))

    def output(noisy: torch.Tensor, time: float, condition: torch.Tensor) -> torch.Tensor:
        images = noisy_input(noisy, around, slices, settings).to(device)
        times = torch.full((len(slices),), time, device=device)
        wished = condition[:, slices].to(device)
        # One variant at a time: larger batches don't fit into a processor's cache, and cost more a slice.
        found = [
            network.denoise(variant, times, texture, context)
            for variant, texture in zip(images, wished, strict=True)
        ]
        return torch.stack(found)[:, :, 0].cpu()

    def denoise(noisy: torch.Tensor, time: float) -> torch.Tensor:
        found = output(noisy, time, conditions)
        if guidance != 1.0 and without is not None:
            free = output(noisy, time, without.expand(len(noisy), -1, -1))
            found = free + guidance * (found - free)
        clean = torch.zeros_like(noisy)
        clean[:, slices] = clean_estimate(
            settings.prediction, noisy[:, slices], found, torch.full((len(noisy),), time)
        )
        on_evaluation()
        return clean

    if settings.surroundings or known is None or generator is None:
        return denoise
    shape = (len(conditions), *known.shape)
    return with_known_background(denoise, known.expand(shape), (around.paint > 0).expand(shape), generator)
