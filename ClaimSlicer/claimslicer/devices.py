"""Choosing where torch computes, and what of that decides about a result's last bits."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import torch

from claimslicer.errors import ModelError


def choose_device(name: str) -> torch.device:
    """Return the device called ``name``; ``auto`` takes CUDA, then Apple's MPS, then the CPU.

    Raises:
        ModelError: there is no such device here.
    """
    if name == "auto":
        if torch.cuda.is_available():
            return torch.device("cuda")
        return torch.device("mps" if torch.backends.mps.is_available() else "cpu")
    try:
        device = torch.device(name)
        torch.empty(1, device=device)
    except (RuntimeError, AssertionError) as error:
        raise ModelError(f"The device '{name}' can't be used here; try 'cpu' or 'auto'.") from error
    return device


def computed_on(device: torch.device) -> dict[str, Any]:
    """Return what a result's last bits depend on beside its settings, for recipes, in JSON types.

    A sum is added up in as many parts as there are threads, and rounded so.
    """
    return {"device": device.type, "threads": torch.get_num_threads()}


@contextmanager
def computing_as(computed: Mapping[str, Any] | None) -> Iterator[None]:
    """Compute in the block with as many threads as :func:`computed_on` says, where it is known."""
    before = torch.get_num_threads()
    torch.set_num_threads(int((computed or {}).get("threads") or before))
    try:
        yield
    finally:
        torch.set_num_threads(before)
