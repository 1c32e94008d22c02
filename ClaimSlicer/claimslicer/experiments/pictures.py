"""The paper's figures 5 and 6 of an experiment: Dice by data and method, and bull's-eyes of the infarct."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from claimslicer.experiments.arms import BASELINE, Arm
from claimslicer.experiments.scores import THRESHOLDS
from claimslicer.experiments.summary import Row, Summary
from claimslicer.figures import style
from claimslicer.figures.draw import draw_face
from claimslicer.figures.face import Face, difference_face, volume_face
from claimslicer.figures.palette import INK

COLOURS = {
    "": INK,
    "claim": "#56B4E9",
    "ours": "#E69F00",
    "claim joint": "#0072B2",
    "ours joint": "#D55E00",
}
"""After Okabe and Ito; a method's joint form is the darker one."""
_FLOOR = "#9A9A9A"
_BAR = 0.2


def dice_figure(summary: Summary, arms: Sequence[Arm]) -> Figure:
    """Draw infarct Dice by data set and method, one panel for each test set, as the paper's figure 5.

    Bars are means over patients with their 95 % intervals; the dashed line is P, grey lines the thresholds.
    """
    panels = {test: rows for test, rows in summary.tests.items() if rows}
    height = 0.9 + 3.7 * max(len(panels), 1)
    figure = style.new_figure(9.5, height, synthetic=False)
    style.heading(
        figure, "Infarct Dice by training data", "means over patients with 95 % bootstrap intervals"
    )
    grid = figure.add_gridspec(
        max(len(panels), 1),
        1,
        left=0.08,
        right=0.86,
        top=1 - 0.95 / height,
        bottom=0.45 / height,
        hspace=0.35,
    )
    for number, (test, rows) in enumerate(panels.items()):
        _draw_bars(figure.add_subplot(grid[number]), test, {row.name: row for row in rows}, arms)
    return figure


def _draw_bars(axes: Axes, test: str, rows: Mapping[str, Row], arms: Sequence[Arm]) -> None:
    drawn = [arm for arm in arms if arm.name in rows]
    data = list(dict.fromkeys(arm.data for arm in drawn))
    for place, name in enumerate(data):
        own = [arm for arm in drawn if arm.data == name]
        for k, arm in enumerate(own):
            estimate = rows[arm.name].estimates["infarct"]
            x = place + (k - (len(own) - 1) / 2) * _BAR
            axes.bar(x, estimate.value, width=0.9 * _BAR, color=COLOURS[arm.method], zorder=2)
            if not np.isnan(estimate.low):
                axes.plot([x, x], [estimate.low, estimate.high], color=INK, lw=1.2, zorder=3)
            axes.text(
                x,
                0.01,
                f"{estimate.value:.3f}",
                ha="center",
                va="bottom",
                rotation=90,
                fontsize=7.5,
                color="white",
            )
    if BASELINE in rows:
        axes.axhline(rows[BASELINE].estimates["infarct"].value, color=INK, lw=0.8, ls="--", zorder=1)
    _draw_floor(axes, {name: rows[name].estimates["infarct"].value for name in THRESHOLDS if name in rows})
    methods = [method for method in COLOURS if any(arm.method == method for arm in drawn)]
    for method in methods:
        axes.bar(np.nan, np.nan, color=COLOURS[method], label=_method_text(method))
    axes.legend(fontsize=8, frameon=False, loc="upper left", ncols=len(methods), bbox_to_anchor=(0, 1.0))
    axes.set_xticks(range(len(data)), labels=data)
    axes.set_xlim(-0.6, len(data) - 0.4)
    axes.set_ylim(0, 1)
    axes.set_ylabel("Dice, infarct with MVO", fontsize=9)
    axes.set_title(test, fontsize=10.5, fontweight="bold", loc="left", color=INK)
    axes.tick_params(labelsize=9)
    axes.spines[["top", "right"]].set_visible(False)


def _method_text(method: str) -> str:
    if not method:
        return "real studies alone"
    masks, *joint = method.split()
    return ", ".join(["the paper's masks" if masks == "claim" else "our masks", *joint])


def _draw_floor(axes: Axes, values: Mapping[str, float]) -> None:
    """Draw the thresholds as lines with their names beside the panel, kept apart where they are alike."""
    last = -1.0
    for name, value in sorted(values.items(), key=lambda item: item[1]):
        if np.isnan(value):
            continue
        axes.axhline(value, color=_FLOOR, lw=0.7, zorder=0)
        last = max(value, last + 0.05)
        axes.text(
            1.01,
            last,
            f"{name} {value:.3f}",
            transform=axes.get_yaxis_transform(),
            va="center",
            fontsize=8,
            color=_FLOOR,
        )


def bullseye_figure(test: str, rows: Sequence[Row], arms: Sequence[Arm]) -> Figure | None:
    """Draw the mean infarct of each AHA segment, true and found, and the differences: the paper's figure 6.

    Shown are P and the last row that is there. None where there are no such numbers.
    """
    by_name = {row.name: row for row in rows}
    trained = [by_name[arm.name] for arm in arms if arm.name in by_name and by_name[arm.name].segments_ml]
    shown = list(
        dict.fromkeys([row.name for row in trained if row.name == BASELINE] + [r.name for r in trained[-1:]])
    )
    if not shown:
        return None
    truth = by_name[shown[-1]].true_segments_ml
    found = {name: by_name[name].segments_ml for name in shown}
    top = max(1.0, *truth, *(value for values in found.values() for value in values))
    gaps = {name: np.subtract(values, by_name[name].true_segments_ml) for name, values in found.items()}
    reach = max(1.0, *(float(np.abs(gap).max()) for gap in gaps.values()))
    columns = 1 + len(shown)
    figure = style.new_figure(4.3 * columns, 9.4, synthetic=False)
    style.heading(
        figure,
        f"Infarct by AHA segment, {test}",
        "ml, MVO included, means over the patients with infarct; above found, below found − true",
    )
    volumes = {"true": truth, **found}
    for column, (name, values) in enumerate(volumes.items()):
        face = volume_face(_by_number(values), title=name, maximum=top)
        _draw(figure, face, (column / columns, 0.46, 1 / columns, 0.42))
        if name in gaps:
            face = difference_face(_by_number(gaps[name].tolist()), title=f"{name} − true", limit=reach)
            _draw(figure, face, (column / columns, 0.0, 1 / columns, 0.42))
    return figure


def _draw(figure: Figure, face: Face, box: tuple[float, float, float, float]) -> None:
    axes = figure.add_axes(box)
    draw_face(axes, face)
    axes.set_title(f"{face.title}\n{face.subtitle}", fontsize=10, color=INK, pad=2)


def _by_number(values: Sequence[float]) -> dict[int, float]:
    return {number + 1: float(value) for number, value in enumerate(values)}
