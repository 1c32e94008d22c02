"""What a generator is made of, as its weights' card says it; read without torch."""

from __future__ import annotations

from dataclasses import asdict, dataclass, fields
from typing import Any, Literal, get_args

from claimslicer.errors import SpecificationError

Prediction = Literal["velocity", "noise"]
"""What the network predicts: *v* (Salimans & Ho 2022), or ε as in the CLAIM paper."""

BAND_MM = 4.0
"""How far beyond the scar is painted unless told otherwise: its edge and blush, partial volume, and the voxel
of wall that readers leave to the blood. 0 paints strictly inside the mask."""

LARGEST_BAND_MM = 10.0

SAMPLING_STEPS = 12
"""Network evaluations of the default sampler."""

GRAIN_VALUES = 4
"""How many numbers describe a study's grain, see :func:`claimslicer.synthesis.conditioning.grain_of`."""


@dataclass(frozen=True)
class GeneratorSettings:
    """Widths per resolution of the two networks, and what they see.

    ``surroundings``: the clean image around the scar is an input (the paper: no, the noisy surroundings are
    pasted at each step instead). ``neighbours``: a slice is seen between its neighbours (the paper: 2-D).
    ``histogram``: the texture's histogram is a condition. ``text_features`` is the length of a caption's
    embedding, 0 where the weights know no text.
    """

    context_widths: tuple[int, ...] = (32, 64, 96, 128)
    widths: tuple[int, ...] = (24, 40, 56, 72)
    embedding: int = 96
    prediction: Prediction = "velocity"
    surroundings: bool = True
    neighbours: bool = True
    histogram: bool = True
    text_features: int = 0

    def __post_init__(self) -> None:
        object.__setattr__(self, "context_widths", tuple(self.context_widths))  # JSON and YAML give lists
        object.__setattr__(self, "widths", tuple(self.widths))
        if len(self.widths) != len(self.context_widths) or min(*self.widths, *self.context_widths) < 1:
            raise SpecificationError("'widths' and 'context_widths' must be as many positive numbers each.")
        if self.prediction not in get_args(Prediction):
            raise SpecificationError(f"'prediction' must be one of {', '.join(get_args(Prediction))}.")

    def to_dict(self) -> dict[str, Any]:
        """Return JSON types."""
        return asdict(self)

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> GeneratorSettings:
        """Read what :meth:`to_dict` wrote. Raises TypeError for settings it doesn't know."""
        missing = {field.name for field in fields(cls)} - set(values)
        if missing:
            raise TypeError(f"without {', '.join(sorted(missing))}")
        return cls(**values)

    @property
    def divisor(self) -> int:
        """Height and width of the input must be multiples of this."""
        return int(2 ** (len(self.widths) - 1))
