"""The report page: self-contained, valid, escaped, marked, and written whole."""

import csv
import json
from html.parser import HTMLParser

import numpy as np
import pytest
from analytic_ventricle import make_ventricle
from claimslicer.errors import OutputError
from claimslicer.figures.draw import bullseye_figure
from claimslicer.figures.face import volume_face
from claimslicer.figures.report import Picture, Report, Section, Table, write_report
from claimslicer.figures.sections import (
    comparison_section,
    labels_section,
    quantification_section,
    synthesis_section,
)
from claimslicer.labels import Label
from claimslicer.quantification import compare, quantify

VOID = {"meta", "img", "br", "hr", "link", "input"}


class Page(HTMLParser):
    """Checks that tags are nested and collects what a page points at and says."""

    def __init__(self, text):
        super().__init__()
        self.open, self.links, self.tags, self.text = [], [], [], ""
        self.feed(text)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.links += [value for name, value in attrs if name in ("src", "href", "data", "action", "srcset")]
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.text += data


def small_report(**changes):
    section = Section(
        "A & B",
        "Text with <b>markup</b>.",
        (Table("numbers", "Numbers", ("Name", "Value (ml)"), [["a<b", 1.23456], ["c", None], ["d", -2.0]]),),
        (Picture("eye", 'A "picture"', bullseye_figure(volume_face({1: 1.0}))),),
    )
    return Report(**{"title": "<Study> 1", "subject": "x & y", "sections": (section,)} | changes)


@pytest.fixture(scope="module")
def full_report(tmp_path_factory):
    reference, frame = make_ventricle((1.5, 1.5, 8.0), slices=6)
    reference[frame.segments == 8] = Label.INFARCT
    labels = reference.copy()
    labels[(frame.segments == 8) & (frame.transmural > 0.5)] = Label.MYOCARDIUM
    scar = (labels == Label.INFARCT).astype(np.uint8)
    image = np.random.default_rng(0).normal(100, 10, labels.shape).astype(np.int16)
    measured, theirs = (quantify(x, frame.geometry, frame) for x in (labels, reference))
    report = Report(
        title="Everything",
        subject="Cylinder",
        sections=(
            quantification_section(measured, reference=theirs),
            comparison_section(compare(labels, reference, frame.geometry, frame)),
            labels_section("Labels", image, labels, frame.geometry, reference=reference),
            synthesis_section(image, image + 50 * scar, scar, frame.geometry, heart=labels > 0),
        ),
        recipe={"seed": 7},
        data={"infarct": measured.to_dict()},
    )
    return write_report(tmp_path_factory.mktemp("report"), report), measured, theirs


def test_page_is_valid_and_refers_to_nothing_outside(full_report):
    page = Page(full_report[0].read_text(encoding="utf-8"))
    assert page.links and all(link.startswith("data:image/png;base64,") for link in page.links)
    assert "script" not in page.tags and "link" not in page.tags
    text = full_report[0].read_text(encoding="utf-8")
    assert "http://" not in text and "https://" not in text and "url(" not in text and "@import" not in text
    assert page.tags.count("img") == 5


def test_page_carries_terms_banner_and_recipe(full_report):
    page = Page(full_report[0].read_text(encoding="utf-8"))
    assert "Research use only. Not for diagnosis." in page.text
    assert "SYNTHETIC" in page.text
    assert '"seed": 7' in page.text


def test_files_beside_the_page_hold_the_numbers(full_report):
    path, measured, theirs = full_report
    names = {p.name for p in path.parent.iterdir()}
    assert names == {
        "report.html",
        "report.json",
        "agreement.csv",
        "infarct-totals.csv",
        "infarct-segments.csv",
        "synthesis-voxels.csv",
        "infarct-volume.png",
        "infarct-transmurality.png",
        "infarct-difference.png",
        "labels.png",
        "synthesis.png",
    }
    content = json.loads((path.parent / "report.json").read_text(encoding="utf-8"))
    assert content["infarct"]["infarct_ml"] == measured.infarct_ml
    assert content["synthetic"] is True and content["recipe"] == {"seed": 7}
    with (path.parent / "infarct-segments.csv").open(encoding="utf-8", newline="") as stream:
        rows = list(csv.DictReader(stream))
    assert len(rows) == 17
    assert float(rows[7]["Infarct (ml)"]) == measured.segments[7].infarct_ml > 0
    with (path.parent / "infarct-totals.csv").open(encoding="utf-8", newline="") as stream:
        totals = {(r["Quantity"], r["Unit"]): r for r in csv.DictReader(stream)}
    infarct = totals["Infarct, MVO included", "ml"]
    assert float(infarct["Difference"]) == pytest.approx(measured.infarct_ml - theirs.infarct_ml)
    with (path.parent / "agreement.csv").open(encoding="utf-8", newline="") as stream:
        agreement = {r["Region"]: r for r in csv.DictReader(stream)}
    assert 0.3 < float(agreement["Infarct with MVO (3 ∪ 4)"]["Dice"]) < 0.8
    assert agreement["MVO (4)"]["Dice"] == "1.0" and agreement["MVO (4)"]["Dice, empty left out"] == ""


def test_texts_are_escaped_and_parts_are_optional(tmp_path):
    text = write_report(tmp_path / "new" / "folder", small_report()).read_text(encoding="utf-8")
    page = Page(text)
    assert "b" not in page.tags and "study" not in page.tags
    assert "Text with <b>markup</b>." in page.text and "a<b" in page.text
    assert "1.23" in page.text and "1.2346" not in page.text and "−2.00" in page.text
    assert "SYNTHETIC" not in text and "Recipe" not in page.text
    empty = write_report(tmp_path / "empty", small_report(sections=()))
    assert Page(empty.read_text(encoding="utf-8")).links == []


def test_synthetic_report_has_the_banner_without_pictures(tmp_path):
    page = write_report(tmp_path, small_report(sections=(), synthetic=True))
    assert "SYNTHETIC" in Page(page.read_text(encoding="utf-8")).text


def test_one_file_name_for_two_parts_is_refused(tmp_path):
    section = small_report().sections[0]
    with pytest.raises(ValueError, match="one file"):
        write_report(tmp_path / "r", small_report(sections=(section, section)))
    assert not (tmp_path / "r").exists()


def test_what_can_t_be_written_leaves_nothing(tmp_path):
    blocked = tmp_path / "file"
    blocked.write_text("here", encoding="utf-8")
    with pytest.raises(OutputError):
        write_report(blocked, small_report())
    assert blocked.read_text(encoding="utf-8") == "here"
    with pytest.raises(ValueError, match="JSON"):
        write_report(tmp_path / "nan", small_report(data={"x": float("nan")}))
    assert not (tmp_path / "nan").exists()


def test_changed_voxels_are_counted():
    labels, frame = make_ventricle((2.0, 2.0, 8.0), slices=4)
    scar = (frame.segments == 1).astype(np.uint8)
    image = np.zeros(labels.shape, np.int16)
    synthetic = image + scar
    synthetic[0, 0, 0] = 9
    table = synthesis_section(image, synthetic, scar, frame.geometry).tables[0]
    values = dict(table.rows)
    assert values["Voxels changed inside the mask"] == scar.sum()
    assert values["Voxels changed outside the mask"] == 1
