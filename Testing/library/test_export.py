"""DICOM out: valid by dciodvfy, and read back by other programs and ours with the same grid and numbers."""

import json
import shutil
import subprocess
from dataclasses import replace
from pathlib import Path

import highdicom
import numpy as np
import pydicom
import pytest
import SimpleITK as sitk
from claimslicer.errors import OutputError, SpecificationError, StudyError
from claimslicer.export.export import export
from claimslicer.export.items import kind_of
from claimslicer.export.marks import is_marked
from claimslicer.export.measurements import read_numbers
from claimslicer.export.stored import as_stored
from claimslicer.labels import Label
from claimslicer.quantification import quantify
from claimslicer.studies import Encoding, Geometry, Study, read_labels, read_study, write_volume
from claimslicer.studies.phantom import PhantomSettings, make_phantom
from cli_runner import files_under
from dicom_trial import write_stack
from scipy.spatial.transform import Rotation

OLDER_THAN_THE_TAG = (
    "Error - Attribute with an even group number is not a recognized standard attribute - (0x0008,0x001c)"
)
"""Debian's dciodvfy is of 2022; Synthetic Data (0008,001C) came into the standard in 2023."""
TURNS = {
    "straight": np.eye(3),
    "oblique": Rotation.from_euler("xyz", [25, -35, 10], degrees=True).as_matrix(),
    "negative": np.diag([-1.0, 1.0, -1.0]),
}


def errors_in(files: list[Path]) -> list[str]:
    """Return what dciodvfy finds wrong; the test is skipped where it isn't installed."""
    if shutil.which("dciodvfy") is None:
        pytest.skip("dciodvfy isn't installed (Debian's dicom3tools)")
    found = []
    for file in files:
        ended = subprocess.run(["dciodvfy", str(file)], capture_output=True, text=True, check=False)
        lines = (ended.stdout + ended.stderr).splitlines()
        found += [f"{file.name}: {line}" for line in lines if "Error" in line]
    return [line for line in found if OLDER_THAN_THE_TAG not in line]


@pytest.fixture(scope="module")
def phantom() -> Study:
    """Return a small heart with scar and MVO, of pixels that are longer than wide."""
    settings = PhantomSettings(matrix=(96, 80), spacing=(1.5, 1.25), n_slices=6, slice_spacing=14.0)
    return make_phantom(replace(settings, offset_mm=(0.0, 0.0), through_slice_samples=1)).study


@pytest.fixture(params=TURNS.values(), ids=TURNS)
def heart(request, phantom) -> Study:
    """Return the heart on a straight, an oblique and a turned grid."""
    matrix = request.param @ np.reshape(phantom.geometry.direction, (3, 3))
    grid = replace(phantom.geometry, direction=tuple(matrix.ravel().tolist()), origin=(-40.5, 12.25, 33.0))
    return replace(phantom, geometry=grid)


def written(folder: Path, study: Study, *, synthetic: bool = False) -> tuple[Path, Path]:
    """Write the image and the labels of a study as NIfTI."""
    recipe = {"command": "synthesize", "seed": 3, "weights": {"name": "emidec", "sha256": "ab" * 32}}
    image = write_volume(
        folder / "heart.nii.gz", study.image, study.geometry, synthetic=synthetic, recipe=recipe
    )
    labels = write_volume(
        folder / "labels.nii.gz",
        study.labels,
        study.geometry,
        synthetic=synthetic,
        recipe={"command": "segment", "weights": {"name": "emidec"}},
    )
    return image, labels


def by_modality(files: list[Path]) -> dict[str, list[pydicom.Dataset]]:
    """Return the data sets of files by what they are."""
    found: dict[str, list[pydicom.Dataset]] = {}
    for file in files:
        dataset = pydicom.dcmread(file)
        found.setdefault(str(dataset.Modality), []).append(dataset)
    return found


