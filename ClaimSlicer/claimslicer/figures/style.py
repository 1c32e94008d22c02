"""Colours, sizes and marks that every picture shares; colour-blind safe, on white, fit for print."""

from __future__ import annotations

import io
from pathlib import Path

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from claimslicer.figures.palette import INK, LABEL_COLOURS, SYNTHETIC
from claimslicer.labels import Label
from claimslicer.outputs import written_whole

FAINT = "#767676"
ENDOCARDIUM = LABEL_COLOURS[Label.CAVITY]
EPICARDIUM = LABEL_COLOURS[Label.MYOCARDIUM]
INFARCT = LABEL_COLOURS[Label.INFARCT]
MVO = LABEL_COLOURS[Label.MVO]
REFERENCE = "#FFFFFF"

DIFFERENCE_MAP = "PuOr_r"
"""Less is purple, more is orange, none is white."""

DPI = 130
SYNTHETIC_TEXT = "SYNTHETIC"
TERMS = "Research use only. Not for diagnosis."


def new_figure(width: float, height: float, *, synthetic: bool) -> Figure:
    """Return an empty white figure (inches), marked where it shows anything synthetic."""
    figure = Figure(figsize=(width, height), facecolor="white")
    if synthetic:
        figure.text(
            0.99,
            1.0 - 0.07 / height,
            SYNTHETIC_TEXT,
            ha="right",
            va="top",
            fontsize=10,
            fontweight="bold",
            color="white",
            bbox={"facecolor": SYNTHETIC, "edgecolor": "none", "boxstyle": "round,pad=0.3"},
        )
    return figure


def heading(figure: Figure, title: str, subtitle: str = "") -> None:
    """Write the title, and a fainter line under it, at the figure's top left."""
    height = figure.get_figheight()
    figure.text(
        0.02, 1 - 0.08 / height, title, ha="left", va="top", fontsize=13, fontweight="bold", color=INK
    )
    figure.text(0.02, 1 - 0.38 / height, subtitle, ha="left", va="top", fontsize=9.5, color=FAINT)


def mark_synthetic(axes: Axes, *, size: float = 7) -> None:
    """Say in an image's lower right corner that it is synthetic."""
    axes.text(
        0.97,
        0.03,
        SYNTHETIC_TEXT,
        transform=axes.transAxes,
        ha="right",
        va="bottom",
        fontsize=size,
        fontweight="bold",
        color="white",
        bbox={"facecolor": SYNTHETIC, "edgecolor": "none", "boxstyle": "square,pad=0.2"},
    )


def bare(axes: Axes) -> None:
    """Take ticks and frame off an image's axes."""
    axes.set_xticks([])
    axes.set_yticks([])
    for spine in axes.spines.values():
        spine.set_visible(False)


def to_png(figure: Figure, *, synthetic: bool = False) -> bytes:
    """Return the figure as PNG, whose text fields carry the terms and whether it shows anything synthetic."""
    buffer = io.BytesIO()
    text = {"Software": "claim-slicer", "Disclaimer": TERMS}
    if synthetic:
        text["Comment"] = SYNTHETIC_TEXT
    figure.savefig(buffer, format="png", dpi=DPI, metadata=text)
    return buffer.getvalue()


def save_png(figure: Figure, path: Path, *, synthetic: bool = False) -> Path:
    """Write the figure to ``path``, whole or not at all. Raises OutputError."""
    with written_whole(path) as temporary:
        temporary.write_bytes(to_png(figure, synthetic=synthetic))
    return path
