"""One process or many: devices and nodes by Lightning Fabric, where a run asks for them.

A step's batch is made of parts, each of ``batch_size``: a process takes ``accumulation`` of them one after
the other, and there are ``devices × nodes`` processes. Every part draws from its own generators, so that the
same parts give the same weights, to rounding, however they are spread over processes.

Under torchrun or SLURM the processes are there already; else the first starts the others of its node, which
run the same command line.
"""

from __future__ import annotations

import os
from contextlib import AbstractContextManager, nullcontext
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from claimslicer.errors import ModelError
from claimslicer.parent import children_end_with_us, core_count, end_with_parent

if TYPE_CHECKING:
    import torch
    from torch import nn

    from claimslicer.training.settings.config import TrainingConfig

_RANKS = ("RANK", "LOCAL_RANK", "NODE_RANK", "SLURM_PROCID")


def is_first_process() -> bool:
    """Say, from what launchers set, whether this process is the one that writes and reports."""
    return all(os.environ.get(name, "0") == "0" for name in _RANKS)


class Alone:
    """One process: torch alone."""

    rank, size = 0, 1

    def __init__(self, accelerator: str, precision: str) -> None:
        self._accelerator, self._half = accelerator, precision == "bf16"

    def set_up(self, module: nn.Module) -> nn.Module:
        """Return ``module`` made ready for training; its forward pass returns the loss."""
        if self._half:
            import torch

            module.forward = torch.autocast(self._accelerator, torch.bfloat16)(module.forward)
        return module

    def exchanging(self, module: nn.Module, wanted: bool) -> AbstractContextManager[Any]:
        """Return the context of a part: processes need exchange gradients after a step's last part only."""
        return nullcontext()

    def backward(self, loss: torch.Tensor) -> None:
        """Compute gradients."""
        loss.backward()

    def mean(self, value: torch.Tensor) -> torch.Tensor:
        """Return the mean over processes."""
        return value

    def any(self, flag: bool) -> bool:
        """Say whether any process has ``flag``."""
        return flag


class Together(Alone):
    """Fabric: one or more processes, each with its device."""

    def __init__(self, accelerator: str, devices: int, nodes: int, precision: str) -> None:
        try:
            from lightning_fabric import Fabric
            from lightning_fabric.strategies import DDPStrategy
        except ImportError as error:
            raise ModelError(
                "Several devices need Lightning Fabric: pip install 'claim-slicer[fabric]'."
            ) from error
        self._fabric = Fabric(
            accelerator=accelerator,
            devices=devices,
            num_nodes=nodes,
            strategy=DDPStrategy(find_unused_parameters=True),  # not every step uses every network
            precision="bf16-mixed" if precision == "bf16" else "32-true",
        )
        end_with_parent()
        with children_end_with_us():
            self._fabric.launch()
        self.rank, self.size = self._fabric.global_rank, self._fabric.world_size

    def set_up(self, module: nn.Module) -> nn.Module:
        """Return ``module`` made ready for training; its forward pass returns the loss."""
        return self._fabric.setup_module(module)

    def exchanging(self, module: nn.Module, wanted: bool) -> AbstractContextManager[Any]:
        """Return the context of a part: processes need exchange gradients after a step's last part only."""
        return self._fabric.no_backward_sync(module, enabled=not wanted)  # type: ignore[arg-type]

    def backward(self, loss: torch.Tensor) -> None:
        """Compute gradients."""
        self._fabric.backward(loss)

    def mean(self, value: torch.Tensor) -> torch.Tensor:
        """Return the mean over processes."""
        return self._fabric.all_reduce(value, reduce_op="mean")  # type: ignore[return-value]

    def any(self, flag: bool) -> bool:
        """Say whether any process has ``flag``; all wait for the answer."""
        import torch

        flags = torch.tensor(float(flag), device=self._fabric.device)
        return float(self._fabric.all_reduce(flags, reduce_op="sum")) > 0  # type: ignore[arg-type]


def launch(config: TrainingConfig) -> Alone:
    """Return this run's processes; the first call starts them.

    To be called before networks go to their device. A process that this one starts ends with it. Raises
    ModelError where a device or Fabric is missing, or more processes are asked for than there are cores.
    """
    from claimslicer.devices import choose_device

    kind = choose_device(config.device).type
    if config.devices * config.nodes == 1:
        return Alone(kind, config.precision)
    _check_devices(kind, config.devices)
    return _launched(kind, config.devices, config.nodes, config.precision)


@lru_cache(maxsize=1)
def _launched(accelerator: str, devices: int, nodes: int, precision: str) -> Together:
    """Processes are started once, whatever is trained one after the other."""
    return Together(accelerator, devices, nodes, precision)


def _check_devices(kind: str, devices: int) -> None:
    import torch

    if kind == "cuda" and devices > torch.cuda.device_count():
        raise ModelError(
            f"The run asks for {devices} GPUs and there are {torch.cuda.device_count()} here: set 'devices'."
        )
    if kind == "mps" and devices > 1:
        raise ModelError("This computer has one GPU: set 'devices' to 1.")
    if kind == "cpu" and devices > core_count():
        raise ModelError(
            f"The run asks for {devices} processes on a computer with {core_count()} cores: set 'devices' to "
            f"at most {core_count()}."
        )
