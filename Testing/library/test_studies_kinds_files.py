"""Kinds of volume and label files: units, grids of their own, segmentations, collections' names."""

import json
from dataclasses import replace
from pathlib import Path

import nibabel
import numpy as np
import pytest
import SimpleITK as sitk
from claimslicer.anatomy import build_frame
from claimslicer.anatomy.axis import find_long_axis, looks_planned_otherwise, refined
from claimslicer.anatomy.short_axis import check_slices, to_short_axis
from claimslicer.errors import AnatomyError, StudyError
from claimslicer.labels import Label
from claimslicer.review.inspect import inspect
from claimslicer.studies import Geometry, Study, read_labels, read_scar_mask, read_study, write_volume
from claimslicer.studies.phantom import PhantomSettings, make_phantom
from claimslicer.studies.readers.itk import plain_path
from claimslicer.studies.readers.segmentation import label_of
from claimslicer.studies.segments import SCAR_SEGMENTS
from claimslicer.terms import LABEL_TERMS
from scipy.spatial.transform import Rotation

OBLIQUE = Rotation.from_euler("xyz", [25, -35, 10], degrees=True).as_matrix()
GRIDS = {
    "straight": Geometry((6, 60, 50), (1.5, 1.25, 9.0), (-30.0, 12.0, 40.0)),
    "oblique": Geometry((6, 60, 50), (1.5, 1.25, 9.0), (-30.0, 12.0, 40.0), tuple(OBLIQUE.ravel())),
    "mirrored": Geometry((6, 60, 50), (1.5, 1.25, 9.0), (5.0, 1.0, 2.0), (-1, 0, 0, 0, 1, 0, 0, 0, -1)),
}


@pytest.fixture(params=GRIDS.values(), ids=GRIDS)
def grid(request) -> Geometry:
    """Return a grid that the kind must hold on."""
    return request.param


def heart(grid: Geometry) -> np.ndarray:
    """Return labels: a ring round a cavity, infarct in the ring, an RV beside it."""
    _, y, x = np.indices(grid.shape)
    radius = np.hypot((y - 30) * grid.spacing[1], (x - 28) * grid.spacing[0])
    labels = np.zeros(grid.shape, np.uint8)
    labels[np.hypot(y - 30, x - 14) < 8] = Label.RIGHT_VENTRICLE
    labels[radius < 18] = Label.MYOCARDIUM
    labels[radius < 11] = Label.CAVITY
    labels[(labels == Label.MYOCARDIUM) & (x > 32)] = Label.INFARCT
    labels[[0, -1]] = 0
    return labels


def study_on(grid: Geometry) -> Study:
    """Return a study without labels."""
    return Study("case", np.zeros(grid.shape, np.int16), grid)


@pytest.mark.parametrize(("code", "mm"), [(0, 1.0), (1, 1000.0), (2, 1.0), (3, 0.001), (2 | 8, 1.0)])
def test_a_nifti_file_in_any_unit_lies_where_it_is(tmp_path, grid, code, mm):
    path = write_volume(tmp_path / "scan.nii", heart(grid), grid)
    file = nibabel.load(path)
    affine = file.affine.copy()
    affine[:3] /= mm
    scaled = nibabel.Nifti1Image(np.asanyarray(file.dataobj), affine)
    scaled.header["xyzt_units"] = code
    scaled.to_filename(tmp_path / "other.nii")
    study = read_study(tmp_path / "other.nii")
    assert study.geometry.is_close(grid, 0.01)
    assert np.array_equal(study.image, heart(grid))
    assert ("unit" in study.metadata) == bool(code & 7)


@pytest.mark.parametrize(
    ("scale", "code", "words"),
    [
        (0.001, 0, "taken as millimetres.*were they metres, they would fit"),
        (1000.0, 0, "taken as millimetres.*were they micrometres, they would fit"),
        (1.0, 1, "header says metres.*were they millimetres, they would fit"),
        (1.0, 3, "header says micrometres.*were they millimetres, they would fit"),
        (0.03, 2, "header says millimetres"),
    ],
)
def test_voxels_that_no_heart_has_are_refused(tmp_path, scale, code, words):
    affine = np.diag([1.5 * scale, 1.25 * scale, 9 * scale, 1])
    file = nibabel.Nifti1Image(np.zeros((50, 60, 6), np.int16), affine)
    file.header["xyzt_units"] = code
    file.to_filename(tmp_path / "scan.nii.gz")
    with pytest.raises(StudyError, match=words):
        read_study(tmp_path / "scan.nii.gz")


