"""Checkpoints: everything that exact resume needs, in one safetensors file that is whole or not there."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import nn

from claimslicer.errors import ModelError, OutputError
from claimslicer.outputs import written_whole
from claimslicer.training.settings.config import TrainingConfig


def save_checkpoint(
    path: Path,
    *,
    step: int,
    config: TrainingConfig,
    model: nn.Module,
    average: nn.Module,
    optimizer: torch.optim.Optimizer,
) -> None:
    """Write the weights, their moving average and the optimiser's moments after ``step`` steps."""
    tensors = {f"model.{key}": value for key, value in model.state_dict().items()}
    tensors |= {f"average.{key}": value for key, value in average.state_dict().items()}
    for index, moments in optimizer.state_dict()["state"].items():
        tensors |= {f"optimizer.{index}.{key}": value for key, value in moments.items()}
    tensors = {key: value.detach().cpu().clone().contiguous() for key, value in tensors.items()}
    settings = json.dumps(config.to_dict(), sort_keys=True)
    metadata = {"step": str(step), "fingerprint": config.fingerprint(), "settings": settings}
    with written_whole(path) as temporary:
        try:
            save_file(tensors, temporary, metadata=metadata)
        except SafetensorError as error:
            raise OutputError(
                f"The checkpoint could not be written to {path.parent} ({error}); the last one is kept: "
                "make room and resume."
            ) from error


def steps_done(path: Path, config: TrainingConfig) -> int:
    """Return the steps of the checkpoint ``path``.

    Raises ModelError where it can't be read, or was made with other settings.
    """
    try:
        with safe_open(path, framework="pt") as file:
            metadata = file.metadata()
    except (OSError, SafetensorError) as error:
        raise _unreadable(path, error) from error
    _compare_settings(path, metadata, config)
    return int(metadata["step"])


def load_checkpoint(
    path: Path, config: TrainingConfig, model: nn.Module, average: nn.Module, optimizer: torch.optim.Optimizer
) -> int:
    """Restore what :func:`save_checkpoint` wrote; return the number of steps done. Raises ModelError."""
    try:
        with safe_open(path, framework="pt") as file:
            metadata = file.metadata()
            tensors = {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118 (no mapping)
    except (OSError, SafetensorError) as error:
        raise _unreadable(path, error) from error
    _compare_settings(path, metadata, config)
    model.load_state_dict(_with_prefix(tensors, "model."))
    average.load_state_dict(_with_prefix(tensors, "average."))
    moments: dict[int, dict[str, torch.Tensor]] = {}
    for key, value in _with_prefix(tensors, "optimizer.").items():
        index, name = key.split(".")
        moments.setdefault(int(index), {})[name] = value
    optimizer.load_state_dict({"state": moments, "param_groups": optimizer.state_dict()["param_groups"]})
    return int(metadata["step"])


def _with_prefix(tensors: dict[str, torch.Tensor], prefix: str) -> dict[str, torch.Tensor]:
    return {key.removeprefix(prefix): value for key, value in tensors.items() if key.startswith(prefix)}


def _unreadable(path: Path, error: Exception) -> ModelError:
    return ModelError(f"The checkpoint '{path}' can't be read ({error}); train again without --resume.")


def _compare_settings(path: Path, metadata: Mapping[str, str], config: TrainingConfig) -> None:
    if metadata["fingerprint"] == config.fingerprint():
        return
    before = json.loads(metadata.get("settings", "{}"))
    now = json.loads(json.dumps(config.to_dict()))
    changed = [
        f"{name} {before.get(name)}, now {now.get(name)}"
        for name in sorted(before.keys() | now.keys())
        if before and before.get(name) != now.get(name)
    ]
    which = f" ({'; '.join(changed)})" if changed else ""
    raise ModelError(
        f"The checkpoint '{path}' was made with other settings{which}; give those, or another output folder."
    )
