"""Loading a trained segmenter, once per process."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import Any

import torch
from torch import nn

from claimslicer.devices import choose_device
from claimslicer.errors import ModelError
from claimslicer.models.card import ModelCard
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


def load_segmenter(model: str | Path | None, device: str, *, judge: bool = False) -> SegmenterModel:
    """Load weights by name or path (None: the shipped ones). Raises ModelError, also for nnU-Net's.

    As ``judge`` of synthetic scars only its :func:`independent_labellers` vote, where it has any; without
    scaling where they are a part, since that was fitted to the vote of all. The locator, which says no more
    than where the ventricle is, stays the same.
    """
    found = resolve(model, "segmentation")
    members = independent_labellers(found.card) if judge else ()
    whole = len(members) in (0, len(found.card.real_only))
    loaded = _load(found.weights, found.card.sha256, choose_device(device), () if whole else members)
    # A calibration may change, the weights don't.
    return replace(loaded, scaling=Scaling.of_card(found.card.calibration) if whole else None)


def independent_labellers(card: ModelCard) -> tuple[int, ...]:
    """Return the numbers of those labellers that learnt from real studies alone, as far as is known.

    A segmenter finds scars more easily that are like those it learnt from, so that one that learnt from
    synthetic studies can't tell whether others are as real.
    """
    return tuple(number for number, real in enumerate(card.real_only) if real)


def judged_by(model: str | Path | None) -> str:
    """Return a sentence on who judges synthetic scars, and whether independently. Raises ModelError."""
    card = resolve(model, "segmentation").card
    members = independent_labellers(card)
    if not members:
        return (
            f"The segmenter is '{card.name}', which learnt from synthetic studies, or whose card doesn't say "
            "that it didn't: no independent judge of such."
        )
    numbers = ", ".join(map(str, members))
    part = "" if all(card.real_only) else f", of its labellers member {numbers} alone"
    return f"The segmenter is '{card.name}'{part}: an independent judge, which learnt from real studies only."


@lru_cache(maxsize=2)
def _load(weights: Path, sha256: str, device: torch.device, members: tuple[int, ...]) -> SegmenterModel:
    """Load all labellers, or ``members`` alone."""
    found = resolve(weights, "segmentation")
    try:
        settings = SegmenterSettings.from_dict(dict(found.card.network))
        networks = Segmenter(settings)
        restore_state(networks, found.load_state())
    except (KeyError, TypeError) as error:
        raise ModelError(
            f"The weights {weights} don't fit the network on their card; get them again."
        ) from error
    recipe: dict[str, Any] = {"name": found.name, "sha256": sha256}
    if members:
        settings = replace(settings, members=len(members))
        networks.labellers = nn.ModuleList(networks.labellers[number] for number in members)
        recipe["members"] = list(members)
    networks.eval().requires_grad_(False).to(device)
    return SegmenterModel(networks, settings, device, recipe)
