"""Taking nnU-Net's models in: safetensors with a card, which run without any pickle."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from claimslicer import __version__
from claimslicer.json_files import read_json
from claimslicer.models.card import check_name
from claimslicer.models.registry import Model, check_new_model, save_model, user_folder
from claimslicer.models.transfer import import_model
from claimslicer.outputs import check_folder, make_folder
from claimslicer.segmentation.nnunet.model import FINAL, NnunetModel, read_folder
from claimslicer.studies.write import MADE_WITH


def import_nnunet(
    folder: Path,
    name: str,
    *,
    out: Path | None = None,
    checkpoint: str = FINAL,
    terms: str = "",
    overwrite: bool = False,
) -> Model:
    """Write a folder of nnU-Net's results as a model with a card, and return it.

    It goes to ``out``, or else into the user's own models, where ``segment --model NAME`` finds it. ``terms``
    says under which licence the weights may be used. Raises ModelError, OutputError.
    """
    check_name(name)
    if out is not None:
        check_new_model(out, "segmentation", overwrite=overwrite)
        check_folder(out)
    model = read_folder(folder, checkpoint)
    fields = _card_fields(model, folder, checkpoint, terms)
    if out is not None:
        return Model(save_model(out, name, model.tensors(), fields))
    with tempfile.TemporaryDirectory(dir=make_folder(user_folder()), prefix=".import-") as staged:
        save_model(Path(staged), name, model.tensors(), fields)
        return import_model(Path(staged))[0]


def _card_fields(model: NnunetModel, folder: Path, checkpoint: str, terms: str) -> dict[str, Any]:
    ours = model.dataset.get(MADE_WITH, {})
    folds = {f"fold_{number}": fold for number, fold in enumerate(ours.get("folds", []))}
    return {
        "kind": "segmentation",
        "version": __version__,
        "network": model.to_card(),
        "preprocessing": {"see": "nnU-Net's plans in 'network'"},
        "data": {
            "description": model.dataset.get("description", "not stated"),
            "studies": model.dataset.get("numTraining", "not stated"),
        },
        "split": {fold: folds.get(fold, "not stated") for fold in model.states},
        "training": {
            "framework": "nnU-Net v2",
            "trainer": model.trainer,
            "plans": model.plans.get("plans_name", "not stated"),
            "configuration": model.configuration,
            "checkpoint": checkpoint,
            "epochs": {fold: model.epochs.get(fold, "not stated") for fold in model.states},
            "sha256 of the checkpoints": model.weights["sha256"],
        },
        "figures": {fold: _validation(folder, fold) for fold in model.states},
        "terms": terms or "not stated",
    }


def _validation(folder: Path, fold: str) -> Mapping[str, Any] | str:
    """Return the mean Dice that nnU-Net found on the fold's validation cases, by label value."""
    place = folder if folder.name == fold else folder / fold
    try:
        summary = read_json(place / "validation" / "summary.json")
        return {f"dice of label {value}": scores["Dice"] for value, scores in summary["mean"].items()}
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return "not stated"
