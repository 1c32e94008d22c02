"""The names and colours under which labels appear as segments, in and out."""

from __future__ import annotations

from dataclasses import dataclass

from claimslicer.anatomy.aha import SEGMENTS
from claimslicer.figures.palette import aha_colour
from claimslicer.labels import Label, ScarLabel
from claimslicer.terms import LABEL_NAMES, LABEL_TERMS, SCAR_TERMS, SEGMENT_TERMS, Term


@dataclass(frozen=True)
class SegmentStyle:
    """A segment: its label value, name and colour (RGB, 0–1), its coded meaning, and other names that are
    understood.
    """

    value: int
    name: str
    colour: tuple[float, float, float]
    term: Term
    synonyms: tuple[str, ...] = ()

    def is_called(self, name: str) -> bool:
        """Say whether ``name`` means this segment; case and underscores don't count."""
        plain = " ".join(name.replace("_", " ").casefold().split())
        return plain in (self.name.casefold(), *self.synonyms)


_COLOURS = {
    Label.CAVITY: (0.80, 0.25, 0.25),
    Label.MYOCARDIUM: (0.30, 0.65, 0.40),
    Label.INFARCT: (1.00, 0.80, 0.15),
    Label.MVO: (0.45, 0.20, 0.65),
    Label.RIGHT_VENTRICLE: (0.30, 0.50, 0.85),
}
LABEL_STYLES = tuple(
    SegmentStyle(label, LABEL_NAMES[label][0], colour, LABEL_TERMS[label], LABEL_NAMES[label][1:])
    for label, colour in _COLOURS.items()
)

_SCARS = (
    (ScarLabel.SCAR, "Scar", (1.00, 0.80, 0.15), ("infarct", "scar tissue", "mi")),
    (ScarLabel.MVO, "MVO", (0.45, 0.20, 0.65), LABEL_NAMES[Label.MVO][1:]),
)
SCAR_STYLES = tuple(
    SegmentStyle(label, name, colour, SCAR_TERMS[label], synonyms) for label, name, colour, synonyms in _SCARS
)

AHA_STYLES = tuple(
    SegmentStyle(number, f"{number} {segment.name}", aha_colour(number), SEGMENT_TERMS[number])
    for number, segment in SEGMENTS.items()
)
