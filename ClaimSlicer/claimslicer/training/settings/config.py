"""Training configurations: frozen dataclasses, read from one YAML file that holds all of a run."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from claimslicer.errors import ModelError, SpecificationError
from claimslicer.models.card import check_name
from claimslicer.models.registry import DEFAULT_MODEL
from claimslicer.synthesis.settings import GeneratorSettings
from claimslicer.yaml_settings import check_known, read_yaml_settings

_TYPES: dict[str, type | tuple[type, ...]] = {"int": int, "float": (int, float), "str": str, "bool": bool}
_LISTS: dict[str, tuple[type, ...]] = {"tuple[int, ...]": (int,), "tuple[float, ...]": (int, float)}
AUGMENTATIONS = ("standard", "wide")
PRECISIONS = ("32", "bf16")
_NOT_OF_WEIGHTS = frozenset(
    ("cache", "out", "name", "data", "terms", "checkpoint_every", "validate_every", "device", "threads")
) | {"real_only", "captions", "devices", "nodes", "accumulation", "tensorboard"}


def named_or_path(model: str, folder: Path) -> str:
    """Return a model's name, which is a bare word, as it is, and a path, relative to ``folder``, in full."""
    path = Path(model).expanduser()
    return str((folder / path).resolve()) if len(path.parts) > 1 or path.suffix else model


def _is_list_of(kinds: tuple[type, ...], value: object) -> bool:
    return isinstance(value, list | tuple) and all(
        isinstance(one, kinds) and not isinstance(one, bool) for one in value
    )


def check_between(settings: object, low: float, high: float, *names: str) -> None:
    """Raise SpecificationError that names the first of ``names`` whose value isn't between, ends included."""
    span = f"be {low:g} or more" if high == math.inf else f"lie between {low:g} and {high:g}"
    for name in names:
        if not low <= getattr(settings, name) <= high:
            raise SpecificationError(f"'{name}' must {span}.")


def check_setting_name(name: str) -> None:
    """Raise SpecificationError unless ``name`` can name a model."""
    try:
        check_name(name)
    except ModelError as error:
        raise SpecificationError(f"The setting 'name' can't be used. {error}") from error


def check_rate(settings: object, name: str) -> None:
    """Raise SpecificationError where the learning rate ``name`` isn't between 0 and 1."""
    if not 0 < getattr(settings, name) < 1:
        raise SpecificationError(f"'{name}' must be above 0 and below 1.")


