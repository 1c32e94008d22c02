"""Case folders, label conventions, and labels and masks that belong to another image."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from claimslicer.errors import StudyError
from claimslicer.labels import Label
from claimslicer.studies import Geometry, Study, read_labels, read_scar_mask, read_study, write_volume

GEOMETRY = Geometry((4, 32, 30), (1.5, 1.5, 10.0), (12.0, -30.0, 45.0))


def heart(infarct: bool = True) -> np.ndarray:
    """Return an internal label map: a ring of wall round a cavity, the RV beside it, infarct in the wall."""
    _, y, x = np.indices(GEOMETRY.shape)
    radius = np.hypot(y - 16, x - 18)
    labels = np.zeros(GEOMETRY.shape, np.uint8)
    labels[np.hypot(y - 16, x - 7) < 6] = Label.RIGHT_VENTRICLE
    labels[radius < 8] = Label.MYOCARDIUM
    labels[radius < 5] = Label.CAVITY
    if infarct:
        labels[(labels == Label.MYOCARDIUM) & (x > 18) & (y > 16) & (radius < 7)] = Label.INFARCT
    return labels


def image() -> np.ndarray:
    """Return grey levels of no meaning."""
    return np.random.default_rng(1).integers(0, 1000, GEOMETRY.shape, dtype=np.int16)


def recoded(labels: np.ndarray, table: dict[Label, int], dtype: str = "int16") -> np.ndarray:
    """Return ``labels`` in another collection's values; labels that it lacks become background."""
    result = np.zeros(labels.shape, dtype)
    for label, value in table.items():
        result[labels == label] = value
    return result


def without_rv(labels: np.ndarray) -> np.ndarray:
    """Return ``labels`` as EMIDEC has them."""
    return np.where(labels == Label.RIGHT_VENTRICLE, 0, labels).astype(np.uint8)


ACDC = {Label.RIGHT_VENTRICLE: 1, Label.MYOCARDIUM: 2, Label.INFARCT: 2, Label.CAVITY: 3}
MYOPS = {Label.MYOCARDIUM: 200, Label.CAVITY: 500, Label.RIGHT_VENTRICLE: 600, Label.INFARCT: 2221}


@pytest.fixture
def study() -> Study:
    """Return a study without labels."""
    return Study("case", image(), GEOMETRY)


@pytest.mark.parametrize("suffix", [".nii", ".nii.gz"])
def test_emidec_folder(tmp_path, suffix):
    case = tmp_path / "Case_P001"
    write_volume(case / "Images" / f"Case_P001{suffix}", image(), GEOMETRY)
    write_volume(case / "Contours" / f"Case_P001{suffix}", without_rv(heart()).astype(float), GEOMETRY)
    text = "Case P001\r\n\r\nSex\xa0: F\r\nAge : 65 \r\nHistory of disease: N\r\n"
    (tmp_path / "Case P001.txt").write_bytes(text.encode("cp1252"))
    study = read_study(case)
    assert study.name == "Case_P001"
    assert np.array_equal(study.image, image())
    assert study.labels.dtype == np.uint8
    assert np.array_equal(study.labels, without_rv(heart()))
    assert (study.metadata["Sex"], study.metadata["Age"]) == ("F", "65")
    assert study.metadata["History of disease"] == "N"
    of_file = read_study(case / "Images" / f"Case_P001{suffix}")
    assert of_file.name == "Case_P001"
    assert np.array_equal(of_file.labels, study.labels)


def test_emidec_folder_without_labels_or_image(tmp_path):
    write_volume(tmp_path / "Case_N001" / "Images" / "Case_N001.nii", image(), GEOMETRY)
    assert read_study(tmp_path / "Case_N001").labels is None
    (tmp_path / "Case_N002" / "Images").mkdir(parents=True)
    with pytest.raises(StudyError, match="holds no image"):
        read_study(tmp_path / "Case_N002")


@pytest.mark.parametrize("label_folder", ["train25", "train25_myops_gd"])
def test_myops_case(tmp_path, label_folder):
    folder = tmp_path / "train25"
    for shift, sequence in enumerate(("C0", "DE", "T2")):
        write_volume(folder / f"myops_training_101_{sequence}.nii.gz", image() + shift, GEOMETRY)
    labels = heart()
    values = recoded(labels, MYOPS)
    oedema = (labels == Label.MYOCARDIUM) & (np.indices(labels.shape)[1] < 12)
    values[oedema] = 1220
    write_volume(tmp_path / label_folder / "myops_training_101_gd.nii.gz", values, GEOMETRY)
    study = read_study(folder)
    assert study.name == "myops_training_101"
    assert np.array_equal(study.image, image() + 1)
    assert np.array_equal(study.labels, labels), "oedema counts as myocardium"
    assert "1220" in study.metadata["note"]
    with pytest.raises(StudyError, match="myops_training_101_DE"):
        read_study(folder / "myops_training_101_T2.nii.gz")
    write_volume(folder / "myops_training_102_DE.nii.gz", image(), GEOMETRY)
    with pytest.raises(StudyError, match="holds 2 images"):
        read_study(folder)
    assert np.array_equal(read_study(folder / "myops_training_101_DE.nii.gz").labels, labels)


