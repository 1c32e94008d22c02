"""The phantom: what it says about itself has to be true."""

from __future__ import annotations

import dataclasses
import math

import numpy as np
import pytest
from claimslicer.errors import SpecificationError
from claimslicer.labels import Label, infarct_mask, myocardium_mask
from claimslicer.studies.phantom import (
    PhantomAppearance,
    PhantomScar,
    PhantomSettings,
    make_phantom,
    phantom_cohort,
)
from claimslicer.studies.phantom.acquisition import measure
from claimslicer.studies.phantom.truth import aha_segments, septal_degrees
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import ndimage

SMALL = PhantomSettings(matrix=(96, 112), spacing=(1.8, 1.8), offset_mm=(15.0, 0.0), through_slice_samples=3)
SIMPLE = dataclasses.replace(SMALL, shape_variation=0.0, scar=None)
OBLIQUE = (0.6, -0.64, -0.48, 0.8, 0.48, 0.36, 0.0, -0.6, 0.8)


@pytest.fixture(scope="module")
def infarcted():
    return make_phantom(dataclasses.replace(SMALL, scar=PhantomScar(volume_ml=12.0, mvo_ml=1.5)))


@pytest.fixture(scope="module")
def simple():
    return make_phantom(SIMPLE)


def _bullseye_degrees(phantom, points_lps):
    """Angle of LPS points round the true axis, worked out from the insertion alone."""
    apex, base = np.array(phantom.truth.apex), np.array(phantom.truth.base)
    axis = (base - apex) / np.linalg.norm(base - apex)

    def across(points):
        relative = np.asarray(points) - apex
        return relative - (relative @ axis)[..., None] * axis

    anterior = across(phantom.insertions.anterior)
    anterior /= np.linalg.norm(anterior)
    # Seen from the apex towards the base, counter-clockwise is a left turn about the negative axis.
    onward = np.cross(-axis, anterior)
    radial = across(points_lps)
    return (120 + np.rad2deg(np.arctan2(radial @ onward, radial @ anterior))) % 360


def test_same_settings_same_bits():
    first, second = make_phantom(SMALL), make_phantom(SMALL)
    assert np.array_equal(first.study.image, second.study.image)
    assert np.array_equal(first.study.labels, second.study.labels)
    assert first.insertions == second.insertions


def test_other_seeds_other_hearts_and_other_noise():
    first, second = make_phantom(SMALL), make_phantom(dataclasses.replace(SMALL, seed=1))
    assert not np.array_equal(first.study.labels, second.study.labels)
    assert not np.array_equal(first.study.image, second.study.image)


def test_grid_does_not_change_the_heart():
    fine = make_phantom(dataclasses.replace(SMALL, spacing=(1.2, 1.2), matrix=(144, 168), scar=None))
    coarse = make_phantom(dataclasses.replace(SMALL, scar=None))
    assert fine.truth.myocardium_ml == pytest.approx(coarse.truth.myocardium_ml, rel=0.02)
    assert fine.truth.cavity_ml == pytest.approx(coarse.truth.cavity_ml, rel=0.02)
    assert np.allclose(fine.insertions.anterior, coarse.insertions.anterior, atol=1e-4)


def test_labels_are_all_there_and_in_their_places(infarcted):
    study = infarcted.study
    assert set(np.unique(study.labels)) == set(Label)
    assert study.image.shape == study.labels.shape == study.geometry.shape
    assert study.synthetic
    places = {
        label: np.argwhere(study.labels == label).mean(axis=0)
        for label in (Label.CAVITY, Label.MYOCARDIUM, Label.RIGHT_VENTRICLE)
    }
    assert places[Label.RIGHT_VENTRICLE][2] < places[Label.CAVITY][2] - 20
    # The cavity is closed off: in the slice plane it touches nothing but the wall.
    cavity = study.labels == Label.CAVITY
    in_plane = ndimage.generate_binary_structure(2, 1)[None]
    rim = ndimage.binary_dilation(cavity, in_plane) & ~cavity
    assert myocardium_mask(study.labels)[rim].all()


