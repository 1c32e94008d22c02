"""A run's events made into curves: what a panel or a notebook plots while the run goes on."""

from __future__ import annotations

import statistics
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

Curve = list[tuple[int, float]]
"""Points (step, value), steps ascending."""


@dataclass
class History:
    """What the events told so far; steps that a resumed process repeats are counted once."""

    step: int = 0
    steps: int = 0
    device: str = ""
    stage: str = ""
    fraction: float = 0.0
    message: str = ""
    loss: Curve = field(default_factory=list)
    seconds_per_step: Curve = field(default_factory=list)
    validation: dict[str, Curve] = field(default_factory=dict)
    samples: dict[int, str] = field(default_factory=dict)
    """File names in the run's folder ``samples``, by step."""
    note: str = ""
    """What the user should know, such as why there are no pictures."""

    def add(self, events: Iterable[dict[str, Any]]) -> bool:
        """Take in ``events`` in their order; say whether there were any."""
        told = False
        for event in events:
            told = True
            take = getattr(self, f"_on_{event['event']}", None)
            try:
                if take is not None:
                    take(event)
            except (KeyError, TypeError, ValueError):
                self.note = f"An event '{event['event']}' is not as this version writes it"
        return told

    def seconds_left(self) -> float | None:
        """Estimate how long the rest takes at the pace of late; None while that isn't known."""
        if not self.seconds_per_step or not self.steps:
            return None
        pace = statistics.median(value for _, value in self.seconds_per_step[-20:])
        return pace * (self.steps - self.step)

    def smooth_loss(self) -> Curve:
        """Return the loss as its exponential mean, corrected for its start; of few points over a few only."""
        weight = min(0.95, len(self.loss) / (len(self.loss) + 20))
        result, mean, total = [], 0.0, 0.0
        for step, value in self.loss:
            mean, total = weight * mean + (1 - weight) * value, weight * total + 1 - weight
            result.append((step, mean / total))
        return result

    def _on_progress(self, event: dict[str, Any]) -> None:
        self.stage, self.message = event["stage"], event["message"]
        self.fraction = float(event["fraction"])

    def _on_training(self, event: dict[str, Any]) -> None:
        """A process begins, or goes on from a checkpoint: what came after that checkpoint is done again."""
        self.step, self.steps, self.device = event["step"], event["steps"], event["device"]
        self.stage, self.fraction = "training", self.step / max(self.steps, 1)
        curves = [self.loss, self.seconds_per_step, *self.validation.values()]
        for curve in curves:
            while curve and curve[-1][0] > self.step:
                curve.pop()
        self.samples = {step: file for step, file in self.samples.items() if step <= self.step}

    def _on_metrics(self, event: dict[str, Any]) -> None:
        self.step = event["step"]
        self.fraction = self.step / self.steps if self.steps else 0.0
        self.loss.append((self.step, event["loss"]))
        self.seconds_per_step.append((self.step, event["seconds_per_step"]))

    def _on_validation(self, event: dict[str, Any]) -> None:
        for name, value in event.items():
            if name not in ("time", "event", "step"):
                self.validation.setdefault(name, []).append((event["step"], value))

    def _on_sample(self, event: dict[str, Any]) -> None:
        self.samples[event["step"]] = event["file"]

    def _on_no_sample(self, event: dict[str, Any]) -> None:
        self.note = f"No sample pictures: {event['reason']}"

    def _on_skipped(self, event: dict[str, Any]) -> None:
        self.note = str(event.get("reason", ""))
