"""One self-contained HTML page of results; beside it the numbers as CSV and JSON and the pictures as PNG."""

from __future__ import annotations

import base64
import csv
import io
import json
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from html import escape
from importlib import resources
from pathlib import Path
from string import Template
from typing import Any

from matplotlib.figure import Figure

from claimslicer import __version__
from claimslicer.errors import OutputError
from claimslicer.figures.style import TERMS, to_png
from claimslicer.outputs import make_folder, written_whole

SYNTHETIC_BANNER = "SYNTHETIC: this report shows generated image data, which are not a patient's."
PAGE_NAME = "report.html"
Cell = str | float | int | None


@dataclass(frozen=True)
class Table:
    """A table; ``name`` is its file's (``NAME.csv``), cells that are None are shown as a dash.

    ``decimals`` rounds the page's numbers only; the CSV keeps them whole.
    """

    name: str
    title: str
    columns: Sequence[str]
    rows: Sequence[Sequence[Cell]]
    note: str = ""
    decimals: int = 2


@dataclass(frozen=True)
class Picture:
    """A figure; ``name`` is its file's (``NAME.png``), ``caption`` says what is seen."""

    name: str
    caption: str
    figure: Figure
    synthetic: bool = False


@dataclass(frozen=True)
class Section:
    """A heading with, as far as there are any, a text, tables and pictures."""

    title: str
    text: str = ""
    tables: Sequence[Table] = ()
    pictures: Sequence[Picture] = ()


@dataclass(frozen=True)
class Report:
    """What a page holds. ``data`` goes to ``report.json`` with the recipe; both hold JSON types."""

    title: str
    subject: str
    sections: Sequence[Section]
    recipe: Mapping[str, Any] = field(default_factory=dict)
    data: Mapping[str, Any] = field(default_factory=dict)
    synthetic: bool = False
    first_page: Figure | None = None
    """A page to print; it goes to ``report.pdf`` and ``report.svg``, and on top of the HTML page."""

    @property
    def files(self) -> list[str]:
        """The names of the files that :func:`write_report` writes, the page first."""
        pictures = [f"{picture.name}.png" for section in self.sections for picture in section.pictures]
        tables = [f"{table.name}.csv" for section in self.sections for table in section.tables]
        printed = [] if self.first_page is None else ["report.pdf", "report.svg"]
        return [PAGE_NAME, "report.json", *printed, *tables, *pictures]


def write_report(folder: Path, report: Report) -> Path:
    """Write ``report.html``, ``report.json``, a CSV per table and a PNG per picture; return the page's path.

    Everything is made before anything is written, each file is written whole, and the page comes last, so a
    page that is there is complete. Raises OutputError where the folder can't be written.
    """
    pictures = [picture for section in report.sections for picture in section.pictures]
    tables = [table for section in report.sections for table in section.tables]
    if len(set(report.files)) < len(report.files):
        raise ValueError(f"two parts of the report would be written to one file: {sorted(report.files)}")
    synthetic = report.synthetic or any(picture.synthetic for picture in pictures)
    images = {picture.name: to_png(picture.figure, synthetic=picture.synthetic) for picture in pictures}
    files = {f"{name}.png": image for name, image in images.items()}
    marked = report.synthetic
    files |= {f"{table.name}.csv": _csv(table, synthetic=marked).encode("utf-8") for table in tables}
    files["report.json"] = _json(report, synthetic).encode("utf-8")
    first = b""
    if report.first_page is not None:
        from claimslicer.figures.clinical import to_pdf, to_svg

        files["report.pdf"] = to_pdf(
            report.first_page, f"{report.title}: {report.subject}", synthetic=synthetic
        )
        files["report.svg"] = to_svg(report.first_page, synthetic=synthetic)
        first = to_png(report.first_page, synthetic=synthetic)
    files[PAGE_NAME] = _page(report, images, synthetic, first).encode("utf-8")

    check_own_report(folder, report)
    make_folder(folder)
    # All are on disk before the first takes the place of an older one; what is entered first comes last.
    with ExitStack() as stack:
        for name, content in reversed(files.items()):
            stack.enter_context(written_whole(folder / name)).write_bytes(content)
    return folder / PAGE_NAME


def check_own_report(folder: Path, report: Report) -> None:
    """Raise OutputError where ``folder`` holds a report of something else, which would be lost."""
    if not (folder / PAGE_NAME).exists():
        return
    try:
        there = json.loads((folder / "report.json").read_text(encoding="utf-8"))
        same = there["title"] == report.title and _source(there["recipe"]) == _source(report.recipe)
        what = f"the report of {there['subject']}"
    except (OSError, ValueError, KeyError, TypeError):
        same, what = False, f"a {PAGE_NAME} that isn't ours"
    if not same:
        raise OutputError(f"{folder} holds {what}: choose another folder, or remove that one.")


