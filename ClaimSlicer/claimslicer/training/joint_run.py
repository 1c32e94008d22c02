"""The three stages of joint training, each resumed where it stands, and the two models that come out."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from claimslicer.errors import ModelError
from claimslicer.events import SILENT, EventFanOut, Events, JsonEvents
from claimslicer.models.states import compact_state
from claimslicer.outputs import output_error
from claimslicer.training.cache import Cohort, read_cache
from claimslicer.training.checkpoints import read_fingerprint
from claimslicer.training.config import TrainingConfig
from claimslicer.training.joint import JointTrainer, stage_folders
from claimslicer.training.joint_config import JointConfig
from claimslicer.training.joint_report import write_joint_report
from claimslicer.training.loop import CHECKPOINT_FILE, STOP_FILE, train
from claimslicer.training.processes import Alone, launch
from claimslicer.training.segmentation import train_segmentation
from claimslicer.training.shipping import ship, with_origins
from claimslicer.training.synthesis import train_synthesis

EVENTS_FILE = "events.jsonl"


def train_joint(config: JointConfig, *, resume: bool, events: Events = SILENT) -> list[Path]:
    """Train, or go on, and return the weights of segmenter and generator and the report's page.

    A stage that is finished has its model in its folder, and isn't trained again. Raises ModelError where
    ``config.out`` holds a run that isn't to be resumed, or one with other settings.
    """
    processes = launch(config)
    if processes.rank:
        events = SILENT
    folders = stage_folders(config)
    if not resume and any((folder / EVENTS_FILE).exists() for folder in folders.values()):
        raise ModelError(f"'{config.out}' already holds a run: resume it, or give another output folder.")
    processes.any(False)  # nobody writes before all have looked
    cohort = read_cache(config.cache)
    segmenter = config.initial_segmenter
    if config.pretrain_segmenter_steps:
        stage = config.segmenter_stage()
        with _stage_events(processes, config, stage.out, "segmenter", events) as told:
            segmenter = str(_finished(stage, "segmentation", train_segmentation, resume, told))
    generator = config.initial_generator
    if config.generator_steps:
        painting = config.generator_stage()
        processes.any(False)
        with _stage_events(processes, config, painting.out, "generator", events) as told:
            generator = str(_finished(painting, "synthesis", train_synthesis, resume, told))
    processes.any(False)  # the first process has written the models that all begin from
    if not config.joint_steps:
        return [Path(segmenter), Path(generator)]
    with _stage_events(processes, config, config.out, "joint", events) as told:
        weights = _train_together(config, cohort, segmenter, generator, resume, told)
    if processes.rank == 0:
        weights += write_joint_report(config, cohort, weights, events)
    return weights


def _finished(
    config: TrainingConfig, kind: str, train_stage: Callable[..., Path], resume: bool, events: Events
) -> Path:
    """Return the weights of a stage, trained now where they aren't there yet."""
    weights = config.out / f"{kind}.safetensors"
    if not weights.exists():
        return train_stage(config, resume=resume, events=events)
    if read_fingerprint(config.out / CHECKPOINT_FILE) != config.fingerprint():
        raise ModelError(f"'{config.out}' was trained with other settings; give those, or another folder.")
    return weights


def _train_together(
    config: JointConfig, cohort: Cohort, segmenter: str, generator: str, resume: bool, events: Events
) -> list[Path]:
    trainer = JointTrainer(config, cohort, segmenter, generator, events)
    average = train(trainer, resume=resume, events=events)
    networks = trainer.networks
    told = with_origins(config, {"initial_segmenter": "segmentation", "initial_generator": "synthesis"})
    return [
        ship(
            compact_state(average.get_submodule("segmenter")),
            "segmentation",
            networks["segmentation"],
            told,
            cohort,
            trainer.validate_segmenter(average),
        ),
        ship(
            compact_state(average.get_submodule("generator")) | trainer.generator_extras(),
            "synthesis",
            networks["synthesis"],
            told,
            cohort,
            trainer.validate_generator(average),
        ),
    ]


class _Stage:
    """Passes events on under the stage's name, and the request to pause from the run's folder to its own."""

    def __init__(self, name: str, run: Path, folder: Path, events: Events) -> None:
        self._name, self._run, self._folder, self._events = name, run, folder, events

    def progress(self, stage: str, fraction: float, message: str = "") -> None:
        """Pass it on."""
        self._events.progress(f"{self._name}: {stage}", fraction, message)

    def emit(self, kind: str, **values: Any) -> None:
        """Pass it on."""
        self._events.emit(kind, **values)
        if self._folder != self._run and (self._run / STOP_FILE).exists():
            (self._run / STOP_FILE).replace(self._folder / STOP_FILE)


@contextmanager
def _stage_events(
    processes: Alone, config: JointConfig, folder: Path, name: str, events: Events
) -> Iterator[Events]:
    """Send a stage's events on, and to a file in its folder that later processes go on with."""
    if processes.rank:
        yield SILENT
        return
    try:
        folder.mkdir(parents=True, exist_ok=True)
        stream = (folder / EVENTS_FILE).open("a", encoding="utf-8", newline="\n")
    except OSError as error:
        raise output_error(folder, error) from error
    with stream:
        told = EventFanOut(JsonEvents(stream), _Stage(name, config.out, folder, events))
        told.emit("stage", name=name)
        yield told