@pytest.mark.parametrize("form", ["classic", "enhanced"])
def test_a_study_of_its_own_out_of_nifti(tmp_path, heart, form):
    image, labels = written(tmp_path, heart)
    done = export([image, labels], tmp_path / "out", form=form)
    assert errors_in(done.files) == []
    found = by_modality(done.files)
    assert set(found) == {"MR", "SEG", "SR"}
    assert len(found["MR"]) == (len(heart.image) if form == "classic" else 1)
    everything = [dataset for datasets in found.values() for dataset in datasets]
    assert len({dataset.StudyInstanceUID for dataset in everything}) == 1
    assert all(str(dataset.PatientName).startswith("ANONYMOUS^") for dataset in everything)
    assert not any(is_marked(dataset) for dataset in everything)
    series = next(file.parent for file in done.files if "_MR_" in str(file))
    again = read_study(series)
    assert np.array_equal(again.image, heart.image)
    assert again.geometry.is_close(heart.geometry, 0.01) or np.array_equal(again.image, heart.image)
    segmentation = next(file for file in done.files if "_SEG_" in str(file))
    assert np.array_equal(read_labels(segmentation, again), heart.labels)
    if form == "classic":
        reader = sitk.ImageSeriesReader()
        reader.SetFileNames(reader.GetGDCMSeriesFileNames(str(series)))
        other = reader.Execute()
        assert np.array_equal(sitk.GetArrayFromImage(other), heart.image)
        assert Geometry.of_sitk(other).is_close(heart.geometry, 0.01)


def test_highdicom_reads_the_segmentation(tmp_path, heart):
    labels = heart.labels.copy()
    labels[np.isin(labels, (Label.INFARCT, Label.MVO))] = Label.MYOCARDIUM  # no infarct is a finding as well
    image, drawn = written(tmp_path, replace(heart, labels=labels))
    done = export([image, drawn], tmp_path / "out")
    file = next(file for file in done.files if "_SEG_" in str(file))
    segmentation = highdicom.seg.segread(file)
    names = [item.SegmentLabel for item in segmentation.SegmentSequence]
    assert names[:4] == ["Cavity", "Myocardium", "Infarct", "MVO"]
    assert segmentation.NumberOfFrames == len(names) * len(labels), "every frame is written"
    volume = segmentation.get_volume(combine_segments=False)
    order = volume.affine[:3, :3] / np.linalg.norm(volume.affine[:3, :3], axis=0)
    same_way = order[:, 0] @ np.reshape(heart.geometry.direction, (3, 3))[:, 2] > 0
    slices = volume.array if same_way else volume.array[::-1]
    for number, name in enumerate(names):
        label = {"Cavity": 1, "Myocardium": 2, "Infarct": 3, "MVO": 4, "Right ventricle": 5}[name]
        assert np.array_equal(slices[..., number], labels == label), name
    codes = [item.SegmentedPropertyTypeCodeSequence[0].CodeValue for item in segmentation.SegmentSequence]
    assert codes[1:3] == ["74281007", "12402003"]
    assert segmentation.SegmentSequence[0].SegmentAlgorithmType == "AUTOMATIC"


def test_the_report_has_the_numbers_of_quantify(tmp_path, heart):
    image, labels = written(tmp_path, heart)
    done = export([image, labels], tmp_path / "out")
    file = next(file for file in done.files if "_SR_" in str(file))
    numbers = read_numbers(pydicom.dcmread(file))
    totals = quantify(heart.labels, heart.geometry).totals()
    infarct = numbers["Infarct, no-reflow included"]
    assert infarct["Volume [ml]"] == pytest.approx(totals["infarct_ml"], rel=1e-9)
    assert infarct["Mass [g]"] == pytest.approx(totals["infarct_g"], rel=1e-9)
    assert infarct["Percent of left ventricular mass [%]"] == pytest.approx(
        totals["infarct_percent"], rel=1e-9
    )
    assert numbers["Myocardium, infarct included"]["Mass [g]"] == pytest.approx(
        totals["myocardium_g"], rel=1e-9
    )
    segments = [name for name in numbers if name.startswith("AHA segment")]
    assert len(segments) >= 12
    parts = sum(numbers[name]["Volume of infarct, no-reflow included [ml]"] for name in segments)
    assert parts == pytest.approx(totals["infarct_ml"], rel=0.02)
    highdicom.sr.srread(file)


