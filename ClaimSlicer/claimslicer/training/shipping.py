"""From a finished training to a model: weights as safetensors with a card that says what they are."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch

from claimslicer import __version__
from claimslicer.models.card import ModelKind
from claimslicer.models.registry import save_model
from claimslicer.training.cache import Cohort
from claimslicer.training.config import TrainingConfig
from claimslicer.training.processes import launch


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
    fields = {
        "kind": kind,
        "version": __version__,
        "network": network,
        "preprocessing": {"see": f"claimslicer.{kind}"},
        "data": {"description": config.data or "not stated", "studies": len(cohort.studies)},
        "split": {part: [study.name for study in cohort.part(part)] for part in ("training", "validation")},
        "training": config.to_dict(),
        "figures": {"validation": figures},
        "terms": config.terms or "not stated",
    }
    return save_model(config.out, config.name, state, fields)
