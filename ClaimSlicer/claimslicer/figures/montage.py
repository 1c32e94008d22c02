"""Montages of short-axis slices as matplotlib figures: labels on the image; original beside synthetic."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import to_rgba
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch

from claimslicer.errors import StudyError
from claimslicer.figures import style
from claimslicer.figures.difference import reach
from claimslicer.labels import Label, infarct_mask, myocardium_mask
from claimslicer.studies import Geometry

MARGIN_MM = 20.0
"""Shown around the heart."""
_PANEL, _GAP = 1.75, 0.04
_LEFT, _HEAD, _FOOT = 0.3, 0.7, 0.62
"""Panel width, gap and page margins in inches."""


@dataclass(frozen=True)
class View:
    """Which part of a stack is shown, and how: slices in order of display, rows, columns and grey window."""

    slices: tuple[int, ...]
    rows: slice
    columns: slice
    pixel_mm: tuple[float, float]
    window: tuple[float, float]

    @property
    def aspect(self) -> float:
        """Height ÷ width of the part shown, in mm."""
        height, width = self._size_mm()
        return height / width

    @property
    def extent(self) -> tuple[float, float, float, float]:
        """Matplotlib's extent in mm, the first row on top."""
        height, width = self._size_mm()
        return 0.0, width, height, 0.0

    def crop(self, array: np.ndarray, z: int) -> np.ndarray:
        """Return the part of one slice that is shown."""
        return array[z, self.rows, self.columns]

    def _size_mm(self) -> tuple[float, float]:
        rows, columns = self.rows.stop - self.rows.start, self.columns.stop - self.columns.start
        return rows * self.pixel_mm[1], columns * self.pixel_mm[0]


def view_of(
    image: np.ndarray,
    heart: np.ndarray,
    pixel_mm: tuple[float, float],
    *,
    apex_first: bool | None = None,
) -> View:
    """Choose the slices that hold ``heart`` (bool), a box around it, and one window for all of them.

    Both arrays are (slice, row, column), ``pixel_mm`` is a pixel's width and height. Where ``apex_first`` is
    known, the base comes first. Raises StudyError where ``heart`` is empty.
    """
    if not heart.any():
        raise StudyError("The labels hold no heart, so there is no slice to show.")
    slices = [int(z) for z in np.flatnonzero(heart.any(axis=(1, 2)))]
    rows = _span(np.any(heart, axis=(0, 2)), MARGIN_MM / pixel_mm[1])
    columns = _span(np.any(heart, axis=(0, 1)), MARGIN_MM / pixel_mm[0])
    shown = image[slices, rows, columns]
    low, high = (float(v) for v in np.percentile(shown, (1.0, 99.5)))
    ordered = slices[::-1] if apex_first else slices
    return View(tuple(ordered), rows, columns, pixel_mm, (low, high if high > low else low + 1.0))


def slice_montage(
    image: np.ndarray,
    labels: np.ndarray,
    geometry: Geometry,
    *,
    reference: np.ndarray | None = None,
    title: str = "Labels on the image",
    apex_first: bool | None = None,
    slice_axis: int = 0,
    synthetic: bool = False,
) -> Figure:
    """Draw each slice with heart plain, and under it with the contours of wall, infarct and MVO.

    All arrays are (z, y, x), cut along ``slice_axis``. The infarct of a ``reference`` is drawn as a dashed
    white contour. Raises StudyError where the labels hold no heart or the shapes differ.
    """
    image, labels = (_slices_first(a, geometry, slice_axis) for a in (image, labels))
    heart = (labels == Label.CAVITY) | myocardium_mask(labels)
    view = view_of(image, heart, _pixel_mm(geometry, slice_axis), apex_first=apex_first)
    their_infarct = None
    if reference is not None:
        their_infarct = infarct_mask(_slices_first(reference, geometry, slice_axis))
    figure, blocks = _grid(view, ("Image", "Labels"), title, _subtitle(view, apex_first), synthetic)
    for z, (plain, overlay) in zip(view.slices, blocks, strict=True):
        _show(plain, image, z, view)
        _name_slice(plain, z, len(image))
        if synthetic:
            style.mark_synthetic(plain)
        _show(overlay, image, z, view)
        outline(overlay, labels, z, view)
        if their_infarct is not None:
            _contour(overlay, their_infarct, z, view, style.REFERENCE, width=1.1, line="dashed")
    _legend(figure, bool((labels == Label.MVO).any()), their_infarct is not None)
    return figure