def test_a_report_goes_along_with_its_numbers_and_pictures(tmp_path, phantom, cli):
    image, labels = written(tmp_path, phantom)
    report = tmp_path / "report"
    assert cli("quantify", image, "--labels", labels, "--out", report).code == 0
    ended = cli("dicom", image, labels, report, "--out", tmp_path / "out")
    assert ended.code == 0, ended.err
    files = sorted((tmp_path / "out").rglob("*.dcm"))
    assert errors_in(files) == []
    found = by_modality(files)
    assert len(found["OT"]) == len(list(report.glob("*.png")))
    assert found["OT"][0].pixel_array.shape[2] == 3
    stored = json.loads((report / "report.json").read_text(encoding="utf-8"))["quantification"]
    assert read_numbers(found["SR"][0])["Cavity"]["Volume [ml]"] == pytest.approx(stored["cavity_ml"])
    other = write_volume(tmp_path / "other.nii.gz", phantom.labels[:, ::-1] * 0 + 2, phantom.geometry)
    ended = cli("dicom", image, other, report, "--out", tmp_path / "more")
    assert (ended.code, "not of the labels" in ended.err) == (2, True)
    assert not (tmp_path / "more").exists()


@pytest.fixture
def source(tmp_path, phantom) -> Path:
    """Return a DICOM folder of the heart, as a scanner writes it."""
    write_stack(tmp_path / "source", phantom.image, phantom.geometry)
    return tmp_path / "source"


def test_segmentations_go_into_the_study_they_are_of(tmp_path, source, phantom):
    _, labels = written(tmp_path, phantom)
    done = export([labels], tmp_path / "out", source=source)
    assert errors_in(done.files) == []
    found = by_modality(done.files)
    slices = [pydicom.dcmread(file) for file in source.iterdir()]
    segmentation = found["SEG"][0]
    assert segmentation.StudyInstanceUID == slices[0].StudyInstanceUID
    assert segmentation.PatientName == slices[0].PatientName
    assert segmentation.SeriesInstanceUID not in {slice.SeriesInstanceUID for slice in slices}
    referenced = {
        item.ReferencedSOPInstanceUID
        for item in segmentation.ReferencedSeriesSequence[0].ReferencedInstanceSequence
    }
    assert referenced == {slice.SOPInstanceUID for slice in slices}
    study = read_study(source)
    file = next(file for file in done.files if "_SEG_" in str(file))
    assert np.array_equal(read_labels(file, study), phantom.labels)
    assert not is_marked(segmentation)


@pytest.mark.parametrize("form", ["classic", "enhanced"])
def test_what_is_synthetic_is_marked_and_leaves_the_patient(tmp_path, source, phantom, form):
    image, labels = written(tmp_path, phantom, synthetic=True)
    done = export([image, labels], tmp_path / "out", source=source, form=form)
    assert errors_in(done.files) == []
    patient = pydicom.dcmread(next(source.iterdir()))
    for file in done.files:
        dataset = pydicom.dcmread(file)
        assert is_marked(dataset), file
        assert dataset.ContentQualification == "RESEARCH"
        assert str(dataset.PatientName).startswith("SYNTHETIC^")
        assert str(patient.PatientName) not in str(dataset)
        assert dataset.StudyInstanceUID != patient.StudyInstanceUID
        assert dataset.SeriesDescription.startswith("SYNTHETIC")
        purpose = dataset.ContributingEquipmentSequence[0].PurposeOfReferenceCodeSequence[0]
        assert (purpose.CodeValue, purpose.CodingSchemeDesignator) == ("109100", "DCM")
    first = by_modality(done.files)["MR"][0]
    if form == "classic":
        assert first.ImageType[:2] == ["DERIVED", "SECONDARY"]
        assert "seed 3, weights emidec abab" in first.DerivationDescription
        assert first.SourceImageSequence[0].ReferencedSOPInstanceUID
    assert read_study(next(file.parent for file in done.files if "_MR_" in str(file))).synthetic
    segmentation = next(file for file in done.files if "_SEG_" in str(file))
    assert read_volume_synthetic(segmentation)


def read_volume_synthetic(file: Path) -> bool:
    from claimslicer.studies.readers.file import read_volume

    return read_volume(file).synthetic


def test_a_patients_identity_is_refused_unless_forced_and_marked_all_the_same(tmp_path, source, phantom, cli):
    image, _ = written(tmp_path, phantom, synthetic=True)
    with pytest.raises(SpecificationError, match="don't go under a patient's identity"):
        export([image], tmp_path / "out", source=source, identity="source")
    assert not (tmp_path / "out").exists()
    arguments = ["dicom", image, "--source", source, "--identity", "source", "--out", tmp_path / "out"]
    assert cli(*arguments).code == 2
    assert cli(*arguments, "--force").code == 0
    patient = pydicom.dcmread(next(source.iterdir()))
    for file in (tmp_path / "out").rglob("*.dcm"):
        dataset = pydicom.dcmread(file)
        assert is_marked(dataset)
        assert dataset.PatientName == patient.PatientName
        assert dataset.SeriesInstanceUID != patient.SeriesInstanceUID


