"""Distances against spheres and boxes, empty regions, calibration against probabilities that are right."""

import json

import numpy as np
import pytest
from analytic_ventricle import make_ventricle
from claimslicer.errors import SpecificationError, StudyError
from claimslicer.labels import Label
from claimslicer.quantification import bland_altman, compare, concordance, quantify
from claimslicer.quantification.calibration import (
    CLASSES,
    CURVES,
    Reliability,
    Scaling,
    calibrate,
    fit_scaling,
    heart_region,
    total,
    voxels,
)
from claimslicer.quantification.compare import dice
from claimslicer.studies import Geometry
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis.extra.numpy import arrays


def ball(radius_mm: float, geometry: Geometry, centre_mm=(0.0, 0.0, 0.0)) -> np.ndarray:
    """A cavity: the voxels whose centres lie in a ball about the volume's middle, shifted (z, y, x)."""
    axes = [
        (np.arange(n) - (n - 1) / 2) * mm - shift
        for n, mm, shift in zip(geometry.shape, geometry.spacing_zyx, centre_mm, strict=True)
    ]
    z, y, x = np.meshgrid(*axes, indexing="ij")
    return np.where(z**2 + y**2 + x**2 <= radius_mm**2, Label.CAVITY, 0).astype(np.uint8)


ANISOTROPIC = Geometry((40, 70, 60), (1.1, 0.9, 1.6))


def test_concentric_spheres_lie_as_far_apart_as_their_radii():
    outer, inner = ball(26.0, ANISOTROPIC), ball(18.0, ANISOTROPIC)
    cavity = compare(outer, inner, ANISOTROPIC)["cavity"]
    assert cavity.surface_distance_mm == pytest.approx(8.0, abs=0.5)  # voxels are 0.9–1.6 mm
    assert cavity.hd95_mm == pytest.approx(8.0, abs=1.0)
    assert cavity.volume_ml == pytest.approx(4 / 3 * np.pi * 2.6**3, rel=0.01)
    assert cavity.reference_ml == pytest.approx(4 / 3 * np.pi * 1.8**3, rel=0.01)
    assert cavity.dice == pytest.approx(2 * 18**3 / (18**3 + 26**3), rel=0.02)
    assert (cavity.sensitivity, cavity.precision) == (1.0, pytest.approx((18 / 26) ** 3, rel=0.02))


@pytest.mark.parametrize("axis", [0, 1, 2])
def test_a_shifted_sphere_has_the_mean_distance_of_the_integral(axis):
    """For a shift d ≪ R a surface point at angle θ lies d·|cos θ| away: mean d/2, 95th percentile 0.95 d."""
    shift = [0.0, 0.0, 0.0]
    shift[axis] = 4 * ANISOTROPIC.spacing_zyx[axis]
    moved = compare(ball(20.0, ANISOTROPIC, shift), ball(20.0, ANISOTROPIC), ANISOTROPIC)["cavity"]
    assert moved.surface_distance_mm == pytest.approx(shift[axis] / 2, abs=0.5)
    assert moved.hd95_mm == pytest.approx(0.95 * shift[axis], abs=0.8)


@pytest.mark.parametrize(("axis", "far_mm"), [(0, 24.0), (1, 6.0), (2, 4.5)])
def test_a_plate_moved_by_three_voxels_is_that_many_millimetres_off(axis, far_mm):
    geometry = Geometry((12, 40, 40), (1.5, 2.0, 8.0))
    plate = np.zeros(geometry.shape, np.uint8)
    where = [slice(2, -2)] * 3
    where[axis] = slice(4, 5)
    plate[tuple(where)] = Label.CAVITY
    moved = compare(np.roll(plate, 3, axis), plate, geometry)["cavity"]
    assert moved.hd95_mm == moved.surface_distance_mm == pytest.approx(far_mm)


def test_distances_are_symmetric_and_go_with_the_axes():
    rng = np.random.default_rng(0)
    a, b = ball(15.0, ANISOTROPIC), ball(19.0, ANISOTROPIC, (3.0, -2.0, 4.0))
    b[:, rng.integers(0, 70, 3)] = 0
    straight = compare(a, b, ANISOTROPIC)["cavity"]
    swapped = compare(b, a, ANISOTROPIC)["cavity"]
    turned_geometry = Geometry(a.T.shape, ANISOTROPIC.spacing_zyx)
    turned = compare(a.T, b.T, turned_geometry)["cavity"]
    for other in (swapped, turned):
        assert other.hd95_mm == pytest.approx(straight.hd95_mm, rel=1e-5)
        assert other.surface_distance_mm == pytest.approx(straight.surface_distance_mm, rel=1e-5)
    assert swapped.precision == straight.sensitivity


