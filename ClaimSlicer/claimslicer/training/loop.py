"""The training loop that every trainer shares: averaging, schedule, checkpoints, exact resume, events.

Every random draw of step *n* comes from generators seeded by ``(seed, n)``, so a resumed run meets the same
batches and the same noise as an uninterrupted one, and ends with the same weights.
"""

from __future__ import annotations

import copy
import math
import time
from typing import Protocol

import numpy as np
import torch
from torch import nn

from claimslicer.errors import ModelError
from claimslicer.events import Events
from claimslicer.training.checkpoints import load_checkpoint, save_checkpoint
from claimslicer.training.config import TrainingConfig


class Trainer(Protocol):
    """What differs between trainings."""

    model: nn.Module

    @property
    def config(self) -> TrainingConfig:
        """The run's settings."""
        ...

    def loss(self, step: int, rng: np.random.Generator, noise: torch.Generator) -> torch.Tensor:
        """Return the loss of one freshly drawn batch."""
        ...

    def validate(self, model: nn.Module) -> dict[str, float]:
        """Return figures of ``model`` (the moving average) on the validation patients."""
        ...


def learning_rate(config: TrainingConfig, step: int) -> float:
    """Linear warm-up, then half a cosine down to 1 % of the top."""
    if step < config.warmup_steps:
        return config.learning_rate * (step + 1) / config.warmup_steps
    done = (step - config.warmup_steps) / max(1, config.steps - config.warmup_steps)
    return config.learning_rate * (0.01 + 0.99 * 0.5 * (1 + math.cos(math.pi * min(done, 1.0))))


def train(
    trainer: Trainer, *, resume: bool, events: Events, stop_after_steps: int | None = None
) -> nn.Module:
    """Train to ``config.steps`` and return the moving average of the weights.

    With ``resume`` the run goes on from its last checkpoint where there is one. ``stop_after_steps`` ends
    this call early, after a checkpoint.
    """
    config, model = trainer.config, trainer.model
    if config.threads:
        torch.set_num_threads(config.threads)
    average = copy.deepcopy(model).eval().requires_grad_(False)
    optimizer = torch.optim.AdamW(
        model.parameters(), lr=config.learning_rate, weight_decay=config.weight_decay
    )
    config.out.mkdir(parents=True, exist_ok=True)
    path = config.out / "checkpoint.safetensors"
    step = 0
    if path.exists():
        if not resume:
            raise ModelError(f"'{config.out}' already holds a run: resume it, or give another output folder.")
        step = load_checkpoint(path, config.fingerprint(), model, average, optimizer)
    last = config.steps if stop_after_steps is None else min(config.steps, step + stop_after_steps)
    started, running = time.monotonic(), None
    model.train()
    while step < last:
        loss = _one_step(trainer, average, optimizer, step)
        step += 1
        running = loss if running is None else 0.98 * running + 0.02 * loss
        if step % 20 == 0 or step == last:
            events.progress("training", step / config.steps, f"step {step}, loss {running:.4f}")
        if step % config.checkpoint_every == 0 or step == last:
            save_checkpoint(
                path,
                step=step,
                fingerprint=config.fingerprint(),
                model=model,
                average=average,
                optimizer=optimizer,
            )
            events.emit("checkpoint", step=step, loss=running, seconds=round(time.monotonic() - started, 1))
        if step % config.validate_every == 0:
            events.emit("validation", step=step, **trainer.validate(average))
    return average


def _one_step(trainer: Trainer, average: nn.Module, optimizer: torch.optim.Optimizer, step: int) -> float:
    config, model = trainer.config, trainer.model
    rng = np.random.default_rng([config.seed, step])
    noise = torch.Generator().manual_seed(int(rng.integers(2**62)))
    for group in optimizer.param_groups:
        group["lr"] = learning_rate(config, step)
    loss = trainer.loss(step, rng, noise)
    if not torch.isfinite(loss):
        raise ModelError(
            f"Training diverged at step {step} (the loss is not a number); the last checkpoint is kept: "
            "lower 'learning_rate'."
        )
    optimizer.zero_grad(set_to_none=True)
    loss.backward()
    nn.utils.clip_grad_norm_(model.parameters(), 5.0)
    optimizer.step()
    decay = min(config.average_decay, (step + 1) / (step + 10))
    with torch.no_grad():
        for mean, value in zip(average.state_dict().values(), model.state_dict().values(), strict=True):
            mean.lerp_(value, 1 - decay) if mean.is_floating_point() else mean.copy_(value)
    return float(loss.detach())
