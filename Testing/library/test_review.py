"""A reviewer's decisions, and the queue that keeps them over a folder of studies."""

from __future__ import annotations

import csv
import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pydicom
import pytest
from claimslicer.errors import Cancelled, OutputError, StudyError
from claimslicer.events import SilentEvents
from claimslicer.review import FoundStudy, Review, ReviewQueue, ReviewState, StudyRecord, find_studies
from claimslicer.review.queue import default_output
from claimslicer.studies import Geometry, write_volume
from claimslicer.studies.read import find_case
from pydicom.uid import ExplicitVRLittleEndian, MRImageStorage, generate_uid

GRID = Geometry((2, 6, 5), (1.5, 1.5, 10.0))
FOUND = (FoundStudy("A", "A"), FoundStudy("b/scan.nrrd", "b/scan"), FoundStudy("c.nii.gz", "c"))


def volume(path: Path) -> None:
    """Write a volume of no meaning."""
    write_volume(path, np.arange(60, dtype=np.int16).reshape(GRID.shape), GRID)


def dicom(path: Path, study: str, modality: str = "MR") -> None:
    """Write the header of one DICOM image."""
    header = pydicom.Dataset()
    header.file_meta = pydicom.dataset.FileMetaDataset()
    header.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    header.file_meta.MediaStorageSOPClassUID = header.SOPClassUID = MRImageStorage
    header.file_meta.MediaStorageSOPInstanceUID = header.SOPInstanceUID = generate_uid()
    header.StudyInstanceUID, header.Modality = study, modality
    path.parent.mkdir(parents=True, exist_ok=True)
    header.save_as(path, enforce_file_format=True)


@pytest.fixture
def queue(tmp_path) -> ReviewQueue:
    return ReviewQueue(tmp_path / "studies", tmp_path / "studies-review", FOUND)


def keys(folder: Path) -> list[str]:
    return [study.key for study in find_studies(folder)]


def test_a_decision_holds_for_what_it_was_made_about():
    fresh = Review(content="aa")
    assert fresh.state_of("aa") == ReviewState.TO_REVIEW
    assert fresh.state_of("bb") == ReviewState.CORRECTED
    accepted = fresh.remarked("apex unclear").decided(ReviewState.ACCEPTED, "bb")
    assert accepted.state_of("bb") == ReviewState.ACCEPTED
    assert accepted.state_of("cc") == ReviewState.CORRECTED
    assert accepted.remark == "apex unclear"
    assert accepted.time.endswith("+00:00")
    assert Review.from_dict(accepted.to_dict()) == accepted


def test_labels_from_elsewhere_are_no_correction():
    assert Review().state_of("aa") == ReviewState.TO_REVIEW


@pytest.mark.parametrize("values", [{"state": "fine"}, {"state": "accepted", "mood": "good"}])
def test_a_record_of_no_review_is_refused(values):
    with pytest.raises(StudyError, match="no record of a review"):
        Review.from_dict(values)


