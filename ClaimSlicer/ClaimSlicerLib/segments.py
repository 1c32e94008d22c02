"""The names and colours under which labels appear as segments, in and out."""

from __future__ import annotations

from dataclasses import dataclass

from claimslicer.anatomy.aha import SEGMENTS
from claimslicer.figures.palette import LABEL_COLOURS, NEW_SCAR_COLOURS, aha_colour, rgb
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


LABEL_STYLES = tuple(
    SegmentStyle(label, LABEL_NAMES[label][0], rgb(colour), LABEL_TERMS[label], LABEL_NAMES[label][1:])
    for label, colour in LABEL_COLOURS.items()
)

_SCARS = (
    (ScarLabel.SCAR, "Scar", ("infarct", "scar tissue", "mi")),
    (ScarLabel.MVO, "MVO", LABEL_NAMES[Label.MVO][1:]),
)
SCAR_STYLES = tuple(
    SegmentStyle(label, name, rgb(NEW_SCAR_COLOURS[label]), SCAR_TERMS[label], synonyms)
    for label, name, synonyms in _SCARS
)

AHA_STYLES = tuple(
    SegmentStyle(number, f"{number} {segment.name}", aha_colour(number), SEGMENT_TERMS[number])
    for number, segment in SEGMENTS.items()
)
