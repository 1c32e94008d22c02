"""Loading a trained generator, once per process."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import torch

from claimslicer.devices import choose_device
from claimslicer.errors import ModelError
from claimslicer.models.registry import resolve
from claimslicer.models.states import restore_state
from claimslicer.synthesis.network import Generator
from claimslicer.synthesis.settings import GeneratorSettings
from claimslicer.synthesis.texture import TextureBank

ENCODER_KEY = "text.encoder"
BANK_KEYS = ("quantiles", "mvo_contrasts", "clusters", "remote_sds")


@dataclass(frozen=True)
class GeneratorModel:
    """A network ready to run, the textures that it was trained on, and what to write into recipes.

    ``text_encoder`` is the hash of the text encoder whose embeddings it knows, empty where it knows no text.
    """

    network: Generator
    bank: TextureBank
    device: torch.device
    weights: dict[str, Any]
    text_encoder: str = ""

    @property
    def settings(self) -> GeneratorSettings:
        """What the network is made of."""
        return self.network.settings


def load_generator(model: str | Path | GeneratorModel | None, device: str) -> GeneratorModel:
    """Load weights by name or path (None: the shipped ones); one that is loaded stays. Raises ModelError."""
    if isinstance(model, GeneratorModel):
        return model
    found = resolve(model, "synthesis")
    return _load(found.weights, found.card.sha256, choose_device(device))


@lru_cache(maxsize=2)
def _load(weights: Path, sha256: str, device: torch.device) -> GeneratorModel:
    found = resolve(weights, "synthesis")
    state = found.load_state()
    try:
        bank = TextureBank(*(state.pop(f"texture.{key}").double().numpy() for key in BANK_KEYS))
        encoder = bytes(state.pop(ENCODER_KEY, torch.empty(0, dtype=torch.uint8)).tolist()).hex()
        network = Generator(GeneratorSettings.from_dict(dict(found.card.network)))
        restore_state(network, state)
    except (KeyError, TypeError) as error:
        raise ModelError(
            f"The weights {weights} don't fit this version's network: train or get them again."
        ) from error
    network.eval().requires_grad_(False).to(device)
    network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    return GeneratorModel(network, bank, device, {"name": found.name, "sha256": sha256}, encoder)


def bank_state(bank: TextureBank) -> dict[str, torch.Tensor]:
    """Return the bank as tensors to be saved beside the network's weights."""
    return {f"texture.{key}": torch.from_numpy(getattr(bank, key)).float() for key in BANK_KEYS}


def encoder_state(sha256: str) -> dict[str, torch.Tensor]:
    """Return the hash of a text encoder's weights as a tensor to be saved beside the network's weights."""
    return {ENCODER_KEY: torch.tensor(list(bytes.fromhex(sha256)), dtype=torch.uint8)}
