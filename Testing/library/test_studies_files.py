"""Volumes in and out of files: values, types, scaling and grid come back as they were; else refused."""

import gzip
from pathlib import Path

import nibabel
import numpy as np
import pytest
import SimpleITK as sitk
from claimslicer.errors import StudyError
from claimslicer.studies import Encoding, Geometry, read_study, write_volume
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from scipy.spatial.transform import Rotation

DTYPES = ("uint8", "int8", "int16", "uint16", "int32", "uint32", "int64", "float32", "float64")
SUFFIXES = (".nii", ".nii.gz", ".nrrd", ".mha")
QUICK = settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


def values(shape: tuple[int, int, int], dtype: str, seed: int = 0) -> np.ndarray:
    """Return random numbers over the whole range of an integer type, or normal ones."""
    rng = np.random.default_rng(seed)
    if np.issubdtype(dtype, np.integer):
        limits = np.iinfo(dtype)
        return rng.integers(limits.min, limits.max, shape, dtype=dtype, endpoint=True)
    return rng.normal(0, 1000, shape).astype(dtype)


@st.composite
def geometries(draw) -> Geometry:
    """Draw small grids: oblique, mirrored, anisotropic, anywhere."""
    shape = tuple(draw(st.integers(2, 6)) for _ in range(3))
    spacing = tuple(draw(st.floats(0.5, 15)) for _ in range(3))
    origin = tuple(draw(st.floats(-300, 300)) for _ in range(3))
    angles = [draw(st.floats(-180, 180)) for _ in range(3)]
    mirror = np.diag([draw(st.sampled_from([-1.0, 1.0])) for _ in range(3)])
    direction = Rotation.from_euler("xyz", angles, degrees=True).as_matrix() @ mirror
    return Geometry(shape, spacing, origin, tuple(direction.ravel().tolist()))


@QUICK
@given(geometry=geometries(), dtype=st.sampled_from(DTYPES), suffix=st.sampled_from(SUFFIXES))
def test_what_is_written_is_read_again(tmp_path, geometry, dtype, suffix):
    image = values(geometry.shape, dtype)
    study = read_study(write_volume(tmp_path / f"volume{suffix}", image, geometry))
    assert study.image.dtype == image.dtype
    assert np.array_equal(study.image, image)
    assert study.geometry.is_close(geometry, 1e-3)
    again = read_study(write_volume(tmp_path / f"again{suffix}", study.image, study.geometry))
    assert again.geometry.is_close(study.geometry, 1e-4), "a second copy drifts away"
    assert not study.synthetic


@QUICK
@given(geometry=geometries())
def test_other_programs_see_the_same_grid(tmp_path, geometry):
    path = write_volume(tmp_path / "volume.nii.gz", values(geometry.shape, "int16"), geometry)
    assert Geometry.of_sitk(sitk.ReadImage(str(path))).is_close(geometry, 1e-2)
    to_ras = np.diag([-1.0, -1, 1])
    assert np.allclose(nibabel.load(path).affine[:3, :3], to_ras @ geometry.matrix, atol=1e-4)
    assert np.allclose(nibabel.load(path).affine[:3, 3], to_ras @ geometry.origin, atol=1e-4)


def test_a_grid_turned_by_almost_half_a_turn_stays_where_it_is(tmp_path):
    turned = Rotation.from_euler("x", 180 - 0.0625, degrees=True).as_matrix()
    geometry = Geometry((10, 300, 300), (1.5, 1.5, 10.0), (0.0, 0.0, 0.0), tuple(turned.ravel().tolist()))
    path = write_volume(tmp_path / "volume.nii.gz", np.zeros(geometry.shape, np.uint8), geometry)
    for read in (read_study(path).geometry, Geometry.of_sitk(sitk.ReadImage(str(path)))):
        assert read.is_close(geometry, 1e-2)


@QUICK
@given(
    dtype=st.sampled_from(["uint8", "int16", "uint16"]),
    slope=st.floats(2**-10, 1000, width=32),
    intercept=st.floats(-5000, 5000, width=32),
)
def test_scaled_files_give_real_values_and_keep_their_own(tmp_path, dtype, slope, intercept):
    stored = values((3, 4, 5), dtype)
    file = nibabel.Nifti1Image(stored.T, np.diag([-1.5, -1.5, 8, 1]))
    file.header.set_slope_inter(slope, intercept)
    file.to_filename(tmp_path / "scaled.nii")
    study = read_study(tmp_path / "scaled.nii")
    assert np.allclose(study.image, stored.astype(float) * slope + intercept)
    if (slope, intercept) == (1, 0):
        assert study.encoding is None
        return
    out = write_volume(tmp_path / "copy.nii.gz", study.image, study.geometry, encoding=study.encoding)
    copy = nibabel.load(out)
    assert copy.get_data_dtype() == np.dtype(dtype)
    assert (copy.dataobj.slope, copy.dataobj.inter) == (slope, intercept)
    assert np.array_equal(copy.dataobj.get_unscaled().T, stored)


