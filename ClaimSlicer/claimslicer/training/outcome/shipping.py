"""From a finished training to a model: weights as safetensors with a card that says what they are."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypeVar

import torch

from claimslicer import __version__
from claimslicer.models.card import ModelKind
from claimslicer.models.registry import resolve, save_model
from claimslicer.training.data.cache import Cohort
from claimslicer.training.engine.processes import launch
from claimslicer.training.settings.config import TrainingConfig

Config = TypeVar("Config", bound=TrainingConfig)


def with_origins(config: Config, models: Mapping[str, ModelKind]) -> Config:
    """Return ``config`` as a card should tell it: data and terms of the models it began from hold on.

    ``models`` are the settings that may name a model, and its kind. It stands there by its name: a path says
    things about a user's computer. Raises ModelError.
    """
    named = {field: resolve(wish, kind) for field, kind in models.items() if (wish := getattr(config, field))}
    if not named:
        return config
    cards = [model.card for model in named.values()]
    begun = dict.fromkeys(f"begun from '{card.name}': {card.data.get('description')}" for card in cards)
    terms = dict.fromkeys(text for text in (*(card.terms for card in cards), config.terms) if text)
    names: dict[str, Any] = {field: model.name for field, model in named.items()}
    data = "; ".join([config.data or "not stated", *begun])
    real = config.real_only and all(all(card.real_only) for card in cards if card.kind == "segmentation")
    return dataclasses.replace(config, data=data, terms="; ".join(terms), real_only=real, **names)


def ship(
    state: dict[str, torch.Tensor],
    kind: ModelKind,
    network: dict[str, Any],
    config: TrainingConfig,
    cohort: Cohort,
    figures: dict[str, float],
) -> Path:
    """Write weights and card to the run's folder; return the weights' file. The first process writes."""
    if launch(config).rank:
        return config.out / f"{kind}.safetensors"
    data: dict[str, Any] = {"description": config.data or "not stated", "studies": len(cohort.studies)}
    if not {"acute", "chronic"}.isdisjoint(phases := cohort.phases()):
        data["training studies by phase"] = phases
    if kind == "segmentation":
        data["real_only"] = [config.real_only and not getattr(config, "synthetic_share", 0)]
    fields = {
        "kind": kind,
        "version": __version__,
        "network": network,
        "preprocessing": {"see": f"claimslicer.{kind}"},
        "data": data,
        "split": {part: [study.name for study in cohort.part(part)] for part in ("training", "validation")},
        "training": config.to_dict(),
        "figures": {"validation": figures},
        "terms": config.terms or "not stated",
    }
    return save_model(config.out, config.name, state, fields)
