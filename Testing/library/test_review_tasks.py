"""The worker's tasks around studies in files: found, read, segmented, written, measured by thresholds."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from analytic_ventricle import make_ventricle
from claimslicer.errors import OutputError, SpecificationError, StudyError
from claimslicer.labels import Label
from claimslicer.quantification import quantify, threshold_masks
from claimslicer.studies import Study, read_labels, read_study, write_volume
from claimslicer.studies.phantom import PhantomSettings, make_phantom
from claimslicer.studies.provenance import sha256_of_array
from claimslicer.worker.context import Context
from claimslicer.worker.messages import study_from, study_values
from claimslicer.worker.tasks import find_task


def run(task: str, **arguments) -> dict:
    return find_task(task)(Context(), arguments)


@pytest.fixture
def study() -> Study:
    """A ventricle with a bright infarct over two thirds of the wall of segments 5 and 11."""
    labels, frame = make_ventricle()
    labels = labels.copy()
    depth = np.nan_to_num(frame.transmural, nan=9.0) < 0.66
    labels[np.isin(frame.segments, (5, 11)) & depth] = Label.INFARCT
    rng = np.random.default_rng(3)
    image = (
        rng.normal(100, 8, labels.shape) + 200.0 * (labels == Label.INFARCT) + 150 * (labels == Label.CAVITY)
    )
    return Study("ventricle", image.astype(np.float32), frame.geometry, labels)


@pytest.fixture
def files(study, tmp_path) -> Path:
    """A folder with the ventricle as an EMIDEC case."""
    for part, array in (("Images", study.image), ("Contours", study.labels)):
        write_volume(tmp_path / "in" / "Case_P001" / part / "Case_P001.nii.gz", array, study.geometry)
    return tmp_path / "in"


def test_studies_are_listed(files):
    assert run("list_studies", folder=str(files)) == {"studies": [{"key": "Case_P001", "name": "Case_P001"}]}


def test_a_study_is_read_with_its_results(files, study, tmp_path):
    path = str(files / "Case_P001")
    plain = run("read_study", path=path)
    assert np.array_equal(study_from(plain["study"]).labels, study.labels)
    assert plain["labels"] is None
    assert plain["uncertainty"] is None

    found = np.where(study.labels == Label.INFARCT, Label.MVO, study.labels)
    labels = write_volume(tmp_path / "labels.nii.gz", found, study.geometry)
    unsure = write_volume(tmp_path / "unsure.nii.gz", study.image / 500, study.geometry)
    read = run("read_study", path=path, labels=str(labels), uncertainty=str(unsure))
    assert np.array_equal(read["labels"], found)
    assert np.allclose(read["uncertainty"], study.image / 500)
    assert read["labels"].dtype == np.uint8


def test_labels_are_written_with_their_recipe(files, study, tmp_path):
    values = study_values(replace(study, source=files / "Case_P001" / "Images" / "Case_P001.nii.gz"))
    file = tmp_path / "out" / "labels.nii.gz"
    written = run(
        "write_labels", study=values, file=str(file), command="correct", settings={"state": "corrected"}
    )
    assert written["labels"] == str(file)
    again = read_labels(file, study, convention="EMIDEC")
    assert written["content"] == sha256_of_array(again) == sha256_of_array(study.labels)
    measured = quantify(study.labels, study.geometry)
    assert written["infarct_ml"] == measured.infarct_ml > 0
    assert written["myocardium_g"] == measured.myocardium_g
    recipe = json.loads((tmp_path / "out" / "labels.json").read_text(encoding="utf-8"))
    assert recipe["command"] == "correct"
    assert recipe["settings"] == {"state": "corrected"}


def test_the_study_itself_is_never_written_over(files, study):
    source = files / "Case_P001" / "Images" / "Case_P001.nii.gz"
    before = source.read_bytes()
    with pytest.raises(OutputError, match="belongs to the input"):
        run(
            "write_labels",
            study=study_values(replace(study, source=source)),
            file=str(source),
            command="correct",
        )
    assert source.read_bytes() == before


def test_labels_without_a_wall_are_refused(study, tmp_path):
    empty = replace(study, labels=np.zeros_like(study.labels))
    with pytest.raises(StudyError, match="no myocardium"):
        run("write_labels", study=study_values(empty), file=str(tmp_path / "x.nii.gz"), command="correct")
    assert list(tmp_path.iterdir()) == []


def test_a_file_is_segmented_into_files(tmp_path):
    phantom = make_phantom(PhantomSettings()).study
    source = write_volume(tmp_path / "scan.nii.gz", phantom.image, phantom.geometry, synthetic=True)
    out = tmp_path / "out"
    done = run(
        "segment_file",
        path=str(source),
        labels=str(out / "scan_labels.nii.gz"),
        uncertainty=str(out / "scan_uncertainty.nii.gz"),
        model=None,
        device="cpu",
    )
    assert done["model"] == "emidec"
    assert done["warning"] == ""
    study = read_study(source)
    labels = read_labels(done["labels"], study, convention="EMIDEC")
    assert done["content"] == sha256_of_array(labels)
    assert done["infarct_ml"] == quantify(labels, study.geometry).infarct_ml
    # What comes from a synthetic image is marked in its name and beside it.
    assert Path(done["labels"]).name == "scan_labels_synthetic.nii.gz"
    assert json.loads((out / "scan_labels_synthetic.json").read_text(encoding="utf-8"))["synthetic"] is True
    assert Path(done["uncertainty"]).is_file()


def test_thresholds_find_the_bright_wall(study):
    found = run("thresholds", study=study_values(study), sd=5)
    true_ml = quantify(study.labels, study.geometry).infarct_ml
    assert list(found) == ["5 SD", "FWHM", "Otsu"]
    for numbers in found.values():
        assert numbers["infarct_ml"] == pytest.approx(true_ml, rel=0.02)
        assert sum(numbers["segment_ml"].values()) == pytest.approx(numbers["infarct_ml"])
        assert numbers["infarct_g"] == pytest.approx(1.05 * numbers["infarct_ml"])
    with pytest.raises(SpecificationError, match="2 to 6"):
        run("thresholds", study=study_values(study), sd=9)


def test_otsu_is_left_out_where_no_infarct_is_known():
    labels, frame = make_ventricle()
    image = np.random.default_rng(1).normal(100, 5, labels.shape)
    masks = threshold_masks(image, frame, np.zeros(labels.shape, bool), 6)
    assert list(masks) == ["6 SD", "FWHM"]
    assert masks["6 SD"].sum() == 0
