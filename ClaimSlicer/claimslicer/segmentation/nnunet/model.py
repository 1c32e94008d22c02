"""nnU-Net's trained models: from the folders it writes, and from safetensors with a card."""

from __future__ import annotations

import hashlib
import pickle
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import torch

from claimslicer.errors import ModelError
from claimslicer.json_files import read_json
from claimslicer.models.registry import Model, resolve
from claimslicer.segmentation.nnunet.labels import internal_labels
from claimslicer.studies.provenance import sha256_of_file

FRAMEWORK = "nnunetv2"
"""Value of ``framework`` in the card of an imported model."""
FINAL = "checkpoint_final.pth"


@dataclass(frozen=True)
class NnunetModel:
    """A trained nnU-Net: what it was planned as, and the weights of each fold, every tensor once.

    ``plans`` and ``dataset`` are nnU-Net's JSON files, ``mirroring_axes`` those that predictions are averaged
    over, ``weights`` the name and hash for recipes, ``epochs`` how long each fold was trained, where its
    checkpoint says it.
    """

    plans: Mapping[str, Any]
    dataset: Mapping[str, Any]
    configuration: str
    trainer: str
    mirroring_axes: tuple[int, ...] | None
    states: Mapping[str, Mapping[str, torch.Tensor]]
    weights: Mapping[str, Any]
    epochs: Mapping[str, int] = field(default_factory=dict)

    def to_card(self) -> dict[str, Any]:
        """Return the card's table ``network``, JSON types."""
        return {
            "framework": FRAMEWORK,
            "plans": dict(self.plans),
            "dataset": dict(self.dataset),
            "configuration": self.configuration,
            "trainer": self.trainer,
            "mirroring_axes": None if self.mirroring_axes is None else list(self.mirroring_axes),
            "folds": list(self.states),
        }

    def tensors(self) -> dict[str, torch.Tensor]:
        """Return all folds' weights in one table, as a file holds them."""
        return {
            f"{fold}.{name}": value for fold, state in self.states.items() for name, value in state.items()
        }


def find_nnunet(model: str | Path | None) -> NnunetModel | None:
    """Read ``model`` where it is nnU-Net's: a folder of its results, or one imported; None for others.

    Kept in memory, so that the next study finds it ready. Raises ModelError.
    """
    folder = Path(model) if model is not None else None
    if folder is not None and _is_results(folder if _fold_of(folder) is None else folder.parent):
        files = _checkpoints(folder, FINAL)
        return _read_folder(folder, FINAL, tuple(file.stat().st_mtime_ns for file in files.values()))
    found = resolve(model, "segmentation")
    if found.card.network.get("framework") != FRAMEWORK:
        return None
    return _read_imported(found, found.card.sha256)


def read_folder(folder: Path, checkpoint: str = FINAL) -> NnunetModel:
    """Read a folder ``TRAINER__PLANS__CONFIGURATION`` of nnU-Net's results, or one of its folds.

    The checkpoints are pickles: only tensors, numbers and texts are read from them, no objects made. Raises
    ModelError where that can't be, or the model is none for one LGE volume.
    """
    _need_nnunet()
    from claimslicer.segmentation.nnunet.network import build_network, each_once

    files = _checkpoints(folder, checkpoint)
    parent = next(iter(files.values())).parent.parent
    plans, dataset = _json(parent / "plans.json"), _json(parent / "dataset.json")
    loaded = {fold: _load_checkpoint(file) for fold, file in files.items()}
    first = next(iter(loaded.values()))
    try:
        configuration, trainer = str(first["init_args"]["configuration"]), str(first["trainer_name"])
        axes = first.get("inference_allowed_mirroring_axes")
        _check(plans, dataset, configuration)
        network = build_network(plans, dataset, configuration)
        states = {
            fold: each_once(network, content["network_weights"], trainer) for fold, content in loaded.items()
        }
    except (KeyError, TypeError) as error:
        raise ModelError(f"{folder} is no complete nnU-Net model: copy the whole folder again.") from error
    digest = hashlib.sha256("".join(sha256_of_file(file) for file in files.values()).encode()).hexdigest()
    weights = {"name": parent.name, "sha256": digest, "folds": list(files)}
    epochs = {fold: int(seen) for fold, content in loaded.items() if (seen := content.get("current_epoch"))}
    return NnunetModel(plans, dataset, configuration, trainer, axes and tuple(axes), states, weights, epochs)