def synthesis_montage(
    original: np.ndarray,
    synthetic: np.ndarray,
    scar: np.ndarray,
    geometry: Geometry,
    *,
    heart: np.ndarray | None = None,
    title: str = "Original, synthetic and their difference",
    apex_first: bool | None = None,
    slice_axis: int = 0,
) -> Figure:
    """Draw, for each slice, the original, the synthetic image and synthetic − original.

    All arrays are (z, y, x), cut along ``slice_axis``. ``scar`` (non-zero inside) is outlined on the
    original; ``heart`` (bool) chooses the slices and the box, by default the scar's, and is outlined on the
    difference, which has one symmetric range for all slices.
    """
    original, synthetic, scar = (_slices_first(a, geometry, slice_axis) for a in (original, synthetic, scar))
    heart = None if heart is None else _slices_first(heart, geometry, slice_axis)
    shown = scar != 0 if heart is None else heart | (scar != 0)
    view = view_of(original, shown, _pixel_mm(geometry, slice_axis), apex_first=apex_first)
    difference = synthetic.astype(np.float64) - original.astype(np.float64)
    ends = reach(difference)
    rows = ("Original", "Synthetic", "Difference")
    figure, blocks = _grid(view, rows, title, _subtitle(view, apex_first), True)
    for z, (first, second, third) in zip(view.slices, blocks, strict=True):
        _show(first, original, z, view)
        _contour(first, scar != 0, z, view, style.INFARCT, width=0.9, line="dotted")
        _name_slice(first, z, len(original))
        _show(second, synthetic, z, view)
        style.mark_synthetic(second)
        drawn = third.imshow(
            view.crop(difference, z),
            cmap=style.DIFFERENCE_MAP,
            vmin=-ends,
            vmax=ends,
            extent=view.extent,
            interpolation="nearest",
        )
        third.autoscale(False)
        if heart is not None:
            _contour(third, heart, z, view, style.FAINT, width=0.6)
    height = figure.get_figheight()
    bar = figure.colorbar(
        drawn, cax=figure.add_axes((0.3, 0.42 / height, 0.4, 0.1 / height)), orientation="horizontal"
    )
    bar.set_label(f"Synthetic − original, −{ends:.4g} to {ends:.4g} in the image's grey levels", fontsize=9)
    bar.ax.tick_params(labelsize=8.5, length=2)
    return figure


def _slices_first(array: np.ndarray, geometry: Geometry, slice_axis: int) -> np.ndarray:
    if array.shape != geometry.shape:
        raise StudyError(
            f"An image or label map {array.shape} and its study {geometry.shape} have different shapes."
        )
    return np.moveaxis(array, slice_axis, 0)


def _pixel_mm(geometry: Geometry, slice_axis: int) -> tuple[float, float]:
    """Width and height of a pixel of the slices."""
    height, width = np.delete(geometry.spacing_zyx, slice_axis)
    return float(width), float(height)


def _span(used: np.ndarray, margin: float) -> slice:
    places = np.flatnonzero(used)
    first, last = math.floor(places[0] - margin), math.ceil(places[-1] + margin)
    return slice(max(0, first), min(len(used), last + 1))


