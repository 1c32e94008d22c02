"""A bull's-eye's face as a matplotlib figure. It is made without pyplot, so no window and no global state."""

from __future__ import annotations

from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Polygon, Rectangle

from claimslicer.figures import palette, style
from claimslicer.figures.bullseye import SECTORS, WALL_LABELS, WALL_NAMES
from claimslicer.figures.face import DASH, Face, Scale

_SIZE = (5.2, 6.1)
_SHADES = 256


def bullseye_figure(face: Face, *, synthetic: bool = False) -> Figure:
    """Draw a face as :mod:`claimslicer.figures.face` makes them, with its title and its scale."""
    width, height = _SIZE
    figure = style.new_figure(width, height, synthetic=synthetic)
    style.heading(figure, face.title, face.subtitle)
    draw_face(figure.add_axes((0.03, 0.12, 0.94, 0.94 * width / height)), face)
    if face.scale is not None:
        _draw_scale(figure.add_axes((0.12, 0.095, 0.76, 0.028)), face.scale)
    return figure


def draw_face(axes: Axes, face: Face) -> None:
    """Draw the 17 segments on ``axes``: fill, text and number of each; striped where it is not measured."""
    for number, sector in SECTORS.items():
        measured = number in face.colours
        colour = face.colours.get(number, palette.rgb(palette.MISSING))
        patch = Polygon(
            sector.outline(),
            closed=True,
            facecolor=colour,
            edgecolor="#4D4D4D",
            linewidth=0.9,
            hatch=None if measured else "//",
        )
        axes.add_patch(patch)
        x, y = sector.label_position
        place: dict[str, Any] = {"ha": "center", "va": "center", "color": palette.ink_on(colour)}
        axes.text(x, y - 0.025, face.texts.get(number, DASH), fontsize=11, fontweight="bold", **place)
        axes.text(x, y + 0.07, str(number), fontsize=7, **place)
    for wall, (x, y) in WALL_LABELS.items():
        axes.text(
            1.07 * x,
            1.07 * y,
            WALL_NAMES[wall],
            ha="center",
            va="center",
            rotation=90 * x * -1,
            fontsize=10,
            color=style.FAINT,
        )
    axes.set_xlim(-1.14, 1.14)
    axes.set_ylim(-1.14, 1.14)
    axes.set_aspect("equal")
    axes.axis("off")


def _draw_scale(axes: Axes, scale: Scale) -> None:
    count = _SHADES if scale.smooth else len(scale.colours)
    for index in range(count):
        # A little wider than its step, so that no gap shows between two shades.
        box = Rectangle((index / count, 0), 1.1 / count, 1, color=scale.colour_at((index + 0.5) / count))
        axes.add_patch(box)
    axes.set(xlim=(0, 1), ylim=(0, 1), yticks=[])
    axes.set_xticks([place for place, _ in scale.ticks], labels=[text for _, text in scale.ticks])
    axes.tick_params(labelsize=9, length=2 if scale.smooth else 0)
    axes.set_xlabel(scale.label, fontsize=9.5, color=palette.INK)
