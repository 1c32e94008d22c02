"""What a cohort shall be: a frozen dataclass, read from one YAML file."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, get_args

from claimslicer.errors import SpecificationError
from claimslicer.smile import ScarPrior
from claimslicer.smile.patterns import PATTERNS
from claimslicer.smile.resample import ScarTarget
from claimslicer.studies.provenance import to_json
from claimslicer.studies.write import WRITABLE
from claimslicer.yaml_settings import check_known, read_yaml_settings

Infarcted = Literal["add", "repaint", "skip"]
PAINTING = {
    "sampler": "sampler",
    "steps": "num_inference_steps",
    "texture": "texture",
    "band_mm": "band_mm",
    "device": "device",
}
"""Settings of a cohort that are handed to :func:`claimslicer.synthesis.synthesize`, and their names there."""

_NOT_OF_STUDIES = frozenset(("out", "sources", "count", "workers", "threads", "device"))
"""What a single study doesn't depend on, but for how its own source is used."""
_COUNTS = {"seed": 0, "workers": 1, "threads": 1, "attempts": 1}
"""Settings that are whole numbers, and the lowest."""


@dataclass(frozen=True)
class Source:
    """A folder of labelled case folders, and what becomes of its hearts.

    ``draws`` synthetic studies are made of each heart. A heart with infarct gets another scar beside its
    own (``add``), its own painted anew (``repaint``), or none (``skip``). ``parts`` are the parts of the
    split by patient to take; the published test cases are never taken. ``prefix`` goes before the names of
    the cases, to keep apart two sources that use the same ones.
    """

    folder: Path
    """A folder of labelled case folders."""
    draws: int = 1
    """Synthetic studies of each heart; not beside ``count``."""
    infarcted: Infarcted = "add"
    """What a heart with infarct gets: another scar beside its own (``add``), its own painted anew
    (``repaint``), or nothing (``skip``)."""
    parts: tuple[str, ...] = ("training",)
    """Parts of the split by patient to take: training, validation. The published test cases are never
    taken."""
    prefix: str = ""
    """Goes before the names of the cases, to keep apart two sources that use the same ones."""

    def __post_init__(self) -> None:
        _check_count("draws", self.draws, 1)
        if self.infarcted not in get_args(Infarcted):
            raise SpecificationError(f"'infarcted' must be one of {', '.join(get_args(Infarcted))}.")
        known = ("training", "validation")
        if not isinstance(self.parts, list | tuple) or not self.parts or set(self.parts) - set(known):
            raise SpecificationError("The 'parts' of a source are a list of training and validation.")
        if not isinstance(self.prefix, str) or set(self.prefix) & set('/\\:*?"<>|'):
            raise SpecificationError(f"The prefix {self.prefix!r} can't begin a folder's name.")
        object.__setattr__(self, "parts", tuple(self.parts))

    def use(self) -> dict[str, Any]:
        """Return what of the source its studies depend on, beside the heart itself."""
        return {"infarcted": self.infarcted, "parts": sorted(self.parts), "prefix": self.prefix}


@dataclass(frozen=True)
class Quality:
    """Which synthetic studies are kept: those whose infarct a segmenter finds with Dice enough.

    Either ``threshold`` says how much, or it is calibrated so that ``pass_rate`` of the sources' own
    validation patients with infarct pass, which the segmenter must not have been trained on. Of its labellers
    those judge that learnt from no synthetic study, where there are such.
    """

    threshold: float | None = None
    """The Dice with which the segmenter must find a scar; or give ``pass_rate``."""
    pass_rate: float | None = None
    """Calibrates the threshold so that this share of the sources' own validation patients with infarct pass.
    The segmenter must not have been trained on them."""
    segmenter: str | None = None
    """Name or path of the segmenter. Left out: the shipped one."""

    def __post_init__(self) -> None:
        if (self.threshold is None) == (self.pass_rate is None):
            raise SpecificationError("Give the quality filter either a 'threshold' or a 'pass_rate'.")
        for value in (self.threshold, self.pass_rate):
            if value is not None and not (_is_number(value, 0.0) and value <= 1):
                raise SpecificationError(f"A quality filter's settings lie from 0 to 1, not at {value!r}.")