def _grid(
    view: View, rows: tuple[str, ...], title: str, subtitle: str, synthetic: bool
) -> tuple[Figure, list[list[Axes]]]:
    """Lay out one column of panels per slice, wrapped to at most six columns; return the columns."""
    count = len(view.slices)
    bands = math.ceil(count / 6)
    across = math.ceil(count / bands)
    panel_height = _PANEL * view.aspect
    band_height = len(rows) * panel_height + 0.1
    width = max(_LEFT + across * _PANEL + 0.08, 6.6)
    height = _HEAD + bands * band_height + _FOOT
    figure = style.new_figure(width, height, synthetic=synthetic)
    style.heading(figure, title, subtitle)

    def place(column: int, band: int, row: int) -> tuple[float, float, float, float]:
        x, top = _LEFT + column * _PANEL, _HEAD + band * band_height + row * panel_height
        bottom = height - top - panel_height
        return x / width, bottom / height, (_PANEL - _GAP) / width, (panel_height - _GAP) / height

    columns = [
        [figure.add_axes(place(i % across, i // across, r)) for r in range(len(rows))] for i in range(count)
    ]
    for i, column in enumerate(columns):
        for axes, name in zip(column, rows, strict=True):
            style.bare(axes)
            if i % across == 0:
                axes.set_ylabel(name, fontsize=9, color=style.FAINT, labelpad=2)
    return figure, columns


def _show(axes: Axes, image: np.ndarray, z: int, view: View) -> None:
    low, high = view.window
    axes.imshow(
        view.crop(image, z), cmap="gray", vmin=low, vmax=high, extent=view.extent, interpolation="bilinear"
    )
    axes.autoscale(False)


def outline(axes: Axes, labels: np.ndarray, z: int, view: View) -> None:
    """Draw the contours of wall, infarct and MVO of slice ``z`` over an image."""
    infarct, mvo = infarct_mask(labels), labels == Label.MVO
    for mask, colour in ((infarct & ~mvo, style.INFARCT), (mvo, style.MVO)):
        inside = view.crop(mask, z)
        fill = np.zeros((*inside.shape, 4))
        fill[inside] = to_rgba(colour, 0.35)
        axes.imshow(fill, extent=view.extent, interpolation="nearest")
    cavity = labels == Label.CAVITY
    _contour(axes, cavity | myocardium_mask(labels), z, view, style.EPICARDIUM)
    _contour(axes, cavity, z, view, style.ENDOCARDIUM)
    _contour(axes, infarct, z, view, style.INFARCT, width=1.2)
    _contour(axes, mvo, z, view, style.MVO, width=1.2)


def _contour(
    axes: Axes, mask: np.ndarray, z: int, view: View, colour: str, *, width: float = 1.0, line: str = "solid"
) -> None:
    # A rim of zeros closes contours at the box's border.
    inside = np.pad(view.crop(mask, z).astype(float), 1)
    if not inside.any():
        return
    step_x, step_y = view.pixel_mm
    x = (np.arange(inside.shape[1]) - 0.5) * step_x
    y = (np.arange(inside.shape[0]) - 0.5) * step_y
    axes.contour(x, y, inside, levels=[0.5], colors=[colour], linewidths=width, linestyles=line)


def _name_slice(axes: Axes, z: int, count: int) -> None:
    axes.text(
        0.03,
        0.97,
        f"{z + 1}/{count}",
        transform=axes.transAxes,
        ha="left",
        va="top",
        fontsize=8.5,
        color="white",
        bbox={"facecolor": "black", "alpha": 0.55, "edgecolor": "none", "boxstyle": "square,pad=0.2"},
    )


def _subtitle(view: View, apex_first: bool | None) -> str:
    order = "" if apex_first is None else ", base first"
    low, high = view.window
    width_mm = view.extent[1]
    return f"Slice/slices in the study{order} · {width_mm:.0f} mm wide · grey window {low:.4g} to {high:.4g}"


def _legend(figure: Figure, has_mvo: bool, has_reference: bool) -> None:
    handles: list[Line2D | Patch] = [
        Line2D([], [], color=style.ENDOCARDIUM, label="Endocardium"),
        Line2D([], [], color=style.EPICARDIUM, label="Epicardium"),
        _patch(style.INFARCT, "Infarct"),
    ]
    if has_mvo:
        handles.append(_patch(style.MVO, "MVO"))
    if has_reference:
        handles.append(Line2D([], [], color=style.REFERENCE, linestyle="dashed", label="Reference infarct"))
    legend = figure.legend(
        handles=handles, loc="lower center", ncols=len(handles), fontsize=9, frameon=True, facecolor="#555555"
    )
    legend.get_frame().set_edgecolor("none")
    for text in legend.get_texts():
        text.set_color("white")


def _patch(colour: str, label: str) -> Patch:
    return Patch(facecolor=to_rgba(colour, 0.5), edgecolor=colour, label=label)
