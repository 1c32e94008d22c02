"""What an experiment is: one YAML file, a frozen dataclass, checked when made."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from claimslicer.errors import SpecificationError
from claimslicer.experiments.arms import TABLE_2, Arm
from claimslicer.studies.provenance import to_json
from claimslicer.synthesis.settings import BAND_MM
from claimslicer.training.data.augment import PAINTING
from claimslicer.training.settings.config import named_or_path
from claimslicer.training.settings.joint_config import JointConfig
from claimslicer.yaml_settings import check_known, read_yaml_settings

_PAINTING = ("num_inference_steps", "band_mm", "texture", "sampler", "jumps", "guidance")
_FREE = frozenset(("out", "arms", "seeds", "tests", "thresholds", "device", "threads", "resamples"))
"""What may change while an experiment goes on: no single job depends on it."""
_OF_A_RUN = ("cache", "out", "seed", "device", "threads", "checkpoint_every", "validate_every")
_FIXED = {
    "segmentation": (*_OF_A_RUN, "synthetic_share"),
    "synthesis": (*_OF_A_RUN, "reward_weight"),
    "joint": (
        *(*_OF_A_RUN, "segmentation", "synthesis", "steps", "synthetic_share", "target", "quality_pass_rate"),
        *("pretrain_segmenter_steps", "generator_steps", "joint_steps"),
        *("initial_segmenter", "initial_generator", "repaint_share", "normal_share", "normals", "masks"),
    ),
}
"""Settings of the trainings that the experiment itself sets, or that would let a patient leak."""
NEVER = 2**31


@dataclass(frozen=True, kw_only=True)
class ExperimentConfig:
    """``data`` are folders of labelled case folders, ``out`` the experiment's own folder.

    With ``folds`` (2 or more) all their patients but the published test cases are split in as many parts,
    each of which is held back once; with 0 the program's fixed split holds, whose validation patients are
    held back. ``tests`` are further folders of labelled cases by name, such as ``out-of-domain``. ``arms``
    are the rows (see :mod:`claimslicer.experiments.arms`), trained ``seeds`` times each;
    ``thresholds`` adds 2, 3 and 5 SD, FWHM and Otsu on the known wall.

    Every segmenter takes ``steps`` optimiser steps, of which a joint row's last ``joint_steps`` are taken
    together with the generator. Each part's generator is trained for ``generator_steps`` from scratch on the
    part's training patients; with the fixed split ``generator`` may name a model instead.
    ``synthetic_share`` is that of the segmenters' slices that are synthetic; None: as many as there are
    synthetic studies among all, as in the paper. ``painting`` are options of
    :func:`claimslicer.synthesis.synthesize`; ``segmentation``, ``synthesis`` and ``joint`` hold settings of
    the three trainings.

    Raises SpecificationError for values that make no sense.
    """

    data: tuple[Path, ...]
    """A folder of labelled case folders, or a list of them."""
    out: Path
    """The experiment's own folder."""
    folds: int = 0
    """Parts of a cross-validation by patient, 2 or more. 0: the program's fixed split."""
    tests: Mapping[str, Path] = field(default_factory=dict)
    """Further folders of labelled cases to test on, by name."""
    arms: tuple[Arm, ...] = TABLE_2
    """The rows. Left out: P, and each set of the paper's Table 2 with both kinds of masks, without and with
    joint training."""
    thresholds: bool = True
    """Whether 2, 3 and 5 SD, FWHM and Otsu on the known wall are scored too."""
    seeds: int = 3
    """How often each row is trained."""
    steps: int = 1600
    """Optimiser steps of every segmenter."""
    joint_steps: int = 400
    """Of these, the last ones of a joint row, taken together with the generator."""
    generator_steps: int = 3800
    """Steps of each part's generator, from scratch."""
    generator: str | None = None
    """Name or path of a generator to take instead, with the fixed split only."""
    synthetic_share: float | None = None
    """Share of synthetic slices in the segmenters' batches. Left out: as many as there are synthetic studies
    among all, as in the paper."""
    painting: Mapping[str, Any] = field(default_factory=dict)
    """How synthetic studies are painted: num_inference_steps, band_mm, texture, sampler, jumps,
    guidance."""
    segmentation: Mapping[str, Any] = field(default_factory=dict)
    """Settings of the segmenters' training."""
    synthesis: Mapping[str, Any] = field(default_factory=dict)
    """Settings of the generators' training."""
    joint: Mapping[str, Any] = field(default_factory=dict)
    """Settings of the joint rows' last steps."""
    checkpoint_every: int = 100
    """Steps from one checkpoint to the next."""
    resamples: int = 2000
    """Bootstrap samples of the intervals."""
    threads: int = 0
    """CPU threads; 0 leaves torch's choice."""
    device: str = "auto"
    """``auto``, ``cpu``, ``cuda``, ``cuda:1``, ``mps`` and so on."""

    def __post_init__(self) -> None:
        counts = {"folds": 0, "seeds": 1, "steps": 1, "joint_steps": 1, "generator_steps": 1}
        for name, least in (counts | {"checkpoint_every": 1, "resamples": 100, "threads": 0}).items():
            value = getattr(self, name)
            if not isinstance(value, int) or isinstance(value, bool) or value < least:
                raise SpecificationError(f"The setting '{name}' must be a whole number from {least} up.")
        if self.folds == 1:
            raise SpecificationError(
                "One fold holds nobody back: give 'folds' from 2 up, or 0 for the fixed split."
            )
        if not self.data or not self.arms:
            raise SpecificationError(
                "An experiment needs at least one folder as 'data', and one row in 'arms'."
            )
        if len({arm.name for arm in self.arms}) < len(self.arms):
            raise SpecificationError("A row is named twice in 'arms': leave one out.")
        if self.joint_steps >= self.steps and any(arm.joint for arm in self.arms):
            raise SpecificationError("'joint_steps' are the last of 'steps': give fewer of them.")
        if self.folds and self.generator is not None:
            raise SpecificationError(
                "With 'folds' each part's generator is trained without the patients held back: leave out "
                "'generator', or take the fixed split."
            )
        if not isinstance(self.thresholds, bool) or not isinstance(self.device, str):
            raise SpecificationError("'thresholds' must be true or false, and 'device' a name.")
        share = self.synthetic_share
        if share is not None and (
            isinstance(share, bool) or not isinstance(share, int | float) or not 0 < share < 1
        ):
            raise SpecificationError("'synthetic_share' must lie between 0 and 1, or be left out.")
        for name in self.tests:
            if name in ("held back", "") or set(str(name)) & set('/\\:*?"<>|'):
                raise SpecificationError(f"Test folders need names of their own, unlike {name!r}.")
        self._check_tables()

    def _check_tables(self) -> None:
        for name in ("painting", *_FIXED):
            if not isinstance(getattr(self, name), Mapping):
                raise SpecificationError(f"'{name}' must hold 'setting: value' lines.")
        if unknown := sorted(set(self.painting) - set(_PAINTING)):
            raise SpecificationError(
                f"'painting' doesn't know {', '.join(unknown)}: use {', '.join(_PAINTING)}."
            )
        object.__setattr__(self, "painting", {"num_inference_steps": 8, **PAINTING, **self.painting})
        for name, fixed in _FIXED.items():
            if given := [key for key in getattr(self, name) if key in fixed]:
                raise SpecificationError(
                    f"'{given[0]}' can't stand in '{name}': the experiment sets it itself."
                )
        known = [one.name for one in dataclasses.fields(JointConfig) if one.name not in _FIXED["joint"]]
        check_known(sorted(self.joint), known, "'joint'")
        self.training(self.out / "cohort.npz", self.out, 0)

    @classmethod
    def from_yaml(cls, path: Path) -> ExperimentConfig:
        """Read the settings; relative paths are taken from the YAML file's folder.

        Raises SpecificationError.
        """
        path = Path(path)
        values, folder = read_yaml_settings(path), path.parent
        check_known(values, [one.name for one in dataclasses.fields(cls)], f"'{path}'")
        for key in ("data", "out"):
            if key not in values:
                raise SpecificationError(f"The setting '{key}' is missing in '{path}'.")
        given = values["data"]
        values["data"] = tuple(_path(folder, one) for one in (given if isinstance(given, list) else [given]))
        values["out"] = _path(folder, values["out"])
        if "tests" in values:
            if not isinstance(values["tests"], Mapping):
                raise SpecificationError("'tests' must hold 'name: folder' lines.")
            values["tests"] = {str(name): _path(folder, one) for name, one in values["tests"].items()}
        if "arms" in values:
            if not isinstance(values["arms"], list):
                raise SpecificationError("'arms' must be a list of rows, such as P and P+N'' ours.")
            values["arms"] = tuple(Arm.parse(name) for name in values["arms"])
        if values.get("generator") is not None:
            values["generator"] = named_or_path(str(values["generator"]), folder)
        return cls(**{key: value for key, value in values.items() if value is not None})

    def to_dict(self) -> dict[str, Any]:
        """Return, as JSON types, what all jobs of an experiment depend on."""
        return to_json(
            {f.name: getattr(self, f.name) for f in dataclasses.fields(self) if f.name not in _FREE}
        )

    def training(self, cache: Path, out: Path, seed: int, **settings: Any) -> JointConfig:
        """Return the settings of a joint training, and with that of its stages, on ``cache`` in ``out``.

        Nothing is validated on the way: no patient is left to choose by.
        """
        own = {
            "data": "see the experiment's settings",
            "checkpoint_every": self.checkpoint_every,
            "validate_every": NEVER,
            "device": self.device,
            "threads": self.threads,
            "pretrain_segmenter_steps": 1,
            "generator_steps": self.generator_steps,
            "joint_steps": self.joint_steps,
            "band_mm": self.painting.get("band_mm", BAND_MM),
            "texture": self.painting.get("texture") or "",
            "segmentation": dict(self.segmentation),
            "synthesis": dict(self.synthesis),
        }
        return JointConfig(cache=cache, out=out, seed=seed, **{**own, **self.joint, **settings})


def _path(folder: Path, value: Any) -> Path:
    if not isinstance(value, str):
        raise SpecificationError(f"{value!r} is no path: give a folder's name.")
    return (folder / Path(value).expanduser()).resolve()
