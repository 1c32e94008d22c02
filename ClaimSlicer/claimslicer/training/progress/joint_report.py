"""The page that joint training ends with: what was trained on what, its curves, figures and pictures."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from claimslicer.events import Events
from claimslicer.figures.curves import COLOURS
from claimslicer.json_files import parse_json
from claimslicer.models.card import ModelKind
from claimslicer.models.registry import Model
from claimslicer.training.data.cache import CachedStudy, Cohort
from claimslicer.training.progress.history import STAGES, Curve, History, smoothed
from claimslicer.training.settings.joint_config import JointConfig, stages

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from claimslicer.figures.report import Picture, Section

FIGURES = {
    "dice_myocardium": "wall, infarct included",
    "dice_infarct": "infarct: MI and MVO",
    "dice_scar": "MI alone, without MVO",
    "loss": "generator's loss",
}
"""What a figure of validation is of, in words."""
FEW = 20
"""Validation patients with an infarct below which the page warns of their figures."""


def write_joint_report(
    config: JointConfig,
    cohort: Cohort,
    weights: Sequence[Path],
    before: Mapping[ModelKind, Mapping[str, float]],
    events: Events,
) -> list[Path]:
    """Write the page into ``config.out/report`` and return its path; nothing where matplotlib is missing.

    ``before`` are the figures of both networks as the joint stage began, beside which stand those of
    ``weights``.
    """
    try:
        from claimslicer.figures.report import Report, Section, Table, write_report
    except ImportError as error:
        events.emit("no_report", reason=f"matplotlib can't be loaded ({error})")
        return []
    parts = {"training": cohort.part("training"), "validation": cohort.part("validation")}
    studies = [(name, len(part), sum(study.has_infarct for study in part)) for name, part in parts.items()]
    cards = [Model(path).card for path in weights]
    figures = [
        (card.kind, name, FIGURES.get(name, name), before[card.kind].get(name), value)
        for card in cards
        for name, value in card.figures["validation"].items()
    ]
    columns = ("model", "figure", "of", "before the joint stage", "after it")
    tables = [
        Table("studies", "Studies", ("part", "studies", "with infarct"), studies),
        Table(
            "validation",
            "On the validation patients",
            columns,
            figures,
            note=_validated(parts["validation"]),
            decimals=4,
        ),
    ]
    sections = [Section("Data and result", config.data, tables)]
    sections += [
        _stage_section(name, stage.out, before if name == "joint" else {})
        for name, stage in stages(config).items()
        if (stage.out / "events.jsonl").exists()
    ]
    recipe = {"command": "train joint", "settings": config.to_dict()}
    report = Report("Joint training", config.name, sections, parse_json(json.dumps(recipe)), synthetic=True)
    return [write_report(config.out / "report", report)]


def _validated(patients: Sequence[CachedStudy]) -> str:
    """Say of how many patients the figures are, and of whom."""
    with_infarct = sum(study.has_infarct for study in patients)
    said = f"Means over the patients held back: {len(patients)}, of whom {with_infarct} with an infarct."
    few = " So few tell little: a difference may be chance." if with_infarct < FEW else ""
    return f"{said}{few} They are {', '.join(study.name for study in patients)}." if patients else said


def _stage_section(name: str, folder: Path, before: Mapping[ModelKind, Mapping[str, float]]) -> Section:
    from claimslicer.figures.report import Section

    history = History()
    lines = (folder / "events.jsonl").read_text(encoding="utf-8").splitlines()
    history.add([event for line in lines if (event := _event(line))])
    for figures in before.values():
        for figure, value in figures.items():
            history.validation.setdefault(figure, []).insert(0, (0, value))
    return Section(
        STAGES[name], f"{history.step} steps on {history.device}.", pictures=_pictures(name, folder, history)
    )


def _event(line: str) -> dict:
    """Return a line's event, nothing for what a killed process left of one."""
    try:
        return parse_json(line)
    except ValueError:
        return {}


def _pictures(name: str, folder: Path, history: History) -> list[Picture]:
    from claimslicer.figures.report import Picture

    pictures = [Picture(f"{name}_curves", "Loss, and figures of validation, by step.", _curves(history))]
    if history.samples:
        step, file = max(history.samples.items())
        caption = f"A sample after {step} steps."
        picture = _opened(folder / file)
        pictures.append(Picture(f"{name}_sample", caption, picture, synthetic=name != "segmenter"))
    return pictures


def _curves(history: History) -> Figure:
    from claimslicer.figures.style import new_figure

    figure = new_figure(9.0, 3.0, synthetic=False)
    left = figure.add_subplot(1, 2, 1)
    left.plot(*_axes(history.loss), color="#B0C4D8")
    parts = {name: points for name, points in history.losses.items() if name != "painted"}
    left.plot(*_axes(smoothed(history.loss)), color=COLOURS[0], label="sum, parts by weight")
    if len(parts) > 1:
        for (name, points), colour in zip(parts.items(), COLOURS[1:], strict=False):
            left.plot(*_axes(smoothed(points)), linewidth=1, color=colour, label=name)
        left.legend(fontsize=7)
    left.set(xlabel="step", title="loss")
    left.set_xlim(left=0)
    if history.validation:
        right = figure.add_subplot(1, 2, 2)
        right.set(xlabel="step", title="validation", xlim=left.get_xlim())
        _plot_validation(right, history.validation)
    figure.tight_layout()
    return figure


def _plot_validation(axes: Axes, curves: Mapping[str, Curve]) -> None:
    """Plot Dice by the left axis and the generator's loss by the right one, which alone has the left."""
    dices = {name: points for name, points in curves.items() if name.startswith("dice_")}
    losses = {name: points for name, points in curves.items() if name not in dices}
    other = axes.twinx() if dices and losses else axes
    lines = []
    for (name, points), colour in zip((dices | losses).items(), COLOURS, strict=False):
        own = axes if name in dices else other
        lines += own.plot(*_axes(points), marker=".", color=colour, label=FIGURES.get(name, name))
    if losses:
        other.set_ylabel("generator's loss")
        other.set_ylim(0, 1.2 * other.get_ylim()[1])
    if dices:
        axes.set(ylabel="Dice", ylim=(0, 1))
    other.legend(handles=lines, fontsize=7, loc="lower right")


def _axes(curve: Curve) -> tuple[list[int], list[float]]:
    """Return the steps and the values of a curve's points."""
    return [step for step, _ in curve], [value for _, value in curve]


def _opened(path: Path) -> Figure:
    from matplotlib import image

    from claimslicer.figures.style import bare, new_figure

    pixels = image.imread(path)
    figure = new_figure(7.2, 7.2 * pixels.shape[0] / pixels.shape[1], synthetic=False)
    axes = figure.add_axes((0.0, 0.0, 1.0, 1.0))
    axes.imshow(pixels)
    bare(axes)
    return figure
