"""Inpainting with the shipped weights, on the phantom."""

import dataclasses
import json

import numpy as np
import pytest
from claimslicer.errors import ModelError, OutputError, SpecificationError, StudyError
from claimslicer.labels import Label, ScarLabel, infarct_mask, myocardium_mask
from claimslicer.studies import read_study, write_volume
from claimslicer.studies.geometry import Geometry
from claimslicer.studies.phantom import PhantomScar, PhantomSettings, make_phantom
from claimslicer.studies.synthetic import sidecar_path
from claimslicer.synthesis import synthesize, synthesize_variants
from claimslicer.synthesis.band import band_mask
from claimslicer.synthesis.levels import slice_levels
from claimslicer.synthesis.normalisation import remote_scale
from claimslicer.synthesis.texture import Texture


@pytest.fixture(scope="module")
def heart():
    """A scar-free phantom, its labels, and the mask of the scar that another draw of it has."""
    scarred = make_phantom(PhantomSettings(seed=3, n_slices=6, scar=PhantomScar(volume_ml=10.0, mvo_ml=0.5)))
    healthy = make_phantom(PhantomSettings(seed=3, n_slices=6, scar=None)).study
    labels = healthy.labels
    scar = np.zeros(labels.shape, np.uint8)
    wall = labels == Label.MYOCARDIUM
    scar[wall & (scarred.study.labels == Label.INFARCT)] = ScarLabel.SCAR
    scar[wall & (scarred.study.labels == Label.MVO)] = ScarLabel.MVO
    return healthy, labels, scar


@pytest.mark.parametrize("dtype", [np.uint8, np.int16, np.uint16, np.float32, np.float64])
@pytest.mark.parametrize("band_mm", [0.0, 2.5, None])
def test_outside_the_band_nothing_changes_in_the_studys_own_type(heart, dtype, band_mm):
    study, labels, scar = heart
    image = np.clip(study.image / study.image.max() * 250, 0, 250).astype(dtype)
    options = {} if band_mm is None else {"band_mm": band_mm}
    result = synthesize(
        dataclasses.replace(study, image=image), labels, scar, num_inference_steps=2, **options
    )
    assert result.image.dtype == dtype
    spacing = (study.geometry.spacing[1], study.geometry.spacing[0])
    band = band_mask(scar, spacing, **({} if band_mm is None else {"band_mm": band_mm}))
    np.testing.assert_array_equal(result.band, np.where(scar > 0, 1, np.where(band, 2, 0)))
    outside = result.band == 0
    np.testing.assert_array_equal(result.image[outside], image[outside])
    assert (result.image[~outside] != image[~outside]).mean() > 0.8
    np.testing.assert_allclose(result.difference, result.image.astype(np.float32) - image.astype(np.float32))


def test_same_seed_same_image_other_seed_other_image(heart):
    one, again, other = (synthesize(*heart, seed=seed, num_inference_steps=3).image for seed in (5, 5, 6))
    np.testing.assert_array_equal(one, again)
    assert (one != other).any()


def test_the_painted_scar_is_enhanced(heart):
    study, labels, scar = heart
    result = synthesize(study, labels, scar, texture="medium")
    units = remote_scale(study.image, labels).forward(result.image)
    core = scar == ScarLabel.SCAR
    assert 2.0 < np.median(units[core]) < 9.0
    assert np.median(units[core]) > np.median(units[(labels == Label.MYOCARDIUM) & ~core]) + 2


def test_texture_sets_the_brightness(heart):
    study, labels, scar = heart
    core = scar == ScarLabel.SCAR
    faint, bright = (
        np.median(synthesize(study, labels, scar, texture=name, seed=1).image[core])
        for name in ("faint", "bright")
    )
    assert bright > faint


@pytest.mark.parametrize(
    "spacing", [(0.75, 0.75, 8.0), (1.4, 1.8, 10.0), (0.4, 0.4, 10.0), (1.2, 2.2, 8.0), (3.0, 3.0, 8.0)]
)
def test_fine_coarse_and_unequal_pixels_are_painted_too(heart, spacing):
    study, labels, scar = heart
    stretched = dataclasses.replace(study, geometry=Geometry(study.image.shape, spacing))
    result = synthesize(stretched, labels, scar, num_inference_steps=4)
    outside = result.band == 0
    np.testing.assert_array_equal(result.image[outside], study.image[outside])
    assert np.median(result.difference[scar > 0]) > 0


