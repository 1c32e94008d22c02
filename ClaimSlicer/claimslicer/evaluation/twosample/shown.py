"""The test's tables and pictures: who was told apart how well, by what, and the most obvious cases."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from claimslicer.evaluation.cohort import Estimate
from claimslicer.evaluation.config import CONTROLS
from claimslicer.evaluation.twosample.samples import SliceSample
from claimslicer.evaluation.twosample.telling import TwoSample
from claimslicer.evaluation.twosample.told import Told
from claimslicer.figures import style
from claimslicer.figures.report import Cell, Picture, Section, Table

FEATURES_SHOWN = 12
COLUMNS = 6
"""Obvious cases that are shown of a kind."""
MUST_BE_FOUND = 0.9
"""A control that is told with a smaller AUC says that the test is too blunt."""


def section_of(told: Sequence[Told], samples: Sequence[SliceSample], note: str = "") -> Section:
    """Return the page's section: tables of AUCs and features, and pictures of the most obvious cases."""
    text = " ".join(filter(None, (verdict(told), note)))
    tables = tables_of(told, samples)
    pictures = [
        Picture(
            f"obvious_{one.kind}_synthetic",
            f"The {one.kind} scars that the forest took for synthetic most surely, one a patient.",
            obvious_figure(one.result, samples),
            synthetic=True,
        )
        for one in told
        if one.result.classifier == "forest" and one.kind not in CONTROLS
    ]
    return Section("Told from real scars by a classifier", text, tables=tables, pictures=pictures)


def verdict(told: Sequence[Told]) -> str:
    """Return what the test says, in a few sentences."""
    sentences = []
    for one in told:
        auc = one.result.auc
        if one.kind not in CONTROLS:
            sentences.append(
                f"The {one.result.classifier} tells {one.kind} scars from real ones, AUC {_auc(auc)}."
            )
        elif auc.value < MUST_BE_FOUND:
            sentences.append(
                f"The {one.result.classifier} tells the control '{one.kind}' with an AUC of "
                f"{auc.value:.2f} only: on these patients the test is too blunt."
            )
    return " ".join(sentences)


def tables_of(told: Sequence[Told], samples: Sequence[SliceSample]) -> list[Table]:
    """Return the tables of AUCs, of features where the forest was asked, and of slice against slice."""
    if not told:
        return []
    return [auc_table(told), *(table for table in [feature_table(told)] if table.rows), slice_table(samples)]


def auc_table(told: Sequence[Told]) -> Table:
    """Return one row for each kind and classifier, with its nulls."""
    rows: list[list[Cell]] = []
    for one in told:
        samples = one.result.samples
        sides = [[s for s in samples if (s.kind == "real") == real] for real in (True, False)]
        counts = [f"{len({s.patient for s in side})} / {len(side)}" for side in sides]
        wanted = f"≥ {MUST_BE_FOUND:g}" if one.kind in CONTROLS else "0.5"
        null = _range(one.relabelled)
        halves = _range(one.halves)
        row: list[Cell] = [one.kind, one.result.classifier, _auc(one.result.auc), wanted]
        rows.append([*row, f"{one.copied:.2f}", null, halves, *counts])
    columns = ("Kind", "Classifier", "AUC", "Wanted", "A copy", "Relabelled", "Real halves")
    note = (
        "AUC: how often a synthetic slice looks more synthetic than a real one to a classifier that has "
        "seen no slice of either patient; 0.5 is by chance. In brackets the 95 % bootstrap interval over "
        "patients. A copy: real scars against themselves. Relabelled: which are real drawn by lot, "
        "patient by patient; real halves: half of the real patients against the others; median and, in "
        "brackets, the lowest and highest of a few draws. Few patients make these wide."
    )
    return Table(
        "told",
        "Told from real scars",
        (*columns, "Real patients / slices", "Synthetic patients / slices"),
        rows,
        note,
    )


def feature_table(told: Sequence[Told]) -> Table:
    """Return the features that the forest looked at most, for every kind but the controls."""
    asked = [one for one in told if one.result.features and one.kind not in CONTROLS]
    rows: list[list[Cell]] = []
    for one in asked:
        for name, (own, share) in list(one.result.features.items())[:FEATURES_SHOWN]:
            rows.append([one.kind, name, f"{own:.2f}", f"{share:.1%}"])
    note = (
        "By its share in the forest's decisions. Its own AUC: above 0.5 it is larger in synthetic scars, "
        "below smaller. Grey levels are in units of the slice's remote wall (0) and blood (1), grain and "
        "roughness in those of the slice's noise."
    )
    return Table("features", "What gives them away", ("Kind", "Feature", "Own AUC", "Share"), rows, note)


