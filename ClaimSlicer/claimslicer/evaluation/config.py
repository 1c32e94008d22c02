"""What an evaluation is of: one YAML file, a frozen dataclass, checked when made."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self, get_args

from claimslicer.errors import SpecificationError
from claimslicer.evaluation.cases import evaluated_cases, named_data, training_cases
from claimslicer.synthesis.settings import SAMPLING_STEPS
from claimslicer.training.data.splits import Part
from claimslicer.yaml_settings import check_known, read_yaml_settings

KINDS = ("repainted", "authored", "inside", "constant", "noise", "copy")
"""A patient's own infarct painted anew; random SMILE masks painted into hearts without infarct; a patient's
infarct painted strictly inside its mask, to see what the band round it is worth; and three controls that must
fail: the infarct filled with its mean, filled with blurred noise of its mean and SD, and a SMILE mask of
which nothing was painted."""
CONTROLS = ("constant", "noise", "copy")
CLASSIFIERS = ("forest", "network")
"""Those that are asked to tell synthetic scars from real ones."""
_COUNTS = ("steps", "seeds", "draws", "resamples", "montages", "sheets")
_MAY_BE_NONE = ("montages", "sheets")
_PATHS = ("out", "training_data")
_NOT_IN_RESULTS = ("out", "device", "classifiers", "sheets")
"""Settings that the kept studies don't depend on."""


