"""Writing: never over an input, nothing half-written, and what is synthetic says so wherever it goes."""

import json
import sys
from dataclasses import dataclass
from pathlib import Path

import nibabel
import numpy as np
import pytest
import SimpleITK as sitk
from claimslicer.errors import OutputError
from claimslicer.studies import Geometry, Study, check_volume_path, make_recipe, read_study, write_volume
from claimslicer.studies.provenance import sha256_of_array, sha256_of_file

GEOMETRY = Geometry((5, 40, 30), (1.5, 1.5, 10.0))
SUFFIXES = (".nii", ".nii.gz", ".nrrd", ".mha")
IMAGE = np.random.default_rng(0).integers(0, 4000, GEOMETRY.shape, dtype=np.int16)


def files_in(folder: Path) -> set[str]:
    """Return the names of all files under ``folder``, hidden ones too."""
    return {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_synthetic_results_carry_three_marks(tmp_path, suffix):
    path = write_volume(tmp_path / f"scan{suffix}", IMAGE, GEOMETRY, synthetic=True, recipe={"seed": 3})
    assert path.name == f"scan_synthetic{suffix}"
    assert files_in(tmp_path) == {path.name, "scan_synthetic.json"}
    sidecar = json.loads((tmp_path / "scan_synthetic.json").read_text(encoding="utf-8"))
    assert sidecar["synthetic"] is True
    assert sidecar["seed"] == 3
    assert sidecar["file"] == path.name
    assert "not for diagnosis" in sidecar["notice"]
    header = sitk.ReadImage(str(path))
    assert any("SYNTHETIC" in header.GetMetaData(key) for key in header.GetMetaDataKeys())
    assert read_study(path).synthetic


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_each_mark_alone_is_seen(tmp_path, suffix):
    marked = write_volume(tmp_path / "a" / f"scan{suffix}", IMAGE, GEOMETRY, synthetic=True)
    header_only = tmp_path / f"renamed{suffix}"
    header_only.write_bytes(marked.read_bytes())
    assert read_study(header_only).synthetic
    plain = write_volume(tmp_path / "b" / f"scan{suffix}", IMAGE, GEOMETRY)
    assert not read_study(plain).synthetic
    name_only = tmp_path / f"p7-Synthetic{suffix}"
    name_only.write_bytes(plain.read_bytes())
    assert read_study(name_only).synthetic
    (tmp_path / "b" / "scan.json").write_text('{"synthetic": true}', encoding="utf-8")
    assert read_study(plain).synthetic


def test_the_token_is_put_in_once_and_words_that_hold_it_do_not_count(tmp_path):
    assert (
        write_volume(tmp_path / "synthetic_7.nii", IMAGE, GEOMETRY, synthetic=True).name == "synthetic_7.nii"
    )
    name = write_volume(tmp_path / "photosynthetical.nii", IMAGE, GEOMETRY, synthetic=True).name
    assert name == "photosynthetical_synthetic.nii"


def test_results_that_are_not_synthetic_have_a_sidecar_with_a_recipe_only(tmp_path):
    write_volume(tmp_path / "labels.nii.gz", IMAGE, GEOMETRY)
    assert files_in(tmp_path) == {"labels.nii.gz"}
    path = write_volume(
        tmp_path / "labels.nii.gz", IMAGE, GEOMETRY, recipe={"synthetic": "never mind", "a": 1}
    )
    sidecar = json.loads((tmp_path / "labels.json").read_text(encoding="utf-8"))
    assert (sidecar["synthetic"], sidecar["a"]) == (False, 1)
    assert not read_study(path).synthetic


SAYS_SYNTHETIC = (
    {"synthetic": True},
    {"source": {"synthetic": True}},
    {"source": {"synthetic": True}, "a": 1},
)


@pytest.mark.parametrize("recipe", SAYS_SYNTHETIC)
def test_the_mark_is_the_recipes(tmp_path, recipe):
    path = write_volume(tmp_path / "scan.nii.gz", IMAGE, GEOMETRY, recipe=recipe)
    assert path.name == "scan_synthetic.nii.gz"
    assert b"SYNTHETIC" in bytes(nibabel.load(path).header["descrip"])
    assert json.loads((tmp_path / "scan_synthetic.json").read_text(encoding="utf-8"))["synthetic"] is True


@pytest.mark.parametrize(
    ("recipe", "synthetic"),
    [*((recipe, False) for recipe in SAYS_SYNTHETIC), ({"synthetic": False}, True)],
)
def test_mark_and_recipe_can_not_be_handed_over_in_contradiction(tmp_path, recipe, synthetic):
    with pytest.raises(OutputError, match="opposite"):
        write_volume(tmp_path / "scan.nii.gz", IMAGE, GEOMETRY, recipe=recipe, synthetic=synthetic)
    assert not files_in(tmp_path)


def test_what_is_made_from_a_real_study_may_be_synthetic(tmp_path):
    recipe = make_recipe("synthesize", Study("real", IMAGE, GEOMETRY))
    assert not read_study(write_volume(tmp_path / "a.nii", IMAGE, GEOMETRY, recipe=recipe)).synthetic
    assert read_study(
        write_volume(tmp_path / "b.nii", IMAGE, GEOMETRY, recipe=recipe, synthetic=True)
    ).synthetic


def test_writing_twice_gives_the_same_bytes(tmp_path):
    written = []
    for _ in range(2):
        path = write_volume(tmp_path / "scan.nii.gz", IMAGE, GEOMETRY)
        written.append(path.read_bytes())
    assert written[0] == written[1]


@pytest.mark.parametrize("dtype", ["bool", "float16"])
def test_types_that_formats_lack(tmp_path, dtype):
    image = (IMAGE > 2000).astype(dtype)
    for suffix in SUFFIXES:
        assert np.array_equal(read_study(write_volume(tmp_path / f"x{suffix}", image, GEOMETRY)).image, image)


@pytest.mark.skipif(sys.platform == "win32", reason="links need a privilege on Windows")
def test_inputs_are_never_written_over(tmp_path):
    source = write_volume(tmp_path / "case" / "scan.nii.gz", IMAGE, GEOMETRY)
    before = source.read_bytes()
    link = tmp_path / "link.nii.gz"
    link.symlink_to(source)
    folder_link = tmp_path / "folder"
    folder_link.symlink_to(source.parent, target_is_directory=True)
    names = [source, link, folder_link / "scan.nii.gz", tmp_path / "case" / ".." / "case" / "scan.nii.gz"]
    for name in names:
        for inputs in ([source], [source.parent], [folder_link], ["nowhere.nii", link]):
            with pytest.raises(OutputError, match="belongs to the input"):
                write_volume(name, IMAGE * 0, GEOMETRY, inputs=inputs)
    assert source.read_bytes() == before
    assert write_volume(tmp_path / "case" / "new.nii.gz", IMAGE, GEOMETRY, inputs=[source.parent]).exists()


def test_a_refusal_can_be_had_before_the_work(tmp_path):
    source = write_volume(tmp_path / "scan_synthetic.nii", IMAGE, GEOMETRY)
    with pytest.raises(OutputError, match="belongs to the input"):
        check_volume_path(tmp_path / "scan.nii", synthetic=True, inputs=[source])
    path = check_volume_path(tmp_path / "new" / "other.nii", synthetic=True, inputs=[source])
    assert path == tmp_path / "new" / "other_synthetic.nii"
    assert files_in(tmp_path) == {"scan_synthetic.nii"}


def test_an_input_or_foreign_json_is_not_replaced_by_a_recipe(tmp_path):
    specification = tmp_path / "mask.json"
    specification.write_text('{"segments": [5]}', encoding="utf-8")
    for inputs in ([specification], []):
        with pytest.raises(OutputError, match=r"mask\.json"):
            write_volume(tmp_path / "mask.nii.gz", IMAGE, GEOMETRY, recipe={}, inputs=inputs)
    assert files_in(tmp_path) == {"mask.json"}


def test_a_recipe_replaces_an_older_one(tmp_path):
    for seed in (1, 2):
        write_volume(tmp_path / "mask.nii.gz", IMAGE, GEOMETRY, recipe={"seed": seed})
    assert json.loads((tmp_path / "mask.json").read_text(encoding="utf-8"))["seed"] == 2


@pytest.mark.parametrize("name", ["scan", "scan.txt", "scan.mhd", "scan.gz"])
def test_names_that_say_no_format(tmp_path, name):
    with pytest.raises(OutputError, match=r"end its name in \.nii\.gz, \.nii, \.seg\.nrrd, \.nrrd, \.mha"):
        write_volume(tmp_path / name, IMAGE, GEOMETRY)
    assert not files_in(tmp_path)


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_a_place_that_is_no_folder(tmp_path, suffix):
    (tmp_path / "file").write_text("x", encoding="utf-8")
    with pytest.raises(OutputError, match="scan"):
        write_volume(tmp_path / "file" / f"scan{suffix}", IMAGE, GEOMETRY, recipe={})
    (tmp_path / f"scan{suffix}").mkdir()
    with pytest.raises(OutputError, match="scan"):
        write_volume(tmp_path / f"scan{suffix}", IMAGE, GEOMETRY, recipe={})
    assert files_in(tmp_path) == {"file"}


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no limit on a process's file size")
@pytest.mark.parametrize("suffix", SUFFIXES)
@pytest.mark.parametrize("limit", [100, 2000])
def test_a_full_disk_leaves_what_was_there(tmp_path, suffix, limit):
    import resource

    older = write_volume(tmp_path / f"scan{suffix}", IMAGE[::-1].copy(), GEOMETRY, recipe={"seed": 1})
    before = {name: (tmp_path / name).read_bytes() for name in files_in(tmp_path)}
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit, hard))
    try:
        with pytest.raises(OutputError, match=r"scan.*\."):
            write_volume(older, IMAGE, GEOMETRY, recipe={"seed": 2})
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert {name: (tmp_path / name).read_bytes() for name in files_in(tmp_path)} == before


