"""What an experiment writes: the page with its tables and figures, all scores, `summary.json`."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Sequence
from pathlib import Path

from claimslicer.experiments.arms import BASELINE
from claimslicer.experiments.config import ExperimentConfig
from claimslicer.experiments.patients import Subjects
from claimslicer.experiments.pictures import bullseye_figure, dice_figure
from claimslicer.experiments.scores import THRESHOLDS, Score, ScoreBook, write_scores
from claimslicer.experiments.summary import Summary, summarise
from claimslicer.experiments.tables import file_part, headline, sizes_table, tables_of
from claimslicer.figures.report import Picture, Report, Section, write_report
from claimslicer.json_files import read_json
from claimslicer.models.registry import resolve
from claimslicer.outputs import write_text
from claimslicer.studies import make_recipe

SUMMARY_FILE = "summary.json"
SCORES_TABLE = "scores.csv"


def summary_of(config: ExperimentConfig, subjects: Subjects, book: Iterable[Score]) -> Summary:
    """Sum up what the scores say so far about the rows asked for, on the patients as they are now.

    All rows are compared on the same patients of a test set, those that each trained row has scores of.
    """
    names = [arm.name for arm in config.arms] + (list(THRESHOLDS) if config.thresholds else [])
    current = {
        patient.digest
        for fold in subjects.folds
        for some in subjects.sets_of(fold).values()
        for patient in some
    }
    scores = [score for score in book if score.digest in current and score.seed < config.seeds]
    scores = _on_common_patients(scores, {arm.name for arm in config.arms})
    return summarise(scores, names, resamples=config.resamples)


def _on_common_patients(scores: Sequence[Score], trained: Collection[str]) -> list[Score]:
    """Return the scores of those patients that each of the ``trained`` rows begun on a test set has."""
    by_row: dict[tuple[str, str], set[str]] = {}
    for score in scores:
        if score.arm in trained:
            by_row.setdefault((score.test, score.arm), set()).add(score.patient)
    common: dict[str, set[str]] = {}
    for (test, _), patients in by_row.items():
        common[test] = common.get(test, patients) & patients
    return [score for score in scores if score.patient in common.get(score.test, {score.patient})]


def write_page(config: ExperimentConfig, subjects: Subjects, book: ScoreBook) -> Path:
    """Write `report.html`, `scores.csv`, a CSV for each table, `summary.json` and the figures into ``out``.

    Returns the page's path. On the way, the page holds what is there so far. Raises OutputError where the
    folder can't be written.
    """
    summary = summary_of(config, subjects, book)
    figures = [
        Picture(
            "dice",
            "As the paper's figure 5. Dashed: the row P. Grey: thresholds on a known wall.",
            dice_figure(summary, config.arms),
        )
    ]
    sections = [
        Section("What was done", what_was_done(config, subjects, book), [sizes_table(config, subjects)]),
        Section("Result", headline(summary), pictures=figures),
    ]
    for test, rows in summary.tests.items():
        figure = bullseye_figure(test, rows, config.arms)
        name = f"bullseye_{file_part(test)}"
        pictures = [] if figure is None else [Picture(name, "As the paper's figure 6.", figure)]
        sections.append(Section(f"On {test}", tables=tables_of(test, rows), pictures=pictures))
    recipe = make_recipe("experiment", settings=config.to_dict(), seeds=config.seeds)
    report = Report("The CLAIM paper's experiment", _subject(config, subjects), sections, recipe)
    write_scores(config.out / SCORES_TABLE, book)
    write_text(config.out / SUMMARY_FILE, json.dumps(summary.to_dict(), indent=2, ensure_ascii=False))
    return write_report(config.out, report)


def _subject(config: ExperimentConfig, subjects: Subjects) -> str:
    patients = {patient.name: patient.has_infarct for fold in subjects.folds for patient in fold.held_back}
    infarcted = sum(patients.values())
    return f"{infarcted} patients with infarct and {len(patients) - infarcted} without held back"


def what_was_done(config: ExperimentConfig, subjects: Subjects, book: ScoreBook) -> str:
    """Return how large the experiment is, and how much of it is there, in a few sentences."""
    wanted = {
        (arm.name, seed, fold.name)
        for arm in config.arms
        for seed in range(config.seeds)
        for fold in subjects.folds
    }
    there = {(score.arm, score.seed, score.fold) for score in book} & wanted
    sentences = [
        f"Cross-validation by patient in {config.folds} folds, infarcted and normal patients dealt evenly; "
        "the published test cases are in none."
        if config.folds
        else "The program's fixed split by patient; its validation patients are held back.",
        f"{config.seeds} seed{'s' * (config.seeds > 1)}; "
        f"{config.steps} optimiser steps of the segmenter in every row.",
        _about_joint(config),
        "Synthetic and real slices are seen in the proportion of such studies."
        if config.synthetic_share is None
        else f"{config.synthetic_share:.0%} of a batch's slices are synthetic where a row has such studies.",
        _about_generator(config),
        _about_passed_over(config, subjects),
        "Scored are the original studies, from the image alone.",
        f"{len(there)} of {len(wanted)} trainings are scored so far.",
    ]
    return " ".join(sentence for sentence in sentences if sentence)


def _about_joint(config: ExperimentConfig) -> str:
    if not any(arm.joint for arm in config.arms):
        return ""
    return (
        f"Of joint rows the first {config.steps - config.joint_steps} steps are on real studies and the last "
        f"{config.joint_steps} together with the generator."
    )


def _about_generator(config: ExperimentConfig) -> str:
    if all(arm.name == BASELINE for arm in config.arms):
        return ""
    if config.generator is None:
        return (
            f"Each fold's generator was trained on its training patients alone, for {config.generator_steps} "
            "steps from scratch; all rows and seeds share it and, but for joint ones, what it painted."
        )
    card = resolve(config.generator, "synthesis").card
    if card.split.get("training"):
        return (
            f"The generator '{card.name}' was given; its card names nobody tested on as a training patient."
        )
    return (
        f"The generator '{card.name}' was given, and its card doesn't say whom it was trained on: whether it "
        "knows the patients held back can't be told."
    )


def _about_passed_over(config: ExperimentConfig, subjects: Subjects) -> str:
    """Say which hearts nothing could be painted into."""
    names: set[str] = set()
    for fold in subjects.folds:
        for note in (config.out / fold.name).glob("painted-*.job.json"):
            names |= set(read_json(note)["outcome"]["passed_over"])
    return f"Passed over in painting, at least once: {', '.join(sorted(names))}." if names else ""
