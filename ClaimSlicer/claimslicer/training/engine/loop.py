"""The training loop that every trainer shares: averaging, schedule, checkpoints, exact resume, events.

Every random draw of step *n* comes from generators seeded by ``(seed, n)``, so a resumed run meets the same
batches and the same noise as an uninterrupted one, and ends with the same weights. A step of several batches
seeds each by ``(seed, n, batch)``, whichever process takes it: see
:mod:`claimslicer.training.engine.processes`.
"""

from __future__ import annotations

import copy
import math
import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, NoReturn, Protocol

import numpy as np
import torch
from torch import nn

from claimslicer.errors import Cancelled, ModelError, OutputError
from claimslicer.events import SILENT, EventFanOut, Events
from claimslicer.models.registry import models_in
from claimslicer.outputs import make_folder
from claimslicer.training.engine.checkpoints import load_checkpoint, save_checkpoint
from claimslicer.training.engine.processes import Alone, launch
from claimslicer.training.progress.board import BoardEvents
from claimslicer.training.progress.samples import Sample, write_sample
from claimslicer.training.settings.config import TrainingConfig

STOP_FILE = "stop"
CHECKPOINT_FILE = "checkpoint.safetensors"
METRICS_EVERY = 10
GRADIENT_NORM = 5.0
"""The largest norm of a group's gradients."""


class Trainer(Protocol):
    """What differs between trainings.

    A trainer may have ``terms``, a dictionary with the parts of its last loss, for the metrics; and
    ``parameter_groups()``, optimiser settings by group, where ``rate`` is a factor of the learning rate.
    """

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
    this call early, after a checkpoint. A file ``stop`` in the run's folder asks for a pause, and so does
    Ctrl-C: the loop ends its step, saves a checkpoint, says 'paused', takes the file away and raises
    Cancelled. A second Ctrl-C ends it at once.
    """
    config = trainer.config
    processes = launch(config)
    if config.threads:
        torch.set_num_threads(config.threads)
    training = _Training(trainer, processes, events if processes.rank == 0 else SILENT, resume=resume)
    last = config.steps
    if stop_after_steps is not None:
        last = min(last, training.step + stop_after_steps)
    meter = _Meter(config, training.events)
    trainer.model.train()
    with _ctrl_c() as interrupted:
        while training.step < last:
            asked = processes.rank == 0 and (config.out / STOP_FILE).exists()
            if processes.any(asked or interrupted.is_set()):
                training.pause()
            loss = training.take_step()
            step = training.step
            meter.count(step, {"loss": loss, **getattr(trainer, "terms", {})}, at_end=step == last)
            if step % config.checkpoint_every == 0 or step == last:
                training.save()
            if step % config.validate_every == 0 or step == config.steps:
                training.look()
                meter.restart()
        if processes.any(interrupted.is_set()):
            training.pause()
    return training.average


@contextmanager
def _ctrl_c() -> Iterator[threading.Event]:
    """Yield what is set by the first Ctrl-C in the block, or SIGTERM where it means the same; later ones act.

    Where a program handles these signals in its own way they are left to it.
    """
    asked = threading.Event()
    numbers = [
        number
        for number in (signal.SIGINT, signal.SIGTERM)
        if threading.current_thread() is threading.main_thread()
        and signal.getsignal(number) is signal.default_int_handler
    ]

    def act_again() -> None:
        for number in numbers:
            signal.signal(number, signal.default_int_handler)

    def note(*_: object) -> None:
        asked.set()
        act_again()

    for number in numbers:
        signal.signal(number, note)
    try:
        yield asked
    finally:
        act_again()


class _Training:
    """What changes with each step, and its checkpoint."""

    def __init__(self, trainer: Trainer, processes: Alone, events: Events, *, resume: bool) -> None:
        """Begin, or go on from the checkpoint. Raises ModelError where that can't be, or isn't wanted."""
        self._trainer, self._config, self._processes, self.events = trainer, trainer.config, processes, events
        config, model = trainer.config, trainer.model
        self.average = copy.deepcopy(model).eval().requires_grad_(False)
        self.optimizer = _optimizer(trainer)
        self.step = 0
        make_folder(config.out)
        self._path = config.out / CHECKPOINT_FILE
        if self._path.exists():
            if not resume:
                raise ModelError(
                    f"'{config.out}' already holds a run: resume it, or give another output folder."
                )
            self.step = load_checkpoint(self._path, config, model, self.average, self.optimizer)
        elif models_in(config.out):
            raise ModelError(
                f"'{config.out}' holds a model that this run didn't make: give another output folder."
            )
        self._loss = processes.set_up(_Loss(trainer))
        if config.tensorboard and processes.rank == 0:
            self.events = events = EventFanOut(events, BoardEvents(config.out / "tensorboard", self.step))
        device = str(next(model.parameters()).device)
        events.emit("training", step=self.step, steps=config.steps, device=device, processes=processes.size)

    def take_step(self) -> float:
        """Take one step and return its loss, the mean over all batches."""
        config, processes = self._config, self._processes
        for group in self.optimizer.param_groups:
            group["lr"] = learning_rate(config, self.step) * group["rate"]
        self.optimizer.zero_grad(set_to_none=True)
        total = 0.0
        for number in range(config.accumulation):
            part = processes.rank * config.accumulation + number
            seed = [config.seed, self.step] if config.parts == 1 else [config.seed, self.step, part]
            rng = np.random.default_rng(seed)
            noise = torch.Generator().manual_seed(int(rng.integers(2**62)))
            with processes.exchanging(self._loss, wanted=number == config.accumulation - 1):
                loss = self._loss(self.step, rng, noise) / config.accumulation
                mean = float(processes.mean(loss.detach()))
                self._check(mean)
                processes.backward(loss)
            total += mean
        for group in self.optimizer.param_groups:
            nn.utils.clip_grad_norm_(group["params"], GRADIENT_NORM)
        self.optimizer.step()
        self._follow()
        self.step += 1
        return total

    def _check(self, loss: float) -> None:
        if not math.isfinite(loss):
            raise ModelError(
                f"Training diverged at step {self.step} (the loss is not a number); the last checkpoint is "
                "kept: lower 'learning_rate'."
            )

    @torch.no_grad()
    def _follow(self) -> None:
        """Move the average towards the weights."""
        decay = min(self._config.average_decay, (self.step + 1) / (self.step + 10))
        pairs = zip(
            self.average.state_dict().values(), self._trainer.model.state_dict().values(), strict=True
        )
        for mean, value in pairs:
            mean.lerp_(value, 1 - decay) if mean.is_floating_point() else mean.copy_(value)

    def save(self) -> None:
        """Write the checkpoint: the first process does, and where it can't, all end."""
        error = None
        if self._processes.rank == 0:
            try:
                save_checkpoint(
                    self._path,
                    step=self.step,
                    config=self._config,
                    model=self._trainer.model,
                    average=self.average,
                    optimizer=self.optimizer,
                )
            except OutputError as caught:
                error = caught
        if self._processes.any(error is not None):
            raise error or Cancelled("The first process could not write the checkpoint.")
        self.events.emit("checkpoint", step=self.step)

    def look(self) -> None:
        """Validate the average and draw what it makes; the first process does."""
        if self._processes.rank == 0:
            self.events.emit("validation", step=self.step, **self._trainer.validate(self.average))
            sample = self._trainer.sample(self.average)
            write_sample(sample, self.step, self._config.out / "samples", self.events)

    def pause(self) -> NoReturn:
        """Save, and end by raising Cancelled."""
        self.save()
        if self._processes.rank == 0:
            (self._config.out / STOP_FILE).unlink(missing_ok=True)
        self.events.emit("paused", step=self.step)
        raise Cancelled(f"Paused after {self.step} of {self._config.steps} steps: resume goes on from there.")


