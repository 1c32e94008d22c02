"""What is measured of one scar, on fields and hearts whose answer is known."""

import math

import numpy as np
import pytest
from claimslicer.anatomy import build_frame
from claimslicer.errors import SpecificationError, StudyError
from claimslicer.evaluation.autocorrelation import LONGEST_MM, autocorrelation_length
from claimslicer.evaluation.controls import blurred_noise, constant_fill
from claimslicer.evaluation.measures import measure_scar, slice_differences
from claimslicer.evaluation.novelty import (
    nearest_distance,
    scar_patches,
    seed_diversity,
    with_symmetries,
)
from claimslicer.evaluation.placement import place_of, survival
from claimslicer.labels import Label, infarct_mask
from claimslicer.quantification.quality import QualityFilter, VolumeBias, leave_one_out_corrected
from claimslicer.studies.phantom import PhantomScar, PhantomSettings, make_phantom
from claimslicer.synthesis.texture import edge_step
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import ndimage

SMALL = {
    "matrix": (112, 112),
    "n_slices": 5,
    "slice_spacing": 14.0,
    "offset_mm": (0.0, 0.0),
    "through_slice_samples": 2,
}


@pytest.fixture(scope="module")
def phantom():
    """A small heart with a scar and its frame."""
    made = make_phantom(PhantomSettings(seed=2, scar=PhantomScar(volume_ml=9.0, mvo_ml=0.8), **SMALL))
    labels = np.where(made.study.labels == Label.RIGHT_VENTRICLE, 0, made.study.labels).astype(np.uint8)
    return made.study, labels, build_frame(made.study.labels, made.study.geometry)


def smooth_field(sd_mm, pixel_mm, seed=0, shape=(3, 260, 260)):
    white = np.random.default_rng(seed).standard_normal(shape)
    return ndimage.gaussian_filter(white, (0.0, sd_mm / pixel_mm[0], sd_mm / pixel_mm[1]))


class TestTexture:
    @pytest.mark.parametrize("pixel_mm", [(1.0, 1.0), (1.0, 2.0), (1.9, 0.7)])
    @pytest.mark.parametrize("sd_mm", [1.5, 3.0])
    def test_smoothed_noise_has_the_length_of_its_analytic_autocorrelation(self, pixel_mm, sd_mm):
        field = smooth_field(sd_mm, pixel_mm)
        length = autocorrelation_length(field, np.ones(field.shape, bool), pixel_mm)
        assert length == pytest.approx(2 * sd_mm * math.sqrt(math.log(2)), rel=0.12)

    def test_white_noise_is_shorter_than_a_pixel_and_a_level_field_as_long_as_can_be(self):
        field = np.random.default_rng(1).standard_normal((2, 80, 80))
        inside = np.ones(field.shape, bool)
        assert autocorrelation_length(field, inside, (1.5, 1.5)) < 1.5
        assert autocorrelation_length(np.full(field.shape, 3.0), inside, (1.5, 1.5)) == LONGEST_MM

    def test_only_the_scar_counts_and_each_slice_by_its_own_mean(self):
        field = smooth_field(2.0, (1.0, 1.0))
        scar = np.zeros(field.shape, bool)
        scar[:, 40:220, 60:200] = True
        disturbed = np.where(scar, field + np.arange(3)[:, None, None] * 50.0, 1e3)
        alone = autocorrelation_length(field, scar, (1.0, 1.0))
        assert autocorrelation_length(disturbed, scar, (1.0, 1.0)) == pytest.approx(alone)

    def test_a_scar_of_a_few_voxels_has_none(self):
        scar = np.zeros((2, 20, 20), bool)
        scar[:, 3, 3:10] = True
        assert math.isnan(autocorrelation_length(smooth_field(2.0, (1, 1))[:2, :20, :20], scar, (1.0, 1.0)))


def wall(scar: np.ndarray, healthy: np.ndarray) -> np.ndarray:
    return np.where(scar, Label.INFARCT, np.where(healthy, Label.MYOCARDIUM, Label.BACKGROUND))


