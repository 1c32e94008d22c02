"""``claim-slicer agreement``: two folders of label maps of the same studies, against each other."""

from __future__ import annotations

from math import isnan
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from claimslicer.cli.reporting import EventsOption, reporting
from claimslicer.errors import StudyError
from claimslicer.outputs import check_outside

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from claimslicer.figures.report import Report
    from claimslicer.quantification import BlandAltman


def agreement(
    first: Annotated[Path, typer.Argument(metavar="FOLDER_A", help="Label maps of one reader or method.")],
    second: Annotated[Path, typer.Argument(metavar="FOLDER_B", help="Those of another, by the same names.")],
    out: Annotated[Path, typer.Option("--out", help="Folder for the page and CSV.", show_default=False)],
    events: EventsOption = None,
) -> None:
    """Compare two readings of the same studies: Bland-Altman, CCC, ICC(2,1), Dice, HD95.

    Both folders hold studies or label maps by the same names. Volumes are A minus B.
    """
    with reporting("agreement", events) as report:
        from claimslicer.figures.report import write_report
        from claimslicer.studies.synthetic import is_marked_beside

        for folder in (first, second):
            if not folder.is_dir():
                raise StudyError(f"{folder} is no folder: give two folders of label maps.")
            check_outside(out, folder)
        pairs = _pairs(first, second)
        rows: list[dict[str, Any]] = []
        for number, (name, a, b) in enumerate(pairs, 1):
            rows.append({"study": name, **_compare(a, b)})
            report.events.progress("comparing", number / len(pairs), name)
        synthetic = any(is_marked_beside(path) for _, *both in pairs for path in both)
        report.wrote(write_report(out, _page(rows, first, second, synthetic)))


def _pairs(first: Path, second: Path) -> list[tuple[str, Path, Path]]:
    """Return the label maps that both folders hold, by name. Raises StudyError for fewer than two."""
    from claimslicer.studies.synthetic import VOLUME_SUFFIXES

    def files(folder: Path) -> dict[str, Path]:
        found = {p.relative_to(folder).as_posix(): p for p in sorted(folder.rglob("*")) if p.is_file()}
        volumes = {k: p for k, p in found.items() if any(k.endswith(s) for s in VOLUME_SUFFIXES)}
        return {k: p for k, p in volumes.items() if "/Images/" not in f"/{k}"}

    a, b = files(first), files(second)
    both = sorted(a.keys() & b.keys())
    if len(both) < 2:
        raise StudyError(
            f"{first} and {second} share {len(both)} label maps by name: give folders with at least two."
        )
    return [(name, a[name], b[name]) for name in both]


def _compare(a: Path, b: Path) -> dict[str, Any]:
    """Return the numbers of one study: volumes of both, Dice and HD95."""
    from claimslicer.quantification import compare
    from claimslicer.studies import read_labels, read_study

    study = read_study(a)
    one, other = (read_labels(path, study) for path in (a, b))
    regions = compare(one, other, study.geometry)
    cells: dict[str, Any] = {}
    for name in ("infarct", "myocardium", "mvo"):
        region = regions[name]
        cells |= {
            f"{name}_ml_a": region.volume_ml,
            f"{name}_ml_b": region.reference_ml,
            f"{name}_dice": region.dice,
            f"{name}_hd95_mm": None if isnan(region.hd95_mm) else region.hd95_mm,
        }
    return cells


def _page(rows: list[dict[str, Any]], first: Path, second: Path, synthetic: bool) -> Report:
    """Return the page: a row a region, a plot of each, a row a study."""
    import numpy as np

    from claimslicer.figures.report import Picture, Report, Section, Table
    from claimslicer.quantification import bland_altman, bootstrap_interval, concordance
    from claimslicer.quantification.readers import icc_2_1

    summary, pictures = [], []
    for name in ("infarct", "myocardium", "mvo"):
        a, b = ([one[f"{name}_ml_{end}"] for one in rows] for end in "ab")
        limits = bland_altman(a, b)
        overlap = bootstrap_interval([one[f"{name}_dice"] for one in rows], np.random.default_rng(0))
        ccc, icc = (None if np.isnan(v) else v for v in (concordance(a, b), icc_2_1(a, b)))
        row: list[Any] = [name, len(rows), limits.bias, limits.lower, limits.upper, ccc, icc]
        summary.append([*row, overlap.estimate, overlap.low, overlap.high])
        caption = f"{name}: difference of volume against the mean of both; lines: bias and 95 % limits."
        pictures.append(Picture(f"bland-altman-{name}", caption, _plot(a, b, limits, synthetic), synthetic))
    of_volume = ("bias_ml", "lower_ml", "upper_ml", "ccc", "icc_2_1")
    columns = ("region", "studies", *of_volume, "dice", "dice_low", "dice_high")
    note = "A minus B. Limits are bias ± 1.96 SD; the interval of Dice is 95 % over patients."
    tables = [
        Table("agreement", "Agreement", columns, summary, note),
        Table("studies", "Studies", list(rows[0]), [list(row.values()) for row in rows]),
    ]
    section = Section("Agreement of two readings", "", tables, pictures)
    subject = f"A: {first.name}, B: {second.name}"
    return Report("Agreement", subject, [section], {"command": "agreement"}, {"studies": rows}, synthetic)


def _plot(first: list[float], second: list[float], limits: BlandAltman, synthetic: bool) -> Figure:
    import numpy as np

    from claimslicer.figures import style

    a, b = np.array(first), np.array(second)
    figure = style.new_figure(4.6, 3.4, synthetic=synthetic)
    axes = figure.add_axes((0.16, 0.16, 0.8, 0.78))
    axes.plot((a + b) / 2, a - b, "o", color="#0072B2", markersize=4)
    for level, line in ((limits.bias, "-"), (limits.lower, "--"), (limits.upper, "--")):
        axes.axhline(level, linestyle=line, color="#D55E00", linewidth=1)
    axes.set_xlabel("Mean of A and B (ml)")
    axes.set_ylabel("A − B (ml)")
    return figure
