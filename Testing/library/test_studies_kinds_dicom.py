"""Kinds of DICOM folders that hospitals send: each read rightly, or refused with what is there."""

import shutil
import zipfile
from dataclasses import replace
from pathlib import Path

import imagecodecs
import numpy as np
import pydicom
import pytest
from claimslicer.errors import StudyError
from claimslicer.review.inspect import inspect
from claimslicer.studies import Geometry, read_study
from claimslicer.studies.readers.dicom_stacks import Choice
from dicom_trial import GEOMETRY, OBLIQUE, pixels, same, write_stack
from pydicom.encaps import encapsulate
from pydicom.uid import JPEG2000Lossless, JPEGLSLossless, RLELossless, generate_uid
from scipy.spatial.transform import Rotation


def edit(files: list[Path], **tags) -> None:
    """Set tags of files; a function is called with the slice's number."""
    for index, file in enumerate(files):
        header = pydicom.dcmread(file)
        for tag, value in tags.items():
            setattr(header, tag, value(index) if callable(value) else value)
        header.save_as(file)


def as_one_series(*stacks: list[Path]) -> None:
    """Give all files one series UID, as scanners do that send several images of a slice together."""
    uid = generate_uid()
    for files in stacks:
        edit(files, SeriesInstanceUID=uid, SeriesNumber=7)


@pytest.mark.parametrize("when", ["time", "instance"])
@pytest.mark.parametrize("again", [1, 3])
def test_slices_acquired_twice_are_taken_once_and_later(tmp_path, when, again):
    first = write_stack(tmp_path, pixels(), number=1)
    later = write_stack(tmp_path, pixels(1), number=2)
    as_one_series(first, later)
    edit(first, AcquisitionTime="101500", InstanceNumber=lambda index: index)
    edit(later, AcquisitionTime="102000" if when == "time" else "101500")
    edit(later, InstanceNumber=lambda index: index if when == "time" else 20 + index)
    for file in later[again:]:
        file.unlink()
    study = read_study(tmp_path)
    assert same(study, np.concatenate([pixels(1)[:again], pixels()[again:]]))
    assert "acquired again, and the later image is taken" in study.metadata["note"]
    assert study.metadata["note"].startswith("1 slice was" if again == 1 else "3 slices were")


def test_a_doubled_slice_of_which_none_is_later_is_refused(tmp_path):
    first, second = (write_stack(tmp_path, pixels(seed), number=seed) for seed in (1, 2))
    as_one_series(first, second)
    edit(first, InstanceNumber=5)
    edit(second, InstanceNumber=5)
    for file in second[1:]:
        file.unlink()
    with pytest.raises(StudyError, match="no late-enhancement short-axis stack"):
        read_study(tmp_path)


MIXED = {
    "image type 3": ("ORIGINAL\\PRIMARY\\M\\ND", "ORIGINAL\\PRIMARY\\R\\ND"),
    "image type 4": ("ORIGINAL\\PRIMARY\\M\\MAG", "ORIGINAL\\PRIMARY\\M\\PSIR"),
    "Philips": ("ORIGINAL\\PRIMARY\\M_IR\\M\\IR", "ORIGINAL\\PRIMARY\\CR\\CR\\IR"),
}


@pytest.mark.parametrize("types", MIXED.values(), ids=MIXED)
@pytest.mark.parametrize("description", ["LGE PSIR sax", "sax LGE MAG PSIR", "LGE"])
@pytest.mark.parametrize("together", [False, True])
def test_magnitude_and_psir_are_told_by_their_headers(tmp_path, types, description, together):
    stacks = [
        write_stack(tmp_path, pixels(seed), description=description, number=seed, image_type=types[seed])
        for seed in (0, 1)
    ]
    if together:
        as_one_series(*stacks)
    study = read_study(tmp_path)
    assert same(study, pixels(1))
    assert "PSIR rather than magnitude" in study.metadata["choice"]
    assert same(read_study(tmp_path, choice=Choice(kind="magnitude")), pixels(0))


