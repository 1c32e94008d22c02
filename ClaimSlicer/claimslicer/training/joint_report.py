"""The page that joint training ends with: what was trained on what, its curves, figures and pictures."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from claimslicer.events import Events
from claimslicer.models.registry import Model
from claimslicer.training.cache import Cohort
from claimslicer.training.history import STAGES, History, smoothed
from claimslicer.training.joint_config import JointConfig
from claimslicer.training.joint_stages import stages

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from claimslicer.figures.report import Picture, Section


def write_joint_report(
    config: JointConfig, cohort: Cohort, weights: Sequence[Path], events: Events
) -> list[Path]:
    """Write the page into ``config.out/report`` and return its path; nothing where matplotlib is missing."""
    try:
        from claimslicer.figures.report import Report, Section, Table, write_report
    except ImportError as error:
        events.emit("no_report", reason=f"matplotlib can't be loaded ({error})")
        return []
    parts = {"training": cohort.part("training"), "validation": cohort.part("validation")}
    studies = [(name, len(part), sum(study.has_infarct for study in part)) for name, part in parts.items()]
    figures = [
        (Model(path).card.kind, name, value)
        for path in weights
        for name, value in Model(path).card.figures["validation"].items()
    ]
    tables = [
        Table("studies", "Studies", ("part", "studies", "with infarct"), studies),
        Table("validation", "On the validation patients", ("model", "figure", "value"), figures, decimals=4),
    ]
    sections = [Section("Data and result", config.data, tables)]
    sections += [
        _stage_section(name, stage.out)
        for name, stage in stages(config).items()
        if (stage.out / "events.jsonl").exists()
    ]
    recipe = {"command": "train joint", "settings": config.to_dict()}
    report = Report("Joint training", config.name, sections, json.loads(json.dumps(recipe)), synthetic=True)
    return [write_report(config.out / "report", report)]


def _stage_section(name: str, folder: Path) -> Section:
    from claimslicer.figures.report import Section

    history = History()
    lines = (folder / "events.jsonl").read_text(encoding="utf-8").splitlines()
    history.add([event for line in lines if (event := _event(line))])
    return Section(
        STAGES[name], f"{history.step} steps on {history.device}.", pictures=_pictures(name, folder, history)
    )


def _event(line: str) -> dict:
    """Return a line's event, nothing for what a killed process left of one."""
    try:
        return json.loads(line)
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
    left, right = figure.subplots(1, 2)
    left.plot([step for step, _ in history.loss], [value for _, value in history.loss], color="#B0C4D8")
    smooth = smoothed(history.loss)
    left.plot([step for step, _ in smooth], [value for _, value in smooth], color="#2F8FCF")
    for name, points in history.losses.items():
        if name != "painted":
            left.plot(*zip(*smoothed(points), strict=True), linewidth=1, label=name)
    if history.losses:
        left.legend(fontsize=7)
    left.set(xlabel="step", title="loss")
    for curve, points in history.validation.items():
        right.plot([step for step, _ in points], [value for _, value in points], marker=".", label=curve)
    if history.validation:
        right.legend(fontsize=7)
    right.set(xlabel="step", title="validation")
    figure.tight_layout()
    return figure


def _opened(path: Path) -> Figure:
    from matplotlib import image

    from claimslicer.figures.style import bare, new_figure

    pixels = image.imread(path)
    figure = new_figure(7.2, 7.2 * pixels.shape[0] / pixels.shape[1], synthetic=False)
    axes = figure.add_axes((0.0, 0.0, 1.0, 1.0))
    axes.imshow(pixels)
    bare(axes)
    return figure
