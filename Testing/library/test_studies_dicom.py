"""DICOM folders: which slices make a stack, which stack is meant, and where it lies."""

import shutil

import numpy as np
import pydicom
import pytest
import SimpleITK as sitk
from claimslicer.errors import StudyError
from claimslicer.studies import Geometry, read_study, write_volume
from dicom_trial import GEOMETRY, OBLIQUE, SHAPE, SHORT_AXIS, blank, pixels, same, set_pixels, write_stack
from pydicom.dataset import Dataset
from pydicom.sequence import Sequence
from pydicom.uid import (
    EnhancedMRImageStorage,
    MRImageStorage,
    SecondaryCaptureImageStorage,
    generate_uid,
)


def test_shuffled_files_make_the_stack_again(tmp_path):
    write_stack(tmp_path / "case", pixels())
    study = read_study(tmp_path / "case")
    assert same(study, pixels())
    assert study.image.dtype == np.uint16
    assert study.encoding is None
    assert study.name == "case"
    assert study.metadata["choice"] == "the only stack"
    assert float(study.metadata["inversion time (ms)"]) == 300
    assert "Name" not in str(study), "the patient's name stays where it is"


def test_the_working_folder_has_a_name_too(tmp_path, monkeypatch):
    write_stack(tmp_path / "case", pixels())
    monkeypatch.chdir(tmp_path / "case")
    assert read_study(".").name == "case"


def test_odd_headers_are_read_without_a_word(tmp_path, recwarn):
    for file in write_stack(tmp_path, pixels()):
        content = file.read_bytes()
        assert content.count(b"Maker ") == 1
        file.write_bytes(content.replace(b"Maker ", b"M\xffker "))
    assert same(read_study(tmp_path), pixels())
    assert not recwarn.list


def test_a_stack_stored_from_the_other_end_is_the_same_volume(tmp_path):
    files = write_stack(tmp_path, pixels()[::-1], GEOMETRY)
    assert len(files) == len(pixels())
    mirrored = Geometry(SHAPE, GEOMETRY.spacing, GEOMETRY.origin, tuple((OBLIQUE * [1, 1, -1]).ravel()))
    write_stack(tmp_path / "down", pixels(), mirrored)
    study = read_study(tmp_path / "down")
    for index in ((0, 0, 0), (5, 11, 9), (2, 3, 4)):
        place = study.geometry.physical_to_index(mirrored.index_to_physical(index))
        assert study.image[tuple(np.rint(place).astype(int))] == pixels()[index]
    assert np.linalg.det(np.reshape(study.geometry.direction, (3, 3))) > 0


def test_it_lies_where_another_reader_puts_it(tmp_path):
    write_stack(tmp_path, pixels())
    reader = sitk.ImageSeriesReader()
    reader.SetFileNames(reader.GetGDCMSeriesFileNames(str(tmp_path)))
    other = reader.Execute()
    assert same(read_study(tmp_path), sitk.GetArrayFromImage(other), Geometry.of_sitk(other))


@pytest.mark.parametrize("repetitions", [1, 2])
def test_slices_split_over_series_are_put_together(tmp_path, repetitions):
    for repetition in range(repetitions):
        write_stack(tmp_path, pixels(repetition), number=10 + 20 * repetition, split=True)
    if repetitions == 1:
        study = read_study(tmp_path)
        assert same(study, pixels())
        assert "series 10–15" in study.metadata["stack"]
    else:
        with pytest.raises(StudyError, match=r"2 stacks that may be meant.*series 10–15.*series 30–35"):
            read_study(tmp_path)


@pytest.mark.parametrize(
    ("magnitude", "psir"),
    [
        (("LGE_sax_MAG", "ORIGINAL\\PRIMARY\\M\\ND"), ("LGE_sax_PSIR", "ORIGINAL\\PRIMARY\\M\\ND")),
        (("LGE_sax", "ORIGINAL\\PRIMARY\\M\\ND\\MAG"), ("LGE_sax", "ORIGINAL\\PRIMARY\\M\\PSIR")),
        (("LGE_sax", "ORIGINAL\\PRIMARY\\M_IR\\M\\IR"), ("LGE_sax", "ORIGINAL\\PRIMARY\\CR\\CR\\IR")),
    ],
    ids=["description", "image type", "corrected real"],
)
@pytest.mark.parametrize("split", [False, True])
def test_psir_is_taken_rather_than_magnitude(tmp_path, magnitude, psir, split):
    for seed, (description, image_type) in enumerate((magnitude, psir)):
        stack = {
            "description": description,
            "image_type": image_type,
            "number": 10 + 20 * seed,
            "split": split,
        }
        files = write_stack(tmp_path, pixels(seed), **stack)
        if seed == 0:
            first_file = files[2]
    study = read_study(tmp_path)
    assert same(study, pixels(1))
    assert "PSIR rather than magnitude" in study.metadata["choice"]
    assert "magnitude" in study.metadata["other stacks"]
    assert same(read_study(first_file), pixels(0)), "a file of the other stack asks for that one"