def test_magnitude_and_psir_by_their_complex_component(tmp_path):
    stacks = [
        write_stack(
            tmp_path, pixels(seed), number=seed, description="LGE PSIR", image_type="ORIGINAL\\PRIMARY"
        )
        for seed in (0, 1)
    ]
    as_one_series(*stacks)
    edit(stacks[0], ComplexImageComponent="MAGNITUDE")
    edit(stacks[1], ComplexImageComponent="REAL")
    assert same(read_study(tmp_path), pixels(1))


def test_two_acquisitions_of_one_series_are_listed_and_can_be_chosen(tmp_path, cli):
    stacks = [write_stack(tmp_path, pixels(seed), number=seed) for seed in (1, 2)]
    as_one_series(*stacks)
    for number, files in enumerate(stacks, start=1):
        edit(files, AcquisitionNumber=number)
    with pytest.raises(StudyError, match=r"2 stacks .*acquisition 1.*acquisition 2.*choose with --series"):
        read_study(tmp_path)
    assert same(read_study(tmp_path, choice=Choice(acquisition="2")), pixels(2))
    ended = cli("inspect", tmp_path, "--acquisition", "1")
    assert "asked for by acquisition 1" in ended.out
    assert "Nothing is read" in cli("inspect", tmp_path).out
    assert cli("segment", tmp_path, "--out", tmp_path / "x.nii.gz").code == 2


def test_a_series_is_chosen_by_its_number_or_uid(tmp_path):
    for number in (4, 9):
        files = write_stack(tmp_path, pixels(number), number=number)
    assert same(read_study(tmp_path, choice=Choice(series="4")), pixels(4))
    uid = pydicom.dcmread(files[0]).SeriesInstanceUID
    assert same(read_study(tmp_path, choice=Choice(series=uid)), pixels(9))
    with pytest.raises(StudyError, match=r"no stack of series 5; it has .*series 4.*series 9"):
        read_study(tmp_path, choice=Choice(series="5"))


def in_two_goes(folder: Path, degrees: float, shift_mm: float = 0.0) -> Geometry:
    """Write a stack of a smooth image whose last two slices are turned; return the whole one's grid."""
    whole = Geometry((6, 40, 40), (1.5, 1.25, 9.0), (-80.0, 20.0, 35.0), tuple(OBLIQUE.ravel().tolist()))
    turn = Rotation.from_rotvec(np.radians(degrees) * OBLIQUE[:, 0]).as_matrix()
    rest = replace(whole, shape=(2, 40, 40), direction=tuple((turn @ OBLIQUE).ravel().tolist()))
    middle = whole.index_to_physical(np.array([4, 19.5, 19.5])) + shift_mm * OBLIQUE[:, 0]
    corner = middle - (rest.index_to_physical(np.array([0, 19.5, 19.5])) - np.array(rest.origin))
    rest = replace(rest, origin=tuple(corner.tolist()))
    first = write_stack(folder, smooth(replace(whole, shape=(4, 40, 40))), whole, number=1)
    second = write_stack(folder, smooth(rest), rest, number=2)
    as_one_series(first, second)
    return whole


def smooth(grid: Geometry) -> np.ndarray:
    """Return grey levels that depend on the place in the patient alone."""
    x, y, z = np.moveaxis(grid.index_to_physical(np.moveaxis(np.indices(grid.shape), 0, -1)), -1, 0)
    return (2000 + 900 * np.sin(x / 15) * np.cos(y / 18) + 3 * z).astype(np.uint16)


@pytest.mark.parametrize(("degrees", "shift"), [(0.2, 0.0), (0.9, 0.0), (-0.2, 3.0), (0.0, 2.0)])
def test_a_stack_planned_in_two_goes_is_one(tmp_path, degrees, shift):
    whole = in_two_goes(tmp_path, degrees, shift)
    study = read_study(tmp_path)
    assert study.geometry.is_close(whole, 0.2)
    assert np.array_equal(study.image[:4], smooth(replace(whole, shape=(4, 40, 40)))), "untouched"
    inner = (slice(4, 6), slice(4, -4), slice(4, -4))
    assert np.abs(study.image - smooth(whole))[inner].max() < 25, "of a range of 1800"
    assert "planned in two goes" in study.metadata["note"]
    assert "2 slices were resampled" in study.metadata["note"]