def test_a_wrong_shape_is_a_bug_of_the_caller(tmp_path):
    with pytest.raises(ValueError, match="shape"):
        write_volume(tmp_path / "scan.nii", IMAGE[:2], GEOMETRY)


def test_the_nifti_header_holds_no_scaling_of_its_own(tmp_path):
    path = write_volume(tmp_path / "scan.nii.gz", IMAGE, GEOMETRY)
    file = nibabel.load(path)
    assert (file.dataobj.slope, file.dataobj.inter) == (1, 0)
    assert file.get_data_dtype() == np.int16


@dataclass(frozen=True)
class SomeSettings:
    """Settings of the kinds that recipes meet."""

    steps: int = 8
    band: tuple[float, float] = (0.0, 0.5)
    folder: Path = Path("x")


def test_recipes_are_json_and_repeatable():
    study = Study("case", IMAGE, GEOMETRY, labels=(IMAGE > 5).astype(np.uint8), source=Path("case.nii"))
    weights = {"name": "emidec", "sha256": "ab" * 32}
    more = {"mask": IMAGE, "segments": frozenset({5, 3}), "volume_ml": np.float64(2.5)}
    one, two = (
        make_recipe("smile", study, SomeSettings(), seed=7, weights=weights, **more) for _ in range(2)
    )
    assert json.dumps(one) == json.dumps(two)
    assert one["settings"] == {"steps": 8, "band": [0.0, 0.5], "folder": "x"}
    assert one["source"]["image_sha256"] == sha256_of_array(IMAGE) == one["mask_sha256"]
    assert one["segments"] == [3, 5]
    assert {"python", "numpy", "claim-slicer"} <= set(one["versions"])


def test_hashes_tell_values_types_and_shapes_apart_but_not_layouts(tmp_path):
    assert (
        sha256_of_array(IMAGE)
        == sha256_of_array(IMAGE.astype(">i2"))
        == sha256_of_array(np.asfortranarray(IMAGE))
    )
    others = [IMAGE + 1, IMAGE.astype(np.int32), IMAGE.reshape(-1)]
    assert len({sha256_of_array(array) for array in (IMAGE, *others)}) == 4
    (tmp_path / "abc").write_bytes(b"abc")
    known = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
    assert sha256_of_file(tmp_path / "abc") == known
