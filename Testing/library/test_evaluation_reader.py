"""The reader test: what is shown, that nothing gives the answers away, and forms read back."""

import csv

import numpy as np
import pytest
from claimslicer.errors import SpecificationError
from claimslicer.evaluation.reader import choose_sheets, read_forms, scores_table, write_reader_test
from claimslicer.evaluation.twosample import SliceSample


def sample(kind, patient, z, draw=0):
    rng = np.random.default_rng([len(kind), z, draw, *patient.encode()])
    masks = np.zeros((3, 24, 24), bool)
    masks[0, 8:11, 8:16] = masks[1, 6:18, 6:18] = masks[2, 10:14, 10:14] = True
    return SliceSample(kind, patient, draw, z, {}, rng.random((24, 24)).astype(np.float32), masks, (1.5, 1.5))


@pytest.fixture(scope="module")
def samples():
    scarred = [
        sample(kind, f"P{p}", z, draw)
        for p in range(4)
        for z in range(3)
        for kind, draw in (("real", 0), ("repainted", 0), ("repainted", 1), ("constant", 0))
    ]
    return scarred + [sample("authored", f"N{p}", z) for p in range(3) for z in range(3)]


@pytest.fixture(scope="module")
def folder(samples, tmp_path_factory):
    out = tmp_path_factory.mktemp("reader")
    write_reader_test(out, choose_sheets(samples, 12, np.random.default_rng(1)))
    return out


def key_of(folder):
    with (folder / "reader-key" / "key.csv").open(encoding="utf-8", newline="") as stream:
        return list(csv.DictReader(stream))


def filled(folder, path, answer, reader="Dr A", mark=","):
    rows = [(row["test"], reader, row["sheet"], answer(row), "") for row in key_of(folder)]
    lines = [mark.join(row) for row in [("test", "reader", "sheet", "answer", "sure"), *rows]]
    path.write_text("\r\n".join(lines) + "\r\n", encoding="utf-8-sig")
    return path


def test_half_is_real_and_no_slice_of_a_heart_comes_twice(samples):
    chosen = choose_sheets(samples, 12, np.random.default_rng(0))
    kinds = [one.kind for one in chosen]
    assert (kinds.count("real"), kinds.count("repainted"), kinds.count("authored")) == (6, 3, 3)
    assert len({(one.patient, one.z) for one in chosen}) == 12
    assert kinds != sorted(kinds), "mixed"
    every = choose_sheets(samples, 1000, np.random.default_rng(0))
    assert sum(one.kind == "real" for one in every) * 2 == len(every)
    assert len({(one.patient, one.z) for one in every}) == len(every)
    assert choose_sheets([s for s in samples if s.kind == "real"], 12, np.random.default_rng(0)) == []


def test_what_a_reader_gets_holds_no_answer(samples, folder):
    given = sorted(path.name for path in (folder / "reader-test").iterdir())
    assert given[:2] == ["form.csv", "form.html"]
    assert given[2:] == [f"sheet_{n:03d}_real_or_synthetic.png" for n in range(1, 13)]
    for name in ("form.csv", "form.html"):
        text = (folder / "reader-test" / name).read_text(encoding="utf-8")
        for word in ("repainted", "authored", "P0", "P1", "N0", "N1"):
            assert word not in text
    page = (folder / "reader-test" / "form.html").read_text(encoding="utf-8")
    assert "http" not in page, "works offline"
    assert page.count("<img") == 12
    assert "Not for diagnosis" in page
    assert write_reader_test(folder / "none", []) is None
    assert not (folder / "none").exists()


def test_a_shorter_test_leaves_no_old_sheet_behind(samples, tmp_path):
    for count in (8, 4):
        write_reader_test(tmp_path, choose_sheets(samples, count, np.random.default_rng(1)))
    assert len(list((tmp_path / "reader-test").glob("*.png"))) == 4
    assert len(key_of(tmp_path)) == 4


def test_forms_are_read_back_reader_by_reader(folder, tmp_path):
    right = filled(folder, tmp_path / "a.csv", lambda row: row["truth"])
    real = filled(folder, tmp_path / "b.csv", lambda _: "Real", reader="Dr B", mark=";")
    half = filled(folder, tmp_path / "c.csv", lambda r: r["truth"] if int(r["sheet"]) < 7 else "", reader="")
    a, b, c = read_forms(folder, [right, real, half])
    assert (a.reader, a.accuracy.value, a.answered) == ("Dr A", 1.0, 12)
    assert a.accuracy.low == pytest.approx(0.7575, abs=1e-3), "Wilson's interval of 12 of 12"
    assert a.p == pytest.approx(2 * 0.5**12)
    assert (b.accuracy.value, b.by_kind["real"].value, b.by_kind["authored"].value) == (0.5, 1.0, 0.0)
    assert b.accuracy.low < 0.5 < b.accuracy.high
    assert (c.reader, c.answered, c.asked) == ("c", 6, 12)
    table = scores_table([a, b, c])
    assert table.columns[:3] == ("Reader", "Answered", "Accuracy")
    assert table.rows[2][1] == "6 of 12"


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda text: text.replace(",real,", ",perhaps,"), "'perhaps' is no answer"),
        (lambda text: text.replace(",real,", ",,").replace(",synthetic,", ",,"), "answers no sheet"),
        (lambda text: text.replace("answer", "said"), "no column answer"),
        (lambda text: text.replace("Dr A,1,", "Dr A,99,"), "sheet '99'"),
        (lambda text: text.replace("Dr A,2,", "Dr A,1,"), "sheet 1 twice"),
        (
            lambda text: "\n".join("X" + row[1:] if n else row for n, row in enumerate(text.split("\n"))),
            "another",
        ),
    ],
)
def test_forms_that_are_wrong_are_refused(folder, tmp_path, change, words):
    path = filled(folder, tmp_path / "form.csv", lambda row: row["truth"])
    path.write_text(
        change(path.read_text(encoding="utf-8-sig").strip().replace("\r\n", "\n")), encoding="utf-8"
    )
    with pytest.raises(SpecificationError, match=words):
        read_forms(folder, [path])


def test_without_form_or_key(folder, tmp_path):
    with pytest.raises(SpecificationError, match="can't be read"):
        read_forms(folder, [tmp_path / "none.csv"])
    with pytest.raises(SpecificationError, match="no key"):
        read_forms(tmp_path, [tmp_path / "none.csv"])