def test_case_folders_files_and_dicom_studies_are_found(tmp_path):
    for case in ("Case_N006", "Case_P001"):
        volume(tmp_path / "emidec" / case / "Images" / f"{case}.nii.gz")
        volume(tmp_path / "emidec" / case / "Contours" / f"{case}.nii.gz")
    for ending in ("_C0", "_DE", "_T2", "_gd"):
        volume(tmp_path / "myops" / f"myops_training_101{ending}.nii.gz")
        volume(tmp_path / "myops" / f"myops_training_102{ending}.nii.gz")
    for frame in ("_frame01", "_frame01_gt", "_frame12", "_frame12_gt"):
        volume(tmp_path / "acdc" / "patient001" / f"patient001{frame}.nii.gz")
    (tmp_path / "acdc" / "patient001" / "Info.cfg").write_text("ED: 1\nES: 12\n", encoding="utf-8")
    for name in ("scan.nrrd", "scan_labels.nrrd", "scan_uncertainty.nii.gz", "scan_band.nii.gz", "other.mha"):
        volume(tmp_path / "loose" / name)
    for series in ("LGE", "cine"):
        for number in range(2):
            dicom(tmp_path / "dicom" / "12345" / series / f"{number}.dcm", "1.2.3")
    dicom(tmp_path / "dicom" / "678" / "IM0", "1.2.4")
    dicom(tmp_path / "dicom" / "678" / "CT" / "IM0", "1.2.5", modality="CT")
    (tmp_path / "notes.txt").write_text("nothing", encoding="utf-8")
    found = find_studies(tmp_path)
    assert [study.key for study in found] == [
        "acdc/patient001",
        "dicom/12345",
        "dicom/678",
        "emidec/Case_N006",
        "emidec/Case_P001",
        "loose/other.mha",
        "loose/scan.nrrd",
        "myops/myops_training_101_DE.nii.gz",
        "myops/myops_training_102_DE.nii.gz",
    ]
    assert found[6].name == "loose/scan"
    for study in found:
        if "dicom" not in study.key:
            assert find_case(tmp_path / study.key) is not None


def test_a_study_may_be_chosen_itself(tmp_path):
    volume(tmp_path / "Case_P001" / "Images" / "Case_P001.nii.gz")
    assert find_studies(tmp_path / "Case_P001") == [FoundStudy(".", "Case_P001")]


def test_dicom_studies_in_one_tree_keep_apart(tmp_path):
    dicom(tmp_path / "export" / "1" / "a", "1.2.3")
    dicom(tmp_path / "export" / "3" / "b", "1.2.3")
    dicom(tmp_path / "export" / "2" / "c", "1.2.4")
    assert keys(tmp_path) == ["export/1", "export/2", "export/3"]


def test_results_are_no_studies(tmp_path, queue):
    volume(tmp_path / "studies" / "a.nii.gz")
    inside = ReviewQueue(tmp_path / "studies", tmp_path / "studies" / "results", FOUND)
    inside.put(inside["A"])
    volume(inside.output / "b.nii.gz")
    assert keys(tmp_path / "studies") == ["a.nii.gz"]


def test_a_folder_without_studies_is_refused(tmp_path):
    with pytest.raises(StudyError, match="holds no study"):
        find_studies(tmp_path)
    with pytest.raises(StudyError, match="There is no folder"):
        find_studies(tmp_path / "missing")


def test_the_search_can_be_stopped(tmp_path):
    class Stop(SilentEvents):
        def progress(self, stage, fraction, message=""):
            raise Cancelled("stopped")

    with pytest.raises(Cancelled):
        find_studies(tmp_path, events=Stop())


def test_a_queue_is_resumed(tmp_path, queue):
    assert [record.status for record in queue.records] == ["waiting"] * 3
    assert not queue.output.exists()
    done = replace(queue["A"], labels="A_labels.nii.gz", infarct_ml=7.5, myocardium_g=120.0)
    queue.put(done)
    queue.put(replace(done, review=Review().decided(ReviewState.ACCEPTED, "aa").remarked("höchst klar")))
    queue.put(replace(queue["c.nii.gz"], problem="No left ventricle was found."))
    queue.put(replace(queue["A"], warning="What was found fills 900 ml."))
    assert queue.unsegmented() == ["b/scan.nrrd", "c.nii.gz"]

    again = ReviewQueue(queue.folder, queue.output, FOUND)
    assert again.records == queue.records
    assert [record.status for record in again.records] == ["accepted", "waiting", "failed"]
    with (queue.output / "review.csv").open(encoding="utf-8") as stream:
        rows = list(csv.DictReader(stream))
    assert [row["status"] for row in rows] == ["accepted", "waiting", "failed"]
    assert [row["warning"] for row in rows] == ["What was found fills 900 ml.", "", ""]
    assert rows[0]["remark"] == "höchst klar"
    assert float(rows[0]["infarct_ml"]) == 7.5
    assert sorted(path.name for path in queue.output.iterdir()) == ["review.csv", "review.json"]


