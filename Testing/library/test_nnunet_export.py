"""Studies as nnU-Net data sets: what is written, and that no synthetic child leaks into validation."""

import json
from dataclasses import replace
from pathlib import Path

import nibabel
import numpy as np
import pytest
from claimslicer.errors import OutputError, SpecificationError, StudyError
from claimslicer.labels import Label
from claimslicer.studies import make_recipe, read_study, write_volume
from claimslicer.studies.phantom import PhantomScar, PhantomSettings, make_phantom
from claimslicer.training.data.cache import CachedStudy, write_cache
from claimslicer.training.nnunet.dataset import DatasetSettings, export_dataset
from claimslicer.training.nnunet.folds import Case, make_folds
from cli_runner import files_under, run_apart

CASES = ("Case_P001", "Case_N002", "Case_P003", "Case_P004", "Case_P005")
"""By EMIDEC's split, P004 is held back and P005 is a published test case."""
OBLIQUE = (0.8, 0.6, 0.0, 0.6, -0.8, 0.0, 0.0, 0.0, -1.0)


def write_case(folder: Path, case: str, seed: int) -> Path:
    """Write a small oblique phantom as an EMIDEC case folder."""
    study = make_phantom(
        PhantomSettings(
            seed=seed,
            matrix=(48, 40),
            spacing=(2.5, 2.4),
            n_slices=3,
            slice_spacing=20.0,
            offset_mm=(0.0, 0.0),
            direction=OBLIQUE,
            through_slice_samples=2,
            scar=PhantomScar() if "P" in case else None,
        )
    ).study
    write_volume(folder / case / "Images" / f"{case}.nii.gz", study.image, study.geometry)
    write_volume(folder / case / "Contours" / f"{case}.nii.gz", study.labels, study.geometry)
    return folder / case


def write_child(folder: Path, parent: Path, name: str, source: dict[str, str | None] | None = None) -> Path:
    """Write a brighter copy of ``parent`` as its synthetic child, loose, with a recipe."""
    study = read_study(parent)
    recipe = make_recipe("synthesize", study)
    recipe["source"] |= source or {}
    path = write_volume(
        folder / f"{name}.nii.gz", study.image + 7, study.geometry, recipe=recipe, synthetic=True
    )
    write_volume(path.with_name(path.name.replace(".nii.gz", "_labels.nii.gz")), study.labels, study.geometry)
    return path


