"""Bull's-eyes as matplotlib figures. They are made without pyplot, so no window and no global state."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colorbar import Colorbar
from matplotlib.colors import BoundaryNorm, Normalize, TwoSlopeNorm, to_hex
from matplotlib.figure import Figure
from matplotlib.patches import Polygon

from claimslicer.figures import palette, style
from claimslicer.figures.bullseye import SECTORS, WALL_LABELS
from claimslicer.quantification import TRANSMURALITY_CLASSES

SegmentValues = Mapping[int, float | None]
"""A number for each AHA segment; segments that are missing, None or NaN are drawn as not measured."""

_WALL_NAMES = {"anterior": "Anterior", "septal": "Septum", "inferior": "Inferior", "lateral": "Lateral"}
_SIZE = (5.2, 6.1)


def volume_bullseye(
    values: SegmentValues,
    *,
    title: str = "Infarct volume",
    quantity: str = "Infarct per segment",
    unit: str = "ml",
    maximum: float | None = None,
    decimals: int = 1,
    synthetic: bool = False,
) -> Figure:
    """Draw an amount per segment, with its number in it and a colour bar from 0 to ``maximum``.

    ``maximum`` defaults to the largest value, but no less than 1, so that traces look like traces; give it to
    put several bull's-eyes on one scale.
    """
    numbers = _measured(values)
    top = maximum or max([*numbers.values(), 1.0])
    colours = ScalarMappable(Normalize(0.0, top), style.amount_map())
    total = f"Sum of the segments: {sum(numbers.values()):.{decimals}f} {unit}" if numbers else "Not measured"
    figure = style.new_figure(*_SIZE, synthetic=synthetic)
    style.heading(figure, title, total)
    _fill(figure, numbers, colours, lambda v: f"{v:.{decimals}f}" if v else "0")
    _colour_bar(figure, colours, f"{quantity} ({unit})")
    return figure


def difference_bullseye(
    values: SegmentValues,
    *,
    title: str = "Difference of infarct volume",
    quantity: str = "Measured − reference per segment",
    unit: str = "ml",
    limit: float | None = None,
    decimals: int = 1,
    synthetic: bool = False,
) -> Figure:
    """Draw a signed difference per segment on a diverging scale from −``limit`` to ``limit``.

    ``limit`` defaults to the largest absolute difference, but no less than 1, so that traces stay pale.
    """
    numbers = _measured(values)
    reach = limit or max([*(abs(v) for v in numbers.values()), 1.0])
    colours = ScalarMappable(TwoSlopeNorm(0.0, -reach, reach), style.DIFFERENCE_MAP)
    total = (
        f"Sum of the segments: {_signed(sum(numbers.values()), decimals)} {unit}"
        if numbers
        else "Not measured"
    )
    figure = style.new_figure(*_SIZE, synthetic=synthetic)
    style.heading(figure, title, total)
    _fill(figure, numbers, colours, lambda v: _signed(v, decimals))
    _colour_bar(figure, colours, f"{quantity} ({unit})")
    return figure


def transmurality_bullseye(
    values: SegmentValues,
    *,
    title: str = "Transmurality",
    synthetic: bool = False,
) -> Figure:
    """Draw transmurality (0–1 for each segment) in its five classes, with the percentage in each segment."""
    numbers = {k: 100.0 * v for k, v in _measured(values).items()}
    # Any infarct at all belongs to the second class, so the first one ends just above zero.
    borders = np.array([-1.0, 1e-9, 25.0 + 1e-9, 50.0 + 1e-9, 75.0 + 1e-9, 101.0])
    colours = ScalarMappable(BoundaryNorm(borders, 5), style.class_map())
    figure = style.new_figure(*_SIZE, synthetic=synthetic)
    style.heading(figure, title, "Mean over each segment's wall chords")
    _fill(figure, numbers, colours, _percent)
    bar = _colour_bar(figure, colours, "Infarct thickness ÷ wall thickness (%)")
    bar.set_ticks(list((borders[1:] + borders[:-1]) / 2.0), labels=list(TRANSMURALITY_CLASSES))
    bar.ax.tick_params(length=0)
    return figure


def draw_bullseye(axes: Axes, colours: Mapping[int, str], texts: Mapping[int, str]) -> None:
    """Draw the 17 segments on ``axes``: fill colour, a text and the segment's number for each."""
    for number, sector in SECTORS.items():
        colour = colours.get(number)
        patch = Polygon(
            sector.outline(),
            closed=True,
            facecolor=colour or palette.MISSING,
            edgecolor="#4D4D4D",
            linewidth=0.9,
            hatch=None if colour else "//",
        )
        axes.add_patch(patch)
        x, y = sector.label_position
        ink = style.text_colour(colour or palette.MISSING)
        place: dict[str, Any] = {"ha": "center", "va": "center", "color": ink}
        axes.text(x, y - 0.025, texts.get(number, "–"), fontsize=11, fontweight="bold", **place)
        axes.text(x, y + 0.07, str(number), fontsize=7, **place)
    for wall, (x, y) in WALL_LABELS.items():
        axes.text(
            1.07 * x,
            1.07 * y,
            _WALL_NAMES[wall],
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


def _fill(
    figure: Figure,
    numbers: Mapping[int, float],
    colours: ScalarMappable,
    to_text: Callable[[float], str],
) -> None:
    width, height = _SIZE
    axes = figure.add_axes((0.03, 0.12, 0.94, 0.94 * width / height))
    rgba = colours.to_rgba(np.array(list(numbers.values())))
    fills = {k: to_hex(tuple(colour)) for k, colour in zip(numbers, rgba, strict=True)}
    draw_bullseye(axes, fills, {k: to_text(v) for k, v in numbers.items()})


def _colour_bar(figure: Figure, colours: ScalarMappable, label: str) -> Colorbar:
    axes = figure.add_axes((0.12, 0.095, 0.76, 0.028))
    bar = figure.colorbar(colours, cax=axes, orientation="horizontal", spacing="uniform")
    bar.set_label(label, fontsize=9.5, color=style.INK)
    bar.ax.tick_params(labelsize=9, length=2)
    return bar


def _measured(values: SegmentValues) -> dict[int, float]:
    return {k: float(v) for k, v in values.items() if v is not None and not math.isnan(v)}


def _percent(value: float) -> str:
    """Whole percent, but never "0" for what isn't nothing."""
    return "<1" if 0 < value < 1 else f"{value:.0f}"


def _signed(value: float, decimals: int) -> str:
    text = f"{abs(value):.{decimals}f}"
    if float(text) == 0.0:
        return text
    return f"{'+' if value > 0 else '−'}{text}"