def test_encoding_rounds_and_stays_in_its_type():
    encoding = Encoding(np.dtype(np.int16), 0.5, -10.0)
    image = np.array([-10.0, -9.76, 1e9, -1e9])
    assert encoding.encode(image).tolist() == [0, 0, 32767, -32768]


def header_of_two_minds(path: Path, affine: np.ndarray, voxel_sizes: tuple[float, float, float]) -> Path:
    """Write a NIfTI file whose voxel sizes (pixdim) say something else than its affine."""
    file = nibabel.Nifti1Image(values((4, 5, 6), "uint8").T, affine)
    file.to_filename(path)
    content = bytearray(path.read_bytes())
    content[80:92] = np.array(voxel_sizes, "<f4").tobytes()  # pixdim[1..3] of the NIfTI-1 header
    path.write_bytes(content)
    return path


@pytest.mark.parametrize(
    ("diagonal", "voxel_sizes"),
    [((-1, -1, 1, 1), (1.25, 1.5, 10)), ((-1.25, -1.5, 10, 1), (1, 1, 1)), ((-1.25, -1.5, 10, 1), (0, 0, 0))],
)
def test_either_half_of_the_header_may_hold_the_voxel_size(tmp_path, diagonal, voxel_sizes):
    study = read_study(header_of_two_minds(tmp_path / "case.nii", np.diag(diagonal), voxel_sizes))
    assert study.geometry.spacing == pytest.approx((1.25, 1.5, 10))
    assert study.geometry.direction == pytest.approx(np.eye(3).ravel())


def test_labels_may_have_the_other_half_of_the_header(tmp_path):
    image = header_of_two_minds(tmp_path / "scan.nii", np.diag([-1, -1, 1, 1]), (1.25, 1.5, 10))
    study = read_study(image)
    labels = np.ones(study.image.shape, np.uint8)
    labels[:, 1:4, 1:4] = 2
    nibabel.Nifti1Image(labels.T, np.diag([-1.25, -1.5, 10, 1])).to_filename(tmp_path / "scan_labels.nii")
    assert np.array_equal(read_study(image).labels, labels)


def test_an_image_outlives_its_file(tmp_path):
    image = values((4, 5, 6), "int16")
    path = save_nifti(tmp_path / "scan.nii", image.T)
    study = read_study(path)
    path.write_bytes(b"x" * path.stat().st_size)
    assert np.array_equal(study.image, image)


def test_two_true_looking_voxel_sizes_are_refused(tmp_path):
    path = header_of_two_minds(tmp_path / "case.nii", np.diag([-1.25, -1.5, 10, 1]), (2, 2, 8))
    with pytest.raises(StudyError, match=r"two voxel sizes, 2 × 2 × 8 mm and 1\.25 × 1\.5 × 10 mm"):
        read_study(path)


def test_a_file_without_orientation_reads_as_other_programs_read_it(tmp_path):
    file = nibabel.Nifti1Image(values((4, 5, 6), "uint8").T, None)
    file.header.set_zooms((1.25, 1.5, 10))
    file.to_filename(tmp_path / "bare.nii")
    expected = Geometry.of_sitk(sitk.ReadImage(str(tmp_path / "bare.nii")))
    assert read_study(tmp_path / "bare.nii").geometry.is_close(expected, 1e-3)


def test_sheared_axes_are_refused(tmp_path):
    affine = np.diag([1.0, 1, 8, 1])
    affine[0, 1] = 0.3
    nibabel.Nifti1Image(values((4, 5, 6), "uint8").T, affine).to_filename(tmp_path / "sheared.nii")
    with pytest.raises(StudyError, match="right angles"):
        read_study(tmp_path / "sheared.nii")


def test_big_endian_is_read_as_native(tmp_path):
    header = nibabel.Nifti1Header(endianness=">")
    header.set_data_dtype(np.int16)
    image = values((3, 4, 5), "int16")
    nibabel.Nifti1Image(image.T, np.eye(4), header).to_filename(tmp_path / "big.nii")
    study = read_study(tmp_path / "big.nii")
    assert study.image.dtype == np.dtype(np.int16)
    assert np.array_equal(study.image, image)