class TestSteps:
    def test_the_edge_step_is_that_within_slices(self):
        scar, healthy = np.zeros((3, 12, 12), bool), np.zeros((3, 12, 12), bool)
        scar[1, 4:8, 4:8] = True
        healthy[1] = ~scar[1]
        healthy[0] = healthy[2] = True
        units = np.where(scar, 6.0, np.where(np.arange(3)[:, None, None] == 1, 1.5, -50.0))
        assert edge_step(units, wall(scar, healthy)) == pytest.approx(4.5)

    def test_scar_at_the_images_border_has_no_neighbour_on_the_other_side(self):
        scar = np.zeros((1, 4, 6), bool)
        scar[0, :, 0] = True
        assert math.isnan(edge_step(np.zeros(scar.shape), wall(scar, np.roll(scar, -1, 2))))

    def test_neighbouring_slices(self):
        rng = np.random.default_rng(3)
        units = rng.standard_normal((4, 30, 30))
        units = (units - units.mean((1, 2), keepdims=True)) / units.std((1, 2), keepdims=True)
        units = units * np.array([1, 2, 2, 2])[:, None, None] + np.array([3, 5, 4, 9])[:, None, None]
        scar = np.ones(units.shape, bool)
        scar[3] = False
        scar[3, 0, :5] = True  # too little to tell
        mean, sd = slice_differences(units, scar)
        assert (mean, sd) == (pytest.approx(1.5), pytest.approx(0.5))


class TestMeasures:
    def test_numbers_of_a_made_image(self, phantom):
        study, labels, _ = phantom
        rng = np.random.default_rng(0)
        image = 100 + 5 * rng.standard_normal(labels.shape)
        image[labels == Label.INFARCT] += 30
        image[labels == Label.MVO] += 10
        image[labels == Label.CAVITY] += 15
        found, quantiles = measure_scar(image, labels, study.geometry.spacing_zyx[1:])
        assert found.cnr == pytest.approx(6.0, abs=0.4)
        assert found.spread == pytest.approx(1.0, abs=0.15)
        assert found.ratio == pytest.approx(1.3, abs=0.02)
        assert found.blood == pytest.approx(2.0, abs=0.15)
        assert found.edge == pytest.approx(6.0, abs=0.4)
        assert found.mvo_contrast == pytest.approx(4.0, abs=0.4)
        assert found.texture_mm < study.geometry.spacing[0]
        assert np.all(np.diff(quantiles) >= 0)
        assert quantiles.mean() == pytest.approx(found.cnr, abs=0.1)

    @settings(max_examples=10, deadline=None)
    @given(gain=st.floats(0.2, 50.0), offset=st.floats(-100.0, 1000.0))
    def test_the_scanners_scale_does_not_matter(self, phantom, gain, offset):
        study, labels, _ = phantom
        pixel = study.geometry.spacing_zyx[1:]
        image = study.image.astype(float)
        plain, _ = measure_scar(image, labels, pixel)
        scaled, _ = measure_scar(gain * image + offset, labels, pixel)
        for name in ("cnr", "spread", "blood", "edge", "texture_mm", "slice_mean", "slice_sd"):
            assert getattr(scaled, name) == pytest.approx(getattr(plain, name), rel=1e-3)

    def test_labels_without_scar_are_refused(self, phantom):
        study, labels, _ = phantom
        with pytest.raises(StudyError, match="no scar"):
            measure_scar(study.image, np.where(infarct_mask(labels), Label.MYOCARDIUM, labels), (1.5, 1.5))


class TestControls:
    def test_they_change_the_scar_alone_and_keep_its_mean(self, phantom):
        study, labels, _ = phantom
        scar = infarct_mask(labels)
        flat = constant_fill(study.image, scar)
        noise = blurred_noise(study.image, scar, (1.5, 1.5), np.random.default_rng(0))
        for fake in (flat, noise):
            assert fake.dtype == study.image.dtype
            np.testing.assert_array_equal(fake[~scar], study.image[~scar])
            assert fake[scar].mean() == pytest.approx(study.image[scar].mean(), abs=0.6)
        assert np.ptp(flat[scar]) == 0
        assert noise[scar].std() == pytest.approx(study.image[scar].std(), rel=0.02)