@dataclass(frozen=True, kw_only=True)
class TrainingConfig:
    """What every run has. ``cache`` is the preprocessed cohort; ``out`` the run's own folder."""

    cache: Path
    """The cohort, as ``train cache`` made it."""
    out: Path
    """The run's own folder, which is also the path of the model that comes out."""
    name: str = "mine"
    """The model's name, on its card and in ``models``."""
    data: str = ""
    """What the cache was made from, for the model card."""
    terms: str = ""
    """Under which terms the weights may be used, for the model card."""
    real_only: bool = True
    """Whether the weights that it begins from learnt from real studies alone, for the model card."""
    steps: int = 4000
    """Optimiser steps."""
    batch_size: int = 16
    """Slices in a batch."""
    learning_rate: float = 2e-3
    """The highest learning rate; after the warm-up it falls to 1 % of that along a cosine."""
    weight_decay: float = 1e-4
    """Weight decay of the optimiser, AdamW."""
    warmup_steps: int = 100
    """Steps at the beginning over which the learning rate rises."""
    average_decay: float = 0.998
    """Decay of the running average of the weights; the average is what is kept in the end."""
    checkpoint_every: int = 200
    """Steps from one checkpoint to the next."""
    validate_every: int = 500
    """Steps from one validation to the next, each with a picture."""
    seed: int = 0
    """The same seed gives the same training."""
    device: str = "auto"
    """``auto``, ``cpu``, ``cuda``, ``cuda:1``, ``mps`` and so on."""
    threads: int = 0
    """CPU threads; 0 leaves torch's choice."""
    devices: int = 1
    """How many devices of each computer are used; each takes ``batch_size`` samples at a time."""
    nodes: int = 1
    """How many computers are used."""
    accumulation: int = 1
    """Batches in a step, one after the other on each device."""
    precision: str = "32"
    """``32``, or ``bf16`` for mixed precision."""
    tensorboard: bool = False
    """Whether to write TensorBoard's logs too, into the run's folder ``tensorboard``."""

    def __post_init__(self) -> None:
        for field in dataclasses.fields(self):
            value = getattr(self, field.name)
            wanted = _TYPES.get(str(field.type))
            if wanted and (not isinstance(value, wanted) or isinstance(value, bool) != (wanted is bool)):
                raise SpecificationError(f"The training setting '{field.name}' can't be {value!r}.")
            if str(field.type) in _LISTS and not _is_list_of(_LISTS[str(field.type)], value):
                raise SpecificationError(f"The training setting '{field.name}' must be a list of numbers.")
        check_setting_name(self.name)
        counts = ("steps", "batch_size", "checkpoint_every", "validate_every")
        for name in (*counts, "devices", "nodes", "accumulation"):
            if getattr(self, name) < 1:
                raise SpecificationError(f"The training setting '{name}' must be at least 1.")
        check_rate(self, "learning_rate")
        check_between(self, 0, math.inf, "weight_decay", "warmup_steps", "seed", "threads")
        if not 0 <= self.average_decay < 1:
            raise SpecificationError("'average_decay' must be 0 or more and below 1.")
        if self.precision not in PRECISIONS:
            raise SpecificationError(f"'precision' must be {' or '.join(PRECISIONS)}, in quotes.")

    @property
    def parts(self) -> int:
        """Batches that a step is made of, on all devices."""
        return self.devices * self.nodes * self.accumulation

    @classmethod
    def from_yaml(cls, path: Path) -> Self:
        """Read a run's settings; relative paths are taken from the YAML file's folder."""
        values = read_yaml_settings(path)
        check_known(values, [field.name for field in dataclasses.fields(cls) if field.init], f"'{path}'")
        for key in ("cache", "out"):
            if key not in values:
                raise SpecificationError(f"The setting '{key}' is missing in '{path}'.")
            if not isinstance(values[key], str):
                raise SpecificationError(f"The setting '{key}' in '{path}' must be a path.")
            values[key] = (Path(path).parent / Path(values[key]).expanduser()).resolve()
        if values.get("captions") and isinstance(values["captions"], str):
            values["captions"] = str((Path(path).parent / Path(values["captions"]).expanduser()).resolve())
        for key in ("initial_weights", "reward_model"):
            if isinstance(values.get(key), str):
                values[key] = named_or_path(values[key], Path(path).parent)
        return cls(**values)

    def to_dict(self) -> dict[str, Any]:
        """Return, as JSON types, the settings that the trained weights depend on."""
        values = {key: value for key, value in dataclasses.asdict(self).items() if key not in _NOT_OF_WEIGHTS}
        if self.precision == "32":
            del values["precision"]
        return values | ({"parts": self.parts} if self.parts > 1 else {})

    def fingerprint(self) -> str:
        """Return a hash of :meth:`to_dict`: a run is resumed with the settings it began with."""
        text = json.dumps(self.to_dict(), sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()


@dataclass(frozen=True, kw_only=True)
class SegmentationConfig(TrainingConfig):
    """Training of the locator and the labeller."""

    infarct_share: float = 0.55
    """Share of slices with infarct in a batch."""
    synthetic_share: float = 0.0
    """Share of slices taken from synthetic studies, where the cache holds any."""
    class_weights: tuple[float, ...] = (0.5, 1.0, 1.0, 2.0, 2.0)
    """Weights of background, cavity, healthy myocardium, infarct and MVO in the cross-entropy and, but for
    the background, in the Dice loss."""
    centre_jitter_mm: float = 4.0
    """How far at most, along either axis, the labeller's patches lie beside the centre of the LV."""
    dice_weight: float = 1.0
    """Weight of the Dice loss among the labeller's losses."""
    cross_entropy_weight: float = 1.0
    """Weight of the cross-entropy."""
    kl_weight: float = 0.0
    """Weight of the KL divergence from labels softened by ``kl_sigma``, for labels whose borders aren't sure:
    published as Dice 0.6, cross-entropy 0.2, KL 0.2."""
    kl_sigma: float = 1.0
    """How far the labels are softened, in pixels of the patch."""
    deep_supervision: bool = False
    """Whether the labeller's coarser levels have losses too, each half that of the level above. The model is
    the same: what they need for it isn't shipped."""
    augmentation: str = "standard"
    """``standard``, or ``wide`` for images from other scanners: see ``claimslicer.training.data.perturb``."""
    architecture: str = "dynunet"
    """Or ``nnunet``, ``nnunet-residual``: nnU-Net's own, see ``claimslicer.segmentation.network``."""
    phase_condition: bool = False
    """Whether the labeller is told which studies are acute and which chronic, as the cache says."""
    initial_weights: str = ""
    """Name or path of a segmenter to begin from, for fine-tuning; of one with several labellers the
    ``seed``-th (counted round) goes on. Left out: from scratch."""

    def __post_init__(self) -> None:
        super().__post_init__()
        check_between(self, 0, 1, "infarct_share", "synthetic_share")
        losses = ("dice_weight", "cross_entropy_weight", "kl_weight")
        check_between(self, 0, math.inf, *losses)
        check_between(self, 0, 10, "kl_sigma")
        if not any(getattr(self, name) for name in losses):
            raise SpecificationError(
                "'dice_weight', 'cross_entropy_weight' and 'kl_weight' may be 0, but not all 0."
            )
        if self.augmentation not in AUGMENTATIONS:
            raise SpecificationError(f"'augmentation' must be {' or '.join(AUGMENTATIONS)}.")
        if len(self.class_weights) != 5 or min(self.class_weights) <= 0:
            raise SpecificationError("'class_weights' must be five positive numbers, one a class.")
        object.__setattr__(self, "class_weights", tuple(self.class_weights))  # YAML gives a list

    def to_dict(self) -> dict[str, Any]:
        """Return what the weights depend on: nothing about what isn't used."""
        values = super().to_dict()
        for name in ("deep_supervision", "phase_condition"):
            if not values[name]:
                del values[name]
        return values


@dataclass(frozen=True, kw_only=True)
class SynthesisConfig(TrainingConfig):
    """Training of the generator; the published way is one line each, as noted."""

    batch_size: int = 16
    """Slices in a batch."""
    learning_rate: float = 1e-3
    """The highest learning rate; after the warm-up it falls to 1 % of that along a cosine."""
    average_decay: float = 0.999
    """Decay of the running average of the weights; the average is what is kept in the end."""
    context_widths: tuple[int, ...] = (32, 64, 96, 128)
    """Channels per resolution of the network that reads the study once."""
    widths: tuple[int, ...] = (24, 40, 56, 72)
    """Channels per resolution of the network that is called at each step of sampling."""
    prediction: str = "velocity"
    """What the network predicts: ``velocity``, or ``noise`` as published."""
    surroundings: bool = True
    """Whether the clean image around the scar is seen. Published: false."""
    neighbours: bool = True
    """Whether a slice is seen between its neighbours. Published: false."""
    histogram: bool = True
    """Whether the texture's histogram is a condition. Published: true."""
    balanced_loss: bool = True
    """Whether every scar counts the same in the loss. Published: false."""
    condition_dropout: float = 0.1
    """Share of samples that see no texture, so that it may be left out, and guidance can lean on it."""
    captions: str = ""
    """File of embedded captions, made by ``train captions``, of which the weights are to know text."""
    caption_dropout: float = 0.5
    """Share of samples that see no caption, beside those that see no texture either."""
    strict_share: float = 0.1
    """Share of samples in which the scar alone is painted; in the others a band round it as well."""
    part_share: float = 0.25
    """Share of samples in which a part of the scar is painted, and the rest is there already."""
    intensity_share: float = 0.4
    """Share of samples that are told how much of the scar shows where, so that a border zone can be asked."""
    merged_mvo_share: float = 0.2
    """Share of samples in which MVO isn't told apart from scar, as some collections' labels have it."""
    scanner_share: float = 0.6
    """Share of samples shown as another scanner's: other pixels, matrix, noise, shading and grey levels."""
    reward_weight: float = 0.0
    """Weight of the loss that the segmenter ``reward_model`` has on what is painted, at low noise only: in
    samples whose diffusion time is ``reward_time`` or less."""
    reward_model: str = DEFAULT_MODEL
    """Name or path of the segmenter whose loss it is."""
    reward_time: float = 0.2
    """The latest diffusion time (0–1) at which the reward counts."""
    initial_weights: str = ""
    """Name or path of a generator of the same make to begin from. Left out: from scratch."""

    def __post_init__(self) -> None:
        super().__post_init__()
        check_between(self, 0, 1, "condition_dropout", "caption_dropout", "reward_time")
        check_between(self, 0, 1, "strict_share", "part_share", "intensity_share")
        check_between(self, 0, 1, "merged_mvo_share", "scanner_share")
        check_between(self, 0, math.inf, "reward_weight")
        for name in ("context_widths", "widths"):
            object.__setattr__(self, name, tuple(getattr(self, name)))  # YAML gives a list
        self.network()

    def to_dict(self) -> dict[str, Any]:
        """Return what the weights depend on: nothing about what isn't used."""
        values = super().to_dict()
        if not self.reward_weight:
            values = {key: value for key, value in values.items() if not key.startswith("reward_")}
        if not self.initial_weights:
            del values["initial_weights"]
        if not self.captions:
            del values["caption_dropout"]
        return values

    def network(self) -> GeneratorSettings:
        """Return the network's settings. Raises SpecificationError."""
        names = [field.name for field in dataclasses.fields(GeneratorSettings)]
        return GeneratorSettings(**{name: getattr(self, name) for name in names if hasattr(self, name)})
