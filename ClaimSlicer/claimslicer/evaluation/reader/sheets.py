"""What a reader gets: a folder with numbered sheets and a form; the answers lie in a folder of their own."""

from __future__ import annotations

import csv
import hashlib
import io
import json
from collections.abc import Sequence
from html import escape
from importlib import resources
from pathlib import Path
from string import Template

from matplotlib.figure import Figure

from claimslicer.evaluation.twosample.samples import SliceSample
from claimslicer.evaluation.twosample.shown import draw_slice
from claimslicer.figures import style
from claimslicer.figures.palette import INK
from claimslicer.outputs import make_folder, written_whole

TEST_FOLDER = "reader-test"
KEY_FOLDER = "reader-key"
KEY_FILE = "key.csv"
FORM_FILE = "form.csv"
FORM_PAGE = "form.html"
KEY_COLUMNS = ("test", "sheet", "truth", "kind", "patient", "draw", "slice")
FORM_COLUMNS = ("test", "reader", "sheet", "answer", "sure")
ANSWERS = ("real", "synthetic")
NOTICE = f"Some of these scars are synthetic, which is what is asked. {style.TERMS}"
_PANEL = 4.6
"""Inches of one picture of a sheet."""


def write_reader_test(out: Path, sheets: Sequence[SliceSample]) -> Path | None:
    """Write the test into ``out``, and return the form's page; None without sheets.

    ``out/reader-test`` goes to the readers, ``out/reader-key`` stays with who asks: nothing in the first
    says which scars are synthetic. Raises OutputError where a folder can't be written.
    """
    if not sheets:
        return None
    test = name_of_test(sheets)
    pictures = {
        sheet_name(number): style.to_png(sheet_figure(sample, number, len(sheets)), synthetic=True)
        for number, sample in enumerate(sheets, 1)
    }
    answers = [
        [test, number, _truth(s), s.kind, s.patient, s.draw, s.z + 1] for number, s in enumerate(sheets, 1)
    ]
    blank = [[test, "", number, "", ""] for number in range(1, len(sheets) + 1)]
    files = {KEY_FOLDER: {KEY_FILE: _csv(KEY_COLUMNS, answers)}}
    files[TEST_FOLDER] = pictures | {
        FORM_FILE: _csv(FORM_COLUMNS, blank),
        FORM_PAGE: _page(test, list(pictures)).encode("utf-8"),
    }
    for folder, contents in files.items():
        make_folder(out / folder)
        for old in (out / folder).glob("sheet_*.png"):
            if old.name not in contents:
                old.unlink()  # of a test with more sheets
        for name, content in contents.items():
            with written_whole(out / folder / name) as temporary:
                temporary.write_bytes(content)
    return out / TEST_FOLDER / FORM_PAGE


def name_of_test(sheets: Sequence[SliceSample]) -> str:
    """Return a name that only the same sheets in the same order have."""
    digest = hashlib.sha256()
    for sample in sheets:
        digest.update(f"{sample.patient} {sample.kind} {sample.draw} {sample.z}".encode())
        digest.update(sample.picture.tobytes())
    return digest.hexdigest()[:10]


def sheet_name(number: int) -> str:
    """Return a sheet's file name, which says alike of all that they may be synthetic."""
    return f"sheet_{number:03d}_real_or_synthetic.png"


def sheet_figure(sample: SliceSample, number: int, count: int) -> Figure:
    """Draw one scar's slice as it is, and beside it once more with the scar's outline."""
    width, head, foot = 2 * _PANEL + 0.3, 0.5, 0.32
    height = head + _PANEL + foot
    figure = style.new_figure(width, height, synthetic=False)
    figure.text(0.01, 1 - 0.1 / height, f"{number}", fontsize=16, fontweight="bold", va="top", color=INK)
    figure.text(0.99, 1 - 0.14 / height, f"of {count}", fontsize=10, va="top", ha="right", color=style.FAINT)
    figure.text(0.01, 0.08 / height, NOTICE, fontsize=8, va="bottom", color=style.FAINT)
    for column in range(2):
        left = 0.1 + column * (_PANEL + 0.1)
        axes = figure.add_axes((left / width, foot / height, _PANEL / width, _PANEL / height))
        draw_slice(axes, sample, outline=column == 1)
    return figure


def _truth(sample: SliceSample) -> str:
    return ANSWERS[int(sample.kind != "real")]


def _csv(columns: Sequence[str], rows: Sequence[Sequence[object]]) -> bytes:
    stream = io.StringIO(newline="")
    writer = csv.writer(stream)
    writer.writerow(columns)
    writer.writerows(rows)
    return stream.getvalue().encode("utf-8")


def _page(test: str, pictures: Sequence[str]) -> str:
    template = resources.files("claimslicer.evaluation").joinpath("form.html").read_text(encoding="utf-8")
    questions = []
    for number, picture in enumerate(pictures, 1):
        choices = " ".join(
            f'<label><input type="radio" name="a{number}" value="{answer}"> {answer}</label>'
            for answer in ANSWERS
        )
        sure = " ".join(
            f'<label><input type="radio" name="s{number}" value="{level}"> {level}</label>'
            for level in ("guess", "rather", "sure")
        )
        questions.append(
            f'<section id="q{number}"><img src="{escape(picture)}" alt="Sheet {number}">'
            f"<p><b>{number}.</b> This scar is {choices} <span>How sure? {sure}</span></p></section>"
        )
    return Template(template).substitute(
        test=json.dumps(test),
        count=len(pictures),
        columns=json.dumps(list(FORM_COLUMNS)),
        notice=escape(NOTICE),
        questions="\n".join(questions),
    )