def test_a_region_that_touches_the_volumes_end_has_a_surface_there():
    geometry = Geometry((4, 10, 10), (1.0, 1.0, 10.0))
    whole = np.full(geometry.shape, Label.CAVITY, np.uint8)
    part = whole.copy()
    part[3] = 0
    cavity = compare(part, whole, geometry)["cavity"]
    assert np.isfinite(cavity.hd95_mm) and cavity.surface_distance_mm > 0


@pytest.mark.parametrize(("found", "there"), [(False, False), (True, False), (False, True)])
def test_empty_regions_are_defined_as_stated(found, there):
    labels, frame = make_ventricle()
    reference = labels.copy()
    scar = frame.segments == 3
    labels[scar & found], reference[scar & there] = Label.INFARCT, Label.INFARCT
    infarct = compare(labels, reference, frame.geometry)["infarct"]
    assert np.isnan(infarct.hd95_mm) and np.isnan(infarct.surface_distance_mm)
    assert infarct.dice == (0.0 if found or there else 1.0)
    assert np.isnan(infarct.dice_non_empty) == (not (found or there))
    assert np.isnan(infarct.sensitivity) == (not there) and np.isnan(infarct.precision) == (not found)
    assert infarct.difference_ml == infarct.volume_ml - infarct.reference_ml
    row = compare(labels, reference, frame.geometry).rows()[2]
    assert row["hd95_mm"] is None and json.dumps(row, allow_nan=False)


@hypothesis_settings(max_examples=60, deadline=None)
@given(a=arrays(bool, (2, 3, 4)), b=arrays(bool, (2, 3, 4)))
def test_dice_is_the_harmonic_mean_of_precision_and_sensitivity(a, b):
    value = dice(a, b, empty=-1.0)
    if not (a.any() or b.any()):
        assert value == -1.0 and dice(a, b) == 1.0
    elif (a & b).any():
        precision, sensitivity = (a & b).sum() / a.sum(), (a & b).sum() / b.sum()
        assert value == pytest.approx(2 / (1 / precision + 1 / sensitivity))
    else:
        assert value == 0.0
    assert dice(b, a, empty=-1.0) == value


def test_volumes_of_segments_and_of_a_cohort_agree_with_what_was_added():
    reference, frame = make_ventricle()
    reference[frame.segments == 4] = Label.INFARCT
    labels = reference.copy()
    labels[(frame.segments == 10) & (frame.transmural < 0.5)] = Label.INFARCT
    labels[frame.segments == 4] = Label.MYOCARDIUM
    by_segment = compare(labels, reference, frame.geometry, frame).segments
    volumes = [segment.volume_ml for segment in quantify(reference, frame.geometry, frame).segments]
    assert by_segment[3].infarct_ml == pytest.approx(-volumes[3])
    assert 0.3 * volumes[9] < by_segment[9].infarct_ml < 0.7 * volumes[9]
    assert all(abs(s.infarct_ml) < 1e-9 for s in by_segment if s.segment not in (4, 10))
    truth = np.linspace(5, 60, 30)
    measured = 0.9 * truth + 2 + np.random.default_rng(0).normal(0, 3, 30)
    agreement = bland_altman(measured, truth)
    assert agreement.bias == pytest.approx((measured - truth).mean())
    inside = np.mean((measured - truth > agreement.lower) & (measured - truth < agreement.upper))
    assert inside >= 0.9 and 0.9 < concordance(measured, truth) < 1.0