def test_the_short_axis_is_found_among_the_rest(tmp_path):
    write_stack(tmp_path, pixels())
    turned = Geometry(SHAPE, GEOMETRY.spacing, (0.0, 0.0, 0.0))
    write_stack(tmp_path, pixels(1), turned, description="LGE_4ch_psir", number=2)
    write_stack(tmp_path, pixels(2), turned, description="cine_sax", number=3)
    write_stack(tmp_path, pixels(3), turned, description="PSIR TI scout", number=4)
    write_stack(tmp_path, pixels(4)[:1], turned, description="localizer", number=5)
    write_stack(tmp_path, pixels(5), turned, description="T2_stir_sax", number=6)
    write_stack(tmp_path, pixels(6), description="LGE sax", number=7, image_type="ORIGINAL\\PRIMARY\\P\\ND")
    study = read_study(tmp_path)
    assert same(study, pixels())
    assert study.metadata["other stacks"].count(";") == 5


def test_two_short_axis_stacks_are_refused_and_listed(tmp_path):
    files = [
        write_stack(tmp_path, pixels(number), description=f"DE sax {name}", number=number)
        for number, name in ((4, "early"), (9, "repeat"))
    ]
    with pytest.raises(StudyError, match=r"DE sax early.*series 4.*DE sax repeat.*series 9.*give one file"):
        read_study(tmp_path)
    assert same(read_study(files[1][0]), pixels(9))


@pytest.mark.parametrize("description", ["cine_sax", "LGE_4ch", "PSIR long axis", "TI_scout"])
def test_nothing_but_other_sequences_is_refused(tmp_path, description):
    write_stack(tmp_path, pixels(), description=description)
    with pytest.raises(StudyError, match=f"no late-enhancement short-axis stack; it has “{description}”"):
        read_study(tmp_path)


def test_a_stack_of_no_description_is_taken_and_said_so(tmp_path):
    write_stack(tmp_path, pixels(), description="")
    study = read_study(tmp_path)
    assert same(study, pixels())
    assert "nothing in it says late enhancement" in study.metadata["choice"]


def test_several_images_at_one_place_are_no_stack(tmp_path):
    first = write_stack(tmp_path, pixels())
    for seed in (1, 2):
        for file, piece in zip(first, pixels(seed), strict=True):
            header = pydicom.dcmread(file)
            header.SOPInstanceUID = header.file_meta.MediaStorageSOPInstanceUID = generate_uid()
            header.PixelData = piece.tobytes()
            header.save_as(tmp_path / f"{seed}{file.name}")
    with pytest.raises(StudyError, match="18 images"):
        read_study(tmp_path)


def test_a_missing_slice_is_refused(tmp_path):
    write_stack(tmp_path, pixels())[2].unlink()
    with pytest.raises(StudyError, match="9, 18, 9, 9 mm apart"):
        read_study(tmp_path)


def test_copies_of_a_file_count_once(tmp_path):
    for file in write_stack(tmp_path, pixels()):
        shutil.copy(file, file.with_suffix(".copy"))
    assert same(read_study(tmp_path), pixels())


def test_sub_folders_and_other_files_do_not_matter(tmp_path):
    for index, file in enumerate(write_stack(tmp_path, pixels())):
        (tmp_path / str(index)).mkdir()
        file.rename(tmp_path / str(index) / "image")
    (tmp_path / "notes.txt").write_text("read me", encoding="utf-8")
    write_volume(tmp_path / "0" / "elsewhere.nii.gz", pixels(), GEOMETRY)
    assert same(read_study(tmp_path), pixels())


@pytest.mark.parametrize("dtype", ["int16", "uint16"])
def test_rescaled_values_are_real_and_find_their_way_back(tmp_path, dtype):
    stored = pixels(dtype=dtype)
    write_stack(tmp_path / "case", stored, scaling=(0.5, -4096))
    study = read_study(tmp_path / "case")
    assert np.array_equal(study.image, stored * 0.5 - 4096)
    assert study.encoding.dtype == np.dtype(dtype)
    assert np.array_equal(study.encoding.encode(study.image), stored)
    out = write_volume(tmp_path / "out.nii.gz", study.image, study.geometry, encoding=study.encoding)
    assert same(read_study(out), study.image)


def test_slices_scaled_each_in_its_own_way(tmp_path):
    scaling = [(1.0 + index, -index) for index in range(SHAPE[0])]
    write_stack(tmp_path, pixels(), scaling=scaling)
    study = read_study(tmp_path)
    expected = np.stack(
        [piece * slope + intercept for piece, (slope, intercept) in zip(pixels(), scaling, strict=True)]
    )
    assert np.array_equal(study.image, expected)
    assert study.encoding is None


