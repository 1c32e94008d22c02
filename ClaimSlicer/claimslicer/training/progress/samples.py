"""Pictures of what a network in training makes of a validation study."""

from __future__ import annotations

import io
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

import numpy as np

from claimslicer.events import Events
from claimslicer.labels import infarct_mask, myocardium_mask
from claimslicer.outputs import written_whole

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

SHAPE_INCHES = (3.6, 1.6)
DPI = 200
"""Shown 360 pixels wide in a panel, the letters are still read."""


class Sample(Protocol):
    """One slice and what the network makes of it."""

    @property
    def study(self) -> str:
        """The study's name."""
        ...

    @property
    def legend(self) -> str:
        """What the lines mean."""
        ...

    def draw(self, figure: Figure) -> None:
        """Draw three panels into ``figure``."""
        ...


@dataclass(frozen=True)
class LabelledSlice:
    """A slice with its labels and those found, all ``(y, x)``; labels in the internal table."""

    study: str
    image: np.ndarray
    truth: np.ndarray
    found: np.ndarray
    legend = "green: wall, orange: infarct"

    def draw(self, figure: Figure) -> None:
        """Draw image, truth and prediction."""
        titles = ("Image", "Labels", "Found")
        for axes, title, labels in zip(
            _panels(figure, titles), titles, (None, self.truth, self.found), strict=True
        ):
            _show(axes, self.image, self.image, title)
            if labels is not None:
                _outline(axes, labels)


@dataclass(frozen=True)
class PaintedSlice:
    """A slice before and after a scar was painted in, and the scar's mask, all ``(y, x)``; in remote SDs."""

    study: str
    original: np.ndarray
    painted: np.ndarray
    scar: np.ndarray
    legend = "dotted: scar painted anew"

    def draw(self, figure: Figure) -> None:
        """Draw original, synthetic and their difference with its range."""
        from claimslicer.figures import palette, style

        titles = ("Original", "Synthetic", "Difference")
        first, second, third = _panels(figure, titles)
        _show(first, self.original, self.original, titles[0])
        _contour(first, self.scar, style.INFARCT, "dotted")
        _show(second, self.painted, self.original, titles[1])
        style.mark_synthetic(second, size=5)
        difference = self.painted - self.original
        reach = max(float(np.abs(difference).max()), 1e-6)
        third.imshow(difference, cmap=style.DIFFERENCE_MAP, vmin=-reach, vmax=reach, interpolation="nearest")
        third.set_title(f"{titles[2]}, ±{reach:.1f} SD", fontsize=6.5, pad=3, color=palette.INK)


@dataclass(frozen=True)
class SyntheticSlice(LabelledSlice):
    """A painted slice with the labels that were asked for, and those found in it."""

    legend = "green: wall, orange: infarct, as asked and as found"

    def draw(self, figure: Figure) -> None:
        """Draw the marked image, what was asked and what was found."""
        from claimslicer.figures import style

        super().draw(figure)
        for axes in figure.axes:
            style.mark_synthetic(axes, size=5)


def _panels(figure: Figure, titles: tuple[str, ...]) -> list[Axes]:
    from claimslicer.figures import style

    panels = list(figure.subplots(1, len(titles)))
    for axes in panels:
        style.bare(axes)
    figure.subplots_adjust(left=0.01, right=0.99, bottom=0.15, top=0.9, wspace=0.03)
    return panels


def _show(axes: Axes, image: np.ndarray, window_of: np.ndarray, title: str) -> None:
    from claimslicer.figures import palette

    low, high = np.percentile(window_of, (1, 99.5))
    axes.imshow(image, cmap="gray", vmin=low, vmax=max(high, low + 1e-6), interpolation="nearest")
    axes.set_title(title, fontsize=6.5, pad=3, color=palette.INK)


def _outline(axes: Axes, labels: np.ndarray) -> None:
    from claimslicer.figures import style

    wall = myocardium_mask(labels)
    _contour(axes, wall, style.EPICARDIUM, "solid")
    _contour(axes, infarct_mask(labels), style.INFARCT, "solid")


def _contour(axes: Axes, mask: np.ndarray, colour: str, line: str) -> None:
    if mask.any() and not mask.all():
        axes.contour(mask.astype(float), [0.5], colors=[colour], linewidths=0.7, linestyles=line)


def write_sample(sample: Sample, step: int, folder: Path, events: Events) -> None:
    """Write ``folder/step_000600.png`` and say so, or why there is none, in an event."""
    try:
        from matplotlib.figure import Figure
    except ImportError as error:  # training also runs where there are torch, MONAI and NumPy alone
        events.emit("no_sample", step=step, reason=f"matplotlib can't be loaded ({error})")
        return
    from claimslicer.figures import style

    figure = Figure(figsize=SHAPE_INCHES, facecolor="white")
    sample.draw(figure)
    text = f"{sample.study}, {step} steps\n{sample.legend}. Not for diagnosis."
    figure.text(0.01, 0.025, text, fontsize=5.5, color=style.FAINT)
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=DPI)
    path = folder / f"step_{step:06d}.png"
    with written_whole(path) as temporary:
        temporary.write_bytes(buffer.getvalue())
    events.emit("sample", step=step, file=path.name, study=sample.study)
