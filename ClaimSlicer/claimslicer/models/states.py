"""A network's weights as they are shipped: each parameter once, in half precision."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import nn

from claimslicer.errors import ModelError


def compact_state(network: nn.Module) -> dict[str, torch.Tensor]:
    """Return every parameter of ``network`` once, as float16: a module may be known by two names."""
    return {name: value.detach().half() for name, value in network.named_parameters()}


def restore_state(network: nn.Module, state: Mapping[str, torch.Tensor]) -> None:
    """Load what :func:`compact_state` returned. Raises ModelError where it doesn't fit ``network``."""
    parameters = dict(network.named_parameters())
    shapes = {name: value.shape for name, value in parameters.items()}
    if shapes != {name: value.shape for name, value in state.items()}:
        raise ModelError("The weights don't fit the network on their card: get the model again.")
    with torch.no_grad():
        for name, value in parameters.items():
            value.copy_(state[name])
