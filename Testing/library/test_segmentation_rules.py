"""Rules for labels, on hearts in closed form: what each sets right, and that it leaves the rest alone."""

import numpy as np
import pytest
from analytic_heart import AnalyticHeart, make_heart
from claimslicer.labels import Label, infarct_mask
from claimslicer.segmentation import rules
from claimslicer.studies import Geometry

GRIDS = [(9, (1.5, 1.5, 10.0)), (7, (1.0, 2.2, 12.0))]


@pytest.fixture(params=GRIDS, ids=["even pixels", "uneven pixels"])
def heart(request) -> AnalyticHeart:
    """A heart with a large transmural infarct in its inferior half, and a core of MVO."""
    heart = make_heart(*request.param)
    infarct = heart.wall & (heart.degrees > 200) & (heart.degrees < 320)
    heart.labels[infarct] = Label.INFARCT
    core = infarct & (heart.degrees > 240) & (heart.degrees < 280) & (heart.depth > 0.1) & (heart.depth < 0.5)
    core[: len(core) // 2] = False
    heart.labels[core] = Label.MVO
    return heart


def apply(rule: rules.Rule, heart: AnalyticHeart, labels: np.ndarray, sure: float = 1.0) -> np.ndarray:
    """Return labels after a rule, which must leave its input alone and not care for the order of slices."""
    before, probability = labels.copy(), np.full(labels.shape, sure)
    after = rule(labels, probability, heart.geometry)
    np.testing.assert_array_equal(labels, before)
    assert after.dtype == labels.dtype
    np.testing.assert_array_equal(rule(labels[::-1], probability[::-1], heart.geometry)[::-1], after)
    return after


@pytest.mark.parametrize("rule", rules.RULES)
def test_a_heart_as_it_should_be_stays(heart, rule):
    np.testing.assert_array_equal(apply(rule, heart, heart.labels), heart.labels)


@pytest.mark.parametrize("rule", rules.RULES)
def test_no_heart_stays_none(heart, rule):
    assert not apply(rule, heart, np.zeros_like(heart.labels)).any()


def test_a_smaller_ventricle_beside_goes(heart):
    labels = heart.labels.copy()
    labels[2:4, 1:4, 1:4] = Label.MYOCARDIUM
    np.testing.assert_array_equal(apply(rules.one_ventricle, heart, labels), heart.labels)


def test_scar_beside_the_ring_goes_though_the_next_slice_has_wall_there(heart):
    labels = heart.labels.copy()
    here, wider = labels[1], labels[2]
    edge = np.flatnonzero((wider != 0).any(0))[0]
    assert not here[:, edge : edge + 2].any()
    here[wider[:, edge] != 0, edge] = Label.INFARCT
    np.testing.assert_array_equal(apply(rules.one_ventricle, heart, labels), labels)
    np.testing.assert_array_equal(apply(rules.one_piece_a_slice, heart, labels), heart.labels)


def test_infarct_that_is_small_or_unsure_is_healthy(heart):
    labels = heart.labels.copy()
    small = heart.wall & (heart.degrees > 30) & (heart.degrees < 40)
    small[np.arange(len(labels)) != len(labels) // 2] = False
    assert 0 < small.sum() * heart.geometry.voxel_volume_ml < rules.SMALLEST_INFARCT_ML
    labels[small] = Label.INFARCT
    np.testing.assert_array_equal(apply(rules.sure_infarct, heart, labels), heart.labels)
    assert not infarct_mask(apply(rules.sure_infarct, heart, heart.labels, 0.6)).any()


def test_the_rules_follow_each_other(heart):
    labels = np.where(heart.labels == Label.INFARCT, Label.MYOCARDIUM, heart.labels)
    labels[0, :2, :2] = Label.INFARCT
    probability = np.ones(labels.shape)
    cleaned = rules.clean_labels(labels, probability, heart.geometry)
    expected = labels
    for rule in rules.RULES:
        expected = rule(expected, probability, heart.geometry)
    np.testing.assert_array_equal(cleaned, expected)
    np.testing.assert_array_equal(rules.clean_labels(labels, probability, heart.geometry, ()), labels)


@pytest.mark.parametrize(("voxels", "stays"), [(199, False), (200, True)])
def test_two_millilitres_are_the_smallest_infarct(voxels, stays):
    """Voxels of 10 µl: 1.99 ml are labelled healthy, 2 ml stay."""
    labels = np.full((1, 20, 20), Label.MYOCARDIUM, np.uint8)
    labels.reshape(-1)[:voxels] = Label.INFARCT
    geometry = Geometry(labels.shape, (1.0, 1.0, 10.0))
    assert infarct_mask(rules.sure_infarct(labels, np.ones(labels.shape), geometry)).any() == stays
