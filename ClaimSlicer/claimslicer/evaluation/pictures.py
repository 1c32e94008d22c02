"""The figure page of an evaluation, and six scars side by side."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from claimslicer.evaluation.cohort import LEVELS, by_patient
from claimslicer.evaluation.measures import YARDSTICKS
from claimslicer.evaluation.record import ScarRecord
from claimslicer.evaluation.summary import Summary
from claimslicer.evaluation.tables import TITLES
from claimslicer.figures import style
from claimslicer.figures.difference import reach
from claimslicer.figures.montage import view_of
from claimslicer.figures.palette import INK
from claimslicer.labels import Label, ScarLabel, myocardium_mask
from claimslicer.studies import Study

COLOURS = {
    "real": INK,
    "repainted": "#0072B2",
    "authored": "#D55E00",
    "inside": "#56B4E9",
    "constant": "#8C8C8C",
    "noise": "#CC79A7",
    "copy": "#009E73",
}
"""After Okabe and Ito, told apart by colour-blind readers as well."""
_BAND = "#E3E3E3"
_MARGIN_MM = 14.0


def evaluation_figure(summary: Summary, records: Sequence[ScarRecord], subject: str) -> Figure:
    """Draw the page: distributions, distances, every measure, and asked against found."""
    figure = style.new_figure(13, 17.5, synthetic=True)
    style.heading(figure, "Synthetic scars against real ones", subject)
    grid = figure.add_gridspec(5, 6, left=0.07, right=0.985, top=0.935, bottom=0.04, hspace=0.4, wspace=0.75)
    _draw_levels(figure.add_subplot(grid[0, :3]), records)
    _draw_distances(figure.add_subplot(grid[0, 3:]), summary)
    places = [grid[1 + i // 3, 2 * (i % 3) : 2 * (i % 3) + 2] for i in range(9)]
    for place, name in zip(places, YARDSTICKS, strict=True):
        _draw_strips(figure.add_subplot(place), summary, records, name)
    _draw_volumes(figure.add_subplot(grid[4, :2]), summary, records)
    _draw_transmurality(figure.add_subplot(grid[4, 2:4]), records)
    _draw_dice(figure.add_subplot(grid[4, 4:]), summary, records)
    return figure


def _of(records: Sequence[ScarRecord], kind: str) -> list[ScarRecord]:
    return [record for record in records if record.kind == kind]


def _kinds(records: Sequence[ScarRecord]) -> list[str]:
    present = {record.kind for record in records}
    return [kind for kind in COLOURS if kind in present]


def _title(axes: Axes, text: str, x: str = "", y: str = "") -> None:
    axes.set_title(text, fontsize=10.5, fontweight="bold", loc="left", color=INK)
    axes.set_xlabel(x, fontsize=9)
    axes.set_ylabel(y, fontsize=9)
    axes.tick_params(labelsize=8.5)
    axes.spines[["top", "right"]].set_visible(False)


def _draw_levels(axes: Axes, records: Sequence[ScarRecord]) -> None:
    values = {
        kind: np.concatenate(
            [np.concatenate([r.quantiles for r in some]) for some in by_patient(_of(records, kind)).values()]
        )
        # A constant fill is a spike for each patient, which would flatten everything else.
        for kind in _kinds(records)
        if kind != "constant"
    }
    low, high = np.quantile(np.concatenate(list(values.values())), (0.002, 0.998))
    edges = np.linspace(low, high, 45)
    for kind, levels in values.items():
        plain = kind in ("real", "repainted", "authored")
        options = {"histtype": "stepfilled", "alpha": 0.22} if kind == "real" else {"histtype": "step"}
        axes.hist(
            levels,
            bins=edges.tolist(),
            density=True,
            color=COLOURS[kind],
            label=kind,
            linewidth=1.8 if plain else 1.0,
            linestyle="solid" if plain else "dashed",
            **options,
        )
    axes.legend(fontsize=8.5, frameon=False)
    _title(axes, "Grey levels of the scar", "SDs of remote myocardium", "density, patients alike")


def _draw_distances(axes: Axes, summary: Summary) -> None:
    kinds = [kind for kind in summary.kinds if kind != "real"]
    names = [LEVELS, *YARDSTICKS]
    for row, name in enumerate(names):
        null = summary.kinds["real"].distances[name]
        if null.null > 0:
            axes.barh(row, null.null_high / null.null, height=0.8, color=_BAND, zorder=0)
        for kind in kinds:
            shift = (kinds.index(kind) - (len(kinds) - 1) / 2) * 0.13
            axes.plot(summary.kinds[kind].distances[name].ratio, row + shift, "o", ms=5, color=COLOURS[kind])
    axes.axvline(1.0, color=INK, lw=0.8)
    axes.set_xscale("symlog", linthresh=2.0, linscale=1.2)
    axes.set_xticks([0, 0.5, 1, 1.5, 2, 4, 8], labels=["0", "½", "1", "1½", "2", "4", "8"])
    axes.set_yticks(range(len(names)), labels=[TITLES[name] for name in names])
    axes.invert_yaxis()
    _title(axes, "Distance from real scars ÷ that of two real halves", "grey: 95 % of real halves lie within")


def _draw_strips(axes: Axes, summary: Summary, records: Sequence[ScarRecord], name: str) -> None:
    low, high = summary.bands[name]
    axes.axhspan(low, high, color=_BAND, zorder=0)
    kinds = _kinds(records)
    for column, kind in enumerate(kinds):
        values = np.array([getattr(record.measures, name) for record in _of(records, kind)])
        values = values[~np.isnan(values)]
        if not len(values):
            continue
        # Spread by rank, so that the picture is the same every time.
        across = column + 0.5 * ((np.arange(len(values)) * 0.618) % 1.0 - 0.5)
        axes.plot(across, values, "o", ms=3.5, alpha=0.65, mew=0, color=COLOURS[kind])
        axes.plot([column - 0.34, column + 0.34], [np.median(values)] * 2, color=COLOURS[kind], lw=2)
    axes.set_xticks(range(len(kinds)), labels=kinds)
    axes.set_xlim(-0.6, len(kinds) - 0.4)
    _title(axes, TITLES[name])
    axes.tick_params(axis="x", labelsize=8, labelrotation=20)


def _draw_volumes(axes: Axes, summary: Summary, records: Sequence[ScarRecord]) -> None:
    shown = [record for record in records if record.kind in ("real", "repainted", "authored")]
    most = 1.08 * max(max(record.asked_ml, record.found_ml) for record in shown)
    for kind in _kinds(shown):
        some = _of(shown, kind)
        axes.plot(
            [r.asked_ml for r in some],
            [r.found_ml for r in some],
            "o",
            ms=4,
            alpha=0.7,
            mew=0,
            color=COLOURS[kind],
            label=kind,
        )
    axes.plot([0, most], [0, most], color=INK, lw=0.8)
    if summary.volume_bias is not None:
        axes.plot([0, most], [0, most * summary.volume_bias.factor], color=INK, lw=0.8, ls="dotted")
    axes.set(xlim=(0, most), ylim=(0, most))
    axes.legend(fontsize=8, frameon=False, loc="upper left")
    _title(
        axes,
        "Volume asked and found (ml)",
        "asked; dotted: the segmenter's bias on real scars",
        "found by the segmenter",
    )


def _draw_transmurality(axes: Axes, records: Sequence[ScarRecord]) -> None:
    for kind in _kinds(records):
        placed = [r.survival for r in _of(records, kind) if r.survival is not None]
        if kind in ("real", "repainted", "authored"):
            asked = [100 * s.transmurality_asked for s in placed]
            found = [100 * s.transmurality_found for s in placed]
            axes.plot(asked, found, "o", ms=4, alpha=0.7, mew=0, color=COLOURS[kind])
    axes.plot([0, 100], [0, 100], color=INK, lw=0.8)
    axes.set(xlim=(0, 100), ylim=(0, 100))
    _title(
        axes, "Transmurality asked and found (%)", "asked, mean of chords with scar", "found by the segmenter"
    )


def _draw_dice(axes: Axes, summary: Summary, records: Sequence[ScarRecord]) -> None:
    kinds = _kinds(records)
    for column, kind in enumerate(kinds):
        values = np.array([record.dice for record in _of(records, kind)])
        across = column + 0.5 * ((np.arange(len(values)) * 0.618) % 1.0 - 0.5)
        axes.plot(across, values, "o", ms=3.5, alpha=0.65, mew=0, color=COLOURS[kind])
        dice = summary.kinds[kind].dice
        axes.plot([column - 0.34, column + 0.34], [dice.value] * 2, color=COLOURS[kind], lw=2)
        if not np.isnan(dice.low):
            axes.plot([column] * 2, [dice.low, dice.high], color=COLOURS[kind], lw=1)
    axes.axhline(summary.quality_filter.threshold, color=INK, lw=0.8, ls="dotted")
    axes.set_xticks(range(len(kinds)), labels=kinds)
    axes.set(xlim=(-0.6, len(kinds) - 0.4), ylim=(-0.03, 1))
    _title(axes, "Segmenter's Dice, infarct with MVO", "dotted: the quality filter", "")
    axes.tick_params(axis="x", labelsize=8, labelrotation=20)


@dataclass(frozen=True)
class Shown:
    """A synthetic scar to be shown: the record, the study and its labels, and the synthetic image."""

    record: ScarRecord
    study: Study
    labels: np.ndarray
    image: np.ndarray

    @property
    def heart(self) -> np.ndarray:
        """Wall and cavity, bool."""
        return myocardium_mask(self.labels) | (self.labels == Label.CAVITY)


def overview_figure(shown: Sequence[Shown]) -> Figure:
    """Draw each study's slice with most scar: original, mask, synthetic image and difference."""
    rows = ("Original", "Mask", "Synthetic", "Difference")
    panel, left, head = 2.0, 0.35, 0.75
    width, height = max(left + panel * len(shown) + 0.05, 6.6), head + panel * len(rows) + 0.1
    figure = style.new_figure(width, height, synthetic=True)
    style.heading(
        figure, "Synthetic scars", "The slice with most scar; differences run from purple to orange"
    )
    for column, one in enumerate(shown):
        for row, name in enumerate(rows):
            x, y, side = left + column * panel, height - head - (row + 1) * panel, panel - 0.05
            axes = figure.add_axes((x / width, y / height, side / width, side / height))
            style.bare(axes)
            _draw_panel(axes, one, name)
            if column == 0:
                axes.set_ylabel(name, fontsize=10, color=style.FAINT)
            if row == 0:
                axes.set_title(f"{one.record.case}, {one.record.kind}", fontsize=8.5, pad=3)
    return figure


