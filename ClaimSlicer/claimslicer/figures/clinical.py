"""The first page of a report, to print and to file: one A4 page by matplotlib, as PDF, SVG and PNG."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from claimslicer import __version__
from claimslicer.anatomy.frame import LVFrame
from claimslicer.figures import palette, style
from claimslicer.figures.draw import draw_face
from claimslicer.figures.face import transmurality_face, volume_face
from claimslicer.figures.montage import View, outline, view_of
from claimslicer.labels import infarct_mask, ventricle_mask
from claimslicer.quantification.names import QUANTITIES, shown
from claimslicer.quantification.report_numbers import StudyNumbers
from claimslicer.studies import Study

A4 = (8.27, 11.69)
LARGE = ("infarct_g", "infarct_percent", "transmurality_percent", "mvo_g")
"""What a cardiologist looks for first."""
SMALL = (
    *("infarct_ml", "myocardium_g", "cavity_ml", "segments_infarcted", "segments_over_50"),
    *("transmurality_max_percent", "endocardium_infarct_cm2", "endocardium_infarct_percent"),
    *("mvo_percent", "mvo_percent_of_infarct", "core_g", "core_percent", "border_g", "border_percent"),
    *("core_transmurality_percent", "border_transmurality_percent", "scar_components", "interface_cm2"),
    *("patchiness", "radiality", "infarct_entropy_bit", "wall_entropy_bit"),
)
KEY_IMAGES = 4
_SHORT = {"% of wall thickness": "% of wall", "% of endocardium": "%", "0–1": "", "parts": ""}


def clinical_page(
    study: Study, labels: np.ndarray, frame: LVFrame, numbers: StudyNumbers, facts: Mapping[str, str]
) -> Figure:
    """Draw the page of ``labels`` (z, y, x) of ``study``; ``facts`` are the settings, by name.

    The study's name is the only thing of the patient's that it shows.
    """
    figure = style.new_figure(*A4, synthetic=study.synthetic)
    _head(figure, study)
    _first_numbers(figure, numbers)
    _bullseyes(figure, numbers)
    _key_images(figure, study, labels, frame)
    _list(figure, [_line(numbers, name) for name in SMALL], 0.365, "Further numbers")
    _methods(figure, numbers)
    _facts(figure, facts, numbers.notes)
    return figure


def to_pdf(figure: Figure, title: str, *, synthetic: bool = False) -> bytes:
    """Return the figure as a PDF of one page that names what it is, and says where it is synthetic."""
    from matplotlib.backends.backend_pdf import PdfPages

    buffer = io.BytesIO()
    about = {"Title": title, "Creator": f"claim-slicer {__version__}", "Subject": style.TERMS}
    about |= {"Keywords": style.SYNTHETIC_TEXT} if synthetic else {}
    with PdfPages(buffer, metadata={**about, "CreationDate": None}) as pages:
        pages.savefig(figure)
    return buffer.getvalue()


def to_svg(figure: Figure, *, synthetic: bool = False) -> bytes:
    """Return the figure as SVG, whose metadata say where it is synthetic."""
    buffer = io.BytesIO()
    about = {"Date": None, "Creator": f"claim-slicer {__version__}"}
    about |= {"Keywords": style.SYNTHETIC_TEXT} if synthetic else {}
    figure.savefig(buffer, format="svg", metadata=about)
    return buffer.getvalue()


def _head(figure: Figure, study: Study) -> None:
    figure.text(0.06, 0.965, "Myocardial scar on LGE MRI", fontsize=17, fontweight="bold", va="top")
    figure.text(0.06, 0.940, study.name, fontsize=11, va="top", color=palette.INK)
    figure.text(0.94, 0.940, style.TERMS, fontsize=8.5, va="top", ha="right", color="#B35806")
    _rule(figure, 0.92)


def _rule(figure: Figure, y: float) -> None:
    axes = figure.add_axes((0.06, y, 0.88, 0.001))
    axes.axis("off")
    axes.axhline(0.5, color="#999999", linewidth=0.8)


def _first_numbers(figure: Figure, numbers: StudyNumbers) -> None:
    titles = ("Scar mass", "Scar, share of LV", "Transmurality, mean", "MVO")
    for index, (name, title) in enumerate(zip(LARGE, titles, strict=True)):
        x = 0.06 + 0.225 * index
        figure.text(x, 0.905, title, fontsize=9.5, va="top", color=style.FAINT)
        value = figure.text(x, 0.886, shown(name, numbers.totals[name]), fontsize=22, va="top")
        value.set_fontweight("bold")
        figure.text(x, 0.848, QUANTITIES[name].unit, fontsize=9, va="top", color=palette.INK)
    totals = numbers.totals
    texts = [
        "MVO counts as infarct, of which it is "
        f"{shown('mvo_percent_of_infarct', totals['mvo_percent_of_infarct'])} %."
        if totals["infarct_ml"]
        else "No infarct was found."
    ]
    if totals["infarct_ml_low"] is not None:
        low, middle, high = (totals[f"infarct_ml_{end}"] for end in ("low", "expected", "high"))
        texts.append(
            f"The segmenter expects {middle:.1f} ml of infarct; 5–95 % range {low:.1f} to {high:.1f} ml."
        )
    territories = ", ".join(
        f"{row['territory']} {row['infarct_ml']:.1f} ml ({row['infarct_percent_of_territory']:.0f} %)"
        for row in numbers.territories
        if row["infarct_percent_of_territory"] is not None
    )
    texts.append(f"By territory (share of its wall): {territories}.")
    figure.text(0.06, 0.828, "\n".join(texts), fontsize=8.8, va="top", linespacing=1.5)


def _bullseyes(figure: Figure, numbers: StudyNumbers) -> None:
    segments = numbers.quantification.segments
    faces = (
        transmurality_face({s.segment: s.transmurality for s in segments}),
        volume_face({s.segment: s.infarct_ml if s.volume_ml else None for s in segments}),
    )
    for index, face in enumerate(faces):
        left = 0.07 + 0.46 * index
        axes = figure.add_axes((left, 0.565, 0.31, 0.31 * A4[0] / A4[1]))
        draw_face(axes, face)
        unit = "% of wall thickness" if index == 0 else "ml per segment"
        figure.text(left + 0.155, 0.785, f"{face.title} ({unit})", fontsize=9.5, ha="center", va="bottom")


def _key_images(figure: Figure, study: Study, labels: np.ndarray, frame: LVFrame) -> None:
    image, shown_labels = (np.moveaxis(a, frame.slice_axis, 0) for a in (study.image, labels))
    height, width = np.delete(study.geometry.spacing_zyx, frame.slice_axis)
    view = view_of(image, ventricle_mask(shown_labels), (width, height), apex_first=frame.apex_first)
    area = infarct_mask(shown_labels).sum(axis=(1, 2))
    best = set(sorted(view.slices, key=lambda z: -area[z])[:KEY_IMAGES])
    chosen = [z for z in view.slices if z in best]
    for index, z in enumerate(chosen):
        axes = figure.add_axes((0.06 + 0.222 * index, 0.395, 0.212, 0.15))
        _key_image(axes, image, shown_labels, z, view)
        axes.set_title(f"Slice {z + 1} of {len(image)}", fontsize=8, pad=2)
        if study.synthetic:
            style.mark_synthetic(axes)


def _key_image(axes: Axes, image: np.ndarray, labels: np.ndarray, z: int, view: View) -> None:
    style.bare(axes)
    low, high = view.window
    axes.imshow(view.crop(image, z), cmap="gray", vmin=low, vmax=high, extent=view.extent)
    axes.autoscale(False)
    outline(axes, labels, z, view)


def _line(numbers: StudyNumbers, name: str) -> tuple[str, str]:
    quantity = QUANTITIES[name]
    unit = _SHORT.get(quantity.unit, quantity.unit)
    return quantity.label, f"{shown(name, numbers.totals[name])} {unit}".rstrip()


def _list(figure: Figure, lines: Sequence[tuple[str, str]], top: float, title: str) -> None:
    figure.text(0.06, top, title, fontsize=10, fontweight="bold", va="top")
    half = (len(lines) + 1) // 2
    for index, (label, value) in enumerate(lines):
        x, y = 0.06 + 0.30 * (index // half), top - 0.022 - 0.0155 * (index % half)
        figure.text(x, y, label, fontsize=7, va="top", color=palette.INK)
        figure.text(x + 0.28, y, value, fontsize=7, va="top", ha="right")


def _methods(figure: Figure, numbers: StudyNumbers) -> None:
    figure.text(0.68, 0.365, "Infarct by method", fontsize=10, fontweight="bold", va="top")
    rows = [("Method", "g", "% LV", "Dice")]
    for found in numbers.methods:
        overlap = found["dice_with_labels"]
        rows.append(
            (
                str(found["method"]),
                f"{found['infarct_g']:.1f}",
                f"{found['infarct_percent']:.1f}",
                "–" if overlap is None else f"{overlap:.2f}",
            )
        )
    for line, row in enumerate(rows):
        y = 0.343 - 0.0155 * line
        for x, text, side in zip((0.68, 0.83, 0.885, 0.94), row, ("left", *["right"] * 3), strict=True):
            weight = "bold" if line == 0 else "normal"
            figure.text(x, y, text, fontsize=7, va="top", ha=side, fontweight=weight)


def _facts(figure: Figure, facts: Mapping[str, str], notes: Sequence[str]) -> None:
    _rule(figure, 0.162)
    figure.text(0.06, 0.155, "How it was measured", fontsize=10, fontweight="bold", va="top")
    lines = [f"{name}: {text}" for name, text in facts.items()] + [f"Note: {note}" for note in notes]
    figure.text(0.06, 0.135, "\n".join(lines), fontsize=7, va="top", linespacing=1.45, wrap=True)
    figure.text(0.06, 0.02, f"claim-slicer {__version__} · {style.TERMS}", fontsize=7, color=style.FAINT)