@dataclass(frozen=True, kw_only=True)
class CohortConfig:
    """A cohort.

    ``count`` studies in all are spread evenly over the hearts; without it each source's ``draws`` count.
    ``prior`` is how scars are drawn, ``target`` the distribution that they are brought to. Painting settings
    that are None are left to :func:`claimslicer.synthesis.synthesize`. A study that ``quality`` doesn't keep
    is drawn again, ``attempts`` times in all. ``workers`` processes with ``threads`` threads each do the
    work.

    Raises SpecificationError for values that make no sense.
    """

    out: Path
    """The cohort's own folder."""
    sources: tuple[Source, ...]
    """Folders of labelled case folders, or tables as below."""
    count: int | None = None
    """Studies in all, spread evenly over the hearts. Left out: each source's ``draws`` count."""
    seed: int = 0
    """The same seed gives the same cohort."""
    prior: ScarPrior = field(default_factory=ScarPrior)
    """How SMILE draws scars: see its table."""
    target: ScarTarget | None = None
    """The distribution that the drawn scars are brought to: see its table. Left out: as they are drawn."""
    model: str | None = None
    """Name or path of the generator. Left out: the shipped one."""
    sampler: str | None = None
    """``dpm``, ``ddim``, ``flow`` or ``repaint``."""
    steps: int | None = None
    """Network evaluations for each study."""
    texture: str | float | None = None
    """Of the painted scars: faint, medium, bright, typical, any, or a number of remote SDs. Left out: that of
    the heart's own scar, or of a patient drawn by the seed."""
    band_mm: float | None = None
    """How far beyond a scar wall, blood and fat are painted with it; 0: the mask alone."""
    quality: Quality | None = None
    """Which studies are kept: see its table. Left out: all."""
    attempts: int = 5
    """How often, in all, a study is drawn that ``quality`` doesn't keep."""
    format: str = ".nii.gz"
    """Ending of the files."""
    workers: int = 2
    """Processes that do the work."""
    threads: int = 1
    """CPU threads of each process."""
    device: str = "auto"
    """``auto``, ``cpu``, ``cuda``, ``cuda:1``, ``mps`` and so on."""

    def __post_init__(self) -> None:
        if not self.sources:
            raise SpecificationError("A cohort needs at least one source, a folder of case folders.")
        for name, lowest in _COUNTS.items():
            _check_count(name, getattr(self, name), lowest)
        for name in ("count", "steps"):
            if getattr(self, name) is not None:
                _check_count(name, getattr(self, name), 1)
        if self.band_mm is not None and not _is_number(self.band_mm, 0.0):
            raise SpecificationError(f"'band_mm' must be a number from 0 up, not {self.band_mm!r}.")
        if self.format not in WRITABLE:
            raise SpecificationError(f"'format' must be one of {', '.join(WRITABLE)}, not {self.format!r}.")

    @classmethod
    def from_yaml(cls, path: Path) -> CohortConfig:
        """Read a cohort's settings; relative paths are taken from the YAML file's folder.

        Raises SpecificationError.
        """
        return cls.from_dict(read_yaml_settings(path), Path(path).parent, str(path))

    @classmethod
    def from_dict(cls, values: Mapping[str, Any], folder: Path, where: str = "settings") -> CohortConfig:
        """Make the settings from plain values; relative paths are taken from ``folder``."""
        settings = _known(values, cls, where)
        for name in ("out", "sources"):
            if name not in settings:
                raise SpecificationError(f"The setting '{name}' is missing in {where}.")
        settings["out"] = _path(folder, settings["out"])
        given = settings["sources"]
        if not isinstance(given, list):
            raise SpecificationError(f"'sources' in {where} must be a list of folders.")
        settings["sources"] = tuple(_source(entry, folder, where) for entry in given)
        if settings.get("count") is not None and any("draws" in e for e in given if isinstance(e, dict)):
            raise SpecificationError("Give either 'count' for all sources or 'draws' for each, not both.")
        if settings.get("prior") is not None:
            settings["prior"] = _prior(settings["prior"])
        if settings.get("target") is not None:
            settings["target"] = ScarTarget.from_dict(settings["target"])
        if settings.get("quality") is not None:
            settings["quality"] = _quality(settings["quality"], folder)
        settings["model"] = _model(settings.get("model"), folder)
        return cls(**{name: value for name, value in settings.items() if value is not None})

    def painting(self) -> dict[str, Any]:
        """Return the arguments of :func:`claimslicer.synthesis.synthesize` that the cohort gives."""
        chosen = {theirs: getattr(self, ours) for ours, theirs in PAINTING.items()}
        return {name: value for name, value in chosen.items() if value is not None}

    def to_dict(self) -> dict[str, Any]:
        """Return, as JSON types, what each study depends on beside its heart."""
        values = {f.name: getattr(self, f.name) for f in dataclasses.fields(self)}
        return to_json({name: value for name, value in values.items() if name not in _NOT_OF_STUDIES})