def drawn(scaling: Scaling, seed: int = 0, shape=(12, 40, 40)) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Probabilities (5, z, y, x) after ``scaling``, labels drawn from those before it, and all as domain."""
    rng = np.random.default_rng(seed)
    logits = rng.normal(0, 2, (5, *shape))
    right = np.exp(logits) / np.exp(logits).sum(0)
    labels = (rng.random(shape) > np.cumsum(right, 0)[:-1]).sum(0).astype(np.uint8)
    return scaling.apply(right), labels, np.ones(shape, bool)


def test_labels_drawn_from_the_probabilities_are_calibrated():
    probabilities, labels, domain = drawn(Scaling())
    result = calibrate(probabilities, labels, domain)
    assert all(result[name].error < 0.02 for name in CURVES)
    assert result.classwise_error == pytest.approx(np.mean([result[name].error for name in CLASSES]))
    for name in CURVES:
        predicted, frequency, count = result[name].points().T
        np.testing.assert_array_less(np.abs(predicted - frequency), 4 * np.sqrt(0.25 / count))
        assert count.sum() == labels.size


@pytest.mark.parametrize("temperature", [0.5, 1.0, 2.0])
def test_the_temperature_that_was_applied_is_found_and_undone(temperature):
    study = drawn(Scaling(temperature))
    probabilities, labels, domain = study
    found = fit_scaling([voxels(*study)], biases=False)
    assert found.temperature == pytest.approx(1 / temperature, rel=0.05) and not any(found.biases)
    mended = found.apply(probabilities)
    np.testing.assert_array_equal(mended.argmax(0), probabilities.argmax(0))
    before, after = calibrate(*study), calibrate(mended, labels, domain)
    assert after["confidence"].error < 0.02
    if temperature != 1.0:
        assert after["infarct"].error < 0.5 * before["infarct"].error


def test_the_biases_of_a_weighted_loss_are_found_and_undone():
    biases = (0.0, 0.3, 0.0, 1.0, 1.5)
    study = drawn(Scaling(1.0, biases))
    found = fit_scaling([voxels(*study)])
    np.testing.assert_allclose(found.biases, -np.asarray(biases), atol=0.1)
    assert found.temperature == pytest.approx(1.0, rel=0.05)
    before = calibrate(*study)["infarct"].error
    temperature_alone = fit_scaling([voxels(*study)], biases=False).apply(study[0])
    assert calibrate(found.apply(study[0]), *study[1:])["infarct"].error < 0.02
    assert calibrate(temperature_alone, *study[1:])["infarct"].error > 0.5 * before > 0.05


def test_a_class_that_no_patient_has_keeps_its_say():
    probabilities, labels, domain = drawn(Scaling())
    labels[labels == Label.MVO] = Label.INFARCT
    found = fit_scaling([voxels(probabilities, labels, domain)])
    assert found.biases[Label.MVO] == 0.0 and np.isfinite(found.temperature)


def test_sure_and_wrong_is_as_bad_as_it_can_be():
    wrong = Reliability.of(np.ones(50), np.zeros(50, bool))
    assert wrong.error == 1.0
    np.testing.assert_array_equal(wrong.points(), [[1.0, 0.0, 50.0]])
    mixed = wrong + Reliability.of(np.ones(50), np.ones(50, bool))
    assert mixed.error == 0.5
    assert np.isnan(Reliability.of(np.zeros(0), np.zeros(0, bool)).error)


def test_patients_are_added_voxel_by_voxel():
    first, second = drawn(Scaling(1.5), 1, (4, 12, 12)), drawn(Scaling(1.5), 2, (6, 12, 12))
    axes = (1, 0, 0)
    both = calibrate(*(np.concatenate(pair, axis) for *pair, axis in zip(first, second, axes, strict=True)))
    added = total([calibrate(*first), calibrate(*second)])
    for name in CURVES:
        assert added[name].error == pytest.approx(both[name].error)
    json.dumps(added.to_dict(), allow_nan=False)
    with pytest.raises(SpecificationError):
        total([])


def test_the_heart_region_reaches_ten_millimetres_and_leaves_the_sure_background_out():
    probabilities, labels, _ = drawn(Scaling(0.3), shape=(4, 20, 20))
    padded = np.zeros((5, 9, 60, 60))
    padded[0] = 1.0
    padded[:, 2:6, 20:40, 20:40] = probabilities
    padded[:, 2:6, 20:40, 20:40][:, :, 0] = np.eye(5)[1][:, None, None]
    reference = np.zeros((9, 60, 60), np.uint8)
    reference[2:6, 20:40, 20:40] = labels
    reference[:, :5] = Label.RIGHT_VENTRICLE
    near = heart_region(padded, Geometry(reference.shape, (1.5, 2.0, 8.0)))
    assert near[1:7].any((1, 2)).all() and not near[0].any() and not near[7:].any()
    assert near[3, 15, 30] and not near[3, 14, 30]  # 5 rows of 2 mm
    assert near[2:6, 20:40, 20:40].all()
    error = calibrate(padded, reference, near)["confidence"].error
    assert error > 5 * calibrate(padded, reference, np.ones_like(near))["confidence"].error


def test_a_study_of_another_shape_or_without_a_ventricle_is_refused():
    probabilities, labels, domain = drawn(Scaling(), shape=(4, 12, 12))
    with pytest.raises(StudyError, match="belong together"):
        calibrate(probabilities, labels[1:], domain)
    nothing = np.zeros((5, 2, 3, 3))
    nothing[0] = 1.0
    region = heart_region(nothing, Geometry((2, 3, 3), (1.0, 1.0, 1.0)))
    with pytest.raises(SpecificationError, match="at least one study"):
        fit_scaling([voxels(nothing, np.zeros((2, 3, 3), np.uint8), region)])