@pytest.mark.parametrize("scaling", [None, (1.0, -100.0)])
@pytest.mark.parametrize("storage", [MRImageStorage, SecondaryCaptureImageStorage])
def test_compressed_pixels(tmp_path, scaling, storage):
    compressed = 0
    for file in write_stack(tmp_path / "case", pixels()):
        before = pydicom.dcmread(file)
        image = sitk.ReadImage(str(file), sitk.sitkInt16)
        plain = sitk.GetImageFromArray(pydicom.pixels.pixel_array(file)[None])
        for key in image.GetMetaDataKeys():
            plain.SetMetaData(key, image.GetMetaData(key))
        packed = file.with_suffix(".dcm")
        writer = sitk.ImageFileWriter()
        writer.KeepOriginalImageUIDOn()
        writer.UseCompressionOn()
        writer.SetFileName(str(packed))
        writer.Execute(plain)
        after = pydicom.dcmread(packed)
        compressed += after.file_meta.TransferSyntaxUID.is_compressed
        for name in ("ImagePositionPatient", "ImageOrientationPatient", "PixelSpacing", "SeriesDescription"):
            after[name] = before[name]
        after.RescaleSlope, after.RescaleIntercept = scaling or (1, 0)
        after.SOPClassUID = after.file_meta.MediaStorageSOPClassUID = storage
        after.save_as(packed)
        file.unlink()
    assert compressed == SHAPE[0]
    study = read_study(tmp_path / "case")
    assert np.array_equal(study.image, pixels() + (scaling[1] if scaling else 0))


def test_enhanced_multi_frame(tmp_path):
    header = blank(SHORT_AXIS, 3, "ORIGINAL\\PRIMARY\\M\\NONE")
    header.SOPClassUID = header.file_meta.MediaStorageSOPClassUID = EnhancedMRImageStorage
    order = np.random.default_rng(5).permutation(SHAPE[0])
    set_pixels(header, pixels()[order])
    header.NumberOfFrames = SHAPE[0]
    measures, orientation, values = Dataset(), Dataset(), Dataset()
    measures.PixelSpacing = [GEOMETRY.spacing[1], GEOMETRY.spacing[0]]
    orientation.ImageOrientationPatient = [f"{cosine:.10g}" for cosine in OBLIQUE[:, :2].T.ravel()]
    values.RescaleSlope, values.RescaleIntercept, values.RescaleType = 2, -1000, "US"
    shared = Dataset()
    shared.PixelMeasuresSequence = Sequence([measures])
    shared.PlaneOrientationSequence = Sequence([orientation])
    shared.PixelValueTransformationSequence = Sequence([values])
    header.SharedFunctionalGroupsSequence = Sequence([shared])
    frames = []
    for index in order:
        position, frame = Dataset(), Dataset()
        position.ImagePositionPatient = [f"{mm:.8g}" for mm in GEOMETRY.index_to_physical((index, 0, 0))]
        frame.PlanePositionSequence = Sequence([position])
        frames.append(frame)
    header.PerFrameFunctionalGroupsSequence = Sequence(frames)
    header.save_as(tmp_path / "enhanced.dcm", enforce_file_format=True)
    for path in (tmp_path, tmp_path / "enhanced.dcm"):
        assert same(read_study(path), pixels() * 2.0 - 1000)


def test_synthetic_data_stays_marked(tmp_path):
    write_stack(tmp_path, pixels(), synthetic=True)
    assert read_study(tmp_path).synthetic


def test_labels_for_a_dicom_study(tmp_path):
    write_stack(tmp_path / "case", pixels())
    labels = np.zeros(SHAPE, np.uint8)
    labels[:, 3:9, 3:9], labels[:, 4:8, 4:8] = 2, 1
    path = write_volume(tmp_path / "labels.nii.gz", labels, GEOMETRY)
    assert np.array_equal(read_study(tmp_path / "case", labels=path).labels, labels)


def test_damaged_pixels_are_refused(tmp_path):
    file = write_stack(tmp_path, pixels())[3]
    file.write_bytes(file.read_bytes()[:-100])
    with pytest.raises(StudyError, match="are damaged"):
        read_study(tmp_path)


def test_a_file_of_no_stack(tmp_path):
    file = write_stack(tmp_path, pixels()[:1])[0]
    with pytest.raises(StudyError, match="single slice"):
        read_study(file)
    (tmp_path / "notes.txt").write_text("read me", encoding="utf-8")
    with pytest.raises(StudyError, match="no volume or DICOM image"):
        read_study(tmp_path / "notes.txt")