class _Loss(nn.Module):
    """A trainer's loss as a forward pass: what data-parallel training and mixed precision hook into."""

    def __init__(self, trainer: Trainer) -> None:
        super().__init__()
        self.model, self._trainer = trainer.model, trainer

    def forward(self, step: int, rng: np.random.Generator, noise: torch.Generator) -> torch.Tensor:
        return self._trainer.loss(step, rng, noise)


def _optimizer(trainer: Trainer) -> torch.optim.Optimizer:
    config = trainer.config
    groups: list[dict[str, Any]] = [{"params": list(trainer.model.parameters())}]
    if hasattr(trainer, "parameter_groups"):
        groups = trainer.parameter_groups()
    groups = [{"rate": 1.0, **group} for group in groups]
    return torch.optim.AdamW(groups, lr=config.learning_rate, weight_decay=config.weight_decay)


class _Meter:
    """Reports the mean loss and the time of every few steps."""

    def __init__(self, config: TrainingConfig, events: Events) -> None:
        self._config, self._events = config, events
        self.restart()

    def restart(self) -> None:
        """Begin to measure: what went before was no training."""
        self._losses: dict[str, list[float]] = {}
        self._count = 0
        self._since = time.monotonic()

    def count(self, step: int, losses: dict[str, float], *, at_end: bool) -> None:
        """Take in one step's ``loss`` and the terms that it is made of."""
        self._count += 1
        for name, value in losses.items():
            self._losses.setdefault(name, []).append(value)
        if step % METRICS_EVERY and step > 1 and not at_end:
            return
        means = {name: round(sum(values) / len(values), 6) for name, values in self._losses.items()}
        self._events.emit(
            "metrics",
            step=step,
            **means,
            learning_rate=learning_rate(self._config, step - 1),
            seconds_per_step=round((time.monotonic() - self._since) / self._count, 4),
        )
        if step % (2 * METRICS_EVERY) == 0 or at_end:
            done = step / self._config.steps
            self._events.progress("training", done, f"step {step}, loss {means['loss']:.4f}")
        self.restart()