@pytest.fixture(scope="module")
def cases(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("cases")
    for seed, case in enumerate(CASES):
        write_case(folder, case, seed)
    return folder


@pytest.fixture
def children(cases, tmp_path) -> Path:
    """One child each of a training, a validation and a test patient, under names that tell nothing."""
    for number, parent in enumerate(("Case_P001", "Case_P004", "Case_P005")):
        write_child(tmp_path / "children", cases / parent, f"child{number}")
    return tmp_path / "children"


def splits_of(dataset: Path) -> list[dict[str, list[str]]]:
    return json.loads((dataset / "splits_final.json").read_text(encoding="utf-8"))


def test_volumes_keep_values_grid_and_labels(cases, tmp_path):
    dataset = export_dataset(cases, tmp_path / "raw")
    assert dataset.name == "Dataset501_CLAIM"
    real = read_study(cases / "Case_P001")
    image = nibabel.load(dataset / "imagesTr" / "Case_P001_0000.nii.gz")
    labels = nibabel.load(dataset / "labelsTr" / "Case_P001.nii.gz")
    original = nibabel.load(cases / "Case_P001" / "Images" / "Case_P001.nii.gz")
    assert image.get_data_dtype() == original.get_data_dtype()
    np.testing.assert_array_equal(np.asarray(image.dataobj), np.asarray(original.dataobj))
    for one in (image, labels):
        np.testing.assert_allclose(one.affine, original.affine, rtol=0, atol=1e-6)  # single precision
    inside = np.asarray(labels.dataobj).T
    np.testing.assert_array_equal(inside, np.where(real.labels == Label.RIGHT_VENTRICLE, 0, real.labels))
    description = json.loads((dataset / "dataset.json").read_text(encoding="utf-8"))
    assert description["channel_names"] == {"0": "LGE"}
    assert description["labels"] == {"background": 0, "cavity": 1, "myocardium": 2, "infarct": 3, "mvo": 4}
    assert description["numTraining"] == len(list((dataset / "labelsTr").glob("*.nii.gz"))) == 4


def test_children_follow_their_patients(cases, children, tmp_path):
    dataset = export_dataset(cases, tmp_path / "raw", synthetic=children)
    names = {path.name for path in (dataset / "imagesTr").glob("*.nii.gz")}
    assert not any("P005" in name for name in names), "a published test case"
    (fold,) = splits_of(dataset)
    assert fold["val"] == ["Case_P004"]
    (child,) = [name for name in fold["train"] if "synthetic" in name]
    assert child.startswith("Case_P001"), "the validation patient's child is nowhere trained on"
    assert names == {f"{name}_0000.nii.gz" for name in fold["train"] + fold["val"]}
    marked = read_study(dataset / "imagesTr" / f"{child}_0000.nii.gz")
    assert marked.synthetic
    np.testing.assert_array_equal(marked.image, read_study(cases / "Case_P001").image + 7)


def test_in_a_cross_validation_every_child_is_kept_from_its_parent(cases, children, tmp_path):
    dataset = export_dataset(cases, tmp_path / "raw", DatasetSettings(folds=4), synthetic=children)
    folds = splits_of(dataset)
    assert sorted(name for fold in folds for name in fold["val"]) == sorted(set(CASES) - {"Case_P005"})
    for fold in folds:
        trained = {name.partition("_synthetic")[0] for name in fold["train"]}
        assert not trained & set(fold["val"])
    assert sum("synthetic" in name for fold in folds for name in fold["train"]) == 2 * 3


def test_patients_with_infarct_are_shared_out_evenly():
    cases = [Case(f"{n}", f"{n}", "training", has_infarct=n < 10) for n in range(20)]
    folds = make_folds(cases, 5)
    assert [len(fold["val"]) for fold in folds] == [4] * 5
    assert [sum(int(name) < 10 for name in fold["val"]) for fold in folds] == [2] * 5
    assert folds == make_folds(cases[::-1], 5) or [sorted(f["val"]) for f in folds] == [
        sorted(f["val"]) for f in make_folds(cases[::-1], 5)
    ]


def test_a_childs_child_is_traced_to_the_patient(cases, children, tmp_path):
    child = children / "child1_synthetic.nii.gz"
    write_child(tmp_path / "grandchildren", child, "grandchild")
    dataset = export_dataset(
        cases, tmp_path / "raw", DatasetSettings(folds=2), synthetic=tmp_path / "grandchildren"
    )
    assert (dataset / "imagesTr" / "Case_P004_synthetic_0004_0000.nii.gz").is_file()


def test_children_in_case_folders_as_cohorts_have_them(cases, tmp_path):
    study = read_study(cases / "Case_P003")
    marks = {"recipe": make_recipe("cohort", study), "synthetic": True}
    name = "mine-Case_P003-synthetic-0000"
    for part, array in (("Images", study.image), ("Contours", study.labels), ("Scar", study.labels)):
        write_volume(tmp_path / "cohort" / name / part / f"{name}.nii.gz", array, study.geometry, **marks)
    dataset = export_dataset(cases, tmp_path / "raw", synthetic=tmp_path / "cohort")
    (fold,) = splits_of(dataset)
    assert "Case_P003_synthetic_0004" in fold["train"]


@pytest.mark.parametrize("how", ["no recipe", "unknown source", "not synthetic"])
def test_a_child_of_nobody_is_refused(cases, tmp_path, how):
    folder = tmp_path / "children"
    path = write_child(folder, cases / "Case_P001", "child", {"name": "X", "image_sha256": "0", "path": None})
    if how == "no recipe":
        path.with_name("child_synthetic.json").unlink()
    if how == "not synthetic":
        write_case(folder, "Case_P009", 9)
    with pytest.raises(StudyError):
        export_dataset(cases, tmp_path / "raw", synthetic=folder)
    assert files_under(tmp_path / "raw") == {}
    assert not (tmp_path / "raw").exists()


def test_exporting_again_gives_the_same_and_replaces_whole(cases, children, tmp_path):
    raw = tmp_path / "raw"
    export_dataset(cases, raw, synthetic=children)
    before = files_under(raw)
    export_dataset(cases, raw, synthetic=children)
    assert files_under(raw) == before
    (children / "child0_synthetic.json").write_text("{}", encoding="utf-8")
    with pytest.raises(StudyError):
        export_dataset(cases, raw, synthetic=children)
    assert files_under(raw) == before
    export_dataset(cases, raw)
    assert not any("synthetic" in name for name in files_under(raw))


def test_foreign_data_sets_are_never_touched(cases, tmp_path):
    foreign = tmp_path / "raw" / "Dataset501_CLAIM"
    foreign.mkdir(parents=True)
    (foreign / "dataset.json").write_text("{}", encoding="utf-8")
    with pytest.raises(OutputError, match="no export of this program"):
        export_dataset(cases, tmp_path / "raw")
    with pytest.raises(OutputError, match="number 501"):
        export_dataset(cases, tmp_path / "raw", DatasetSettings(name="Other"))
    assert files_under(tmp_path / "raw").keys() == {"Dataset501_CLAIM/dataset.json"}


def test_a_cache_and_its_children(cases, tmp_path):
    studies = []
    for part, case in (("training", "Case_P001"), ("training", "Case_N002"), ("validation", "Case_P004")):
        study = read_study(cases / case)
        cached = CachedStudy(case, part, study.image, study.labels, study.geometry.spacing_zyx)
        studies += [cached, replace(cached, name=f"{case}-synthetic-0", synthetic=True)]
    write_cache(tmp_path / "cohort.npz", studies)
    dataset = export_dataset(tmp_path / "cohort.npz", tmp_path / "raw")
    (fold,) = splits_of(dataset)
    assert fold["val"] == ["Case_P004"]
    assert {name.partition("_synthetic")[0] for name in fold["train"]} == {"Case_P001", "Case_N002"}
    assert len(fold["train"]) == 4
    assert read_study(dataset / "imagesTr" / "Case_P001_0000.nii.gz").geometry.spacing == pytest.approx(
        study.geometry.spacing
    )


@pytest.mark.parametrize("settings", [{"number": 0}, {"number": 1000}, {"folds": 0}, {"folds": 99}])
def test_settings_are_checked(settings):
    with pytest.raises(SpecificationError):
        DatasetSettings(**settings)


def test_too_few_patients_for_the_folds(cases, tmp_path):
    with pytest.raises(StudyError, match="too few for 9 folds"):
        export_dataset(cases, tmp_path / "raw", DatasetSettings(folds=9))
    assert files_under(tmp_path / "raw") == {}


def test_the_command(cases, tmp_path):
    arguments = ("nnunet", "export", cases, "--out", tmp_path / "raw", "--id", "7", "--name", "LGE")
    done = run_apart(*arguments)
    assert done.code == 0, done.err
    assert "Dataset007_LGE" in done.out
    assert "-d 7 -c 2d" in done.out
    again = run_apart(*arguments)
    assert again.code == 0 and "replacing: the older export" in again.err
    refused = run_apart("nnunet", "export", tmp_path / "nowhere", "--out", tmp_path / "none" / "raw")
    assert refused.code == 2
    assert refused.err.count("\n") == 1
    assert not (tmp_path / "none").exists()
