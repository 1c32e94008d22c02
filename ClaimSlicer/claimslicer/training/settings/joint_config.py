"""Settings of joint training: one YAML for its three stages."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

from claimslicer.errors import SpecificationError
from claimslicer.smile.resample import ScarTarget
from claimslicer.synthesis.settings import BAND_MM
from claimslicer.training.data.masks import MASKS
from claimslicer.training.settings.config import (
    SegmentationConfig,
    SynthesisConfig,
    TrainingConfig,
    check_between,
    check_rate,
    named_or_path,
)
from claimslicer.yaml_settings import check_known

_OF_ALL_STAGES = (
    *("cache", "name", "data", "terms", "seed", "device", "threads", "checkpoint_every", "validate_every"),
    *("real_only", "devices", "nodes", "accumulation", "precision", "tensorboard"),
)
_SHARES = ("synthetic_share", "feedback_time", "repaint_share", "quality_pass_rate")
_COUNTS = ("pretrain_segmenter_steps", "generator_steps", "joint_steps", "feedback_ramp_steps")

_UNUSED: dict[str, Any] = {"normal_share": None, "normals": True, "masks": "ours", "texture": ""}


@dataclass(frozen=True, kw_only=True)
class JointConfig(TrainingConfig):
    """Three stages: the segmenter on real studies, the generator, then both together.

    A stage of 0 steps is left out; the networks then come from ``initial_segmenter``, ``initial_generator``.
    ``segmentation`` and ``synthesis`` hold settings of these trainings, which count in all stages, but for
    learning rate, warm-up and averaging: the third stage's are those at this level.
    """

    steps: int = field(init=False, default=1)
    """Of the third stage, as the loop counts them."""
    pretrain_segmenter_steps: int = 1600
    """Steps of the first stage, the segmenter on real studies; 0 leaves it out."""
    generator_steps: int = 3800
    """Steps of the second stage, the generator; 0 leaves it out."""
    joint_steps: int = 1000
    """Steps of the third stage, both together; 0 leaves it out."""
    initial_segmenter: str = ""
    """Name or path of a segmenter to begin from, instead of the first stage or before it."""
    initial_generator: str = ""
    """Name or path of a generator to begin from, instead of the second stage or before it."""
    segmentation: dict[str, Any] = field(default_factory=dict)
    """Settings of the segmenter's training, which count in all stages, but for learning rate, warm-up and
    averaging: the third stage's are those of this table."""
    synthesis: dict[str, Any] = field(default_factory=dict)
    """Settings of the generator's training, likewise."""

    batch_size: int = 12
    """Samples in a batch of the third stage, of a network whose own table gives no ``batch_size``."""
    learning_rate: float = 2e-4
    """The generator's learning rate in the third stage."""
    segmenter_learning_rate: float = 5e-4
    """The segmenter's learning rate in the third stage."""
    synthetic_share: float = 0.5
    """Share of synthetic slices in the segmenter's batches."""
    synthetic_studies: int = 2
    """How many studies are painted for each of these batches."""
    repaint_share: float = 0.5
    """How often a heart with infarct has its own painted anew, instead of another drawn beside it."""
    normal_share: float | None = None
    """How often a heart without infarct is painted into. Left out: each heart as often as any other."""
    normals: bool = True
    """Whether the third stage's segmenter also sees the real hearts without infarct as they are."""
    masks: str = "ours"
    """How scars are drawn without a ``target``: ``ours``, as real ones lie, or ``claim``, by the paper's
    recipe."""
    target: dict[str, Any] = field(default_factory=dict)
    """The distribution that the drawn scars are brought to: see the table of targets."""
    texture: str | float = ""
    """Of the painted scars: faint, medium, bright, typical, any, or a number of remote SDs. Left out: that of
    the heart's own scar, or of a patient drawn by the seed."""
    num_inference_steps: int = 6
    """Network evaluations for each painted study."""
    band_mm: float = BAND_MM
    """How far beyond a scar wall, blood and fat are painted with it; 0: the mask alone."""
    feedback_weight: float = 0.1
    """Weight, in the generator's loss, of the segmentation loss of its one-step estimates."""
    feedback_time: float = 0.2
    """The latest diffusion time (0–1) at which that loss counts."""
    feedback_ramp_steps: int = 200
    """Steps over which that weight grows from 0."""
    quality_pass_rate: float = 0.0
    """The segmenter sees only those synthetic studies in which the first stage's segmenter finds the scar as
    well as in this share of the validation patients; 0: all."""

    def __post_init__(self) -> None:
        super().__post_init__()  # before anything is reckoned with them, values must be numbers
        object.__setattr__(self, "steps", max(self.joint_steps, 1))
        check_between(self, 0, 1, *_SHARES)
        share = self.normal_share
        if share is not None and not (isinstance(share, int | float) and 0 <= share <= 1):
            raise SpecificationError("'normal_share' must lie between 0 and 1, or be left out.")
        if self.masks not in MASKS:
            raise SpecificationError(f"'masks' must be {' or '.join(MASKS)}.")
        if self.target and self.masks != "ours":
            raise SpecificationError(
                "Scars that a 'target' asks for are drawn by the masks 'ours': leave one out."
            )
        check_between(self, 0, math.inf, *_COUNTS, "feedback_weight")
        check_between(self, 1, math.inf, "synthetic_studies")
        check_between(self, 1, 1000, "num_inference_steps")
        check_between(self, 0, 10, "band_mm")
        check_rate(self, "segmenter_learning_rate")
        for steps, model in (("pretrain_segmenter", "segmenter"), ("generator", "generator")):
            if not getattr(self, f"{steps}_steps") and not getattr(self, f"initial_{model}"):
                raise SpecificationError(
                    f"Without '{steps}_steps' joint training needs 'initial_{model}', a model to begin from."
                )
        self.scar_target()
        self.segmenter_stage()
        self.generator_stage()

    @classmethod
    def from_yaml(cls, path: Path) -> Self:
        """Read a run's settings; relative paths are taken from the YAML file's folder."""
        config, folder = super().from_yaml(path), Path(path).parent
        synthesis = dict(config.synthesis)
        if synthesis.get("captions"):
            synthesis["captions"] = str((folder / Path(synthesis["captions"]).expanduser()).resolve())
        return dataclasses.replace(
            config,
            initial_segmenter=named_or_path(config.initial_segmenter, folder),
            initial_generator=named_or_path(config.initial_generator, folder),
            synthesis=synthesis,
        )

    def to_dict(self) -> dict[str, Any]:
        """Return what the weights depend on: nothing about what isn't used."""
        values = super().to_dict()
        return {key: value for key, value in values.items() if _UNUSED.get(key, ...) != value}

    def batch_size_of(self, network: str) -> int:
        """Return the samples in a batch of the third stage of ``segmentation`` or ``synthesis``."""
        return int(getattr(self, network).get("batch_size", self.batch_size))

    def scar_target(self) -> ScarTarget | None:
        """Return the target distribution. Raises SpecificationError."""
        return ScarTarget.from_dict(self.target) if self.target else None

    def segmenter_stage(self) -> SegmentationConfig:
        """Return the first stage's settings."""
        own = {
            "steps": self.pretrain_segmenter_steps or 1,
            "initial_weights": self.initial_segmenter,
            "out": self.out / "segmenter",
        }
        return _stage(SegmentationConfig, "segmentation", self, own)

    def generator_stage(self) -> SynthesisConfig:
        """Return the second stage's settings."""
        own = {
            "steps": self.generator_steps or 1,
            "initial_weights": self.initial_generator,
            "out": self.out / "generator",
        }
        return _stage(SynthesisConfig, "synthesis", self, own)

    def feedback_weight_at(self, step: int) -> float:
        """Return the weight at a step of the third stage: a straight ramp, then level."""
        return self.feedback_weight * min(1.0, (step + 1) / max(self.feedback_ramp_steps, 1))


def _stage(kind: type[Any], name: str, config: JointConfig, own: dict[str, Any]) -> Any:
    given = getattr(config, name)
    if not isinstance(given, Mapping):
        raise SpecificationError(f"'{name}' must hold 'setting: value' lines of its training.")
    shared = {key: getattr(config, key) for key in _OF_ALL_STAGES} | own
    known = {one.name for one in dataclasses.fields(kind)} - {"cache", "out", "steps", "initial_weights"}
    check_known(given, sorted(known), f"'{name}'")
    return kind(**shared | dict(given))


def stages(config: JointConfig) -> dict[str, TrainingConfig]:
    """Return the settings of the stages that aren't left out, in their order, each with its own folder."""
    joint = dataclasses.replace(config, out=config.out / "joint")
    every: dict[str, tuple[int, TrainingConfig]] = {
        "segmenter": (config.pretrain_segmenter_steps, config.segmenter_stage()),
        "generator": (config.generator_steps, config.generator_stage()),
        "joint": (config.joint_steps, joint),
    }
    return {name: stage for name, (steps, stage) in every.items() if steps}