@dataclass(frozen=True, kw_only=True)
class EvaluationConfig:
    """``data`` is a folder of labelled case folders, or several of folders and cases; ``out`` a new one.

    ``cases`` and ``training`` are a part of the split (validation, training, test) or case names; a case
    that ``data`` names itself is evaluated in any case. The training scars, from ``training_data`` or
    ``data``, are those that synthetic ones are looked for among. ``model`` and ``segmenter`` are names or
    paths (None: the shipped ones), the latter judging as
    :func:`claimslicer.segmentation.model.load_segmenter` says; ``sampler``, ``steps``, ``jumps``,
    ``guidance``, ``texture`` and ``band_mm`` go to :func:`claimslicer.synthesis.synthesize`,
    whose defaults hold where they are None. Each infarct is repainted with ``seeds`` seeds, each heart
    without one gets ``draws`` random scars. ``pass_rate`` is the share of real studies that the quality
    filter lets pass, ``resamples`` the number of bootstrap samples and of random halves, ``montages`` how
    many studies are shown, ``classifiers`` which are asked to tell synthetic from real scars, ``sheets``
    how many the reader test has. Raises SpecificationError.
    """

    data: Path | tuple[Path, ...]
    """A folder of labelled case folders, or a list of folders and cases, where * stands for any name."""
    out: Path
    """The evaluation's own folder."""
    cases: str | tuple[str, ...] = "validation"
    """On which studies: validation, training or test of the split by patient, or a list of case names."""
    training_data: Path | None = None
    """Folder of the studies that the generator learnt from. Left out: ``data``."""
    training: str | tuple[str, ...] = "training"
    """Which of them, as for ``cases``; synthetic scars are looked for among these ones."""
    model: str | None = None
    """Name or path of the generator. Left out: the shipped one."""
    segmenter: str | None = None
    """Name or path of the segmenter that judges. Left out: the shipped one. Of its labellers those judge that
    saw no synthetic study, where there are such."""
    sampler: str = "dpm"
    """``dpm``, ``ddim``, ``flow`` or ``repaint``."""
    steps: int = SAMPLING_STEPS
    """Steps of the sampler."""
    jumps: int | tuple[int, int] | None = None
    """RePaint's resampling: a number, or length and times."""
    guidance: float | None = None
    """Above 1 the network heeds the texture more."""
    texture: str | float | None = None
    """Of the painted scars: faint, medium, bright, typical, any, or a number of remote SDs."""
    band_mm: float | None = None
    """How far beyond a scar wall, blood and fat are painted with it; 0: the mask alone."""
    seeds: int = 3
    """How often each infarct is painted anew."""
    draws: int = 3
    """How many random scars each heart without infarct gets."""
    kinds: tuple[str, ...] = KINDS
    """What is made: infarcts painted anew, scars drawn and painted, and three controls that must fail."""
    pass_rate: float = 0.9
    """Share of real studies that the quality filter lets pass."""
    resamples: int = 500
    """Bootstrap samples, and random halves of the real patients."""
    montages: int = 6
    """Studies that are shown in pictures."""
    classifiers: tuple[str, ...] = CLASSIFIERS
    """Which are asked to tell synthetic from real scars: forest, network, or none."""
    sheets: int = 40
    """Sheets of the reader test; 0 writes none."""
    device: str = "auto"
    """``auto``, ``cpu``, ``cuda``, ``cuda:1``, ``mps`` and so on."""

    def __post_init__(self) -> None:
        for name in _COUNTS:
            value = getattr(self, name)
            least = 0 if name in _MAY_BE_NONE else 1
            if not isinstance(value, int) or isinstance(value, bool) or value < least:
                raise SpecificationError(f"The setting '{name}' must be a whole number from {least} up.")
        for name in ("cases", "training", "kinds", "classifiers"):
            object.__setattr__(self, name, _names(name, getattr(self, name)))
        unknown = [kind for kind in self.kinds if kind not in KINDS]
        if unknown or not self.kinds:
            raise SpecificationError(
                f"There is no kind of scar {', '.join(unknown) or '(none)'}: choose of {', '.join(KINDS)}."
            )
        if not set(self.classifiers) <= set(CLASSIFIERS):
            raise SpecificationError(f"The setting 'classifiers' is a list of {', '.join(CLASSIFIERS)}.")
        _check_number("pass_rate", self.pass_rate, 0.01, 1.0)
        if self.band_mm is not None:
            _check_number("band_mm", self.band_mm, 0.0, 10.0)
        if self.guidance is not None:
            _check_number("guidance", self.guidance, 0.0, 20.0)
        object.__setattr__(self, "jumps", _jumps(self.jumps))
        for name in ("model", "segmenter", "sampler", "device"):
            if not isinstance(getattr(self, name), str | None):
                raise SpecificationError(f"The setting '{name}' must be a name.")
        if not isinstance(self.texture, str | int | float | None) or isinstance(self.texture, bool):
            raise SpecificationError("The setting 'texture' must be a name or a number of remote SDs.")

    @classmethod
    def from_yaml(cls, path: Path) -> Self:
        """Read the settings; relative paths are taken from the YAML file's folder."""
        path = Path(path)
        values = read_yaml_settings(path)
        check_known(values, [field.name for field in dataclasses.fields(cls)], f"'{path}'")
        if not isinstance(values.get("out"), str):
            raise SpecificationError(f"The setting 'out' is missing in '{path}'; it names a folder.")
        values["data"] = named_data(values.get("data"), path)
        for key in (key for key in _PATHS if values.get(key) is not None):
            values[key] = (path.parent / Path(str(values[key])).expanduser()).resolve()
        for key in ("model", "segmenter"):
            beside = path.parent / str(values.get(key))
            if values.get(key) is not None and beside.exists():
                values[key] = str(beside.resolve())
        return cls(**values)

    def to_dict(self) -> dict[str, Any]:
        """Return, as JSON types, the settings that the results depend on."""
        values = dataclasses.asdict(self)
        for name in _NOT_IN_RESULTS:
            del values[name]
        if isinstance(self.data, tuple):
            values["data"] = tuple(str(path) for path in self.data)
        paths = {key: str(value) for key, value in values.items() if isinstance(value, Path)}
        lists = {key: list(value) for key, value in values.items() if isinstance(value, tuple)}
        return values | paths | lists

    def case_folders(self) -> list[Path]:
        """Return the folders of the cases to evaluate on, by name. Raises StudyError where there are none."""
        return evaluated_cases(self.data, self.cases)

    def training_folders(self) -> list[Path]:
        """Return the folders of the training cases, by name, without those to evaluate on."""
        evaluated = {folder.resolve() for folder in self.case_folders()}
        folders = training_cases(self.training_data or self.data, self.training)
        return [folder for folder in folders if folder.resolve() not in evaluated]


def _names(name: str, value: Any) -> str | tuple[str, ...]:
    if name in ("cases", "training") and isinstance(value, str):
        if value not in get_args(Part):
            raise SpecificationError(
                f"The setting '{name}' must be one of {', '.join(get_args(Part))}, or a list of case names."
            )
        return value
    if not isinstance(value, list | tuple) or not all(isinstance(item, str) for item in value):
        raise SpecificationError(f"The setting '{name}' must be a list of names.")
    return tuple(dict.fromkeys(value))


def _jumps(value: Any) -> int | tuple[int, int] | None:
    parts = value if isinstance(value, list | tuple) else [1 if value is None else value] * 2
    if len(parts) != 2 or any(not isinstance(v, int) or isinstance(v, bool) or v < 1 for v in parts):
        raise SpecificationError("The setting 'jumps' must be one or two whole numbers from 1 up.")
    return (parts[0], parts[1]) if isinstance(value, list | tuple) else value


def _check_number(name: str, value: Any, low: float, high: float) -> None:
    if not isinstance(value, int | float) or isinstance(value, bool) or not low <= value <= high:
        raise SpecificationError(f"The setting '{name}' must lie from {low:g} to {high:g}, not {value!r}.")