def _source(recipe: Mapping[str, Any]) -> Any:
    """Return the path, or without one the name, of the study that a report is about; None for others."""
    source = recipe.get("source")
    return (source.get("path") or source.get("name")) if isinstance(source, Mapping) else None


def write_table(folder: Path, table: Table) -> Path:
    """Write a table as ``NAME.csv`` into ``folder`` and return its path. Raises OutputError."""
    path = make_folder(folder) / f"{table.name}.csv"
    with written_whole(path) as temporary:
        temporary.write_bytes(_csv(table).encode("utf-8"))
    return path


def _page(report: Report, images: Mapping[str, bytes], synthetic: bool, first: bytes) -> str:
    template = resources.files("claimslicer.figures").joinpath("report.html").read_text(encoding="utf-8")
    sections = [_section_html(section, images) for section in report.sections]
    if first:
        encoded = base64.b64encode(first).decode("ascii")
        image = f'<img alt="The first page, as report.pdf" src="data:image/png;base64,{encoded}">'
        sections.insert(0, f"<section><figure>{image}</figure></section>")
    if report.recipe:
        recipe = json.dumps(report.recipe, indent=2, ensure_ascii=False)
        sections.append(
            "<section><h2>Recipe</h2><p>What this was made from and with, enough to make it again.</p>"
            f"<pre>{escape(recipe)}</pre></section>"
        )
    return Template(template).substitute(
        title=escape(report.title),
        subject=escape(report.subject),
        terms=TERMS,
        banner=f'<p class="synthetic">{escape(SYNTHETIC_BANNER)}</p>' if synthetic else "",
        sections="\n".join(sections),
        footer=f"claim-slicer {escape(__version__)} · {TERMS}",
    )


def _section_html(section: Section, images: Mapping[str, bytes]) -> str:
    parts = [f"<section><h2>{escape(section.title)}</h2>"]
    if section.text:
        parts.append(f"<p>{escape(section.text)}</p>")
    parts += [_table_html(table) for table in section.tables]
    if section.pictures:
        figures = "\n".join(_picture_html(picture, images[picture.name]) for picture in section.pictures)
        parts.append(f'<div class="pictures">{figures}</div>')
    return "\n".join([*parts, "</section>"])


def _picture_html(picture: Picture, png: bytes) -> str:
    encoded = base64.b64encode(png).decode("ascii")
    caption = escape(picture.caption)
    kind = ' class="small"' if picture.figure.get_figwidth() < 6.0 else ""
    return (
        f"<figure{kind}>"
        f'<img alt="{caption}" src="data:image/png;base64,{encoded}">'
        f"<figcaption>{caption}</figcaption></figure>"
    )


def _table_html(table: Table) -> str:
    kinds = [_is_text(table, i) for i in range(len(table.columns))]
    classes = [' class="text"' if text else "" for text in kinds]
    head = "".join(f"<th{c}>{escape(name)}</th>" for c, name in zip(classes, table.columns, strict=True))
    body = "\n".join(
        "<tr>"
        + "".join(f"<td{c}>{_cell(cell, table.decimals)}</td>" for c, cell in zip(classes, row, strict=True))
        + "</tr>"
        for row in table.rows
    )
    note = f'<p class="note">{escape(table.note)}</p>' if table.note else ""
    return (
        f'<h3>{escape(table.title)}</h3><div class="wide"><table><thead><tr>{head}</tr></thead>'
        f"<tbody>\n{body}\n</tbody></table></div>{note}"
    )


def _is_text(table: Table, column: int) -> bool:
    return any(isinstance(row[column], str) for row in table.rows)


def _cell(value: Cell, decimals: int) -> str:
    if value is None:
        return "–"
    if isinstance(value, float):
        return f"{value:.{decimals}f}".replace("-", "−")
    return escape(str(value))


def _csv(table: Table, *, synthetic: bool = False) -> str:
    """Return a table as CSV; numbers of synthetic data have a last column that says so, line by line."""
    stream = io.StringIO()
    writer = csv.writer(stream, lineterminator="\n")
    marks = ["yes"] if synthetic and "synthetic" not in table.columns else []
    writer.writerow([*table.columns, *(["synthetic"] * len(marks))])
    writer.writerows([*("" if cell is None else cell for cell in row), *marks] for row in table.rows)
    return stream.getvalue()


def _json(report: Report, synthetic: bool) -> str:
    content = {
        "title": report.title,
        "subject": report.subject,
        "terms": TERMS,
        "synthetic": synthetic,
        "claim_slicer_version": __version__,
        **report.data,
        "recipe": report.recipe,
    }
    return json.dumps(content, indent=2, ensure_ascii=False, allow_nan=False)
