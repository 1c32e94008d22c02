"""Where the labeller's patches are laid, round the ventricle and never far from its axis, and their views."""

import numpy as np
import pytest
import torch
from claimslicer.segmentation.locate import centres_near_axis
from claimslicer.segmentation.views import VIEWS_POLAR, VIEWS_SQUARE

SPACING = (1.6, 1.2)


def ventricle(centres_mm, radius_mm=20.0, shape=(160, 200)):
    """Return discs round ``centres_mm`` (y, x), one a slice; None leaves a slice empty."""
    rows, columns = np.indices(shape)
    mask = np.zeros((len(centres_mm), *shape), bool)
    for z, centre in enumerate(centres_mm):
        if centre is not None:
            mask[z] = np.hypot(rows * SPACING[0] - centre[0], columns * SPACING[1] - centre[1]) < radius_mm
    return mask


def found_mm(mask):
    return np.multiply(centres_near_axis(mask, SPACING), SPACING)


def test_tilted_slices_keep_their_own_centres():
    """Slices are up to some millimetres beside each other, as breath-holds differ; that is to be kept."""
    true = [(120 + z + (-1) ** z * 2, 110 - 0.7 * z) for z in range(8)]
    np.testing.assert_allclose(found_mm(ventricle(true)), true, atol=0.5)


@pytest.mark.parametrize("reverse", [False, True])
def test_a_stray_and_an_empty_slice_get_the_place_on_the_axis(reverse):
    true = [(110 + z, 130 - 0.7 * z) for z in range(9)]
    seen = list(true)
    seen[0], seen[4], seen[8] = (60.0, 60.0), (180.0, 150.0), None
    if reverse:
        true, seen = true[::-1], seen[::-1]
    np.testing.assert_allclose(found_mm(ventricle(seen)), true, atol=2.0)


def test_a_small_slice_has_less_say_than_a_large_one():
    """The locator errs most at the apex, where there is least to see."""
    mask = ventricle([(120.0, 120.0)] * 5)
    mask[0] = ventricle([(170.0, 60.0)], radius_mm=5.0)[0]
    np.testing.assert_allclose(found_mm(mask), [(120, 120)] * 5, atol=1.0)


def test_one_slice_is_enough():
    np.testing.assert_allclose(found_mm(ventricle([(100.0, 90.0)])), [(100, 90)], atol=0.5)
    np.testing.assert_allclose(found_mm(ventricle([None, (100.0, 90.0), None])), [(100, 90)] * 3, atol=0.5)


@pytest.mark.parametrize("views", [VIEWS_SQUARE, VIEWS_POLAR])
def test_views_differ_and_what_is_found_in_them_goes_back_to_its_place(views):
    stack = torch.rand(2, 3, 8, 8)
    seen = [view.of(stack) for view in views]
    assert not any(torch.equal(one, other) for k, one in enumerate(seen) for other in seen[:k])
    for view, image in zip(views, seen, strict=True):
        own = image.flip(1) if view.reversed else image
        torch.testing.assert_close(view.back(own), stack)