@pytest.mark.parametrize("suffix", [".nrrd", ".mha"])
def test_other_formats_are_held_to_the_same_sizes(tmp_path, suffix):
    image = sitk.GetImageFromArray(np.zeros((6, 60, 50), np.int16))
    image.SetSpacing((0.0015, 0.0015, 0.009))
    sitk.WriteImage(image, str(tmp_path / f"scan{suffix}"))
    with pytest.raises(StudyError, match=r"measure 0\.0015 × 0\.0015 × 0\.009 mm"):
        read_study(tmp_path / f"scan{suffix}")


def test_a_field_of_view_that_is_too_small_is_said(tmp_path):
    small = Geometry((6, 20, 20), (1.5, 1.5, 9.0))
    study = read_study(write_volume(tmp_path / "scan.nii", np.zeros(small.shape, np.int16), small))
    assert "measures 30 × 30 mm, too little for a whole left ventricle" in study.metadata["note"]


@pytest.mark.parametrize("suffix", [".nii", ".nii.gz", ".nrrd", ".mha"])
def test_a_claim_of_too_many_voxels_is_refused_before_it_is_allocated(tmp_path, suffix):
    path = write_volume(tmp_path / f"scan{suffix}", np.zeros((4, 5, 6), np.int16), Geometry((4, 5, 6)))
    content = path.read_bytes()
    if suffix.startswith(".nii"):
        import gzip

        plain = bytearray(gzip.decompress(content) if suffix == ".nii.gz" else content)
        plain[42:48] = np.array([30000, 30000, 1200], "<i2").tobytes()  # dim[1..3]
        content = gzip.compress(plain) if suffix == ".nii.gz" else bytes(plain)
    else:
        content = content.replace(b"6 5 4", b"30000 30000 1200")
    path.write_bytes(content)
    with pytest.raises(StudyError, match="claims 1,080,000,000,000 voxels"):
        read_study(path)


@pytest.mark.parametrize("margin", [0, 2])
@pytest.mark.parametrize("suffix", [".nii.gz", ".nrrd"])
def test_labels_cropped_to_what_is_drawn(tmp_path, grid, margin, suffix):
    labels = heart(grid)
    low = np.maximum(np.argwhere(labels).min(axis=0) - margin, 0)
    high = np.minimum(np.argwhere(labels).max(axis=0) + 1 + margin, grid.shape)
    box = tuple(slice(a, b) for a, b in zip(low, high, strict=True))
    origin = tuple(grid.index_to_physical(low).tolist())
    crop = replace(grid, shape=labels[box].shape, origin=origin)
    path = write_volume(tmp_path / f"labels{suffix}", labels[box], crop)
    assert np.array_equal(read_labels(path, study_on(grid)), labels)


def test_labels_in_the_closest_canonical_order(tmp_path, grid):
    path = write_volume(tmp_path / "labels.nii.gz", heart(grid), grid)
    canonical = nibabel.as_closest_canonical(nibabel.load(path))
    canonical.to_filename(tmp_path / "canonical.nii.gz")
    assert np.array_equal(read_labels(tmp_path / "canonical.nii.gz", study_on(grid)), heart(grid))


@pytest.mark.parametrize("finer", [(1, 2, 2), (3, 1, 1), (2, 3, 3)])
def test_labels_on_a_finer_grid(tmp_path, grid, finer):
    labels = heart(grid)
    for axis, factor in enumerate(finer):
        labels = labels.repeat(factor, axis)
    spacing = tuple(s / f for s, f in zip(grid.spacing, finer[::-1], strict=True))
    offset = (np.array([1, 1, 1]) / finer - 1) / 2
    fine = Geometry(labels.shape, spacing, tuple(grid.index_to_physical(offset).tolist()), grid.direction)
    path = write_volume(tmp_path / "labels.nii.gz", labels, fine)
    assert np.array_equal(read_labels(path, study_on(grid)), heart(grid))
    write_volume(tmp_path / "scan.nii.gz", np.zeros(grid.shape, np.int16), grid)
    study = read_study(tmp_path / "scan.nii.gz", labels=path)
    assert study.metadata["labels placed"].startswith("placed by their geometry")