def test_tissue_brightness_is_that_of_lge(infarcted):
    image, labels = infarcted.study.image, infarcted.study.labels
    median = {label: np.median(image[labels == label]) for label in Label}
    assert median[Label.MYOCARDIUM] < median[Label.MVO] < median[Label.INFARCT]
    assert 1.5 * median[Label.MYOCARDIUM] < median[Label.CAVITY]
    assert median[Label.RIGHT_VENTRICLE] == pytest.approx(median[Label.CAVITY], rel=0.15)
    remote = image[infarcted.truth.segments == 5].astype(float)
    contrast = (median[Label.INFARCT] - np.median(remote)) / remote.std()
    assert 2.5 < contrast < 9


@settings(max_examples=8, deadline=None)
@given(
    volume=st.floats(0.5, 9.0),
    mvo_share=st.floats(0.0, 0.3),
    centre=st.floats(0.0, 360.0),
    seed=st.integers(0, 1000),
)
def test_the_ml_asked_are_the_ml_obtained(volume, mvo_share, centre, seed):
    scar = PhantomScar(
        centre_deg=centre,
        width_deg=120,
        longitudinal=(0.1, 0.9),
        transmurality=0.9,
        volume_ml=volume,
        mvo_ml=mvo_share * volume if mvo_share > 0.1 else 0.0,
    )
    phantom = make_phantom(dataclasses.replace(SMALL, seed=seed, scar=scar, through_slice_samples=1))
    voxel = phantom.study.geometry.voxel_volume_ml
    for asked, label_ml in ((volume, phantom.truth.scar_ml), (scar.mvo_ml, phantom.truth.mvo_ml)):
        assert abs(label_ml - asked) <= max(0.01 * asked, voxel)
    counted = np.count_nonzero(infarct_mask(phantom.study.labels)) * voxel
    assert counted == pytest.approx(phantom.truth.scar_ml)


def test_scar_keeps_to_its_region():
    scar = PhantomScar(centre_deg=330, width_deg=80, longitudinal=(0.3, 0.8), transmurality=0.5)
    phantom = make_phantom(dataclasses.replace(SMALL, scar=scar))
    infarct = infarct_mask(phantom.study.labels)
    truth = phantom.truth
    turn = (truth.circumferential[infarct] - 330 + 180) % 360 - 180
    assert np.abs(turn).max() <= 40
    assert truth.transmural[infarct].max() <= 0.5
    assert truth.longitudinal[infarct].min() >= 0.3 and truth.longitudinal[infarct].max() <= 0.8
    assert set(np.unique(truth.segments[infarct])) <= {4, 5, 6, 10, 11, 12, 15, 16}


def test_mvo_lies_inside_the_scar(infarcted):
    labels = infarcted.study.labels
    mvo, scar = labels == Label.MVO, infarct_mask(labels)
    assert np.isfinite(infarcted.truth.transmural[mvo]).all()
    shell = ndimage.binary_dilation(mvo, ndimage.generate_binary_structure(2, 1)[None]) & ~mvo
    assert np.mean(scar[shell]) > 0.9


def test_segments_follow_from_axis_and_insertion_alone(simple):
    truth, geometry = simple.truth, simple.study.geometry
    wall = np.argwhere(truth.segments > 0)
    points = geometry.index_to_physical(wall)
    degrees = _bullseye_degrees(simple, points)
    known = truth.circumferential[tuple(wall.T)]
    assert np.abs((degrees - known + 180) % 360 - 180).max() < 0.01
    end, base = np.array(truth.cavity_end), np.array(truth.base)
    axis = base - end
    longitudinal = (points - end) @ axis / (axis @ axis)
    assert np.allclose(np.minimum(longitudinal, 1), truth.longitudinal[tuple(wall.T)], atol=1e-4)
    assert (truth.segments == 17).any()
    assert np.array_equal(truth.segments > 0, myocardium_mask(simple.study.labels))


def test_insertions_lie_where_septum_rv_and_outside_meet(simple):
    geometry, labels = simple.study.geometry, simple.study.labels
    for point in (simple.insertions.anterior, simple.insertions.inferior):
        z, y, x = np.rint(geometry.physical_to_index(np.array(point))).astype(int)
        around = labels[z, y - 3 : y + 4, x - 3 : x + 4]
        assert {Label.BACKGROUND, Label.MYOCARDIUM, Label.RIGHT_VENTRICLE} <= set(np.unique(around))
    inferior = _bullseye_degrees(simple, np.array([simple.insertions.inferior]))
    assert inferior[0] == pytest.approx(240, abs=1e-3)


