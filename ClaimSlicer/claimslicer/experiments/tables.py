"""The tables of an experiment, for the page and for the terminal."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from claimslicer.experiments.arms import BASELINE
from claimslicer.experiments.config import ExperimentConfig
from claimslicer.experiments.patients import Subjects
from claimslicer.experiments.scores import THRESHOLDS
from claimslicer.experiments.summary import MEASURES, Estimate, Row, Summary
from claimslicer.experiments.train import mixture
from claimslicer.figures.report import Cell, Table

CONVENTION = (
    "Dice of infarct is that of labels 3 and 4 together (MVO counts as infarct), of MI that of label 3 "
    "alone, each the mean over the patients whose labels hold infarct. Of these none is empty, so EMIDEC's "
    "convention, by which an empty prediction of an empty region scores 1, and that without empty cases "
    "agree; where they don't, the table of both conventions has both."
)
HOW = (
    "Rows are compared on the same patients: on the way, those whom each trained row has been scored on. "
    "A patient's value is the mean over seeds. Brackets: 95 % bootstrap intervals over patients, of "
    "differences over the patients' own differences. ± is the SD over seeds of the mean over patients."
)


def dice_table(test: str, rows: Sequence[Row]) -> Table:
    """Return the Dice of each row on one test set, and its difference to P."""
    cells: list[list[Cell]] = [
        [
            row.name,
            row.estimates["infarct"].patients,
            row.seeds if row.name not in THRESHOLDS else None,
            _with_spread(row.estimates["infarct"]),
            _with_spread(row.differences.get("infarct"), sign=True),
            *(_interval(row.estimates[key]) for key in ("mi", "mvo", "myocardium")),
            _interval(row.differences.get("mi"), sign=True),
        ]
        for row in rows
    ]
    columns = ("Row", "Infarcted", "Seeds", "Infarct", f"Infarct − {BASELINE}", "MI", "MVO", "Myocardium")
    note = f"{CONVENTION} MVO: where labels or prediction hold any. Myocardium: everybody. {HOW}"
    return Table(f"dice_{file_part(test)}", "Dice", (*columns, f"MI − {BASELINE}"), cells, note)


def agreement_table(test: str, rows: Sequence[Row]) -> Table:
    """Return what else there is about the infarct."""
    keys = ("precision", "sensitivity", "specificity", "hd95_mm", "surface_mm", "bias_ml")
    cells: list[list[Cell]] = [
        [
            row.name,
            *(_interval(row.estimates[key]) for key in keys),
            _limits(row.limits_ml),
            _plain(row.concordance),
            *(_plain(row.estimates[key].value) for key in ("false_alarms", "no_heart")),
        ]
        for row in rows
    ]
    titles = [MEASURES[key].title for key in (*keys, "false_alarms", "no_heart")]
    columns = ("Row", *titles[: len(keys)], "Limits of agreement (ml)", "CCC", *titles[len(keys) :])
    note = (
        "Of infarct with MVO; specificity within the wall. Precision and distances are of those in "
        "whom anything was found. The last columns are shares: of hearts without infarct, and of everybody. "
        "Otsu's method finds two classes in any wall: it is left out (–) in hearts without infarct."
    )
    return Table(f"agreement_{file_part(test)}", "Infarct: errors, distances, volumes", columns, cells, note)


def convention_table(test: str, rows: Sequence[Row]) -> Table:
    """Return the Dice by both conventions, wherever they differ."""
    keys = ("infarct", "infarct_all_emidec", "infarct_all", "mi", "mi_without_empty", "mvo_emidec", "mvo")
    cells: list[list[Cell]] = [
        [row.name, *(_plain(row.estimates[key].value, 3) for key in (*keys, "myocardium", "myocardium_with"))]
        for row in rows
    ]
    columns = ("Row", *(MEASURES[key].title for key in (*keys, "myocardium", "myocardium_with")))
    note = (
        "Empty 1: EMIDEC's convention, an empty prediction of an empty region scores 1. Else it is left out."
    )
    return Table(f"conventions_{file_part(test)}", "Dice by both conventions", columns, cells, note)


def sizes_table(config: ExperimentConfig, subjects: Subjects) -> Table:
    """Return how many studies each row is trained on in each fold."""
    cells: list[list[Cell]] = []
    for fold in subjects.folds:
        for arm in config.arms:
            made = mixture(arm, fold.training)
            share = made.synthetic_share and (config.synthetic_share or made.synthetic_share)
            held = [patient.has_infarct for patient in fold.held_back]
            row: list[Cell] = [fold.name, arm.name, made.real, made.infarcted, made.normal, f"{share:.0%}"]
            cells.append([*row, sum(held), len(held) - sum(held)])
    columns = (
        "Fold",
        "Row",
        "Real",
        "Painted in P",
        "Painted in N",
        "Synthetic slices",
        "P held back",
        "N held back",
    )
    note = "In joint rows the generator paints on the way, without end, in the ratio of the painted studies."
    return Table("sizes", "What each row is trained on", columns, cells, note)


def tables_of(test: str, rows: Sequence[Row]) -> list[Table]:
    """Return the tables of one test set."""
    return [dice_table(test, rows), agreement_table(test, rows), convention_table(test, rows)]


def headline(summary: Summary) -> str:
    """Return what the tables say about the rows that are trained, in a sentence for each test set."""
    sentences = []
    for test, rows in summary.tests.items():
        trained = [row for row in rows if row.differences and row.name not in THRESHOLDS]
        if not trained:
            continue
        told = [
            f"{row.name} {_signed(d.value)} ({_signed(d.low)} to {_signed(d.high)})"
            for row in trained
            if not np.isnan((d := row.differences["infarct"]).value)
        ]
        base = next(row for row in rows if row.name == BASELINE).estimates["infarct"].value
        sentences.append(
            f"{test}: infarct Dice of {BASELINE} {_plain(base, 3)}; against it {', '.join(told)}."
        )
    return " ".join(sentences)


def file_part(test: str) -> str:
    """Return the name of a test set as part of a file's name."""
    return "".join(letter if letter.isalnum() else "_" for letter in test.lower())


def _plain(value: float, decimals: int = 2) -> str:
    return "–" if np.isnan(value) else f"{value:.{decimals}f}".replace("-", "−")


def _signed(value: float) -> str:
    return "–" if np.isnan(value) else f"{value:+.3f}".replace("-", "−")


def _interval(estimate: Estimate | None, *, sign: bool = False) -> str:
    if estimate is None or np.isnan(estimate.value):
        return "–"
    value = f"{estimate.value:{'+' if sign else ''}.3f}"
    if np.isnan(estimate.low):
        return value.replace("-", "−")
    return f"{value} ({estimate.low:.3f} to {estimate.high:.3f})".replace("-", "−")


def _with_spread(estimate: Estimate | None, *, sign: bool = False) -> str:
    text = _interval(estimate, sign=sign)
    return text if estimate is None or np.isnan(estimate.seeds_sd) else f"{text} ± {estimate.seeds_sd:.3f}"


def _limits(limits: tuple[float, float]) -> str:
    return "–" if np.isnan(limits[0]) else f"{limits[0]:.1f} to {limits[1]:.1f}".replace("-", "−")