@pytest.mark.parametrize("mm", [60, 200])
def test_labels_that_really_lie_elsewhere_are_refused_with_how_far(tmp_path, mm):
    grid = GRIDS["straight"]  # its first voxel reaches to -30.75
    crop = replace(grid, shape=(4, 40, 40), origin=(-30.75 - mm, 12.0, 40.0))
    labels = np.full(crop.shape, 2, np.uint8)
    labels[:, 10:30, 10:30] = 1
    path = write_volume(tmp_path / "labels.nii.gz", labels, crop)
    with pytest.raises(StudyError, match=f"lies up to {mm} mm outside"):
        read_labels(path, study_on(grid))


@pytest.mark.parametrize("noise", [5e-7, -5e-7, 9e-4])
def test_labels_that_are_not_quite_whole(tmp_path, noise):
    grid = GRIDS["straight"]
    values = (heart(grid) * np.float32(1 + noise / 5)).astype(np.float32)
    path = write_volume(tmp_path / "labels.nii.gz", values, grid)
    assert np.array_equal(read_labels(path, study_on(grid)), heart(grid))


def entry(kind: str, region: str = "") -> str:
    """Return a segment's tags as Slicer writes them."""
    where = f"SCT^{region}^there" if region else "^^"
    return (
        "Segmentation.Status:inprogress|TerminologyEntry:Segmentation category and type - 3D Slicer General"
        f" Anatomy list~SCT^85756007^Tissue~SCT^{kind}^what~^^~Anatomic codes - DICOM master list~{where}~^^|"
    )


def write_segmentation(
    path: Path, grid: Geometry, segments: list[tuple[str, str, np.ndarray]], *, layers: bool
) -> Path:
    """Write ``(name, tags, mask)`` as Slicer does: in one layer, or each in its own."""
    if layers:
        image = sitk.GetImageFromArray(np.stack([mask for *_, mask in segments], -1).astype(np.uint8), True)
    else:
        values = np.zeros(grid.shape, np.uint8)
        for value, (*_, mask) in enumerate(segments, start=1):
            values[mask] = value
        image = sitk.GetImageFromArray(values)
    image.SetSpacing(grid.spacing)
    image.SetOrigin(grid.origin)
    image.SetDirection(grid.direction)
    for index, (name, tags, _) in enumerate(segments):
        for key, value in (
            ("ID", f"Segment_{index + 1}"),
            ("Name", name),
            ("Tags", tags),
            ("Layer", str(index if layers else 0)),
            ("LabelValue", "1" if layers else str(index + 1)),
        ):
            image.SetMetaData(f"Segment{index}_{key}", value)
    sitk.WriteImage(image, str(path), useCompression=True)
    return path


def codes(label: Label) -> str:
    """Return the tags of a label's own term."""
    term = LABEL_TERMS[label]
    return entry(term.type.value, "" if term.region is None else term.region.value)


@pytest.mark.parametrize("layers", [False, True])
@pytest.mark.parametrize("known_by", ["code", "name"])
def test_segmentations_of_slicer(tmp_path, grid, layers, known_by):
    labels = heart(grid)
    names = {Label.CAVITY: "LV_cavity", Label.MYOCARDIUM: "myo", Label.INFARCT: "Scar"}
    segments = []
    for number, (label, name) in enumerate(names.items()):
        mask = labels == label
        if layers and label == Label.MYOCARDIUM:
            mask = mask | (labels == Label.INFARCT)  # segments overlap: the wall holds its scar
        known = (f"x{number}", codes(label)) if known_by == "code" else (name, entry("85756007"))
        segments.append((*known, mask))
    path = write_segmentation(tmp_path / "heart.seg.nrrd", grid, segments, layers=layers)
    expected = np.where(labels == Label.RIGHT_VENTRICLE, 0, labels)
    assert np.array_equal(read_labels(path, study_on(grid)), expected)
    scar = read_scar_mask(path, study_on(grid))
    assert np.array_equal(scar, (labels == Label.INFARCT).astype(np.uint8))


