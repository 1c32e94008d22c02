"""Commands on a folder of studies: a row and a file each, resumed, a bad study costs the others nothing."""

import csv
import json
import sys
from pathlib import Path

import numpy as np
import pytest
from claimslicer.errors import Cancelled, OutputError, StudyError
from claimslicer.events import SILENT
from claimslicer.review import Made, check_all, find_studies, is_folder_of_studies, labels_of, over_folder
from claimslicer.studies import Geometry, read_study, write_volume
from claimslicer.studies.phantom import PhantomSettings, make_phantom

GEOMETRY = Geometry((2, 4, 4), (1.5, 1.5, 10.0))


@pytest.fixture
def folder(tmp_path) -> Path:
    """Return a folder with two case folders, a loose volume, and two that differ in their suffix alone."""
    root = tmp_path / "studies"
    for name in ("Case_P001/Images/Case_P001.nii.gz", "b/heart.nii.gz", "c.nrrd", "c.nii.gz"):
        write_volume(root / name, np.zeros(GEOMETRY.shape, np.int16), GEOMETRY)
    (root / "Case_P001" / "Contours").mkdir()
    (root / "notes").mkdir()
    (root / "notes" / "remarks.txt").write_text("seen by two readers", encoding="utf-8")
    return root


class Work:
    """Writes a text for each study; fails for those named, once each where ``once``."""

    def __init__(self, out: Path, failing: tuple[str, ...] = (), error: Exception | None = None) -> None:
        self.out, self.failing, self.error, self.seen = out, failing, error, []

    def __call__(self, study, events):
        self.seen.append(study.key)
        events.progress("working", 0.5)
        if study.key in self.failing:
            raise self.error
        file = self.out / f"{study.stem}.txt"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(study.key, encoding="utf-8")
        return Made([file], {"size": len(study.key), "odd": float("nan")})


KEYS = ["b/heart.nii.gz", "c.nii.gz", "c.nrrd", "Case_P001"]


def run(folder: Path, work: Work, settings=None, events=SILENT):
    """Do ``work`` on ``folder``."""
    return over_folder(folder, work.out, work, command="try", settings=settings or {"a": 1}, events=events)


def table(out: Path) -> list[dict[str, str]]:
    """Return the rows of the table."""
    with (out / "studies.csv").open(encoding="utf-8", newline="") as stream:
        return list(csv.DictReader(stream))


def test_one_row_and_one_file_for_each_study(folder, tmp_path):
    work = Work(tmp_path / "out")
    rows = run(folder, work)
    assert [row.study for row in rows] == KEYS == work.seen
    assert [row.files for row in rows] == [
        ["b/heart.txt"],
        ["c_nii_gz.txt"],
        ["c_nrrd.txt"],
        ["Case_P001.txt"],
    ]
    assert [row["size"] for row in table(work.out)] == [str(len(key)) for key in KEYS]
    assert {row["odd"] for row in table(work.out)} == {""}
    check_all(rows, work.out)


@pytest.mark.parametrize(("error", "code"), [(StudyError("No heart."), 2), (ZeroDivisionError("by 0"), 1)])
def test_a_failing_study_does_not_end_the_rest_and_is_tried_again(folder, tmp_path, error, code):
    out = tmp_path / "out"
    work = Work(out, ("c.nii.gz",), error)
    rows = run(folder, work)
    assert work.seen == KEYS
    assert [bool(row.problem) for row in rows] == [False, True, False, False]
    assert [bool(row["problem"]) for row in table(out)] == [False, True, False, False]
    with pytest.raises(StudyError, match=r"1 of 4 studies failed.*c\.nii\.gz: .*(heart|by 0)") as raised:
        check_all(rows, out)
    assert raised.value.exit_code == code
    again = Work(out)
    check_all(run(folder, again), out)
    assert again.seen == ["c.nii.gz"]


@pytest.mark.parametrize(
    "error", [Cancelled("Stopped."), OutputError("The disk is full."), KeyboardInterrupt()]
)
def test_what_stops_the_work_leaves_what_is_done(folder, tmp_path, error):
    out = tmp_path / "out"
    with pytest.raises(type(error)):
        run(folder, Work(out, ("c.nrrd",), error))
    assert [row["study"] for row in table(out)] == KEYS[:2]
    again = Work(out)
    assert len(run(folder, again)) == 4
    assert again.seen == KEYS[2:]
    (out / "b" / "heart.txt").unlink()
    once_more = Work(out)
    run(folder, once_more)
    assert once_more.seen == ["b/heart.nii.gz"]


def test_results_of_other_settings_or_studies_are_not_mixed(folder, tmp_path):
    work = Work(tmp_path / "out")
    run(folder, work)
    with pytest.raises(StudyError, match="another settings"):
        run(folder, work, {"a": 2})
    folder.rename(tmp_path / "moved")
    with pytest.raises(StudyError, match="another folder"):
        run(tmp_path / "moved", work)


