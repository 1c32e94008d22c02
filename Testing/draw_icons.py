"""Draw the modules' icons: a bull's-eye each, with what the module does shown in it.

    python Testing/draw_icons.py

writes ``<module>/Resources/Icons/<module>.png``, 128 × 128 pixels. The geometry is the library's AHA table.
"""

from __future__ import annotations

import math
from pathlib import Path

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt
from claimslicer.anatomy.aha import LEVELS, SEGMENTS
from matplotlib.axes import Axes
from matplotlib.patches import Wedge

REPOSITORY = Path(__file__).resolve().parents[1]
RADII = {"basal": (0.76, 1.0), "mid": (0.51, 0.76), "apical": (0.26, 0.51), "apex": (0.0, 0.26)}
WALL, SCAR, PALE, LINE = "#2f7d6b", "#f4b400", "#cfe3dd", "#12332b"
CHOSEN = (7, 12, 13, 16)


def draw_segments(axes: Axes, colours: dict[int, str], line: float = 1.6) -> None:
    """Draw the 17 segments in ``colours``."""
    for number, segment in SEGMENTS.items():
        inner, outer = RADII[segment.level]
        start = segment.centre_deg - segment.width_deg / 2
        axes.add_patch(
            Wedge(
                (0, 0),
                outer,
                start,
                start + segment.width_deg,
                width=outer - inner,
                facecolor=colours[number],
                edgecolor=LINE,
                linewidth=line,
            )
        )


def claim(axes: Axes) -> None:
    """The model itself: levels in three shades."""
    shades = dict(zip(LEVELS, ("#1f5f50", "#3b8f7c", "#86bfb1", "#f4b400"), strict=True))
    draw_segments(axes, {number: shades[segment.level] for number, segment in SEGMENTS.items()})


def smile(axes: Axes) -> None:
    """Chosen segments."""
    draw_segments(axes, {number: SCAR if number in CHOSEN else PALE for number in SEGMENTS})


def synthesis(axes: Axes) -> None:
    """A brush over the wall: the same segments, half painted."""
    draw_segments(axes, dict.fromkeys(SEGMENTS, WALL))
    for step in range(14):
        angle = math.radians(20 + 8 * step)
        radius = 0.62 + 0.05 * math.sin(2.3 * step)
        axes.add_patch(
            plt.Circle((radius * math.cos(angle), radius * math.sin(angle)), 0.19, color=SCAR, lw=0)
        )


def segmentation(axes: Axes) -> None:
    """A contour round a scar in the wall, as a reader draws it."""
    axes.add_patch(Wedge((0, 0), 1.0, 0, 360, width=0.42, facecolor=PALE, edgecolor=LINE, linewidth=2.5))
    axes.add_patch(
        Wedge((0, 0), 0.86, 25, 140, width=0.28, facecolor=SCAR, edgecolor="#b3261e", linewidth=3.5)
    )


def draw_icon(module: str, draw) -> Path:
    """Write one icon and return its path."""
    figure = plt.figure(figsize=(1.28, 1.28), dpi=100)
    axes = figure.add_axes((0, 0, 1, 1))
    axes.set(xlim=(-1.06, 1.06), ylim=(-1.06, 1.06), aspect="equal")
    axes.axis("off")
    draw(axes)
    path = REPOSITORY / module / "Resources" / "Icons" / f"{module}.png"
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, transparent=True, metadata={"Software": ""})
    plt.close(figure)
    return path


ICONS = {
    "ClaimSlicer": claim,
    "SMILEModule": smile,
    "SynthesisModule": synthesis,
    "SegmentationModule": segmentation,
}

if __name__ == "__main__":
    for name, drawing in ICONS.items():
        print(draw_icon(name, drawing).relative_to(REPOSITORY))