def test_segments_that_are_unclear_are_asked_about(tmp_path):
    grid = GRIDS["straight"]
    labels = heart(grid)
    wall, cavity = labels == Label.MYOCARDIUM, labels == Label.CAVITY
    path = tmp_path / "heart.seg.nrrd"
    write_segmentation(path, grid, [("Segment_1", "", wall), ("lv", "", cavity)], layers=False)
    with pytest.raises(StudyError, match=r"don't know what “Segment_1” .* name each segment Cavity"):
        read_labels(path, study_on(grid))
    write_segmentation(path, grid, [("scar", "", wall), ("Infarct", "", cavity)], layers=True)
    with pytest.raises(StudyError, match="two segments that mean infarct, “scar” and “Infarct”"):
        read_labels(path, study_on(grid))
    write_segmentation(path, grid, [("myo", "", wall), ("liver", "", wall & False)], layers=True)
    assert set(np.unique(read_labels(path, study_on(grid)))) == {0, 2}


def test_codes_come_before_names_and_blood_alone_is_of_either_ventricle():
    assert label_of("cavity", codes(Label.INFARCT)) == Label.INFARCT
    assert label_of("thing", entry("87612001")) is None
    assert label_of("thing", entry("87612001", "53085002")) == Label.RIGHT_VENTRICLE
    assert label_of("thing", entry("55641003")) == Label.INFARCT
    assert label_of("No-Reflow", "") == Label.MVO
    assert label_of("x", "TerminologyEntry:~~~") is None


@pytest.mark.parametrize("case", ["Case2003", "Case_7", "myops_training_101"])
def test_names_of_myops_plus_plus_and_care(tmp_path, case):
    grid = GRIDS["straight"]
    for shift, sequence in enumerate(("LGE", "C0", "T2")):
        image = np.full(grid.shape, shift, np.int16)
        write_volume(tmp_path / f"{case}_{sequence}.nii.gz", image, grid)
    values = np.zeros(grid.shape, np.int16)
    for label, value in {Label.CAVITY: 500, Label.MYOCARDIUM: 200, Label.INFARCT: 2221}.items():
        values[heart(grid) == label] = value
    write_volume(tmp_path / f"{case}_gd.nii.gz", values, grid)
    for path in (tmp_path, tmp_path / f"{case}_LGE.nii.gz"):
        study = read_study(path)
        assert (study.name, study.image.max()) == (case, 0)
        assert np.count_nonzero(study.labels == Label.INFARCT) == np.count_nonzero(values == 2221)
    for sequence in ("C0", "T2", "gd"):
        with pytest.raises(StudyError, match=f"give the late-enhancement one, {case}_LGE"):
            read_study(tmp_path / f"{case}_{sequence}.nii.gz")


def test_windows_gets_a_plain_path(tmp_path):
    grid = GRIDS["straight"]
    path = write_volume(tmp_path / "Müller 患者.nrrd", heart(grid), grid)
    assert np.array_equal(read_study(path).image, heart(grid))
    with plain_path(path, windows=True) as plain:
        assert plain.name.isascii()
        assert plain.read_bytes() == path.read_bytes()
    assert not plain.exists()


@pytest.fixture(scope="module")
def axial() -> Study:
    """Return a 3-D scan along the body's axes of a heart that lies as hearts do, with labels."""
    z = np.array([-0.65, 0.67, 0.36]) / np.linalg.norm([0.65, 0.67, 0.36])
    x = np.array([1.0, 0, 0]) - z[0] * z
    x /= np.linalg.norm(x)
    matrix = np.column_stack([x, np.cross(z, x), z])
    settings = PhantomSettings(
        matrix=(80, 80),
        spacing=(2.0, 2.0),
        n_slices=40,
        slice_spacing=3.5,
        slice_thickness=3.5,
        offset_mm=(0.0, 0.0),
        through_slice_samples=1,
        heart_direction=tuple(matrix.ravel().tolist()),
    )
    return make_phantom(settings).study