def _draw_panel(axes: Axes, one: Shown, name: str) -> None:
    _, height, width = one.study.geometry.spacing_zyx
    z = int((one.record.scar > 0).sum((1, 2)).argmax())
    original, synthetic = (image[z].astype(float) for image in (one.study.image, one.image))
    rows, columns = original.shape
    extent = (0.0, columns * width, rows * height, 0.0)
    if name == "Difference":
        ends = reach(one.image.astype(float) - one.study.image)
        axes.imshow(synthetic - original, cmap=style.DIFFERENCE_MAP, vmin=-ends, vmax=ends, extent=extent)
    else:
        # The window of the montage of the same study.
        low, high = view_of(one.study.image, one.heart, (width, height)).window
        image = synthetic if name == "Synthetic" else original
        axes.imshow(image, cmap="gray", vmin=low, vmax=high, extent=extent, interpolation="bilinear")
    if name == "Mask":
        x, y = (np.arange(columns) + 0.5) * width, (np.arange(rows) + 0.5) * height
        for value, colour in ((ScarLabel.SCAR, style.INFARCT), (ScarLabel.MVO, style.MVO)):
            inside = one.record.scar[z] == value
            if inside.any():
                axes.contour(x, y, inside, [0.5], colors=[colour], linewidths=1.0)
    (top, bottom), (left, right) = (
        (mm * places.min(), mm * (places.max() + 1))
        for places, mm in zip(np.nonzero(one.heart.any(0)), (height, width), strict=True)
    )
    half = max(right - left, bottom - top) / 2 + _MARGIN_MM
    x_middle, y_middle = (left + right) / 2, (top + bottom) / 2
    axes.set(xlim=(x_middle - half, x_middle + half), ylim=(y_middle + half, y_middle - half))
    axes.set_facecolor("black")
    if name == "Synthetic":
        style.mark_synthetic(axes)
