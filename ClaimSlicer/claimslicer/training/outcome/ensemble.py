"""Several trained segmenters in one model: the first one's locator, and everybody's labellers."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from pathlib import Path

import torch

from claimslicer.errors import ModelError
from claimslicer.models.registry import check_new_model, resolve, save_model
from claimslicer.outputs import check_folder, check_no_input
from claimslicer.segmentation.network import SegmenterSettings


def combine_segmenters(
    models: Sequence[str | Path], out: Path, name: str, *, overwrite: bool = False
) -> Path:
    """Write the ensemble of ``models`` to the folder ``out``; return the weights' file.

    Raises:
        ModelError: there are fewer than two, or their networks or terms differ.
        OutputError: ``out`` is one of them, or another model and not to be written over.
    """
    if len(models) < 2:
        raise ModelError("An ensemble needs at least two models.")
    found = [resolve(model, "segmentation") for model in models]
    check_no_input(out / "segmentation.safetensors", [model.weights for model in found])
    check_new_model(out, "segmentation", overwrite=overwrite)
    check_folder(out)
    cards = [model.card for model in found]
    settings = [SegmenterSettings.from_dict(dict(card.network)) for card in cards]
    alike = {(dataclasses.replace(s, members=1), card.terms) for s, card in zip(settings, cards, strict=True)}
    if len(alike) > 1:
        raise ModelError("The models' networks or terms differ; an ensemble needs the same for all.")
    state: dict[str, torch.Tensor] = {}
    members = 0
    for model, one in zip(found, settings, strict=True):
        for key, value in model.load_state().items():
            part, _, rest = key.partition(".")
            if part == "labellers":
                index, _, rest = rest.partition(".")
                state[f"labellers.{members + int(index)}.{rest}"] = value
            else:
                state.setdefault(key, value)
        members += one.members
    first = cards[0]
    fields = {
        "kind": "segmentation",
        "version": first.version,
        "network": dataclasses.replace(settings[0], members=members).to_dict(),
        "preprocessing": dict(first.preprocessing),
        "data": {**first.data, "real_only": [real for card in cards for real in card.real_only]},
        "split": dict(first.split),
        "training": {f"member {i}": dict(card.training) for i, card in enumerate(cards)},
        "figures": {f"member {i}": dict(card.figures) for i, card in enumerate(cards)},
        "terms": first.terms,
    }
    return save_model(out, name, state, fields)
