"""Loading a trained segmenter, once per process."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import Any

import torch

from claimslicer.devices import choose_device
from claimslicer.errors import ModelError
from claimslicer.models.registry import resolve
from claimslicer.models.states import restore_state
from claimslicer.quantification.calibration import Scaling
from claimslicer.segmentation.network import Segmenter, SegmenterSettings


@dataclass(frozen=True)
class SegmenterModel:
    """The networks ready to run, how to calibrate what they say, and what to write into recipes."""

    networks: Segmenter
    settings: SegmenterSettings
    device: torch.device
    weights: dict[str, Any]
    scaling: Scaling | None = None


def load_segmenter(model: str | Path | None, device: str) -> SegmenterModel:
    """Load weights by name or path (None: the shipped ones). Raises ModelError, also for nnU-Net's."""
    found = resolve(model, "segmentation")
    loaded = _load(found.weights, found.card.sha256, choose_device(device))
    return replace(loaded, scaling=Scaling.of_card(found.card.calibration))  # may change, the weights don't


@lru_cache(maxsize=2)
def _load(weights: Path, sha256: str, device: torch.device) -> SegmenterModel:
    found = resolve(weights, "segmentation")
    try:
        settings = SegmenterSettings.from_dict(dict(found.card.network))
        networks = Segmenter(settings)
        restore_state(networks, found.load_state())
    except (KeyError, TypeError) as error:
        raise ModelError(
            f"The weights {weights} don't fit the network on their card; get them again."
        ) from error
    networks.eval().requires_grad_(False).to(device)
    return SegmenterModel(networks, settings, device, {"name": found.name, "sha256": sha256})
