"""The training loop that every trainer shares: averaging, schedule, checkpoints, exact resume, events.

Every random draw of step *n* comes from generators seeded by ``(seed, n)``, so a resumed run meets the same
batches and the same noise as an uninterrupted one, and ends with the same weights.
"""

from __future__ import annotations

import copy
import math
import time
from typing import NoReturn, Protocol

import numpy as np
import torch
from torch import nn

from claimslicer.errors import Cancelled, ModelError
from claimslicer.events import Events
from claimslicer.training.checkpoints import load_checkpoint, save_checkpoint
from claimslicer.training.config import TrainingConfig
from claimslicer.training.samples import Sample, write_sample

STOP_FILE = "stop"
METRICS_EVERY = 10


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

    def sample(self, model: nn.Module) -> Sample:
        """Return what ``model`` makes of a slice of a validation patient, for a picture."""
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
    this call early, after a checkpoint. A file ``stop`` in the run's folder asks for a pause: the loop saves
    a checkpoint, says 'paused', takes the file away and raises Cancelled.
    """
    config = trainer.config
    if config.threads:
        torch.set_num_threads(config.threads)
    training = _Training(trainer, events, resume=resume)
    last = config.steps
    if stop_after_steps is not None:
        last = min(last, training.step + stop_after_steps)
    meter = _Meter(config, events)
    trainer.model.train()
    while training.step < last:
        if (config.out / STOP_FILE).exists():
            training.pause()
        loss = training.take_step()
        step = training.step
        meter.count(step, loss, at_end=step == last)
        if step % config.checkpoint_every == 0 or step == last:
            training.save()
        if step % config.validate_every == 0:
            events.emit("validation", step=step, **trainer.validate(training.average))
            write_sample(trainer.sample(training.average), step, config.out / "samples", events)
            meter.restart()
    return training.average


class _Training:
    """What changes with each step, and its checkpoint."""

    def __init__(self, trainer: Trainer, events: Events, *, resume: bool) -> None:
        """Begin, or go on from the checkpoint. Raises ModelError where that can't be, or isn't wanted."""
        self.trainer, self._config, self._events = trainer, trainer.config, events
        config, model = trainer.config, trainer.model
        self.average = copy.deepcopy(model).eval().requires_grad_(False)
        self.optimizer = torch.optim.AdamW(
            model.parameters(), lr=config.learning_rate, weight_decay=config.weight_decay
        )
        self.step = 0
        config.out.mkdir(parents=True, exist_ok=True)
        self._path = config.out / "checkpoint.safetensors"
        if self._path.exists():
            if not resume:
                raise ModelError(
                    f"'{config.out}' already holds a run: resume it, or give another output folder."
                )
            self.step = load_checkpoint(self._path, config.fingerprint(), model, self.average, self.optimizer)
        device = str(next(model.parameters()).device)
        events.emit("training", step=self.step, steps=config.steps, device=device)

    def take_step(self) -> float:
        """Take one step and return its loss."""
        loss = _one_step(self.trainer, self.average, self.optimizer, self.step)
        self.step += 1
        return loss

    def save(self) -> None:
        """Write the checkpoint."""
        save_checkpoint(
            self._path,
            step=self.step,
            fingerprint=self._config.fingerprint(),
            model=self.trainer.model,
            average=self.average,
            optimizer=self.optimizer,
        )
        self._events.emit("checkpoint", step=self.step)

    def pause(self) -> NoReturn:
        """Save, and end by raising Cancelled."""
        self.save()
        (self._config.out / STOP_FILE).unlink(missing_ok=True)
        self._events.emit("paused", step=self.step)
        raise Cancelled(f"Paused after {self.step} of {self._config.steps} steps: resume goes on from there.")


class _Meter:
    """Reports the mean loss and the time of every few steps."""

    def __init__(self, config: TrainingConfig, events: Events) -> None:
        self._config, self._events = config, events
        self.restart()

    def restart(self) -> None:
        """Begin to measure: what went before was no training."""
        self._losses: list[float] = []
        self._since = time.monotonic()

    def count(self, step: int, loss: float, *, at_end: bool) -> None:
        """Take in one step."""
        self._losses.append(loss)
        if step % METRICS_EVERY and step > 1 and not at_end:
            return
        mean = sum(self._losses) / len(self._losses)
        self._events.emit(
            "metrics",
            step=step,
            loss=round(mean, 6),
            learning_rate=learning_rate(self._config, step - 1),
            seconds_per_step=round((time.monotonic() - self._since) / len(self._losses), 4),
        )
        if step % (2 * METRICS_EVERY) == 0 or at_end:
            done = step / self._config.steps
            self._events.progress("training", done, f"step {step}, loss {mean:.4f}")
        self.restart()


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