def test_standard_view_has_anterior_up_and_the_rv_on_the_left(simple):
    geometry = simple.study.geometry
    anterior = geometry.physical_to_index(np.array(simple.insertions.anterior))
    inferior = geometry.physical_to_index(np.array(simple.insertions.inferior))
    apex = geometry.physical_to_index(np.array(simple.truth.apex))
    assert anterior[1] < apex[1] < inferior[1]
    assert anterior[2] < apex[2] and inferior[2] < apex[2]
    assert apex[0] < anterior[0]


def test_aha_segments_of_known_angles():
    heights = np.array([0.9] * 6 + [0.5] * 6 + [0.1] * 4 + [-0.1, np.nan])
    degrees = np.array([*range(90, 450, 60), *range(90, 450, 60), *range(90, 450, 90), 0, 0]) % 360.0
    assert aha_segments(heights, degrees).tolist() == [*range(1, 18), 0]


def test_septal_rule_stretches_the_true_septum():
    angles = np.array([120.0, 195.0, 269.99, 15.0])
    assert np.allclose(septal_degrees(angles, 150.0), [120, 180, 240, 0], atol=0.02)


@pytest.mark.parametrize("apex_first", [True, False])
@pytest.mark.parametrize("mirror", [1.0, -1.0])
@pytest.mark.parametrize("direction", [PhantomSettings().direction, OBLIQUE])
def test_any_grid_shows_the_same_heart(apex_first, mirror, direction):
    cosines = np.reshape(direction, (3, 3)) * np.array([1.0, 1.0, mirror])
    grid = tuple(float(c) for c in cosines.ravel())
    heart = (0.0, 0.0, 1.0, 1.0, 0.0, 0.0, 0.0, 1.0, 0.0)
    centre = (31.0, -12.0, 140.0)
    along = dataclasses.replace(
        SIMPLE, direction=grid, apex_first=apex_first, heart_centre=centre, septal_arc_deg=130
    )
    phantom = make_phantom(along)
    wall = np.argwhere(phantom.truth.segments > 0)
    points = phantom.study.geometry.index_to_physical(wall)
    degrees = _bullseye_degrees(phantom, points)
    assert np.abs((degrees - phantom.truth.circumferential[tuple(wall.T)] + 180) % 360 - 180).max() < 0.01
    middle = (np.array(phantom.truth.apex) + np.array(phantom.truth.base)) / 2
    assert np.allclose(middle, centre)
    first_is_apex = phantom.study.geometry.physical_to_index(np.array(phantom.truth.apex))[0] < 2
    assert first_is_apex == apex_first
    # A heart that is held still is the same one, whichever grid looks at it.
    wide = dataclasses.replace(
        along,
        heart_direction=heart,
        matrix=(96, 96),
        n_slices=12,
        offset_mm=(0.0, 0.0),
        through_slice_samples=1,
    )
    still = make_phantom(wide)
    assert np.allclose(still.truth.base, np.array(centre) + 45 * np.array([1.0, 0.0, 0.0]))
    assert _wall_agreement(still, heart, centre) > 0.97


def _wall_agreement(phantom, heart, centre):
    """Share of voxels well inside the ideal wall or cavity, by hand in physical space, labelled so."""
    geometry = phantom.study.geometry
    grid = np.argwhere(np.ones(geometry.shape, bool))
    view = (geometry.index_to_physical(grid) - np.array(centre)) @ np.reshape(heart, (3, 3))
    radius, height = np.hypot(view[:, 0], view[:, 1]), view[:, 2] + 45.0
    straight = (height > 66) & (height < 78)
    wall = straight & (radius > 26.5) & (radius < 29.5)
    cavity = straight & (radius < 19)
    labels = phantom.study.labels[tuple(grid.T)]
    assert wall.sum() > 100 and cavity.sum() > 100
    return min(np.mean(labels[wall] == Label.MYOCARDIUM), np.mean(labels[cavity] == Label.CAVITY))


def test_ellipsoid_volume_is_the_analytic_one(simple):
    # Below the shoulder half an ellipsoid, above it a slightly tapered cylinder.
    radius, tip, shoulder, length = 33.0 - 9.5, 8.0, 0.7 * 90, 90.0
    heights = np.linspace(tip, length, 20001)
    profile = np.where(
        heights < shoulder,
        1 - ((shoulder - heights) / (shoulder - tip)) ** 2,
        (1 - 0.06 * ((heights - shoulder) / (length - shoulder)) ** 2) ** 2,
    )
    exact = math.pi * radius**2 * profile.mean() * (length - tip) / 1000
    assert simple.truth.cavity_ml == pytest.approx(exact, rel=0.06)


