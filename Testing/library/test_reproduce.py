"""Results made again from their recipes: bit for bit, or told why not."""

import json
from pathlib import Path

import numpy as np
import pytest
from claimslicer.studies import read_study, write_volume
from claimslicer.studies.phantom import PhantomScar, PhantomSettings, make_phantom

SETTINGS = PhantomSettings(
    matrix=(96, 96),
    n_slices=5,
    slice_spacing=16.0,
    offset_mm=(0.0, 0.0),
    through_slice_samples=2,
    scar=PhantomScar(volume_ml=3.0),
)


@pytest.fixture(scope="module")
def case(tmp_path_factory) -> Path:
    """Return an EMIDEC-like case with a scar."""
    folder = tmp_path_factory.mktemp("source") / "Case_P001"
    study = make_phantom(SETTINGS).study
    write_volume(folder / "Images" / "Case_P001.nii.gz", study.image, study.geometry)
    write_volume(folder / "Contours" / "Case_P001.nii.gz", study.labels, study.geometry)
    return folder


@pytest.fixture(scope="module")
def results(case, tmp_path_factory) -> Path:
    """Return a folder with a mask, its intensity, and the image and difference painted from them."""
    folder = tmp_path_factory.mktemp("results")
    with pytest.MonkeyPatch.context() as patch:
        mask, border = folder / "mask.nii.gz", folder / "border.nii.gz"
        smile = ["--random", "--seed", 5, "--rule", "septal", "--out", mask, "--intensity", border]
        assert _run(patch, "smile", case, *smile) == 0
        masks = ["--scar", mask, "--intensity", border, "--difference", folder / "difference.nii.gz"]
        painting = ["--steps", 2, "--band", 2, "--texture", "bright", "--seed", 7, "--device", "cpu"]
        assert _run(patch, "synthesize", case, *masks, *painting, "--out", folder / "image.nii.gz") == 0
    return folder


def _run(patch: pytest.MonkeyPatch, *arguments: object) -> int:
    import sys

    from claimslicer.cli.main import main

    patch.setattr(sys, "argv", ["claim-slicer", *map(str, arguments)])
    try:
        main()
    except SystemExit as end:
        return int(end.code or 0)
    return 0


def painted(results: Path) -> list[object]:
    """Return the options that hand over the mask that was painted."""
    return ["--scar", results / "mask.nii.gz", "--intensity", results / "border.nii.gz", "--device", "cpu"]


def test_masks_are_made_again(cli, results):
    """The mask and its border come out bit for bit, by the frame that they were made in."""
    for name, volume in (("mask", "mask"), ("border", "intensity")):
        outcome = cli("reproduce", results / f"{name}.json")
        assert outcome.code == 0, outcome
        assert f"Identical bit for bit: {results / name}.nii.gz ({volume})" in outcome.out
    recipe = json.loads((results / "mask.json").read_text(encoding="utf-8"))
    recipe["frame"]["rule"] = "fixed"
    (results / "turned.json").write_text(json.dumps(recipe), encoding="utf-8")
    outcome = cli("reproduce", results / "turned.json")
    assert outcome.code == 1 and "differs" in outcome.err


def test_images_are_made_again(cli, results, case, tmp_path):
    """Image and difference come out bit for bit with all settings of the recipe, also into another file."""
    image = results / "image_synthetic.nii.gz"
    outcome = cli("reproduce", image, *painted(results), "--out", tmp_path / "again.nii.gz")
    assert outcome.code == 0 and "(image)" in outcome.out, outcome
    again = read_study(tmp_path / "again_synthetic.nii.gz")
    assert again.synthetic and np.array_equal(again.image, read_study(image).image)
    outcome = cli("reproduce", results / "difference_synthetic.json", *painted(results), "--study", case)
    assert outcome.code == 0 and "(difference)" in outcome.out, outcome


def test_an_image_is_made_again_from_its_recipe_alone(cli, results):
    """The recipe names the mask and the intensity map with their paths."""
    outcome = cli("reproduce", results / "image_synthetic.json", "--device", "cpu")
    assert outcome.code == 0 and "(image)" in outcome.out, outcome


def test_it_is_made_again_with_as_many_threads(cli, results, case, tmp_path, monkeypatch):
    """Sums are rounded otherwise with more threads; the recipe tells how many there were."""
    import claimslicer.synthesis
    import torch

    recipe = json.loads((results / "image_synthetic.json").read_text(encoding="utf-8"))
    assert recipe["computed"] == {"device": "cpu", "threads": torch.get_num_threads()}
    before, asked, paint = torch.get_num_threads(), [], claimslicer.synthesis.synthesize
    recipe["computed"]["threads"] = before + 2
    file = tmp_path / "image_synthetic.json"
    file.write_text(json.dumps(recipe), encoding="utf-8")

    def noting(*arguments, **options):
        asked.append(torch.get_num_threads())
        return paint(*arguments, **options)

    monkeypatch.setattr("claimslicer.synthesis.synthesize", noting, raising=False)
    assert cli("reproduce", file, *painted(results), "--out", tmp_path / "again.nii.gz").code == 0
    assert asked == [before + 2]
    assert torch.get_num_threads() == before


