"""Polar patches: rings lie at their distance in mm, rays at their angle, and all goes back where it was."""

import dataclasses

import numpy as np
import pytest
import torch
from claimslicer.polar import WRAP, PolarGrid
from claimslicer.segmentation.network import UNetSettings
from claimslicer.segmentation.preprocessing import cut, heart_grid, put_back, slice_centres
from hypothesis import given, settings
from hypothesis import strategies as st

GRID = PolarGrid((50.0, 90.0), (2.0, 1.0), 40, 96, 1.0)
POLAR = UNetSettings((4, 8), 40, 1.0, 5, rays=96)


def test_a_circle_in_mm_is_a_straight_line_whatever_the_pixels():
    rows, columns = np.indices((100, 180))
    distance = np.hypot((rows - 50) * 2.0, (columns - 90) * 1.0)
    patch = GRID.sample(torch.from_numpy(distance).float()[None])[0]
    expected = (torch.arange(40) + 0.5).expand(96 + 2 * WRAP, -1).T
    torch.testing.assert_close(patch[3:], expected[3:], atol=0.15, rtol=0)


def test_rays_go_round_and_the_ends_repeat_each_other():
    rows, columns = np.indices((100, 180))
    angle = np.arctan2((rows - 50) * 2.0, (columns - 90) * 1.0)
    unit = torch.from_numpy(np.stack([np.cos(angle), np.sin(angle)])).float()
    cosine, sine = GRID.sample(unit)[:, 20:].mean(1)
    drawn = torch.arange(-WRAP, 96 + WRAP) * 2 * np.pi / 96
    torch.testing.assert_close(
        torch.atan2(sine, cosine), torch.atan2(drawn.sin(), drawn.cos()), atol=0.02, rtol=0
    )
    patch = GRID.sample(torch.randn(1, 100, 180))
    torch.testing.assert_close(patch[..., : 2 * WRAP], patch[..., -2 * WRAP :], atol=1e-3, rtol=0)


@pytest.mark.parametrize("steps", [1, 24, 61])
def test_turning_is_a_shift_along_the_rays_and_mirroring_a_reversal(steps):
    volume = torch.randn(2, 100, 180)
    plain = GRID.sample(volume)[..., WRAP:-WRAP]
    turned = dataclasses.replace(GRID, rotation=steps * 2 * np.pi / 96).sample(volume)[..., WRAP:-WRAP]
    torch.testing.assert_close(turned, plain.roll(steps, -1), atol=1e-3, rtol=0)
    mirrored = dataclasses.replace(GRID, flip=True).sample(volume)[..., WRAP:-WRAP]
    torch.testing.assert_close(mirrored, plain.flip(-1).roll(-47, -1), atol=1e-3, rtol=0)


@settings(max_examples=25, deadline=None)
@given(
    centre=st.tuples(st.floats(40, 60), st.floats(40, 60)),
    spacing=st.tuples(st.floats(0.8, 2.0), st.floats(0.8, 2.0)),
    rotation=st.floats(-3, 3),
    flip=st.booleans(),
    stretch=st.floats(0.8, 1.25),
)
def test_a_smooth_image_survives_the_way_there_and_back(centre, spacing, rotation, flip, stretch):
    rows, columns = np.indices((101, 101))
    image = np.sin(rows * spacing[0] / 25) + np.cos(columns * spacing[1] / 25)
    image = torch.from_numpy(image).float()[None]
    grid = PolarGrid(centre, spacing, 28, 96, 1.0, rotation, flip, stretch)
    back, inside = grid.put_back(grid.sample(image), (101, 101))
    radius = np.hypot((rows - centre[0]) * spacing[0], (columns - centre[1]) * spacing[1])
    assert (inside.numpy() == (radius * stretch <= 27.5)).mean() > 0.999
    torch.testing.assert_close(back[0][inside], image[0][inside], atol=0.03, rtol=0)


def test_every_slice_has_its_own_centre_and_an_empty_one_its_neighbours():
    mask = np.zeros((5, 60, 60), bool)
    mask[1, 20:31, 10:21] = True
    mask[2, 24:35, 14:25] = True
    assert slice_centres(mask, POLAR) == [(25, 15), (25, 15), (29, 19), (29, 19), (29, 19)]
    assert slice_centres(mask, dataclasses.replace(POLAR, rays=0)) == [(27, 17)] * 5


def test_what_is_cut_slice_by_slice_goes_back_to_its_slice_and_the_rest_is_background():
    rows, columns = np.indices((90, 90))
    centres = [(40.0, 40.0), (44.0, 42.0), (47.0, 45.0)]
    rings = [np.hypot(rows - y, columns - x) for y, x in centres]
    labels = torch.from_numpy(np.stack([np.where(r < 12, 1, np.where(r < 20, 2, 0)) for r in rings]))
    one_hot = torch.nn.functional.one_hot(labels, 5).permute(3, 0, 1, 2).float()
    grids = [heart_grid(centre, (1.0, 1.0), POLAR) for centre in centres]
    seen = torch.stack([cut(channel, grids)[:, 1] for channel in one_hot], 1)
    back = put_back(seen, grids, (90, 90))
    assert back.shape == (5, 3, 90, 90)
    np.testing.assert_allclose(back.sum(0), 1, atol=1e-5)
    assert (back.argmax(0) == labels.numpy()).mean() > 0.995
    assert (back[0, :, :3] == 1).all()
