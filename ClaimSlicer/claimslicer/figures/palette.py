"""The colours of the bull's-eyes in plain Python; colour-blind safe, on white, fit for print and screen."""

from __future__ import annotations

import colorsys
from collections.abc import Mapping, Sequence

from claimslicer.anatomy.aha import LEVELS, SEGMENTS
from claimslicer.labels import Label, ScarLabel

RGB = tuple[float, float, float]
"""Red, green and blue, each 0–1."""

INK = "#222222"
MISSING = "#E4E4E4"
"""Segments that can't be measured."""
SYNTHETIC = "#AA3377"
"""Behind the word that marks what was generated."""
LABEL_COLOURS: Mapping[Label, str] = {
    Label.CAVITY: "#56B4E9",
    Label.MYOCARDIUM: "#009E73",
    Label.INFARCT: "#FF8C00",
    Label.MVO: "#F0E442",
    Label.RIGHT_VENTRICLE: "#4D80D9",
}
"""What is labelled in a study, in reports, pictures and Slicer's views alike."""
NEW_SCAR_COLOURS: Mapping[ScarLabel, str] = {ScarLabel.SCAR: "#FF4FB0", ScarLabel.MVO: "#B48CFF"}
"""What was made up, and so isn't in the study."""
CLASS_COLOURS = ("#FFFFFF", "#FFEDA0", "#FEB24C", "#F03B20", "#99000D")
"""One for each class of transmurality, in order; blended, they are the scale of amounts."""
DIFFERENCE_COLOURS = (
    *("#2D004B", "#542788", "#8073AC", "#B2ABD2", "#D8DAEB", "#F7F7F7"),
    *("#FEE0B6", "#FDB863", "#E08214", "#B35806", "#7F3B08"),
)
"""ColorBrewer's PuOr, turned round: less is purple, more is orange, none is white."""


def rgb(colour: str) -> RGB:
    """Return the red, green and blue of "#RRGGBB"."""
    return int(colour[1:3], 16) / 255, int(colour[3:5], 16) / 255, int(colour[5:7], 16) / 255


def blend(colours: Sequence[str], place: float) -> RGB:
    """Return the colour at ``place`` (0–1) of a scale that runs evenly through ``colours``."""
    position = min(max(place, 0.0), 1.0) * (len(colours) - 1)
    first = min(int(position), len(colours) - 2)
    share = position - first
    below, above = rgb(colours[first]), rgb(colours[first + 1])
    red, green, blue = (a + share * (b - a) for a, b in zip(below, above, strict=True))
    return red, green, blue


def ink_on(background: RGB) -> RGB:
    """Return dark ink or white, whichever reads better on ``background``.

    WCAG's relative luminance decides; its contrast alone would put dark ink on a full red.
    """
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in background]
    luminance = 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]
    return (1.0, 1.0, 1.0) if luminance < 0.25 else rgb(INK)


def aha_colour(number: int) -> RGB:
    """Give neighbours different colours: the hue turns with the angle, and each level is paler."""
    segment = SEGMENTS[number]
    step = LEVELS.index(segment.level)
    return colorsys.hsv_to_rgb(((segment.centre_deg + 20.0 * step) % 360.0) / 360.0, 0.85 - 0.2 * step, 0.95)
