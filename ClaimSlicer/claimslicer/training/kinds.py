"""What can be trained, and with which presets: the one table that command line and panel offer.

Light to import: torch and YAML come in only when a training is loaded.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from claimslicer.errors import SpecificationError
from claimslicer.events import Events

if TYPE_CHECKING:
    from claimslicer.training.cache import Cohort
    from claimslicer.training.config import TrainingConfig
    from claimslicer.training.loop import Trainer

PRESET_FOLDER = Path(__file__).parent / "presets"
PRESETS = {"trial": "Short trial", "standard": "Standard", "long": "Long"}
FURTHER_PRESETS = {"segmentation": ("finetune",)}
"""Those of one kind alone, which panels don't offer."""


class Train(Protocol):
    """Trains to the end of ``config`` and returns the weights' file."""

    def __call__(self, config: TrainingConfig, *, resume: bool, events: Events) -> Path:
        """Train, or go on training."""
        ...


@dataclass(frozen=True)
class Parts:
    """The classes and the function that make a training."""

    config: type[TrainingConfig]
    trainer: Callable[[TrainingConfig, Cohort], Trainer]
    train: Train


@dataclass(frozen=True)
class Trainable:
    """One kind of training: its name for people, and how its parts are loaded."""

    title: str
    load: Callable[[], Parts]


def _synthesis() -> Parts:
    from claimslicer.training.config import SynthesisConfig
    from claimslicer.training.synthesis import SynthesisTrainer, train_synthesis

    return Parts(SynthesisConfig, SynthesisTrainer, train_synthesis)  # type: ignore[arg-type]


def _segmentation() -> Parts:
    from claimslicer.training.config import SegmentationConfig
    from claimslicer.training.segmentation import SegmentationTrainer, train_segmentation

    return Parts(SegmentationConfig, SegmentationTrainer, train_segmentation)  # type: ignore[arg-type]


TRAINABLE: dict[str, Trainable] = {
    "synthesis": Trainable("Synthesis (paints scars)", _synthesis),
    "segmentation": Trainable("Segmentation", _segmentation),
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