def test_acdc_case(tmp_path):
    folder = tmp_path / "patient001"
    for frame in (1, 12):
        write_volume(folder / f"patient001_frame{frame:02d}.nii.gz", image() + frame, GEOMETRY)
        write_volume(
            folder / f"patient001_frame{frame:02d}_gt.nii.gz", recoded(heart(), ACDC, "uint8"), GEOMETRY
        )
    with pytest.raises(StudyError, match="holds 2 images"):
        read_study(folder)
    (folder / "Info.cfg").write_text("ED: 1\nES: 12\nGroup: DCM\nHeight: 184.0\n", encoding="utf-8")
    study = read_study(folder)
    assert np.array_equal(study.image, image() + 1), "the end-diastolic frame"
    assert np.array_equal(study.labels, heart(infarct=False))
    assert study.metadata["modality"] == "cine"
    assert "not late enhancement" in study.metadata["note"]
    assert study.metadata["Info.cfg Group"] == "DCM"
    assert read_study(folder / "patient001_frame12.nii.gz").metadata["phase"] == "ES"


def test_loose_file_with_labels_beside_it(tmp_path):
    write_volume(tmp_path / "scan.nrrd", image(), GEOMETRY)
    assert read_study(tmp_path).labels is None
    write_volume(tmp_path / "scan_labels.nii.gz", heart(), GEOMETRY)
    assert np.array_equal(read_study(tmp_path / "scan.nrrd").labels, heart())
    assert np.array_equal(read_study(tmp_path).labels, heart())
    write_volume(tmp_path / "mine.mha", without_rv(heart()), GEOMETRY)
    given = read_study(tmp_path / "scan.nrrd", labels=tmp_path / "mine.mha")
    assert np.array_equal(given.labels, without_rv(heart()))
    with pytest.raises(StudyError, match=r"holds 2 images \(mine.mha, scan.nrrd\)"):
        read_study(tmp_path)


@pytest.mark.parametrize("content", [None, "notes.txt"])
def test_folder_without_a_study(tmp_path, content):
    if content:
        (tmp_path / content).write_text("nothing here", encoding="utf-8")
    with pytest.raises(StudyError, match="holds no study"):
        read_study(tmp_path)


@pytest.mark.parametrize("dtype", ["uint8", "int16", "float64"])
@pytest.mark.parametrize(
    ("values", "expected"),
    [
        (heart(), heart()),
        (without_rv(heart()), without_rv(heart())),
        (without_rv(heart(infarct=False)), without_rv(heart(infarct=False))),
        (recoded(heart(), ACDC), heart(infarct=False)),
    ],
    ids=["internal", "EMIDEC", "EMIDEC normal", "ACDC"],
)
def test_conventions_are_told_from_the_values(tmp_path, study, values, expected, dtype):
    path = write_volume(tmp_path / "labels.nii.gz", values.astype(dtype), GEOMETRY)
    labels = read_labels(path, study)
    assert labels.dtype == np.uint8
    assert np.array_equal(labels, expected)


def test_myops_values_are_told_without_their_folder(tmp_path, study):
    path = write_volume(tmp_path / "labels.nrrd", recoded(heart(), MYOPS, "float64"), GEOMETRY)
    assert np.array_equal(read_labels(path, study), heart())


def test_transmural_infarct_in_an_open_wall_is_emidec(tmp_path, study):
    values = without_rv(heart(infarct=False))
    columns = np.indices(values.shape)[2]
    values[(values == Label.MYOCARDIUM) & (columns > 20)] = Label.INFARCT
    values[-1][(values[-1] != Label.CAVITY) & (columns[-1] < 14)] = 0  # the basal ring is open
    path = write_volume(tmp_path / "labels.nii", values, GEOMETRY)
    assert np.array_equal(read_labels(path, study), values)