def test_results_never_lie_among_the_studies(folder):
    for out in (folder, folder / "out", folder / "new" / ".." / "out"):
        with pytest.raises(OutputError, match="lies in"):
            run(folder, Work(out))
    assert not (folder / "out").exists()
    run(folder, Work(folder.parent))
    assert is_folder_of_studies(folder)
    assert [study.key for study in find_studies(folder)] == KEYS


def test_what_is_a_study_and_what_a_folder_of_them(folder, tmp_path):
    assert is_folder_of_studies(folder)
    for one in (folder / "Case_P001", folder / "b", folder / "c.nrrd", folder / "notes", folder / "none"):
        assert not is_folder_of_studies(one)
    write_volume(tmp_path / "outer" / "case" / "a.nii", np.zeros(GEOMETRY.shape, np.int16), GEOMETRY)
    assert is_folder_of_studies(tmp_path / "outer")


@pytest.mark.skipif(sys.platform == "win32", reason="links need a privilege on Windows")
def test_studies_may_be_links_and_links_may_run_in_a_circle(folder, tmp_path):
    (tmp_path / "links").mkdir()
    for name in ("Case_P001", "b"):
        (tmp_path / "links" / name).symlink_to(folder / name, target_is_directory=True)
    (tmp_path / "links" / "circle").symlink_to(tmp_path / "links", target_is_directory=True)
    assert [study.key for study in find_studies(tmp_path / "links")] == ["b/heart.nii.gz", "Case_P001"]


@pytest.fixture(scope="module")
def hearts(tmp_path_factory) -> Path:
    """Return a folder with two phantoms and a file that is none."""
    root = tmp_path_factory.mktemp("hearts")
    for seed in (2, 3):
        study = make_phantom(PhantomSettings(seed=seed)).study
        case = root / f"heart{seed}"
        write_volume(case / "lge.nii.gz", study.image, study.geometry)
        write_volume(case / "lge_labels.nii.gz", study.labels, study.geometry)
    (root / "broken").mkdir()
    (root / "broken" / "scan.nii.gz").write_bytes(b"no volume")
    return root


def test_segment_and_anatomy_take_folders(cli, hearts, tmp_path):
    labels, aha = tmp_path / "labels", tmp_path / "aha"
    outcome = cli("segment", hearts, "--out", labels, "--uncertainty", tmp_path / "unsure")
    assert outcome.code == 2
    assert "1 of 3 studies failed" in outcome.err
    rows = {row["study"]: row for row in table(labels)}
    assert rows["broken/scan.nii.gz"]["problem"]
    for seed in (2, 3):
        row = rows[f"heart{seed}/lge.nii.gz"]
        study = read_study(hearts / f"heart{seed}")
        made = read_study(labels / f"heart{seed}" / "lge_labels.nii.gz").image
        ml = (made >= 2).sum() * study.geometry.voxel_volume_ml
        assert float(row["myocardium_ml"]) == pytest.approx(ml, abs=0.01)
        assert (tmp_path / "unsure" / f"heart{seed}" / "lge_uncertainty.nii.gz").is_file()
    before = (labels / "heart2" / "lge_labels.nii.gz").stat().st_mtime_ns
    assert cli("segment", hearts, "--out", labels, "--uncertainty", tmp_path / "unsure").code == 2
    assert (labels / "heart2" / "lge_labels.nii.gz").stat().st_mtime_ns == before
    assert cli("anatomy", hearts, "--out", aha, "--labels", labels).code == 2
    used = json.loads((aha / "heart2" / "lge_aha.json").read_text(encoding="utf-8"))
    assert used["source"]["labels_sha256"]
    aha_rows = {row["study"]: row for row in table(aha)}
    total = sum(float(aha_rows["heart2/lge.nii.gz"][f"segment_{k}_ml"]) for k in range(1, 18))
    assert total == pytest.approx(float(rows["heart2/lge.nii.gz"]["myocardium_ml"]), rel=0.02)


@pytest.mark.parametrize(
    ("options", "told"),
    [
        (["--out", "x.nii.gz"], "give --out the name of a folder"),
        (["--out", "x", "--json", "frames.json"], "give --json the name of a folder"),
        (["--out", "x", "--insertions", "1,2,3", "4,5,6"], "one study"),
    ],
)
def test_options_for_one_study_are_refused_for_a_folder(cli, hearts, tmp_path, monkeypatch, options, told):
    monkeypatch.chdir(tmp_path)
    outcome = cli("anatomy", hearts, *options)
    assert outcome.code == 2
    assert told in outcome.err
    assert not list(tmp_path.iterdir())
    assert cli("anatomy", hearts, "--out", "x", "--json", hearts / "frames").code == 2
    assert not list(tmp_path.iterdir())


def test_labels_are_found_by_the_studys_path(tmp_path):
    from claimslicer.review import FolderStudy

    study = FolderStudy("a/b.nii.gz", tmp_path / "a" / "b.nii.gz", "a/b")
    with pytest.raises(StudyError, match=r"a/b_labels\.nii\.gz"):
        labels_of(tmp_path, study)
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "b_seg.nrrd").write_bytes(b"")
    assert labels_of(tmp_path, study).name == "b_seg.nrrd"