def fingerprint(values: Mapping[str, Any]) -> str:
    """Return a hash of JSON values: what was begun with other settings isn't gone on with."""
    return hashlib.sha256(json.dumps(values, sort_keys=True).encode()).hexdigest()


def _known(values: Mapping[str, Any], of_class: type, where: str) -> dict[str, Any]:
    check_known(values, [f.name for f in dataclasses.fields(of_class)], where)
    return dict(values)


def _source(entry: Any, folder: Path, where: str) -> Source:
    if isinstance(entry, str):
        entry = {"folder": entry}
    if not isinstance(entry, Mapping) or "folder" not in entry:
        raise SpecificationError(f"Each source in {where} must name its 'folder'.")
    settings = _known(entry, Source, f"a source of {where}")
    return Source(**{**settings, "folder": _path(folder, settings["folder"])})


def _quality(values: Any, folder: Path) -> Quality:
    if not isinstance(values, Mapping):
        raise SpecificationError(
            "'quality' must hold a 'threshold' or a 'pass_rate', and a 'segmenter' maybe."
        )
    settings = _known(values, Quality, "the quality filter")
    return Quality(**{**settings, "segmenter": _model(settings.get("segmenter"), folder)})


def _model(value: Any, folder: Path) -> str | None:
    """Return a model's name, or its whole path where there is such a file or folder beside the YAML."""
    if value is None:
        return None
    path = _path(folder, value)
    return str(path) if path.exists() else str(value)


def _prior(values: Any) -> ScarPrior:
    if not isinstance(values, Mapping):
        raise SpecificationError("'prior' must hold 'setting: value' lines.")
    settings = _known(values, ScarPrior, "the scar prior")
    default = ScarPrior()
    for name, value in settings.items():
        usual = getattr(default, name)
        if isinstance(usual, tuple):
            if not isinstance(value, list) or not all(_is_number(v) for v in value):
                raise SpecificationError(f"The prior's '{name}' must be a list of numbers, not {value!r}.")
            settings[name] = tuple(value)
        elif isinstance(usual, float) and not _is_number(value, 0.0):
            raise SpecificationError(f"The prior's '{name}' must be a number from 0 up, not {value!r}.")
    if settings.get("pattern", default.pattern) not in PATTERNS:
        raise SpecificationError(f"The prior's 'pattern' must be one of {', '.join(sorted(PATTERNS))}.")
    return ScarPrior(**settings)


def _path(folder: Path, value: Any) -> Path:
    if not isinstance(value, str | Path):
        raise SpecificationError(f"{value!r} is no path: give a file's or a folder's name.")
    return (folder / Path(value).expanduser()).resolve()


def _is_number(value: Any, lowest: float = -math.inf) -> bool:
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    return is_number and math.isfinite(value) and value >= lowest


def _check_count(name: str, value: Any, lowest: int) -> None:
    if not isinstance(value, int) or isinstance(value, bool) or value < lowest:
        raise SpecificationError(f"'{name}' must be a whole number from {lowest} up, not {value!r}.")
