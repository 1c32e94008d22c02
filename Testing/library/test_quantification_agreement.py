"""Comparison with a reference, thresholds and agreement over a cohort, against known answers."""

import json

import numpy as np
import pytest
from analytic_ventricle import make_ventricle
from claimslicer.errors import AnatomyError, SpecificationError, StudyError
from claimslicer.labels import Label
from claimslicer.quantification import (
    bland_altman,
    bootstrap_interval,
    compare,
    concordance,
    fwhm,
    n_sd,
    otsu,
    quantify,
    remote_region,
)
from claimslicer.studies import Geometry


def boxes(value_a, value_b):
    """Two label maps with a 4×10×10 block, the second shifted by two columns."""
    a = np.zeros((8, 20, 20), np.uint8)
    b = a.copy()
    a[2:6, 5:15, 4:14] = value_a
    b[2:6, 5:15, 6:16] = value_b
    return a, b, Geometry(a.shape, (1.5, 2.0, 8.0))


def test_equal_maps_agree_fully():
    labels, frame = make_ventricle()
    labels[frame.segments == 5] = Label.INFARCT
    result = compare(labels, labels, frame.geometry, frame)
    for region in ("cavity", "myocardium", "infarct", "mi"):
        agreement = result[region]
        assert agreement.dice == agreement.dice_non_empty == agreement.precision == agreement.sensitivity == 1
        assert agreement.specificity == 1
        assert agreement.hd95_mm == agreement.surface_distance_mm == agreement.difference_ml == 0
    assert all(s.volume_ml == s.infarct_ml == s.mvo_ml == 0 for s in result.segments)


def test_shifted_boxes_have_known_overlap_and_distances():
    a, b, geometry = boxes(Label.CAVITY, Label.CAVITY)
    cavity = compare(a, b, geometry)["cavity"]
    assert cavity.dice == pytest.approx(0.8)
    assert cavity.precision == cavity.sensitivity == pytest.approx(0.8)
    outside, false_positives = 8 * 400 - 400, 4 * 10 * 2
    assert cavity.specificity == pytest.approx(1 - false_positives / outside)
    # Two columns of 1.5 mm; the spacing of rows (2 mm) and slices (8 mm) must not leak in.
    assert cavity.hd95_mm == pytest.approx(3.0)
    assert 0 < cavity.surface_distance_mm < 3.0
    assert cavity.volume_ml == pytest.approx(400 * 0.024)


def test_distance_along_thick_slices_is_in_millimetres():
    a, _, geometry = boxes(Label.CAVITY, Label.CAVITY)
    along_z = compare(a, np.roll(a, 1, axis=0), geometry)["cavity"]
    assert along_z.hd95_mm == pytest.approx(8.0)
    along_y = compare(a, np.roll(a, 2, axis=1), geometry)["cavity"]
    assert along_y.hd95_mm == pytest.approx(4.0)


def test_both_conventions_for_empty_cases():
    labels, frame = make_ventricle()
    infarcted = labels.copy()
    infarcted[frame.segments == 3] = Label.INFARCT
    empty = compare(labels, labels, frame.geometry)["infarct"]
    assert empty.dice == 1.0 and np.isnan(empty.dice_non_empty)
    assert np.isnan(empty.hd95_mm) and np.isnan(empty.sensitivity) and empty.specificity == 1.0
    false_alarm = compare(infarcted, labels, frame.geometry)["infarct"]
    assert false_alarm.dice == 0.0 and false_alarm.dice_non_empty == 0.0 and false_alarm.precision == 0.0
    missed = compare(labels, infarcted, frame.geometry)["infarct"]
    assert missed.dice == missed.dice_non_empty == missed.sensitivity == 0.0


def test_infarct_joins_mvo_and_mi_leaves_it_out():
    labels, frame = make_ventricle()
    labels[frame.segments == 3] = Label.INFARCT
    reference = labels.copy()
    reference[(frame.segments == 3) & (frame.transmural < 0.4)] = Label.MVO
    result = compare(labels, reference, frame.geometry)
    assert result["infarct"].dice == 1.0
    assert result["mi"].dice < 1.0 and result["mi"].sensitivity == 1.0
    assert result["mvo"].dice == 0.0


def test_specificity_of_scar_is_taken_over_the_wall():
    labels, frame = make_ventricle()
    reference = labels.copy()
    reference[frame.segments == 1] = Label.INFARCT
    labels[(frame.segments == 1) | (frame.segments == 2)] = Label.INFARCT
    specificity = compare(labels, reference, frame.geometry)["infarct"].specificity
    healthy = frame.myocardium & (frame.segments != 1)
    assert specificity == pytest.approx(1 - (frame.segments == 2).sum() / healthy.sum())


def test_segment_differences_sum_to_the_whole_even_beyond_the_frame():
    reference, frame = make_ventricle()
    labels = reference.copy()
    labels[:, 30:36, :][labels[:, 30:36, :] == 0] = Label.MYOCARDIUM
    labels[frame.segments == 9] = Label.INFARCT
    result = compare(labels, reference, frame.geometry, frame)
    for name, region in (("volume_ml", "myocardium"), ("infarct_ml", "infarct")):
        total = sum(getattr(s, name) for s in result.segments)
        assert total == pytest.approx(result[region].difference_ml)
        assert total > 0
    assert result.segments[8].infarct_ml == pytest.approx(
        quantify(reference, frame.geometry, frame).segments[8].volume_ml
    )
    json.dumps(result.to_dict(), allow_nan=False)


