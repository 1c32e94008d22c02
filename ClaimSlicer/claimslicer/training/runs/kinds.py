"""What can be trained, and with which presets: the one table that command line and panel offer.

Light to import: torch and YAML come in only when a training is loaded.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from claimslicer.errors import SpecificationError
from claimslicer.events import Events
from claimslicer.models.card import ModelKind

if TYPE_CHECKING:
    from claimslicer.training.data.cache import Cohort
    from claimslicer.training.engine.loop import Trainer
    from claimslicer.training.settings.config import TrainingConfig

PRESET_FOLDER = Path(__file__).parents[1] / "settings" / "presets"
PRESETS = {"trial": "Short trial", "standard": "Standard", "long": "Long"}
FURTHER_PRESETS = {"segmentation": ("finetune",)}
"""Those of one kind alone, which panels don't offer."""


class Train(Protocol):
    """Trains to the end of ``config``, and writes the models into its folder."""

    def __call__(self, config: Any, *, resume: bool, events: Events) -> object:
        """Train, or go on training."""
        ...


@dataclass(frozen=True)
class Parts:
    """The class and the functions that make a training."""

    config: type[TrainingConfig]
    stages: Callable[[Any], Mapping[str, TrainingConfig]]
    """The settings of the stages that a training goes through, one or more."""
    trainers: Callable[[Any, Cohort], Iterator[Trainer]]
    """The stages' trainers, each made when it is asked for."""
    train: Train


@dataclass(frozen=True)
class Trainable:
    """One kind of training: its name for people, the models it makes, and how its parts are loaded."""

    title: str
    models: tuple[ModelKind, ...]
    load: Callable[[], Parts]


def _one_stage(config: TrainingConfig) -> Mapping[str, TrainingConfig]:
    return {"training": config}


def _synthesis() -> Parts:
    from claimslicer.training.settings.config import SynthesisConfig
    from claimslicer.training.trainers.synthesis import SynthesisTrainer, train_synthesis

    def trainers(config: SynthesisConfig, cohort: Cohort) -> Iterator[Trainer]:
        yield SynthesisTrainer(config, cohort)

    return Parts(SynthesisConfig, _one_stage, trainers, train_synthesis)


def _segmentation() -> Parts:
    from claimslicer.training.settings.config import SegmentationConfig
    from claimslicer.training.trainers.segmentation import SegmentationTrainer, train_segmentation

    def trainers(config: SegmentationConfig, cohort: Cohort) -> Iterator[Trainer]:
        yield SegmentationTrainer(config, cohort)

    return Parts(SegmentationConfig, _one_stage, trainers, train_segmentation)


def _joint() -> Parts:
    from claimslicer.training.settings.joint_config import JointConfig, stages
    from claimslicer.training.trainers.joint_run import train_joint
    from claimslicer.training.trainers.joint_stages import stage_trainers

    return Parts(JointConfig, stages, stage_trainers, train_joint)


TRAINABLE: dict[str, Trainable] = {
    "synthesis": Trainable("Synthesis (paints scars)", ("synthesis",), _synthesis),
    "segmentation": Trainable("Segmentation", ("segmentation",), _segmentation),
    "joint": Trainable("Both, each learning from the other", ("segmentation", "synthesis"), _joint),
}


def trainable(kind: str) -> Trainable:
    """Return the table's entry. Raises SpecificationError for an unknown kind."""
    if kind not in TRAINABLE:
        raise SpecificationError(f"There is no training of {kind!r}; choose {' or '.join(TRAINABLE)}.")
    return TRAINABLE[kind]


def preset_text(kind: str, preset: str) -> str:
    """Return a preset's YAML, all settings but data, folder, name and device. Raises SpecificationError."""
    trainable(kind)
    known = (*PRESETS, *FURTHER_PRESETS.get(kind, ()))
    if preset not in known:
        raise SpecificationError(f"There is no preset {preset!r}; choose {', '.join(known)}.")
    return (PRESET_FOLDER / f"{kind}-{preset}.yaml").read_text(encoding="utf-8")


def preset_description(kind: str, preset: str) -> str:
    """Return the sentence for people that a preset's file begins with."""
    return preset_text(kind, preset).splitlines()[0].removeprefix("#").strip()