@pytest.mark.parametrize(("degrees", "shift"), [(3.0, 0.0), (0.0, 12.0)])
def test_what_is_further_apart_is_no_one_stack(tmp_path, degrees, shift):
    in_two_goes(tmp_path, degrees, shift)
    study = read_study(tmp_path)
    assert study.image.shape[0] == 4, "the greater part, as a stack of its own"
    assert "other stacks" in study.metadata


def test_patients_mixed_in_one_folder_are_refused_and_not_named(tmp_path):
    for number, name in ((1, "One^A"), (2, "Two^B")):
        edit(write_stack(tmp_path, pixels(number), number=number), PatientName=name, PatientID=name)
    with pytest.raises(StudyError, match="images of 2 patients") as raised:
        read_study(tmp_path)
    assert "One" not in str(raised.value)
    assert "of 2 patients" in inspect(tmp_path).lines[0]
    assert same(read_study(tmp_path, choice=Choice(series="2")), pixels(2))


def test_long_axis_views_and_cine_without_words_do_not_disturb(tmp_path):
    write_stack(tmp_path, pixels(), description="LGE")
    turned = Rotation.from_euler("y", 90, degrees=True).as_matrix() @ OBLIQUE
    lone = replace(GEOMETRY, direction=tuple(turned.ravel().tolist()))
    for number in (2, 3):
        write_stack(tmp_path, pixels(number)[:1], lone, description="LGE", number=number)
    cine = [write_stack(tmp_path, pixels(number), description="", number=number) for number in range(4, 8)]
    as_one_series(*cine)
    for phase, files in enumerate(cine):
        edit(files, CardiacNumberOfImages=4, TriggerTime=phase * 40.0, SeriesNumber=4)
    assert same(read_study(tmp_path), pixels())


def test_a_cine_of_one_phase_is_no_late_enhancement(tmp_path):
    edit(write_stack(tmp_path, pixels(), description="sax"), CardiacNumberOfImages=25)
    with pytest.raises(StudyError, match="no late-enhancement"):
        read_study(tmp_path)


def packed(image: np.ndarray, syntax: str) -> bytes:
    """Return one slice as a compressed stream."""
    if syntax == JPEG2000Lossless:
        return imagecodecs.jpeg2k_encode(image, level=0, codecformat="j2k", reversible=True)
    return imagecodecs.jpegls_encode(image)


@pytest.mark.parametrize("syntax", [RLELossless, JPEG2000Lossless, JPEGLSLossless])
def test_compressed_syntaxes_are_read_to_the_bit(tmp_path, syntax):
    for file, piece in zip(write_stack(tmp_path, pixels(), scaling=(2.0, -50.0)), pixels(), strict=True):
        header = pydicom.dcmread(file)
        if syntax == RLELossless:
            header.compress(RLELossless)
        else:
            header.PixelData = encapsulate([packed(piece, syntax)])
            header["PixelData"].VR = "OB"
            header.file_meta.TransferSyntaxUID = syntax
        header.save_as(file)
    assert np.array_equal(read_study(tmp_path).image, pixels() * 2.0 - 50)


def test_private_tags_directories_and_odd_names(tmp_path):
    folder = tmp_path / "Übung “1” .. 患者 it's"
    files = write_stack(folder, pixels())
    for index, file in enumerate(files):
        header = pydicom.dcmread(file)
        block = header.private_block(0x0019, "SIEMENS MR HEADER", create=True)
        block.add_new(0x0C, "IS", "500")
        header.private_block(0x0029, "SIEMENS CSA HEADER", create=True).add_new(0x10, "OB", b"\x00" * 64)
        header.save_as(folder / f"IM {index} ñ;.dcm")
        file.unlink()
    directory = pydicom.Dataset()
    directory.file_meta = pydicom.dataset.FileMetaDataset()
    directory.file_meta.TransferSyntaxUID = pydicom.uid.ExplicitVRLittleEndian
    directory.file_meta.MediaStorageSOPClassUID = pydicom.uid.MediaStorageDirectoryStorage
    directory.file_meta.MediaStorageSOPInstanceUID = generate_uid()
    directory.FileSetID, directory.DirectoryRecordSequence = "CD", []
    directory.save_as(folder / "DICOMDIR", enforce_file_format=True)
    (folder / ".DS_Store").write_bytes(b"\x00\x00\x00\x01Bud1")
    assert same(read_study(folder), pixels())
    assert same(read_study(folder / ".." / folder.name), pixels())