def test_compare_refuses_other_shapes():
    labels, frame = make_ventricle()
    with pytest.raises(StudyError, match="different shapes"):
        compare(labels, labels[1:], frame.geometry)


def enhanced_image(frame, infarct, rng, remote=(100.0, 10.0), scar=400.0):
    image = rng.normal(*remote, frame.myocardium.shape)
    image[infarct] += scar - remote[0]
    image[frame.cavity] = 350.0
    return image


def test_thresholds_find_a_bright_scar_and_remote_avoids_it():
    _, frame = make_ventricle((1.5, 1.5, 8.0))
    infarct = np.isin(frame.segments, (7, 8)) & (frame.transmural < 0.7)
    core = infarct & (frame.segments == 8) & (frame.transmural < 0.35)
    image = enhanced_image(frame, infarct, np.random.default_rng(1))
    image[core] = 60.0  # a dark core inside scar is no remote region
    remote = remote_region(image, frame)
    assert remote.any() and not (remote & infarct).any()
    assert frame.transmural[remote].min() >= 0.25 and frame.transmural[remote].max() <= 0.75
    truth = infarct & ~core
    for result in (
        n_sd(image, frame.myocardium, remote, 5),
        fwhm(image, frame.myocardium, remote),
        otsu(image, frame.myocardium),
    ):
        missed_or_extra = (result.mask ^ truth).sum() / truth.sum()
        assert missed_or_extra < 0.02
        assert 100 < result.threshold < 400


def test_n_sd_falls_as_n_rises_and_refuses_other_n():
    _, frame = make_ventricle((1.5, 1.5, 8.0))
    image = enhanced_image(frame, frame.segments == 4, np.random.default_rng(2))
    remote = remote_region(image, frame, infarct=frame.segments == 4)
    sizes = [n_sd(image, frame.myocardium, remote, n).mask.sum() for n in (2, 3, 4, 5, 6)]
    assert sizes == sorted(sizes, reverse=True) and sizes[0] > sizes[-1]
    with pytest.raises(SpecificationError, match="2 to 6"):
        n_sd(image, frame.myocardium, remote, 1)


def test_fwhm_grows_from_seeds_only_and_finds_nothing_in_a_normal_wall():
    _, frame = make_ventricle((1.5, 1.5, 8.0))
    two = (frame.segments == 1) | (frame.segments == 4)
    image = enhanced_image(frame, two, np.random.default_rng(3))
    remote = remote_region(image, frame, infarct=two)
    from_one = fwhm(image, frame.myocardium, remote, seeds=frame.segments == 1)
    assert (from_one.mask == (frame.segments == 1)).all()
    lifted = fwhm(image + 1000, frame.myocardium, remote, seeds=frame.segments == 1, baseline=1000)
    assert (lifted.mask == from_one.mask).all()
    assert lifted.threshold == pytest.approx(from_one.threshold + 1000)
    normal = enhanced_image(frame, np.zeros_like(two), np.random.default_rng(4))
    nothing = fwhm(normal, frame.myocardium, remote_region(normal, frame), seed_sd=8)
    assert not nothing.mask.any() and np.isnan(nothing.threshold)


def test_remote_refuses_a_wall_without_a_middle():
    _, frame = make_ventricle((6.0, 6.0, 8.0), slices=4)
    with pytest.raises(AnatomyError, match="remote region"):
        remote_region(np.zeros(frame.myocardium.shape), frame)


def test_bland_altman_and_concordance_against_worked_values():
    measured, reference = [1.0, 2.0, 3.0, 6.0], [1.0, 2.0, 4.0, 4.0]
    result = bland_altman(measured, reference)
    assert result.bias == pytest.approx(0.25)
    sd = np.std([0, 0, -1, 2], ddof=1)
    assert (result.lower, result.upper) == pytest.approx((0.25 - 1.96 * sd, 0.25 + 1.96 * sd))
    # Means 3 and 2.75, variances (1/n) 3.5 and 1.6875, covariance 2.0
    assert concordance(measured, reference) == pytest.approx(2 * 2.0 / (3.5 + 1.6875 + 0.0625))
    assert concordance(reference, reference) == pytest.approx(1.0)
    assert np.isnan(concordance([1.0, 1.0], [1.0, 1.0]))
    with pytest.raises(SpecificationError, match="at least two"):
        bland_altman([1.0], [1.0])


def test_bootstrap_interval_covers_and_drops_left_out_cases():
    rng = np.random.default_rng(0)
    values = np.append(rng.normal(0.7, 0.1, 60), np.nan)
    interval = bootstrap_interval(values, np.random.default_rng(5))
    assert interval.count == 60
    assert interval.low < interval.estimate < interval.high
    # Normal theory: ±1.96 SD/√n
    assert interval.high - interval.low == pytest.approx(2 * 1.96 * values[:60].std() / np.sqrt(60), rel=0.15)
    assert bootstrap_interval(values, np.random.default_rng(5)) == interval
    constant = bootstrap_interval([1.0, 1.0, 1.0], rng)
    assert (constant.low, constant.high) == (1.0, 1.0)
    with pytest.raises(SpecificationError):
        bootstrap_interval([0.5, np.nan], rng)