def test_reading_says_nothing_on_the_terminal(tmp_path, capfd):
    read_study(header_of_two_minds(tmp_path / "case.nii", np.diag([-1, -1, 1, 1]), (1.25, 1.25, 10)))
    assert capfd.readouterr() == ("", "")


def save_nifti(path: Path, image: np.ndarray) -> Path:
    """Write ``image`` in NIfTI's own axis order."""
    nibabel.Nifti1Image(image, np.diag([-1.0, -1, 8, 1])).to_filename(path)
    return path


def test_missing_file(tmp_path):
    with pytest.raises(StudyError, match="There is no file or folder"):
        read_study(tmp_path / "none.nii.gz")


def test_truncated_gzip(tmp_path):
    path = save_nifti(tmp_path / "cut.nii.gz", values((20, 20, 20), "int16"))
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    with pytest.raises(StudyError, match="can't be read to its end"):
        read_study(path)


def test_truncated_header(tmp_path):
    path = save_nifti(tmp_path / "cut.nii", values((4, 4, 4), "int16"))
    path.write_bytes(path.read_bytes()[:200])
    with pytest.raises(StudyError, match=r"cut\.nii"):
        read_study(path)


def test_truncated_plain_file(tmp_path):
    path = save_nifti(tmp_path / "cut.nii", values((20, 20, 20), "int16"))
    path.write_bytes(path.read_bytes()[:5000])
    with pytest.raises(StudyError, match="can't be read to its end"):
        read_study(path)


@pytest.mark.parametrize("name", ["text.nii.gz", "text.nii", "text.nrrd", "text.mha"])
@pytest.mark.parametrize("packed", [False, True])
def test_text_with_the_name_of_a_volume(tmp_path, name, packed):
    text = b"This is not an image.\n" * 50
    (tmp_path / name).write_bytes(gzip.compress(text) if packed else text)
    with pytest.raises(StudyError, match=name):
        read_study(tmp_path / name)


def test_empty_file(tmp_path):
    (tmp_path / "empty.nii.gz").write_bytes(b"")
    with pytest.raises(StudyError, match=r"empty\.nii\.gz"):
        read_study(tmp_path / "empty.nii.gz")


def test_four_dimensions_say_how_many(tmp_path):
    with pytest.raises(StudyError, match="4-D, with 7 volumes"):
        read_study(save_nifti(tmp_path / "cine.nii.gz", values((5, 5, 5), "int16")[..., None].repeat(7, -1)))
    image = sitk.GetImageFromArray(np.zeros((7, 3, 4, 5), np.int16), isVector=False)
    sitk.WriteImage(image, str(tmp_path / "cine.nrrd"))
    with pytest.raises(StudyError, match="4-D, with 7 volumes"):
        read_study(tmp_path / "cine.nrrd")


def test_a_fourth_dimension_of_one_is_no_matter(tmp_path):
    image = values((4, 5, 6), "int16")
    study = read_study(save_nifti(tmp_path / "one.nii", image.T[..., None]))
    assert np.array_equal(study.image, image)


@pytest.mark.parametrize("broken", [np.nan, np.inf, -np.inf])
def test_numbers_that_are_none(tmp_path, broken):
    image = values((4, 5, 6), "float32")
    image[1, 2, 3] = broken
    with pytest.raises(StudyError, match="1 voxel that is not a finite number"):
        read_study(save_nifti(tmp_path / "broken.nii", image))


@pytest.mark.parametrize("shape", [(6, 5), (6, 5, 1)])
@pytest.mark.parametrize("suffix", SUFFIXES)
def test_one_slice(tmp_path, shape, suffix):
    path = tmp_path / f"slice{suffix}"
    sitk.WriteImage(sitk.GetImageFromArray(np.zeros(shape[::-1], np.int16)), str(path))
    with pytest.raises(StudyError, match="single slice"):
        read_study(path)


def test_colours(tmp_path):
    sitk.WriteImage(
        sitk.GetImageFromArray(np.zeros((3, 4, 5, 3), np.uint8), isVector=True), str(tmp_path / "c.mha")
    )
    with pytest.raises(StudyError, match="3 values at each voxel"):
        read_study(tmp_path / "c.mha")
    rgb = np.zeros((5, 4, 3), np.dtype([("R", "u1"), ("G", "u1"), ("B", "u1")]))
    with pytest.raises(StudyError, match="one grey value a voxel"):
        read_study(save_nifti(tmp_path / "c.nii", rgb))