def zip_of(folder: Path, target: Path) -> Path:
    return Path(shutil.make_archive(str(target), "zip", folder.parent, folder.name))


def test_a_zip_is_read_as_its_folder(tmp_path):
    write_stack(tmp_path / "case" / "series 1", pixels())
    archive = zip_of(tmp_path / "case", tmp_path / "heart")
    study = read_study(archive)
    assert same(study, pixels())
    assert (study.name, study.source) == ("heart", archive)
    assert "6 MR images in 1 series" in inspect(archive).lines[0]


def test_zips_that_reach_out_or_blow_up(tmp_path, monkeypatch):
    from claimslicer.studies.readers import zipped

    file = write_stack(tmp_path / "case", pixels())[0]
    outside = tmp_path / "escape.zip"
    with zipfile.ZipFile(outside, "w") as archive:
        archive.write(file, "../../../escaped.dcm")
        archive.write(file, "/absolute.dcm")
        archive.write(file, "C:\\windows.dcm")
    with zipped.unpacked(outside) as folder:
        assert len([path for path in folder.rglob("*") if path.is_file()]) == 3
    assert not list(tmp_path.glob("escaped*"))
    bomb = tmp_path / "bomb.zip"
    with zipfile.ZipFile(bomb, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("zeros", bytes(5_000_000))
    monkeypatch.setattr(zipped, "MAX_BYTES", 1_000_000)
    with pytest.raises(StudyError, match="unpack to more than a study needs"):
        read_study(bomb)
    # The sizes that the directory claims are a lie: what comes out is counted.
    content = bytearray(bomb.read_bytes())
    at = content.rindex(b"PK\x01\x02")
    content[at + 24 : at + 28] = (1000).to_bytes(4, "little")
    (tmp_path / "liar.zip").write_bytes(content)
    with pytest.raises(StudyError):
        read_study(tmp_path / "liar.zip")


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04 not really", b"text" * 100])
def test_what_is_no_zip(tmp_path, content):
    (tmp_path / "x.zip").write_bytes(content)
    with pytest.raises(StudyError, match=r"x\.zip is damaged"):
        read_study(tmp_path / "x.zip")


def test_a_header_of_too_many_pixels_is_refused_before_they_are_allocated(tmp_path):
    edit(write_stack(tmp_path, pixels()), Rows=60000, Columns=60000)
    with pytest.raises(StudyError, match="claims 21,600,000,000 voxels"):
        read_study(tmp_path)


def test_inspect_lists_all_and_says_why(tmp_path, cli):
    write_stack(tmp_path, pixels(), number=1, description="LGE sax")
    write_stack(tmp_path, pixels(1), number=2, description="cine_sax")
    found = cli("inspect", tmp_path, "--json", tmp_path / "found.json")
    assert found.code == 0
    assert "12 MR images in 2 series, which make 2 stacks." in found.out
    assert "“cine_sax” (magnitude, 6 slices, series 2), 10 × 12 pixels of 1.5 × 1.25 mm" in found.out
    assert "Another sequence or view." in found.out
    assert "Read is “LGE sax” (magnitude, 6 slices, series 1)" in found.out
    assert "too little for a whole left ventricle" in found.out
    assert "Patient" not in found.out
    assert '"refusal"' not in (tmp_path / "found.json").read_text(encoding="utf-8")
    assert cli("inspect", tmp_path / "none").code == 2


@pytest.mark.parametrize(
    ("folder", "shape"), [("oblique-few-tags", (20, 76, 74)), ("cine-no-description", None)]
)
def test_real_folders(shared_data, folder, shape):
    found = inspect(shared_data / "dicom" / folder)
    if shape is None:
        assert "as in cine" in found.text
        assert "no late-enhancement short-axis stack" in found.refusal
        return
    assert found.study is not None
    assert found.study.image.shape == shape
    assert found.study.geometry.spacing == pytest.approx((1.5625, 1.5625, 5.0), abs=1e-4)


def test_streams_that_are_no_dicom_are_left_alone(tmp_path):
    write_stack(tmp_path, pixels())
    (tmp_path / "half.dcm").write_bytes(b"\x00" * 128 + b"DICM")
    assert same(read_study(tmp_path), pixels())
