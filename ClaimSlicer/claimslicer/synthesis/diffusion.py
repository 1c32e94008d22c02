"""The diffusion process in continuous time: x_t = cos(πt/2) x_0 + sin(πt/2) ε.

The cosine schedule of Nichol & Dhariwal 2021 without its offset; *v* as in Salimans & Ho 2022.
"""

from __future__ import annotations

import math

import torch

from claimslicer.synthesis.settings import Prediction


def alpha_sigma(time: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Return signal and noise level at ``time`` in [0, 1]."""
    return torch.cos(time * math.pi / 2), torch.sin(time * math.pi / 2)


def add_noise(clean: torch.Tensor, noise: torch.Tensor, time: torch.Tensor) -> torch.Tensor:
    """Return x_t; ``time`` ``(n,)`` belongs to the first axis of ``clean``."""
    alpha, sigma = _levels(time, clean)
    return alpha * clean + sigma * noise


def training_target(
    prediction: Prediction, clean: torch.Tensor, noise: torch.Tensor, time: torch.Tensor
) -> torch.Tensor:
    """Return what the network is to predict: v = α ε − σ x_0, or ε."""
    if prediction == "noise":
        return noise
    alpha, sigma = _levels(time, clean)
    return alpha * noise - sigma * clean


def clean_estimate(
    prediction: Prediction, noisy: torch.Tensor, output: torch.Tensor, time: torch.Tensor
) -> torch.Tensor:
    """Return the one-step estimate of x_0 from the network's output."""
    alpha, sigma = _levels(time, noisy)
    if prediction == "noise":
        return (noisy - sigma * output) / alpha
    return alpha * noisy - sigma * output


def masked_loss(
    predicted: torch.Tensor, target: torch.Tensor, mask: torch.Tensor, *, balanced: bool = True
) -> torch.Tensor:
    """Return the squared error inside ``mask``, all ``(n, h, w)``.

    ``balanced`` averages over each sample's mask first, so that every scar counts the same; without it large
    scars dominate, as they do as published.
    """
    squared = (predicted - target).square() * mask
    if not balanced:
        return squared.sum() / mask.sum().clamp_min(1)
    return (squared.flatten(1).sum(1) / mask.flatten(1).sum(1).clamp_min(1)).mean()


def _levels(time: torch.Tensor, like: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    alpha, sigma = alpha_sigma(time.reshape(-1, *[1] * (like.ndim - 1)))
    return alpha, sigma
