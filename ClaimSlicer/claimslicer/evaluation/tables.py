"""The tables of an evaluation, for the page and for the terminal."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from claimslicer.evaluation.cohort import CHANCE, LEVELS, Estimate
from claimslicer.evaluation.config import CONTROLS
from claimslicer.evaluation.measures import YARDSTICKS
from claimslicer.evaluation.record import ScarRecord
from claimslicer.evaluation.summary import KindSummary, Summary, targets
from claimslicer.figures.report import Cell, Table

TITLES = {
    LEVELS: "Grey levels (SD)",
    "cnr": "CNR",
    "spread": "SD of scar (SD)",
    "ratio": "Scar ÷ remote",
    "blood": "Scar ÷ blood",
    "edge": "Edge step (SD)",
    "texture_mm": "Texture length (mm)",
    "slice_mean": "Slices, |Δ mean| (SD)",
    "slice_sd": "Slices, |Δ SD| (SD)",
    "mvo_contrast": "MVO contrast (SD)",
}
_MEASURE_COLUMNS = (
    ("Patients", lambda k: k.patients),
    ("Studies", lambda k: k.studies),
    ("CNR in quartiles", lambda k: _percent(k.inside["cnr"])),
    ("Edge in quartiles", lambda k: _percent(k.inside["edge"])),
    ("CNR, SD ÷ real SD", lambda k: _number(k.dispersion["cnr"])),
    ("Edge, SD ÷ real SD", lambda k: _number(k.dispersion["edge"])),
    ("Dice", lambda k: _share(k.dice)),
    ("Dice − real", lambda k: _share(k.dice_difference, sign=True)),
    ("Filter passes", lambda k: _percent(k.passed)),
    ("Volume error", lambda k: _fraction(k.volume_error)),
    ("… uncorrected", lambda k: _fraction(k.volume_error_raw)),
    ("Nearest training scar", lambda k: _share(k.nearest)),
    ("Seed diversity", lambda k: _number(k.diversity)),
    ("Segments kept (Dice)", lambda k: _number(k.kept.segments)),
    ("Angle error (°)", lambda k: _number(k.kept.angle_deg, 0)),
    ("Transmurality error", lambda k: _number(k.kept.transmurality)),
    ("Transmurality CCC", lambda k: _number(k.kept.transmurality_ccc)),
    ("Seconds", lambda k: _number(k.seconds) if k.evaluations else "–"),
    ("Network evaluations", lambda k: k.evaluations or "–"),
    ("Changed outside", lambda k: k.changed_outside),
    ("No heart found", lambda k: k.no_heart),
)


def headline(summary: Summary) -> str:
    """Return what the tables say, in a few sentences."""
    real = summary.kinds["real"].kept
    sentences = []
    for kind in summary.kinds.values():
        failed = ", ".join(TITLES[name] for name in kind.fails)
        if kind.kind in CONTROLS:
            sentences.append(
                f"The control '{kind.kind}' is told from real scars by {failed}."
                if failed
                else f"The control '{kind.kind}' is not told from real scars: these yardsticks are too blunt."
            )
        elif kind.kind != "real":
            passed = f"{len(kind.distances) - len(kind.fails)} of {len(kind.distances)} yardsticks"
            sentences.append(
                f"{kind.kind.capitalize()} scars lie within real scars' own differences on {passed}"
                + (f", not by {failed}." if failed else ".")
            )
            sentences.append(
                f"The AHA segments asked and found agree with a Dice of {_number(kind.kept.segments)} (real "
                f"scars: {_number(real.segments)}), the transmurality to "
                f"{_fraction(kind.kept.transmurality)} of the wall ({_fraction(real.transmurality)})."
            )
    return " ".join(sentences)


def tables_of(summary: Summary) -> list[Table]:
    """Return the tables: distances, shifts, what the segmenter says and the rest, targets."""
    return [distance_table(summary), shift_table(summary), measure_table(summary), target_table(summary)]


def distance_table(summary: Summary) -> Table:
    """Return how far each kind is from the real scars, yardstick by yardstick, in units of the null."""
    kinds = [kind for kind in summary.kinds if kind != "real"]
    rows: list[list[Cell]] = []
    for name, title in TITLES.items():
        null = summary.kinds["real"].distances[name].null
        middle = summary.kinds["real"].medians.get(name, float("nan"))
        rows.append([title, _number(middle), _number(null)])
        for kind in kinds:
            distance = summary.kinds[kind].distances[name]
            mark = " *" if distance.fails else ""
            found = _share(Estimate(distance.all_studies, distance.low, distance.high))
            rows[-1].append(f"{found}, {_number(distance.ratio, 1)}×{mark}")
    note = (
        "Wasserstein distance between all studies; in brackets its 95 % bootstrap interval over patients, "
        "which leans upwards, as distances aren't negative. ×: median over random halves ÷ that of two real "
        f"halves, on equal numbers of studies. * further away than {CHANCE:.0%} of two real halves are. "
        "Repainted, constant and noise have the real patients' own masks; authored and copy lie in hearts "
        "without scar, so that part of their distance is the hearts'."
    )
    return Table("distances", "Distance from real scars", ("Yardstick", "Real", "Null", *kinds), rows, note)


def shift_table(summary: Summary) -> Table:
    """Return by how much each kind's mean differs from the real scars' on each yardstick."""
    kinds = [kind for kind in summary.kinds if kind != "real"]
    rows: list[list[Cell]] = [
        [TITLES[name], *(_share(summary.kinds[kind].shifts[name], sign=True) for kind in kinds)]
        for name in YARDSTICKS
    ]
    note = (
        "Mean − mean of the real scars, with 95 % bootstrap intervals over patients; a kind in the real "
        "patients' own masks is compared patient by patient."
    )
    return Table("shifts", "Which way they differ", ("Yardstick", *kinds), rows, note)


def measure_table(summary: Summary) -> Table:
    """Return one row for each thing measured, one column for each kind; intervals are 95 %."""
    rows: list[list[Cell]] = [
        [title, *(_text(measure(kind)) for kind in summary.kinds.values())]
        for title, measure in _MEASURE_COLUMNS
    ]
    halves = summary.kinds["real"].inside_halves
    note = (
        "Dice is of infarct with MVO (labels 3 and 4), the mask against what the segmenter finds; no mask is "
        "empty, so EMIDEC's convention and that without empty cases agree. Brackets: 95 % bootstrap "
        "intervals over patients. The filter keeps a scar from a Dice of "
        f"{summary.quality_filter.threshold:.2f}, which {summary.pass_rate:.0%} of the real scars reach. "
        "Quartiles are the real patients'; of another half of them "
        f"{halves['cnr'][1]:.0%} (CNR) and {halves['edge'][1]:.0%} (edge) lie inside one half's. "
        "Volume errors are medians; real scars are corrected by the bias on the others. "
    )
    return Table("kinds", "By kind", ("", *summary.kinds), rows, (note + summary.note).strip())


def target_table(summary: Summary) -> Table:
    """Return the targets and what each kind of synthetic scar reaches."""
    kinds = [kind for kind in summary.kinds.values() if kind.kind != "real"]
    by_kind = [targets(kind) for kind in kinds]
    rows: list[list[Cell]] = []
    for row in zip(*by_kind, strict=True):
        cells = [f"{_number(t.value)} {_verdict(t.reached)}" for t in row]
        rows.append([row[0].name, row[0].wanted, *cells])
    rows.append(["Yardsticks failed", "", *(", ".join(_short(k)) or "none" for k in kinds)])
    return Table("targets", "Targets", ("Figure", "Wanted", *(k.kind for k in kinds)), rows)


def studies_table(records: Sequence[ScarRecord]) -> Table:
    """Return the numbers of every study, one row each."""
    columns = list(dict.fromkeys(key for record in records for key in record.numbers()))
    rows = [[record.numbers().get(key) for key in columns] for record in records]
    return Table("evaluation", "Every study", columns, rows)


def as_text(table: Table) -> str:
    """Return a table for the terminal, its columns aligned, its note below."""
    lines = [[str(cell) for cell in row] for row in (table.columns, *table.rows)]
    widths = [max(len(line[i]) for line in lines) for i in range(len(table.columns))]
    text = [table.title]
    for line in lines:
        cells = [
            cell.ljust(w) if i == 0 else cell.rjust(w)
            for i, (cell, w) in enumerate(zip(line, widths, strict=True))
        ]
        text.append("  ".join(cells).rstrip())
    return "\n".join([*text, table.note] if table.note else text)


def _short(kind: KindSummary) -> list[str]:
    return [name.removesuffix("_mm").replace("_", " ") for name in kind.fails]


def _verdict(reached: bool | None) -> str:
    return {True: "✓", False: "✗", None: "?"}[reached]


def _text(value: str | int) -> str:
    return str(value)


def _number(value: float, decimals: int = 2) -> str:
    return "–" if np.isnan(value) else f"{value:.{decimals}f}".replace("-", "−")


def _share(share: Estimate, sign: bool = False) -> str:
    if np.isnan(share.value):
        return "–"
    value = f"{share.value:{'+' if sign else ''}.2f}"
    if np.isnan(share.low):
        return value
    # Two negative numbers are told apart by "to".
    return f"{value} ({share.low:.2f} to {share.high:.2f})".replace("-", "−")


def _percent(share: Estimate) -> str:
    if np.isnan(share.value):
        return "–"
    return f"{share.value:.0%}" + ("" if np.isnan(share.low) else f" ({share.low:.0%} to {share.high:.0%})")


def _fraction(value: float) -> str:
    return "–" if np.isnan(value) else f"{value:.0%}"