@lru_cache(maxsize=1)
def _read_folder(folder: Path, checkpoint: str, _changed: tuple[int, ...]) -> NnunetModel:
    return read_folder(folder, checkpoint)


@lru_cache(maxsize=1)
def _read_imported(found: Model, sha256: str) -> NnunetModel:
    state, card = found.load_state(), found.card.network
    _need_nnunet()
    try:
        _check(card["plans"], card["dataset"], card["configuration"])
        states: dict[str, dict[str, torch.Tensor]] = {fold: {} for fold in card["folds"]}
        for key, tensor in state.items():
            fold, _, name = key.partition(".")
            states[fold][name] = tensor
        axes = card["mirroring_axes"]
        return NnunetModel(
            card["plans"],
            card["dataset"],
            card["configuration"],
            card["trainer"],
            axes and tuple(axes),
            states,
            {"name": found.name, "sha256": sha256, "folds": list(states)},
        )
    except (KeyError, TypeError) as error:
        raise ModelError(
            f"The card of {found.weights} doesn't fit its weights: get the model again."
        ) from error


def _is_results(folder: Path) -> bool:
    return (folder / "plans.json").is_file() and (folder / "dataset.json").is_file()


def _fold_of(folder: Path) -> str | None:
    """Return the name of a fold's folder, ``fold_0`` or ``fold_all``; None for other folders."""
    return folder.name if folder.name.startswith("fold_") else None


def _checkpoints(folder: Path, checkpoint: str) -> dict[str, Path]:
    """Return the folds' checkpoints by fold; ``fold_all`` only where there is no other."""
    folds = [folder] if _fold_of(folder) else sorted(folder.glob("fold_*"))
    files = {fold.name: fold / checkpoint for fold in folds if (fold / checkpoint).is_file()}
    if not files:
        raise ModelError(
            f"{folder} holds no fold with a {checkpoint}: let nnU-Net finish training, or copy it again."
        )
    if len(files) > 1:
        files.pop("fold_all", None)
    return files


def _json(path: Path) -> dict[str, Any]:
    try:
        content = read_json(path)
    except (OSError, ValueError) as error:
        raise ModelError(f"{path} can't be read: copy the nnU-Net model again.") from error
    if not isinstance(content, dict):
        raise ModelError(f"{path} isn't nnU-Net's: copy the model again.")
    return content


def _load_checkpoint(file: Path) -> dict[str, Any]:
    """Read a checkpoint's tensors, numbers and texts; its log holds NumPy numbers, which are let in."""
    numbers = [type(np.dtype(kind)) for kind in ("f2", "f4", "f8", "i4", "i8", "u1", "?")]
    scalar = np.float32(0).__reduce__()[0]
    names = ("numpy._core.multiarray.scalar", "numpy.core.multiarray.scalar")  # NumPy 2 and 1
    allowed: list[Any] = [np.dtype, *numbers, *((scalar, name) for name in names)]
    try:
        with torch.serialization.safe_globals(allowed):
            content = torch.load(file, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        raise ModelError(
            f"{file} holds Python objects beside weights, which could run any program: it isn't opened."
        ) from error
    except (OSError, RuntimeError, EOFError, zipfile.BadZipFile, ValueError) as error:
        raise ModelError(f"{file} is damaged or no checkpoint of nnU-Net: copy it again.") from error
    if not isinstance(content, dict):
        raise ModelError(f"{file} is no checkpoint of nnU-Net: copy it again.")
    return content


def _need_nnunet() -> None:
    if find_spec("nnunetv2") is None:
        raise ModelError(
            "This is a model of nnU-Net, which isn't installed: pip install 'claim-slicer[nnunet]'."
        )


def _check(plans: Mapping[str, Any], dataset: Mapping[str, Any], configuration: str) -> None:
    """Raise ModelError unless the model labels single LGE volumes, each voxel once."""
    from claimslicer.segmentation.nnunet.network import manage

    channels = dataset.get("channel_names", dataset.get("modality", {}))
    if len(channels) != 1:
        raise ModelError(
            f"This nnU-Net model wants {len(channels)} images of a heart: give one for LGE alone."
        )
    if any(isinstance(value, list | tuple) for value in dataset["labels"].values()):
        raise ModelError("This nnU-Net model was trained on overlapping regions: give one trained on labels.")
    if manage(plans, configuration)[1].previous_stage_name is not None:
        raise ModelError("This nnU-Net model is the second stage of a cascade: give a model of one stage.")
    internal_labels(dataset)