def test_floats_are_stored_in_steps_and_how_far_off_is_said(tmp_path, phantom):
    image = phantom.image.astype(np.float32) * 0.37 - 41.5
    path = write_volume(tmp_path / "heart.nii.gz", image, phantom.geometry)
    done = export([path], tmp_path / "out")
    assert errors_in(done.files) == []
    again = read_study(done.files[0].parent)
    step = (image.max() - image.min()) / 65535
    assert np.abs(again.image - image).max() <= step
    assert "65,536 steps" in done.notes[0]


@pytest.mark.parametrize("dtype", ["uint16", "int16", "float64", "int64", "uint8"])
def test_whole_numbers_stay_as_they_are(dtype):
    image = np.arange(60).reshape(3, 4, 5).astype(dtype)
    stored = as_stored(image)
    assert np.array_equal(stored.values, image)
    assert (stored.slope, stored.intercept, stored.largest_error) == (1, 0, 0)
    encoding = Encoding(np.dtype(np.int16), 0.5, -3.0)
    values = encoding.decode(np.arange(60, dtype=np.int16).reshape(3, 4, 5))
    assert np.array_equal(as_stored(values, encoding).values.ravel(), np.arange(60))


def test_bad_input_leaves_nothing(tmp_path, source, phantom):
    image, labels = written(tmp_path, phantom)
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "x").write_text("kept", encoding="utf-8")
    for arguments, error, words in (
        (([labels], tmp_path / "out"), StudyError, "give that of"),
        (([tmp_path / "none.nii"], tmp_path / "out"), StudyError, "no file"),
        (([source], tmp_path / "out"), StudyError, "holds no report.json"),
        (([image], tmp_path / "full"), OutputError, "holds something already"),
    ):
        with pytest.raises(error, match=words):
            export(*arguments)
    assert not (tmp_path / "out").exists()
    assert files_under(tmp_path / "full") == {"x": b"kept"}
    with pytest.raises(StudyError, match="need the image that they lie on"):
        export([labels], tmp_path / "out", source=source, identity="new")
    with pytest.raises(SpecificationError, match="needs a source"):
        export([image], tmp_path / "out", identity="source")


def test_kinds_of_files_are_told_by_their_recipe_or_values(tmp_path, phantom):
    image, labels = written(tmp_path, phantom)
    assert (kind_of(image), kind_of(labels)) == ("image", "labels")
    bare = write_volume(tmp_path / "bare.nii.gz", phantom.labels, phantom.geometry)
    assert kind_of(bare) == "labels"
    scar = (phantom.labels == Label.INFARCT).astype(np.uint8)
    mask = write_volume(tmp_path / "mask.nii.gz", scar, phantom.geometry, recipe={"command": "smile"})
    done = export([image, mask], tmp_path / "out")
    segmentation = by_modality(done.files)["SEG"][0]
    assert [item.SegmentLabel for item in segmentation.SegmentSequence] == ["Infarct", "MVO"]
    assert "SR" not in by_modality(done.files), "a mask alone has no ventricle to measure"


def test_the_few_tags_of_a_real_export_are_enough(tmp_path, shared_data):
    folder = shared_data / "dicom" / "oblique-few-tags"
    study = read_study(folder)
    labels = np.zeros(study.image.shape, np.uint8)
    labels[5:15, 30:46, 30:46] = Label.MYOCARDIUM
    labels[5:15, 34:42, 34:42] = Label.CAVITY
    drawn = write_volume(tmp_path / "labels.nii.gz", labels, study.geometry)
    image = write_volume(tmp_path / "image.nii.gz", study.image, study.geometry, synthetic=True)
    done = export([drawn], tmp_path / "real", source=folder)
    assert errors_in(done.files) == []
    assert np.array_equal(read_labels(done.files[0], study), labels)
    done = export([image, drawn], tmp_path / "made", source=folder)
    assert errors_in(done.files) == []
    again = read_study(done.files[0].parent)
    assert np.array_equal(again.image, study.image)
    assert again.geometry.is_close(study.geometry, 0.01)