class TestNovelty:
    def test_a_turned_copy_of_a_training_scar_is_found_and_another_scar_is_not_one(self, phantom):
        study, labels, _ = phantom
        own = scar_patches(study.image, labels, (1.5, 1.5))
        assert len(own) >= 2
        turned = np.rot90(own, 1, (1, 2))[:, ::-1]
        assert nearest_distance(turned, with_symmetries([own])) == pytest.approx(0.0, abs=1e-5)
        other = make_phantom(
            PhantomSettings(seed=9, scar=PhantomScar(centre_deg=230.0, volume_ml=4.0), **SMALL)
        ).study
        away = scar_patches(other.image, other.labels, (1.5, 1.5))
        assert nearest_distance(away, with_symmetries([own])) > 0.3

    def test_the_distance_is_free_of_brightness_and_one_from_no_scar_at_all(self, phantom):
        study, labels, _ = phantom
        own = scar_patches(study.image, labels, (1.5, 1.5))
        assert nearest_distance(own, with_symmetries([np.full_like(own, np.nan)])) == pytest.approx(1.0)
        assert nearest_distance(3 * own, with_symmetries([3.3 * own])) == pytest.approx(0.1, abs=1e-4)
        assert math.isnan(nearest_distance(own[:0], with_symmetries([own])))
        assert math.isnan(nearest_distance(own, with_symmetries([])))

    def test_pixels_of_another_size_show_the_same_scar(self, phantom):
        study, labels, _ = phantom
        fine = scar_patches(
            study.image.repeat(2, 1).repeat(2, 2), labels.repeat(2, 1).repeat(2, 2), (0.75, 0.75)
        )
        coarse = scar_patches(study.image, labels, (1.5, 1.5))
        assert nearest_distance(fine, with_symmetries([coarse])) < 0.3

    def test_seeds(self):
        rng = np.random.default_rng(0)
        one = rng.standard_normal(4000) + 4
        assert seed_diversity(np.stack([one, one])) == 0
        assert seed_diversity(rng.standard_normal((3, 4000))) == pytest.approx(1.0, abs=0.05)
        half = 4 + 0.5 * (one - 4) + math.sqrt(0.75) * rng.standard_normal(4000)
        assert seed_diversity(np.stack([one, half])) == pytest.approx(math.sqrt(0.5), abs=0.03)
        assert math.isnan(seed_diversity(one[None]))


class TestPlacement:
    def test_what_was_asked_is_found_where_it_was_asked(self, phantom):
        _, labels, frame = phantom
        same = survival(labels, labels, frame)
        assert same.segment_dice == 1
        assert same.angle_error_deg == pytest.approx(0)
        assert same.transmurality_asked == same.transmurality_found
        assert 0.2 < same.transmurality_asked <= 1

    def test_a_shallower_and_a_turned_scar_are_told(self, phantom):
        _, _, frame = phantom
        wall = frame.myocardium
        here = wall & (np.abs(frame.circumferential - 100) < 40)
        deep, shallow = place_of(here, frame), place_of(here & (frame.transmural < 0.5), frame)
        assert deep.transmurality == pytest.approx(1.0, abs=0.03)
        assert shallow.transmurality == pytest.approx(0.5, abs=0.12)
        assert deep.angle_deg == pytest.approx(100, abs=5)
        over_zero = place_of(wall & ((frame.circumferential > 340) | (frame.circumferential < 40)), frame)
        assert over_zero.angle_deg == pytest.approx(10, abs=6)

    def test_nothing_found_keeps_nothing(self, phantom):
        _, labels, frame = phantom
        lost = survival(labels, np.zeros_like(labels), frame)
        assert (lost.segments_found, lost.segment_dice) == (0, 0)
        assert math.isnan(lost.transmurality_found)
        assert math.isnan(lost.angle_error_deg)


class TestQuality:
    @given(
        dices=st.lists(st.floats(0.0, 1.0), min_size=1, max_size=40),
        rate=st.floats(0.05, 1.0),
    )
    def test_at_least_the_stated_share_of_real_studies_passes_and_no_stricter_filter_does(self, dices, rate):
        chosen = QualityFilter.calibrate(dices, rate)
        assert np.mean([chosen.passes(dice) for dice in dices]) >= rate - 1e-9
        stricter = [dice for dice in dices if dice > chosen.threshold]
        assert len(stricter) < rate * len(dices)

    def test_what_cannot_calibrate_is_refused(self):
        for dices, rate in (([], 0.9), ([0.5], 0.0), ([0.5], 1.2), ([float("nan")], 0.9)):
            with pytest.raises(SpecificationError):
                QualityFilter.calibrate(dices, rate)

    def test_the_bias_is_taken_off_also_where_one_scar_was_missed(self):
        true = np.array([3.0, 8.0, 15.0, 30.0, 44.0])
        bias = VolumeBias.fit(1.3 * true, true)
        assert bias.factor == pytest.approx(1.3)
        assert bias.corrected(13.0) == pytest.approx(10.0)
        assert VolumeBias.fit([0.0, *(1.3 * true[1:])], true).factor == pytest.approx(1.3)

    def test_a_study_is_not_corrected_by_itself(self):
        corrected = leave_one_out_corrected([2.0, 2.0, 2.0, 30.0], [1.0, 1.0, 1.0, 10.0])
        assert corrected == pytest.approx([1.0, 1.0, 1.0, 15.0])

    def test_a_bias_needs_scars_that_were_found(self):
        for found, true in (
            ([1.0, 2.0], [1.0, 2.0]),
            ([1.0, 2.0, 3.0], [1.0, 0.0, 3.0]),
            ([0, 0, 1.0], [1, 2, 3]),
        ):
            with pytest.raises(SpecificationError):
                VolumeBias.fit(found, true)
