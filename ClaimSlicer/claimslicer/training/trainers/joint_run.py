"""The three stages of joint training, each resumed where it stands, and the two models that come out."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from claimslicer.errors import ModelError
from claimslicer.events import SILENT, EventFanOut, Events, JsonEvents
from claimslicer.models.card import ModelKind
from claimslicer.models.registry import models_in, resolve
from claimslicer.models.states import compact_state
from claimslicer.outputs import output_error
from claimslicer.training.data.cache import Cohort, read_cache
from claimslicer.training.engine.checkpoints import steps_done
from claimslicer.training.engine.loop import CHECKPOINT_FILE, STOP_FILE, train
from claimslicer.training.engine.processes import Alone, launch
from claimslicer.training.outcome.shipping import ship, with_origins
from claimslicer.training.progress.joint_report import write_joint_report
from claimslicer.training.settings.config import TrainingConfig
from claimslicer.training.settings.joint_config import JointConfig, stages
from claimslicer.training.trainers.joint import JointTrainer
from claimslicer.training.trainers.segmentation import shipped_state, train_segmentation
from claimslicer.training.trainers.synthesis import train_synthesis

EVENTS_FILE = "events.jsonl"
INITIAL_MODELS: dict[str, ModelKind] = {
    "initial_segmenter": "segmentation",
    "initial_generator": "synthesis",
}


def train_joint(config: JointConfig, *, resume: bool, events: Events = SILENT) -> list[Path]:
    """Train, or go on, and return the weights of segmenter and generator and the report's page.

    A stage that is finished has its model in its folder, and isn't trained again. Raises ModelError where
    ``config.out`` holds a run that isn't to be resumed, or one with other settings. The cache and the models
    to begin from are looked at before anything is written.
    """
    processes = launch(config)
    if processes.rank:
        events = SILENT
    wanted = stages(config)
    begun = any((stage.out / CHECKPOINT_FILE).exists() for stage in wanted.values())
    if begun and not resume:
        raise ModelError(f"'{config.out}' already holds a run: resume it, or give another output folder.")
    if models_in(config.out) and not begun:
        raise ModelError(
            f"'{config.out}' holds a model that this run didn't make: give another output folder."
        )
    with_origins(config, INITIAL_MODELS)
    read_cache(config.cache)
    processes.any(False)  # nobody writes before all have looked
    segmenter = config.initial_segmenter
    if "segmenter" in wanted:
        with _stage_events(processes, config, "segmenter", events) as told:
            stage = config.segmenter_stage()
            segmenter = str(_finished(stage, "segmentation", train_segmentation, resume, told))
    generator = config.initial_generator
    if "generator" in wanted:
        processes.any(False)
        with _stage_events(processes, config, "generator", events) as told:
            painting = config.generator_stage()
            generator = str(_finished(painting, "synthesis", train_synthesis, resume, told))
    processes.any(False)  # the first process has written the models that all begin from
    if "joint" not in wanted:
        return [Path(segmenter), Path(generator)]
    if done := _joint_results(config):
        return done
    cohort = read_cache(config.cache)
    with _stage_events(processes, config, "joint", events) as told:
        weights, before = _train_together(config, cohort, segmenter, generator, resume, told)
    if processes.rank == 0:
        weights += write_joint_report(config, cohort, weights, before, events)
    return weights


def _finished(
    config: TrainingConfig, kind: str, train_stage: Callable[..., Path], resume: bool, events: Events
) -> Path:
    """Return the weights of a stage, trained now where they aren't there yet."""
    weights = config.out / f"{kind}.safetensors"
    if not weights.exists():
        return train_stage(config, resume=resume, events=events)
    steps_done(config.out / CHECKPOINT_FILE, config)
    return weights


def _joint_results(config: JointConfig) -> list[Path]:
    """Return the weights and the page of a run that has ended, else nothing."""
    stage = stages(config)["joint"]
    results = [config.out / f"{kind}.safetensors" for kind in ("segmentation", "synthesis")]
    results.append(config.out / "report" / "report.html")
    if not all(path.exists() for path in [stage.out / CHECKPOINT_FILE, *results]):
        return []
    return results if steps_done(stage.out / CHECKPOINT_FILE, stage) == stage.steps else []


def _train_together(
    config: JointConfig, cohort: Cohort, segmenter: str, generator: str, resume: bool, events: Events
) -> tuple[list[Path], dict[ModelKind, dict[str, float]]]:
    """Return the weights of both networks, and each network's figures before this stage."""
    stage = stages(config)["joint"]
    trainer = JointTrainer(stage, cohort, segmenter, generator, events)  # type: ignore[arg-type]
    model = trainer.model.eval()  # as it begins: a checkpoint is read later
    before: dict[ModelKind, dict[str, float]] = {
        "segmentation": trainer.validate_segmenter(model),
        "synthesis": trainer.validate_generator(model),
    }
    average = train(trainer, resume=resume, events=events)
    networks = trainer.networks
    began = resolve(segmenter, "segmentation").card
    # Each network's card tells what held for it in this stage, not what stands at the settings' top.
    told = with_origins(config, INITIAL_MODELS)
    weights = [
        ship(
            shipped_state(average.get_submodule("segmenter")),
            "segmentation",
            networks["segmentation"],
            dataclasses.replace(
                told,
                weight_decay=config.segmenter_stage().weight_decay,
                learning_rate=config.segmenter_learning_rate,
                batch_size=config.batch_size_of("segmentation"),
                real_only=told.real_only and all(began.real_only),
            ),
            cohort,
            trainer.validate_segmenter(average),
        ),
        ship(
            compact_state(average.get_submodule("generator")) | trainer.generator_extras(),
            "synthesis",
            networks["synthesis"],
            dataclasses.replace(
                told,
                weight_decay=config.generator_stage().weight_decay,
                batch_size=config.batch_size_of("synthesis"),
            ),
            cohort,
            trainer.validate_generator(average),
        ),
    ]
    return weights, before


class _Stage:
    """Passes events on under the stage's name, and the request to pause from the run's folder to its own."""

    def __init__(self, config: JointConfig, name: str, events: Events) -> None:
        self._name, self._events = name, events
        self._stops = [folder / STOP_FILE for folder in (config.out, stages(config)[name].out)]
        steps = {name: stage.steps for name, stage in stages(config).items()}
        before = list(steps)[: list(steps).index(name)]
        self._stops[1].unlink(missing_ok=True)  # what a killed process had not obeyed yet
        self.emit("stage", name=name, begins=sum(steps[one] for one in before), steps=sum(steps.values()))

    def progress(self, stage: str, fraction: float, message: str = "") -> None:
        """Pass it on."""
        self._events.progress(f"{self._name}: {stage}", fraction, message)

    def emit(self, kind: str, **values: Any) -> None:
        """Pass it on."""
        self._events.emit(kind, **values)
        asked, passed_on = self._stops
        if kind == "paused":
            asked.unlink(missing_ok=True)
        elif asked.exists():
            passed_on.touch()


@contextmanager
def _stage_events(processes: Alone, config: JointConfig, name: str, events: Events) -> Iterator[Events]:
    """Send a stage's events on, and to a file in its folder that later processes go on with."""
    if processes.rank:
        yield SILENT
        return
    folder = stages(config)[name].out
    try:
        folder.mkdir(parents=True, exist_ok=True)
        stream = (folder / EVENTS_FILE).open("a", encoding="utf-8", newline="\n")
    except OSError as error:
        raise output_error(folder, error) from error
    with stream:
        yield EventFanOut(JsonEvents(stream), _Stage(config, name, events))