def test_values_of_two_conventions_without_a_ring_are_refused(tmp_path, study):
    values = without_rv(heart())
    values[:, 14:18] = 0
    with pytest.raises(StudyError, match="may be EMIDEC's"):
        read_labels(write_volume(tmp_path / "labels.nii", values, GEOMETRY), study)
    assert np.array_equal(read_labels(tmp_path / "labels.nii", study, convention="EMIDEC"), values)


@pytest.mark.parametrize(
    ("values", "reason"),
    [
        (np.zeros(GEOMETRY.shape, np.uint8), "is empty"),
        (recoded(heart(), {Label.CAVITY: 1}), "holds no myocardium"),
        (recoded(heart(), {Label.CAVITY: 1, Label.MYOCARDIUM: 77}), "values 0, 1, 77, which are no labels"),
        (-heart().astype(np.int16), "no labels I know"),
        (heart().astype(np.int32) * 100_000, "no labels I know"),
        (heart() * 0.5, "holds fractions"),
    ],
    ids=["empty", "cavity only", "unknown", "negative", "far apart", "fractions"],
)
def test_labels_that_are_none(tmp_path, study, values, reason):
    with pytest.raises(StudyError, match=reason):
        read_labels(write_volume(tmp_path / "labels.nii.gz", values, GEOMETRY), study)


@pytest.mark.parametrize(
    ("geometry", "reason"),
    [
        (replace(GEOMETRY, origin=(212.0, -30.0, 45.0)), "up to 200 mm away"),
        (replace(GEOMETRY, origin=(12.0, -30.0, 55.0)), "up to 10 mm away"),
        (replace(GEOMETRY, spacing=(1.5, 1.5, 8.0)), "up to 6 mm away"),
        (replace(GEOMETRY, direction=(1, 0, 0, 0, 1, 0, 0, 0, -1)), "up to 60 mm away"),
    ],
    ids=["another place", "one slice off", "another spacing", "upside down"],
)
def test_labels_on_another_grid(tmp_path, study, geometry, reason):
    path = write_volume(tmp_path / "labels.nii.gz", heart(), geometry)
    with pytest.raises(StudyError, match=reason):
        read_labels(path, study)


def test_labels_whose_header_is_rounded_fit(tmp_path, study):
    path = write_volume(tmp_path / "labels.nii.gz", heart(), replace(GEOMETRY, spacing=(1.52, 1.52, 10.0)))
    assert np.array_equal(read_labels(path, study), heart())


def test_labels_of_another_shape_that_lie_elsewhere(tmp_path, study):
    away = replace(GEOMETRY, shape=(3, 32, 30), origin=(12.0, -30.0, 95.0))
    path = write_volume(tmp_path / "labels.nii.gz", heart()[:3], away)
    with pytest.raises(StudyError, match=r"30 × 32 × 3 voxels and the image 30 × 32 × 4, and lies up to 35"):
        read_labels(path, study)


def scar(value: float = 1, dtype: str = "uint8") -> np.ndarray:
    """Return a scar mask of one block."""
    mask = np.zeros(GEOMETRY.shape, dtype)
    mask[1:3, 10:14, 10:14] = value
    return mask


@pytest.mark.parametrize("dtype", ["uint8", "float64"])
def test_scar_mask(tmp_path, study, dtype):
    mask = scar(dtype=dtype)
    mask[2, 11, 11] = 2
    read = read_scar_mask(write_volume(tmp_path / "mask.nii.gz", mask, GEOMETRY), study)
    assert read.dtype == np.uint8
    assert np.array_equal(read, mask)


@pytest.mark.parametrize(
    ("mask", "reason"),
    [
        (scar(0), "is empty"),
        (scar(3), "no scar mask"),
        (scar(0.5, "float32"), "no scar mask"),
        (heart(), "0 to 5"),
    ],
)
def test_scar_masks_that_are_none(tmp_path, study, mask: np.ndarray, reason: str):
    with pytest.raises(StudyError, match=reason):
        read_scar_mask(write_volume(tmp_path / "mask.nii.gz", mask, GEOMETRY), study)


def test_shared_studies_read_and_their_labels_tell_their_convention(shared_data: Path):
    folders = sorted((shared_data / "emidec").glob("Case_*"))
    originals = [shared_data / "emidec-original" / name for name in ("Case_P100", "sampleNegative")]
    for folder in [*folders[::7], *originals]:
        study = read_study(folder)
        assert study.geometry.spacing[2] >= 8, f"{folder.name}: the slice distance is lost"
        assert 1 < study.geometry.spacing[0] < 2.2
        assert not study.synthetic
        assert np.array_equal(read_labels(study.metadata["labels"], study), study.labels)
    assert read_study(originals[0]).metadata["Gap between slices"] == "13 mm"