def test_a_record_from_before_there_were_warnings_is_read(queue):
    queue.put(replace(queue["A"], problem="kept", warning="gone"))
    content = json.loads(queue.file.read_text(encoding="utf-8"))
    for study in content["studies"]:
        del study["warning"]
    queue.file.write_text(json.dumps(content), encoding="utf-8")
    assert ReviewQueue(queue.folder, queue.output, FOUND)["A"] == replace(queue["A"], warning="")


def test_two_reviewers_at_once_keep_each_others_records(queue):
    other = ReviewQueue(queue.folder, queue.output, FOUND)
    queue.put(replace(queue["A"], problem="mine"))
    other.put(replace(other["c.nii.gz"], problem="theirs"))
    assert other["A"].problem == "mine"
    assert [r.problem for r in ReviewQueue(queue.folder, queue.output, FOUND).records] == [
        "mine",
        "",
        "theirs",
    ]


def test_studies_that_are_away_stay_on_record(queue):
    queue.put(replace(queue["A"], problem="kept"))
    fewer = ReviewQueue(queue.folder, queue.output, FOUND[1:])
    with pytest.raises(StudyError):
        ReviewQueue(queue.folder, queue.output, [FoundStudy("elsewhere", "elsewhere")])
    assert len(fewer.records) == 2
    fewer.put(replace(fewer["c.nii.gz"], problem="new"))
    assert ReviewQueue(queue.folder, queue.output, FOUND)["A"].problem == "kept"


def test_one_steps_through_the_studies(queue):
    assert queue.neighbour("A", 1) == "b/scan.nrrd"
    assert queue.neighbour("c.nii.gz", 1) is None
    assert queue.neighbour("A", -1) is None
    assert queue.neighbour("", 1) == "A"


def test_results_of_different_studies_never_meet(tmp_path):
    names = ("a/scan.nii", "a/scan.nrrd", "b/scan.nii", "scan.nii", ".")
    queue = ReviewQueue(tmp_path / "in", tmp_path / "out", [FoundStudy(name, name) for name in names])
    files = [queue.result_file(name, "labels").relative_to(tmp_path / "out").as_posix() for name in names]
    assert len(set(files)) == len(names)
    assert files[2:] == ["b/scan_labels.nii.gz", "scan_labels.nii.gz", "in_labels.nii.gz"]


def test_a_record_that_cannot_be_written_changes_nothing(queue, monkeypatch):
    queue.put(replace(queue["A"], problem="before"))
    before = queue.file.read_bytes()
    monkeypatch.setattr(Path, "replace", lambda *_: (_ for _ in ()).throw(OSError(28, "No space left")))
    with pytest.raises(OutputError, match="disk is full"):
        queue.put(replace(queue["A"], problem="after"))
    assert queue["A"].problem == "before"
    assert queue.file.read_bytes() == before
    assert len(list(queue.output.iterdir())) == 2


@pytest.mark.parametrize("text", ["{", '{"studies": [{"key": 1}]}', "[]", '{"studies": 3}'])
def test_a_damaged_record_is_refused_and_left_alone(queue, text):
    queue.output.mkdir()
    queue.file.write_text(text, encoding="utf-8")
    with pytest.raises(StudyError, match="move it away"):
        ReviewQueue(queue.folder, queue.output, FOUND)
    assert queue.file.read_text(encoding="utf-8") == text


def test_the_record_is_plain_json(queue):
    queue.put(replace(queue["A"], review=Review(remark="x")))
    content = json.loads(queue.file.read_text(encoding="utf-8"))
    assert content["studies"][0]["key"] == "A"
    assert content["studies"][0]["review"]["remark"] == "x"
    assert StudyRecord("A", "A").status == "waiting"


def test_results_lie_beside_the_studies(tmp_path):
    assert default_output(tmp_path / "emidec") == tmp_path / "emidec-review"