def slice_table(samples: Sequence[SliceSample]) -> Table:
    """Return how much the slices of one scar differ in contrast, kind by kind."""
    spread: dict[str, dict[tuple[str, int], float]] = {}
    for sample in samples:
        sd = sample.features["SD of slices' means"]
        if not np.isnan(sd):
            spread.setdefault(sample.kind, {})[sample.patient, sample.draw] = sd
    low, high = np.quantile(list(spread.get("real", {0: float("nan")}).values()), (0.25, 0.75))
    rows: list[list[Cell]] = []
    for kind, own in spread.items():
        values = np.array(list(own.values()))
        first, middle, third = np.quantile(values, (0.25, 0.5, 0.75))
        inside = float(np.mean((values >= low) & (values <= high)))
        rows.append([kind, len(values), f"{middle:.2f}", f"{first:.2f} to {third:.2f}", f"{inside:.0%}"])
    note = (
        "SD over the slices of a scar of its contrast, (scar − remote) ÷ (blood − remote). Half of the real "
        "scars lie between their own quartiles."
    )
    columns = ("Kind", "Scars", "Median", "Quartiles", "Between the real quartiles")
    return Table("slices", "Contrast from slice to slice", columns, rows, note)


def obvious_figure(result: TwoSample, samples: Sequence[SliceSample]) -> Figure:
    """Draw the slices that looked most synthetic, one a patient, and below each its real twin."""
    order = np.argsort(-result.scores)
    chosen: list[int] = []
    for index in order:
        sample = result.samples[index]
        if sample.kind != "real" and sample.patient not in {result.samples[i].patient for i in chosen}:
            chosen.append(int(index))
    chosen = chosen[:COLUMNS]
    real = {(s.patient, s.z): s for s in samples if s.kind == "real"}
    twins = [real.get((result.samples[i].patient, result.samples[i].z)) for i in chosen]
    rows = 2
    panel, head = 2.6, 0.85
    width, height = panel * COLUMNS + 0.1, head + rows * (panel + 0.25)
    figure = style.new_figure(width, height, synthetic=True)
    style.heading(
        figure,
        f"Most obvious {result.kind} scars",
        "above: taken for synthetic, and how surely; below: the slice's real scar, or where it was asked for",
    )
    for column, (index, twin) in enumerate(zip(chosen, twins, strict=True)):
        made = result.samples[index]
        shown = [(made, f"{made.patient}: {result.scores[index]:.2f}")]
        shown.append((made, "asked for") if twin is None else (twin, "real"))
        for row, (sample, title) in enumerate(shown):
            y = height - head - row * (panel + 0.25) - panel
            box = (0.05 + column * panel, y, panel - 0.08, panel - 0.08)
            axes = figure.add_axes((box[0] / width, box[1] / height, box[2] / width, box[3] / height))
            draw_slice(axes, sample, outline=title == "asked for")
            axes.set_title(title, fontsize=8.5, pad=3)
            if sample.kind != "real":
                style.mark_synthetic(axes)
    return figure


def draw_slice(axes: Axes, sample: SliceSample, *, outline: bool = False) -> None:
    """Draw a slice in the window of its wall and cavity, interpolated; ``outline`` adds the infarct's."""
    style.bare(axes)
    low, high = np.quantile(sample.picture[sample.masks[1:].any(0)], (0.002, 0.998))
    axes.imshow(
        sample.picture,
        cmap="gray",
        vmin=low,
        vmax=high,
        interpolation="bicubic",
        aspect=sample.pixel_mm[0] / sample.pixel_mm[1],
    )
    if outline:
        axes.contour(sample.masks[0], [0.5], colors=[style.INFARCT], linewidths=0.9)


def _auc(auc: Estimate) -> str:
    return f"{auc.value:.2f}" + ("" if np.isnan(auc.low) else f" ({auc.low:.2f} to {auc.high:.2f})")


def _range(values: np.ndarray) -> str:
    return f"{np.median(values):.2f} ({values.min():.2f} to {values.max():.2f})" if len(values) else "–"
