"""A run's events made into curves: what a panel or a notebook plots while the run goes on."""

from __future__ import annotations

import statistics
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

Curve = list[tuple[int, float]]
"""Points (step, value), steps ascending."""

STAGES = {"segmenter": "Segmenter alone", "generator": "Generator alone", "joint": "Both together"}
"""The stages of joint training and their names for people."""
_LOSSES = {"segmenter": "segmentation", "generator": "diffusion"}
"""What the loss of a stage is called where it is a part of the joint one."""
_NO_LOSSES = frozenset(("time", "event", "step", "loss", "learning_rate", "seconds_per_step"))


@dataclass
class History:
    """What the events told so far; steps that a resumed process repeats are counted once.

    Those of joint training's stages are counted on, so that all curves have one axis.
    """

    step: int = 0
    steps: int = 0
    device: str = ""
    stage: str = ""
    fraction: float = 0.0
    message: str = ""
    loss: Curve = field(default_factory=list)
    losses: dict[str, Curve] = field(default_factory=dict)
    """What the loss is made of, where it is of several."""
    seconds_per_step: Curve = field(default_factory=list)
    validation: dict[str, Curve] = field(default_factory=dict)
    samples: dict[int, str] = field(default_factory=dict)
    """Pictures' paths from the run's folder, by step."""
    note: str = ""
    """What the user should know, such as why there are no pictures."""
    joint_stage: str = ""
    """Of :data:`STAGES`; empty in other trainings."""
    begins: dict[str, int] = field(default_factory=dict)
    """The steps that came before each stage."""
    stage_ends: int = 0
    all_steps: int = 0
    """Of all stages, known when the first begins."""

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
        """Estimate how long the rest takes at the pace of late; None while that isn't known.

        In joint training that is the rest of the stage: others have another pace.
        """
        paces = [value for step, value in self.seconds_per_step if step > self._before][-20:]
        if not paces or not self.steps:
            return None
        return statistics.median(paces) * (self.stage_ends - self.step)

    @property
    def _before(self) -> int:
        return self.begins.get(self.joint_stage, 0)

    def _on_progress(self, event: dict[str, Any]) -> None:
        self.stage, self.message = event["stage"], event["message"]
        if not self.steps:
            self.fraction = float(event["fraction"])

    def _on_stage(self, event: dict[str, Any]) -> None:
        self.joint_stage, self.all_steps = event["name"], event["steps"]
        self.begins[self.joint_stage] = event["begins"]

    def _on_training(self, event: dict[str, Any]) -> None:
        """A process begins, or goes on from a checkpoint: what came after that checkpoint is done again."""
        self.step, self.stage_ends = self._before + event["step"], self._before + event["steps"]
        self.steps, self.device = self.all_steps or event["steps"], event["device"]
        self.stage, self.fraction = "training", self.step / max(self.steps, 1)
        curves = [self.loss, self.seconds_per_step, *self.losses.values(), *self.validation.values()]
        for curve in curves:
            while curve and curve[-1][0] > self.step:
                curve.pop()
        self.samples = {step: file for step, file in self.samples.items() if step <= self.step}

    def _on_metrics(self, event: dict[str, Any]) -> None:
        self.step = self._before + event["step"]
        self.fraction = self.step / self.steps if self.steps else 0.0
        self.loss.append((self.step, event["loss"]))
        self.seconds_per_step.append((self.step, event["seconds_per_step"]))
        parts = {name: value for name, value in event.items() if name not in _NO_LOSSES}
        if not parts and self.joint_stage:
            parts = {_LOSSES[self.joint_stage]: event["loss"]}
        for name, value in parts.items():
            self.losses.setdefault(name, []).append((self.step, value))

    def _on_validation(self, event: dict[str, Any]) -> None:
        for name, value in event.items():
            if name not in ("time", "event", "step"):
                curve = self.validation.setdefault(name.removeprefix("generator_"), [])
                curve.append((self._before + event["step"], value))

    def _on_sample(self, event: dict[str, Any]) -> None:
        folder = f"{self.joint_stage}/samples" if self.joint_stage else "samples"
        self.samples[self._before + event["step"]] = f"{folder}/{event['file']}"

    def _on_no_sample(self, event: dict[str, Any]) -> None:
        self.note = f"No sample pictures: {event['reason']}"

    def _on_skipped(self, event: dict[str, Any]) -> None:
        self.note = str(event.get("reason", ""))


def smoothed(curve: Sequence[tuple[int, float]]) -> Curve:
    """Return the exponential mean of ``curve``, corrected for its start; of few points over a few only."""
    weight = min(0.95, len(curve) / (len(curve) + 20))
    result, mean, total = [], 0.0, 0.0
    for step, value in curve:
        mean, total = weight * mean + (1 - weight) * value, weight * total + 1 - weight
        result.append((step, mean / total))
    return result