def test_slices_read_from_the_base_give_as_good_a_scar(heart):
    study, labels, scar = heart
    reversed_study = dataclasses.replace(study, image=study.image[::-1].copy())
    flipped = synthesize(reversed_study, labels[::-1].copy(), scar[::-1].copy(), texture="medium").image[::-1]
    straight = synthesize(study, labels, scar, texture="medium").image
    core = scar == ScarLabel.SCAR
    assert np.median(flipped[core]) == pytest.approx(np.median(straight[core]), rel=0.2)


def test_variants_are_those_of_their_seeds(heart):
    variants = synthesize_variants(*heart, seeds=[5, 9], num_inference_steps=2)
    for seed, variant in zip((5, 9), variants, strict=True):
        alone = synthesize(*heart, seed=seed, num_inference_steps=2)
        np.testing.assert_array_equal(variant.image, alone.image)
        assert variant.recipe == alone.recipe


def test_brightness_follows_each_slices_own_blood(heart):
    """Where a coil makes half of the stack twice as bright, the scar is so there."""
    study, labels, scar = heart
    gain = np.where(np.arange(len(labels)) < len(labels) // 2, 1.0, 2.0)[:, None, None]
    shaded = dataclasses.replace(study, image=(study.image * gain).astype(np.float32))
    levels = slice_levels(shaded.image, labels)
    image = synthesize(shaded, labels, scar, texture="medium", seed=1).image
    units = levels.forward(image)
    means = [
        units[z][scar[z] == ScarLabel.SCAR].mean() for z in range(len(scar)) if (scar[z] == 1).sum() > 20
    ]
    assert len(means) >= 3
    assert np.ptp(means) < 0.7 * np.mean(means)


def test_a_brighter_texture_and_a_darker_mvo_are_heeded(heart):
    study, labels, scar = heart
    levels = slice_levels(study.image, labels, away_from=scar > 0)
    medians = []
    for median in (0.6, 1.6):
        texture = Texture(median + np.linspace(-0.3, 0.3, 33), -0.5)
        units = levels.forward(synthesize(study, labels, scar, texture=texture, seed=2).image)
        medians.append(np.median(units[scar == ScarLabel.SCAR]))
        assert units[scar == ScarLabel.MVO].mean() < units[scar == ScarLabel.SCAR].mean()
    assert medians[1] > medians[0] + 0.5


def test_the_published_sampler_and_guidance_run(heart):
    plain = synthesize(*heart, num_inference_steps=3).image
    assert (synthesize(*heart, num_inference_steps=3, guidance=3.0).image != plain).any()
    result = synthesize(*heart, sampler="repaint", num_inference_steps=6, jumps=(2, 2))
    assert result.recipe["settings"]["jumps"] == [2, 2]
    assert (result.image != plain).any()


def test_existing_scar_stays_as_it_is(heart):
    study, labels, scar = heart
    old = labels.copy()
    rows = np.indices(labels.shape)[1]
    half = (scar > 0) & (rows < np.median(rows[scar > 0]))
    old[half] = Label.INFARCT
    result = synthesize(study, old, scar, num_inference_steps=2)
    np.testing.assert_array_equal(result.image[half], study.image[half])
    assert (result.image[(scar > 0) & ~half] != study.image[(scar > 0) & ~half]).any()
    with pytest.raises(SpecificationError, match="already"):
        synthesize(study, old, half.astype(np.uint8))
    assert (synthesize(study, old, half.astype(np.uint8), repaint_existing=True).image != study.image).any()


def test_a_border_zone_shows_less(heart):
    study, labels, scar = heart
    columns = np.indices(scar.shape)[2]
    left = (scar == ScarLabel.SCAR) & (columns < np.median(columns[scar == ScarLabel.SCAR]))
    right = (scar == ScarLabel.SCAR) & ~left
    faint_left = np.where(left, 0.4, 1.0).astype(np.float32)
    faint_right = np.where(right, 0.4, 1.0).astype(np.float32)
    one, other = (
        synthesize(study, labels, scar, texture="medium", intensity=shows, seed=1).image.astype(float)
        for shows in (faint_left, faint_right)
    )
    assert one[left].mean() < other[left].mean()
    assert one[right].mean() > other[right].mean()


def test_a_scar_of_three_voxels_and_a_scar_of_the_whole_wall(heart):
    study, labels, _ = heart
    wall = np.argwhere(myocardium_mask(labels))
    tiny = np.zeros(labels.shape, np.uint8)
    tiny[tuple(wall[len(wall) // 2 : len(wall) // 2 + 3].T)] = ScarLabel.SCAR
    assert (synthesize(study, labels, tiny, band_mm=0.0).difference != 0).sum() in (1, 2, 3)
    everything = myocardium_mask(labels).astype(np.uint8)
    assert np.median(synthesize(study, labels, everything).difference[everything > 0]) > 0


def test_what_cannot_be_painted_is_refused(heart):
    study, labels, scar = heart
    with pytest.raises(SpecificationError, match="empty"):
        synthesize(study, labels, np.zeros_like(scar))
    with pytest.raises(SpecificationError, match="outside the myocardium"):
        synthesize(study, labels, np.ones_like(scar))
    with pytest.raises(StudyError, match="one grid"):
        synthesize(study, labels, scar[:-1])
    with pytest.raises(StudyError, match="intensity"):
        synthesize(study, labels, scar, intensity=np.ones(scar.shape[1:], np.float32))
    with pytest.raises(StudyError, match="blood pool"):
        synthesize(study, np.where(labels == Label.CAVITY, 0, labels), scar)
    with pytest.raises(SpecificationError, match="sampler"):
        synthesize(study, labels, scar, sampler="magic")  # type: ignore[arg-type]
    with pytest.raises(SpecificationError, match="jumps"):
        synthesize(study, labels, scar, jumps=(2, 2))
    with pytest.raises(SpecificationError, match="band"):
        synthesize(study, labels, scar, band_mm=-1.0)
    with pytest.raises(SpecificationError, match="guidance"):
        synthesize(study, labels, scar, guidance=-1.0)
    with pytest.raises(ModelError, match="device"):
        synthesize(study, labels, scar, device="cuda:17")


def test_the_recipe_says_how_to_make_it_again(heart):
    study, labels, scar = heart
    recipe = synthesize(study, labels, scar, seed=4, sampler="ddim", num_inference_steps=2).recipe
    assert recipe["seed"] == 4
    assert recipe["settings"]["sampler"] == "ddim"
    assert len(recipe["weights"]["sha256"]) == 64
    assert len(recipe["scar_sha256"]) == 64
    assert not infarct_mask(labels).any()


def test_a_painted_patient_is_written_with_its_marks(heart, tmp_path):
    """Of a real study: the plain writer marks what is painted into it, by its recipe alone."""
    study, labels, scar = heart
    source = write_volume(tmp_path / "patient.nii.gz", study.image, study.geometry)
    real = read_study(source)
    assert not real.synthetic
    result = synthesize(real, labels, scar, num_inference_steps=1)
    plain = write_volume(tmp_path / "a.nii.gz", result.image, real.geometry, recipe=result.recipe)
    own = result.write(tmp_path / "b.nii.gz", tmp_path / "difference.nii.gz")
    names = [f"{name}_synthetic.nii.gz" for name in ("a", "b", "b_band", "difference")]
    assert [file.name for file in (plain, *own)] == names
    for file in (plain, *own):
        assert json.loads(sidecar_path(file).read_text(encoding="utf-8"))["synthetic"] is True
        assert read_study(file).synthetic
    np.testing.assert_array_equal(read_study(own[0]).image, result.image)
    with pytest.raises(OutputError):
        write_volume(
            tmp_path / "c.nii.gz", result.image, real.geometry, recipe=result.recipe, synthetic=False
        )
    with pytest.raises(OutputError, match="two results"):
        result.write(tmp_path / "d.nii.gz", tmp_path / "d.nii.gz")


def test_a_painted_study_is_synthetic_holds_its_scar_and_never_replaces_its_patient(heart, tmp_path):
    study, labels, scar = heart
    source = write_volume(tmp_path / "synthetic.nii.gz", study.image, study.geometry)
    result = synthesize(read_study(source), labels, scar, num_inference_steps=1)
    assert result.synthetic
    assert result.study.synthetic
    np.testing.assert_array_equal(infarct_mask(result.study.labels), scar != ScarLabel.NONE)
    np.testing.assert_array_equal(result.study.labels == Label.MVO, scar == ScarLabel.MVO)
    before = source.read_bytes()
    with pytest.raises(OutputError, match="belongs to the input"):
        result.write(source)
    assert source.read_bytes() == before


@pytest.mark.parametrize("value", [3, 255, 0.5, -1, float("nan")])
def test_masks_with_other_values_are_refused(heart, value):
    study, labels, scar = heart
    mask = scar.astype(float)
    mask[tuple(np.argwhere(scar)[0])] = value
    with pytest.raises(SpecificationError, match="1 for scar and 2 for no-reflow"):
        synthesize(study, labels, mask)
    with pytest.raises(SpecificationError, match="labels have values"):
        synthesize(study, np.where(labels == Label.BACKGROUND, 200, labels), scar)
    with pytest.raises(SpecificationError, match="0–1"):
        synthesize(study, labels, scar, intensity=np.full(scar.shape, 1.5))
