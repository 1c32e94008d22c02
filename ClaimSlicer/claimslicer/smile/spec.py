"""What a scar is asked to be: a frozen specification, checked when made, kept as YAML."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from numbers import Integral
from typing import Any

from claimslicer.errors import SpecificationError
from claimslicer.smile.checks import in_range, positive, set_checked
from claimslicer.smile.patterns import PATTERNS
from claimslicer.smile.texture import Texture
from claimslicer.yaml_settings import load_yaml

SEGMENT_NUMBERS = range(1, 18)


@dataclass(frozen=True)
class ScarSpec:
    """A scar to be made by :func:`claimslicer.smile.generate_scar`.

    Exactly one of ``volume_ml`` and ``percent`` says how much new scar, MVO included, is wanted:
    ``volume_ml`` in all; ``percent`` as a number means that share of the chosen segments' wall in all, and
    as a mapping ``{segment: percent}`` that share of each (``segments`` may then be left out). An existing
    scar never counts.

    ``transmurality`` is the part of the wall that may carry scar, from 0 (endocardium) to 1 (epicardium).
    ``border_zone_mm`` is the depth of the grey zone inside the scar's edge. ``mvo_fraction`` is the part of
    the new scar, 0–1, that is microvascular obstruction.

    Raises :class:`SpecificationError` for any value that makes no sense.
    """

    segments: tuple[int, ...] = ()
    """AHA segments, from 1 to 17; may be left out where ``percent`` names them."""
    volume_ml: float | None = None
    """Volume of the new scar in all, MVO included; or give ``percent``."""
    percent: float | Mapping[int, float] | None = None
    """New scar in % of the chosen segments' wall: a number for all together, or ``{segment: percent}``."""
    transmurality: tuple[float, float] = (0.0, 1.0)
    """The part of the wall that may carry scar, from 0 (endocardium) to 1 (epicardium)."""
    pattern: str = "ischaemic"
    """How it spreads: ischaemic, mid-wall, subepicardial, patchy or claim (the paper's blobs)."""
    texture: Texture = field(default_factory=Texture)
    """Its grain: see the table below."""
    border_zone_mm: float = 2.0
    """Depth of the grey zone inside the scar's edge."""
    mvo_fraction: float = 0.0
    """The part of the new scar, 0–1, that is microvascular obstruction."""
    seed: int = 0
    """The same seed gives the same mask."""

    def __post_init__(self) -> None:
        self._check_amount()
        set_checked(self, "segments", _checked_segments(self.segments, self.percent))
        set_checked(self, "transmurality", _checked_range(self.transmurality))
        if self.pattern not in PATTERNS:
            raise SpecificationError(
                f"There is no scar pattern {self.pattern!r}: choose one of {', '.join(sorted(PATTERNS))}."
            )
        if not isinstance(self.texture, Texture):
            raise SpecificationError("The texture must hold anisotropy, porosity and grain_mm.")
        set_checked(self, "border_zone_mm", in_range("border zone in mm", self.border_zone_mm, 0.0, 50.0))
        set_checked(self, "mvo_fraction", in_range("MVO fraction", self.mvo_fraction, 0.0, 1.0))
        if isinstance(self.seed, bool) or not isinstance(self.seed, Integral) or self.seed < 0:
            raise SpecificationError(f"The seed must be a whole number from 0 up, not {self.seed!r}.")
        set_checked(self, "seed", int(self.seed))

    def _check_amount(self) -> None:
        if (self.volume_ml is None) == (self.percent is None):
            raise SpecificationError("Say how much scar is wanted by either a volume in ml or a percentage.")
        if self.volume_ml is not None:
            set_checked(self, "volume_ml", positive("scar volume in ml", self.volume_ml))
        elif isinstance(self.percent, Mapping):
            shares = {
                _checked_segment(k): positive(f"percentage of segment {k}", v, maximum=100.0)
                for k, v in self.percent.items()
            }
            if not shares:
                raise SpecificationError("Percentages by segment must name at least one segment.")
            set_checked(self, "percent", shares)
        else:
            set_checked(self, "percent", positive("percentage", self.percent, maximum=100.0))

    def to_dict(self) -> dict[str, Any]:
        """Return the specification in plain JSON/YAML types; what is None is left out."""
        values = {k: v for k, v in dataclasses.asdict(self).items() if v is not None}
        values["segments"] = list(self.segments)
        values["transmurality"] = list(self.transmurality)
        return values

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> ScarSpec:
        """Make a specification from plain values; an unknown key is refused."""
        arguments = _known_keys("scar specification", values, cls)
        if isinstance(arguments.get("percent"), Mapping):
            # JSON has no numbers as keys.
            shares = arguments["percent"].items()
            arguments["percent"] = {int(k) if str(k).isdecimal() else k: share for k, share in shares}
        if "texture" in arguments:
            arguments["texture"] = Texture(**_known_keys("texture", arguments["texture"], Texture))
        return cls(**arguments)

    def to_yaml(self) -> str:
        """Return the specification as YAML text that :meth:`from_yaml` takes back."""
        import yaml

        return yaml.safe_dump(self.to_dict(), sort_keys=False)

    @classmethod
    def from_yaml(cls, text: str) -> ScarSpec:
        """Make a specification from YAML text.

        Raises :class:`SpecificationError` for text that is no YAML mapping, and for unknown keys.
        """
        import yaml

        try:
            values = load_yaml(text)
        except yaml.YAMLError as error:
            place = getattr(error, "problem_mark", None)
            where = f" in line {place.line + 1}" if place is not None else ""
            raise SpecificationError(f"The specification is not valid YAML{where}: correct it.") from error
        return cls.from_dict(values)


def _known_keys(name: str, values: Any, of_class: type) -> dict[str, Any]:
    if not isinstance(values, Mapping):
        raise SpecificationError(f"The {name} must be a mapping of names to values.")
    known = [f.name for f in dataclasses.fields(of_class)]
    unknown = [str(key) for key in values if key not in known]
    if unknown:
        raise SpecificationError(f"The {name} does not know {', '.join(unknown)}: use {', '.join(known)}.")
    return dict(values)


def _checked_segment(value: Any) -> int:
    if not isinstance(value, Integral) or isinstance(value, bool) or value not in SEGMENT_NUMBERS:
        raise SpecificationError(f"There is no AHA segment {value!r}: choose from 1 to 17.")
    return int(value)


def _checked_segments(segments: Any, percent: float | Mapping[int, float] | None) -> tuple[int, ...]:
    """Return the segments sorted, each once; those of a percentage mapping where none are given."""
    if not isinstance(segments, Sequence | set | frozenset) or isinstance(segments, str):
        raise SpecificationError(f"The segments must be a list of numbers from 1 to 17, not {segments!r}.")
    chosen = tuple(sorted({_checked_segment(value) for value in segments}))
    if isinstance(percent, Mapping):
        if chosen and set(chosen) != set(percent):
            raise SpecificationError("The percentages by segment must name exactly the chosen segments.")
        return tuple(sorted(percent))
    if not chosen:
        raise SpecificationError("Choose at least one AHA segment from 1 to 17 for the scar.")
    return chosen


def _checked_range(transmurality: Any) -> tuple[float, float]:
    if not isinstance(transmurality, Sequence) or len(transmurality) != 2:
        raise SpecificationError("The transmural range must be two numbers from 0 to 1, such as 0 and 0.5.")
    low, high = (in_range("transmural range", value, 0.0, 1.0) for value in transmurality)
    if high <= low:
        raise SpecificationError(f"The transmural range must rise, not run from {low:g} to {high:g}.")
    return low, high