def test_slices_along_the_body_are_refused(axial, tmp_path, cli):
    with pytest.raises(AnatomyError, match=r"lie \d\d° off the ventricle's short axis.*--reformat FILE"):
        build_frame(axial.labels, axial.geometry, image=axial.image)
    assert looks_planned_otherwise(axial.geometry)
    with pytest.raises(StudyError, match="thin and lie along the body's axes"):
        check_slices(axial)
    scan = write_volume(tmp_path / "scan.nii.gz", axial.image, axial.geometry)
    write_volume(tmp_path / "scan_labels.nii.gz", axial.labels, axial.geometry)
    for command in ("segment", "anatomy", "quantify"):
        ended = cli(command, scan, "--out", tmp_path / "out.nii.gz")
        assert ended.code == 2
        assert "--reformat" in ended.err
    assert "off the ventricle's short axis" in inspect(scan).text


def test_a_short_axis_along_the_axis_found(axial, tmp_path, cli):
    axis = refined(find_long_axis(axial.labels, axial.geometry), axial.labels, axial.geometry)
    assert axis.angle_to(np.array([-0.65, 0.67, 0.36])) < 3
    stack = to_short_axis(axial, lambda _: axial.labels)
    assert stack.geometry.spacing[2] == 8
    for label in (Label.CAVITY, Label.MYOCARDIUM, Label.INFARCT):
        before = np.count_nonzero(axial.labels == label) * axial.geometry.voxel_volume_ml
        after = np.count_nonzero(stack.labels == label) * stack.geometry.voxel_volume_ml
        assert after == pytest.approx(before, rel=0.08), label
    scan = write_volume(tmp_path / "scan.nii.gz", axial.image, axial.geometry)
    write_volume(tmp_path / "scan_labels.nii.gz", axial.labels, axial.geometry)
    ended = cli("quantify", scan, "--reformat", tmp_path / "sa.nii.gz", "--out", tmp_path / "report")
    assert ended.code == 0, ended.err
    again = read_study(tmp_path / "sa.nii.gz")
    assert np.array_equal(again.labels, stack.labels), "written beside the stack"
    assert (tmp_path / "report" / "report.html").exists()


def test_planned_stacks_are_left_alone(shared_data):
    for folder in sorted((shared_data / "emidec").glob("Case_P*"))[::9]:
        study = read_study(folder)
        assert not looks_planned_otherwise(study.geometry)
        axis = find_long_axis(study.labels, study.geometry)
        assert axis.angle_to(np.array([0, 0, 1.0])) < 10


def test_labels_written_for_slicer_hold_names_and_codes(tmp_path, grid):
    labels = heart(grid)
    labels[labels == Label.INFARCT] = Label.MYOCARDIUM
    path = write_volume(tmp_path / "heart.seg.nrrd", labels, grid, synthetic=True, recipe={})
    assert path.name == "heart_synthetic.seg.nrrd"
    assert (tmp_path / "heart_synthetic.json").is_file()
    image = sitk.ReadImage(str(path))
    names = {image.GetMetaData(key) for key in image.GetMetaDataKeys() if key.endswith("_Name")}
    assert names == {"Cavity", "Myocardium", "Infarct", "MVO", "Right ventricle"}, "empty ones too"
    assert "SCT^74281007^Myocardium" in image.GetMetaData("Segment1_Tags")
    assert np.array_equal(read_labels(path, study_on(grid)), labels)
    write_volume(tmp_path / "scan.nrrd", np.zeros(grid.shape, np.int16), grid)
    write_volume(tmp_path / "scan.seg.nrrd", labels, grid)
    for given in (tmp_path / "scan.nrrd", tmp_path):
        if given == tmp_path:
            path.unlink()
        assert np.array_equal(read_study(given).labels, labels), "found beside its image"


def test_a_mask_written_for_slicer_is_a_scar(tmp_path):
    grid = GRIDS["straight"]
    mask = (heart(grid) == Label.INFARCT).astype(np.uint8)
    path = write_volume(tmp_path / "mask.seg.nrrd", mask, grid, segments=SCAR_SEGMENTS)
    assert np.array_equal(read_scar_mask(path, study_on(grid)), mask)
    other = write_volume(tmp_path / "mask.nii.gz", mask, grid, segments=SCAR_SEGMENTS, recipe={})
    terms = json.loads(other.with_name("mask.json").read_text(encoding="utf-8"))["label_terms"]
    assert terms["1"]["term"]["type"]["value"] == "12402003"
