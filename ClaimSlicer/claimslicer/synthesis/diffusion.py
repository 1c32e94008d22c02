"""The diffusion process in continuous time: x_t = cos(πt/2) x_0 + sin(πt/2) ε, with v-prediction.

The cosine schedule of Nichol & Dhariwal 2021 without its offset; *v* as in Salimans & Ho 2022.
"""

from __future__ import annotations

import math

import torch


def alpha_sigma(time: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Return signal and noise level at ``time`` in [0, 1]."""
    return torch.cos(time * math.pi / 2), torch.sin(time * math.pi / 2)


def add_noise(clean: torch.Tensor, noise: torch.Tensor, time: torch.Tensor) -> torch.Tensor:
    """Return x_t; ``time`` ``(n,)`` belongs to the first axis of ``clean``."""
    alpha, sigma = _levels(time, clean)
    return alpha * clean + sigma * noise


def velocity(clean: torch.Tensor, noise: torch.Tensor, time: torch.Tensor) -> torch.Tensor:
    """Return the training target v = α ε − σ x_0."""
    alpha, sigma = _levels(time, clean)
    return alpha * noise - sigma * clean


def clean_from_velocity(noisy: torch.Tensor, v: torch.Tensor, time: torch.Tensor) -> torch.Tensor:
    """Return the one-step estimate of x_0."""
    alpha, sigma = _levels(time, noisy)
    return alpha * noisy - sigma * v


def masked_loss(predicted: torch.Tensor, target: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
    """Squared error inside ``mask``, averaged over each sample's scar first: every scar counts the same."""
    squared = (predicted - target).square() * mask
    return (squared.flatten(1).sum(1) / mask.flatten(1).sum(1).clamp_min(1)).mean()


def _levels(time: torch.Tensor, like: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    alpha, sigma = alpha_sigma(time.reshape(-1, *[1] * (like.ndim - 1)))
    return alpha, sigma