def test_open_base_and_shifted_slices_keep_labels_sound():
    phantom = make_phantom(
        dataclasses.replace(SMALL, incomplete_base_mm=12.0, breath_shift_mm=1.5, rotation_deg=25.0)
    )
    wall = myocardium_mask(phantom.study.labels)
    top = phantom.truth.circumferential[-1][wall[-1]]
    assert not ((top > 70) & (top < 140)).any()
    middle = phantom.truth.circumferential[5][wall[5]]
    assert ((middle > 70) & (middle < 140)).any()
    assert np.nanmax(phantom.truth.longitudinal) <= 1


def test_noise_is_rician():
    rng = np.random.Generator(np.random.PCG64(3))
    sigma = 12.0
    for level in (0.0, 20.0, 200.0):
        image, clean = measure(np.full((6, 64, 64), level, np.float32), 0.7, sigma, rng)
        assert np.allclose(clean, level, atol=1e-3)
        # Second moment of a Rician: level² + 2σ².
        assert np.mean(image.astype(float) ** 2) == pytest.approx(level**2 + 2 * sigma**2, rel=0.06)
    assert image.std() == pytest.approx(sigma, rel=0.06)
    air, _ = measure(np.zeros((6, 64, 64), np.float32), 0.7, sigma, rng)
    assert air.mean() == pytest.approx(sigma * math.sqrt(math.pi / 2), rel=0.04)


def test_without_noise_the_image_is_the_noise_free_one():
    quiet = make_phantom(dataclasses.replace(SMALL, appearance=PhantomAppearance(noise=0.0)))
    assert np.abs(quiet.study.image - quiet.truth.noise_free).max() <= 0.51


@pytest.mark.parametrize(
    ("make", "word"),
    [
        (lambda: PhantomSettings(n_slices=0), "n_slices"),
        (lambda: PhantomSettings(spacing=(0.0, 1.0)), "spacing"),
        (lambda: PhantomSettings(direction=(1.0,) * 9), "direction"),
        (lambda: PhantomSettings(heart_direction=(-1.0, 0, 0, 0, 1.0, 0, 0, 0, 1.0)), "heart_direction"),
        (lambda: PhantomSettings(wall=40.0), "wall"),
        (lambda: PhantomSettings(heart_centre=(math.nan, 0, 0)), "heart_centre"),
        (lambda: PhantomScar(transmurality=0.0), "transmurality"),
        (lambda: PhantomScar(longitudinal=(0.6, 0.2)), "longitudinal"),
        (lambda: PhantomScar(volume_ml=1.0, mvo_ml=2.0), "mvo_ml"),
        (lambda: PhantomAppearance(noise=-1.0), "noise"),
        (lambda: make_phantom(dataclasses.replace(SMALL, scar=PhantomScar(volume_ml=500.0))), "holds"),
        (lambda: make_phantom(dataclasses.replace(SMALL, offset_mm=(900.0, 0.0))), "misses"),
        (lambda: phantom_cohort(0), "cohort"),
    ],
)
def test_impossible_settings_are_refused(make, word):
    with pytest.raises(SpecificationError, match=word):
        make()


def test_cohort_is_diverse_and_every_study_is_whole():
    cohort = phantom_cohort(24, seed=4)
    assert cohort == phantom_cohort(24, seed=4)
    assert sum(s.scar is not None for s in cohort) == 16
    assert len({s.n_slices for s in cohort}) >= 4
    assert {s.apex_first for s in cohort} == {True, False}
    assert all(1.2 <= s.spacing[0] <= 2 and s.slice_spacing <= 13 for s in cohort)
    for s in cohort[:4]:
        phantom = make_phantom(dataclasses.replace(s, through_slice_samples=1))
        assert 25 < phantom.truth.myocardium_ml < 260
        assert (phantom.truth.scar_ml > 1) == (s.scar is not None)
        inside = myocardium_mask(phantom.study.labels)
        assert not (inside[:, 0].any() or inside[:, -1].any() or inside[:, :, 0].any())
