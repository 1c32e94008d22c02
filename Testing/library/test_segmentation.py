"""Segmentation with the shipped weights: on the phantom, and on untouched studies where they are there."""

import dataclasses

import numpy as np
import pytest
import torch
from claimslicer.errors import StudyError
from claimslicer.labels import Label, infarct_mask, myocardium_mask
from claimslicer.segmentation import segment
from claimslicer.segmentation.predict import _turn, clean_labels
from claimslicer.studies import Geometry, Study, read_study
from claimslicer.studies.phantom import PhantomScar, PhantomSettings, make_phantom


def dice(a: np.ndarray, b: np.ndarray) -> float:
    return float(2 * (a & b).sum() / (a.sum() + b.sum()))


@pytest.fixture(scope="module")
def scarred() -> Study:
    return make_phantom(PhantomSettings(seed=2, n_slices=6, scar=PhantomScar(volume_ml=15.0))).study


def test_the_left_ventricle_of_the_phantom_is_found(scarred):
    result = segment(scarred)
    assert result.labels.dtype == np.uint8
    assert set(np.unique(result.labels)) <= set(range(5))
    assert dice(myocardium_mask(result.labels), myocardium_mask(scarred.labels)) > 0.6
    assert result.uncertainty.shape == scarred.image.shape
    assert 0 <= result.uncertainty.min() <= result.uncertainty.max() <= 1
    np.testing.assert_allclose(result.probabilities.sum(0), 1, atol=1e-4)


def test_the_order_of_slices_and_the_grey_scale_hardly_matter(scarred):
    straight = segment(scarred).labels
    turned = dataclasses.replace(scarred, image=scarred.image[::-1].astype(np.float64) * 7.5 + 100)
    assert dice(segment(turned).labels[::-1] > 0, straight > 0) > 0.97


def test_noise_without_a_heart_is_refused():
    for seed in range(3):
        image = np.random.default_rng(seed).normal(100, 5, (5, 128, 128))
        with pytest.raises(StudyError, match="left ventricle"):
            segment(Study("noise", image, Geometry(image.shape, (1.5, 1.5, 10))))


@pytest.mark.parametrize("number", range(8))
def test_turned_views_are_turned_back(number):
    stack = torch.randn(2, 3, 6, 6)
    assert torch.equal(_turn(_turn(stack, number), number, back=True), stack)


def test_small_and_unsure_islands_go_and_the_largest_heart_stays():
    labels = np.zeros((3, 40, 40), np.uint8)
    labels[:, 5:25, 5:25] = Label.MYOCARDIUM
    labels[:, 10:20, 10:20] = Label.CAVITY
    labels[0, 12, 6] = Label.INFARCT
    labels[:, 21:24, 8:20] = Label.INFARCT
    labels[0, 35:37, 35:37] = Label.MYOCARDIUM
    labels[1:, 7:10, 8:22] = Label.INFARCT
    probability = np.where(np.arange(40)[:, None] < 15, 0.55, 0.9) * np.ones(labels.shape)
    cleaned = clean_labels(labels, probability, Geometry(labels.shape, (1.5, 1.5, 10)))
    assert not cleaned[0, 30:, 30:].any()
    assert (cleaned[0, 12, 6], cleaned[1, 8, 10]) == (Label.MYOCARDIUM, Label.MYOCARDIUM)  # small, unsure
    np.testing.assert_array_equal(infarct_mask(cleaned)[:, 20:], infarct_mask(labels)[:, 20:])


def test_an_untouched_study_that_was_not_trained_on(shared_data):
    study = read_study(shared_data / "emidec-original" / "Case_P100")
    labels = segment(study).labels
    assert dice(myocardium_mask(labels), myocardium_mask(study.labels)) > 0.75
    assert dice(infarct_mask(labels), infarct_mask(study.labels)) > 0.5


def test_a_normal_heart_has_no_infarct(shared_data):
    study = read_study(shared_data / "emidec-original" / "sampleNegative")
    labels = segment(study).labels
    assert infarct_mask(labels).sum() * study.geometry.voxel_volume_ml < 1.0