def test_a_result_that_was_changed_is_told(cli, results, case, tmp_path):
    """One voxel more is found, and the exit code says so."""
    stored = read_study(results / "image_synthetic.nii.gz")
    stored.image[2, 48, 48] += 3
    write_volume(tmp_path / "image_synthetic.nii.gz", stored.image, stored.geometry)
    recipe = (results / "image_synthetic.json").read_text(encoding="utf-8")
    (tmp_path / "image_synthetic.json").write_text(recipe, encoding="utf-8")
    outcome = cli("reproduce", tmp_path / "image_synthetic.json", *painted(results))
    assert outcome.code == 1 and "in 1 voxels, by up to 3" in outcome.err, outcome


def test_other_inputs_are_named_before_any_work(cli, results, case, tmp_path, monkeypatch):
    """Another image, other labels, another mask and other weights are told apart by their hashes."""

    def paint(*arguments, **options):
        raise AssertionError("nothing is painted")

    monkeypatch.setattr("claimslicer.synthesis.synthesize", paint)
    study = read_study(case)
    other = tmp_path / "Case_P001"
    labels = study.labels.copy()
    labels[0] = 0
    write_volume(other / "Images" / "Case_P001.nii.gz", study.image + np.uint16(1), study.geometry)
    write_volume(other / "Contours" / "Case_P001.nii.gz", labels, study.geometry)
    outcome = cli("reproduce", results / "image_synthetic.json", *painted(results), "--study", other)
    assert outcome.code == 2 and "the image, the labels" in outcome.err, outcome
    recipe = json.loads((results / "image_synthetic.json").read_text(encoding="utf-8"))
    recipe["inputs"] = {"scar": str(tmp_path / "gone.nii.gz")}
    file = tmp_path / "image_synthetic.json"
    file.write_text(json.dumps(recipe), encoding="utf-8")
    out = ["--out", tmp_path / "again.nii.gz"]
    outcome = cli("reproduce", file, *painted(results)[:2], *out)
    assert outcome.code == 2 and "the intensity map (--intensity)" in outcome.err
    outcome = cli("reproduce", file, *out)
    assert outcome.code == 2 and "--scar" in outcome.err
    recipe["weights"]["sha256"] = "0" * 64
    file.write_text(json.dumps(recipe), encoding="utf-8")
    outcome = cli("reproduce", file, *painted(results), *out)
    assert outcome.code == 2 and "--model" in outcome.err
    outcome = cli("reproduce", file, *painted(results), *out, "--model", "emidec")
    assert outcome.code == 2 and "the weights" in outcome.err
    recipe["source"]["path"] = str(tmp_path / "gone.nii.gz")
    file.write_text(json.dumps(recipe), encoding="utf-8")
    outcome = cli("reproduce", file, *painted(results), *out)
    assert outcome.code == 2 and "--study" in outcome.err


@pytest.mark.parametrize(
    "text",
    [
        "[]",
        "no JSON",
        '{"command": "synthesize"}',
        '{"command": "anatomy", "source": {}, "settings": {}, "seed": 0}',
    ],
)
def test_what_is_no_recipe_is_refused(cli, tmp_path, text):
    """One sentence, exit code 2."""
    (tmp_path / "recipe.json").write_text(text, encoding="utf-8")
    outcome = cli("reproduce", tmp_path / "recipe.json")
    assert outcome.code == 2 and outcome.err.count("\n") == 1, outcome


def test_cohorts_and_segmentations_are_made_again(cli, case, tmp_path):
    """A cohort's case is made again from its parent alone; labels and uncertainty from the study."""
    from claimslicer.cohorts.config import CohortConfig, Source
    from claimslicer.cohorts.make import StudyMaker
    from claimslicer.cohorts.plan import find_parents, plan
    from claimslicer.cohorts.write import write_case

    source = Source(case.parent)
    config = CohortConfig(out=tmp_path / "cohort", sources=(source,), steps=1, device="cpu")
    job = plan(config, find_parents(config)[0])[0]
    folder = write_case(config.out, job, *StudyMaker(config).make(job), ".nii.gz")
    outcome = cli("reproduce", folder / "recipe.json", "--device", "cpu")
    assert outcome.code == 0, outcome
    for volume in ("image", "labels", "scar", "band"):
        assert f"({volume})" in outcome.out
    outcome = cli("reproduce", folder / "Contours" / f"{job.name}.json", "--device", "cpu")
    assert outcome.code == 0 and "(labels)" in outcome.out

    found = tmp_path / "labels.nii.gz"
    assert cli("segment", case, "--out", found, "--device", "cpu").code == 0
    outcome = cli("reproduce", found.with_name("labels.json"), "--device", "cpu")
    assert outcome.code == 0 and "(labels)" in outcome.out, outcome
