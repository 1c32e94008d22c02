"""Patches: what is cut lies where it should, and goes back to where it was."""

import numpy as np
import pytest
import torch
from claimslicer.patches import PatchGrid, with_neighbours
from hypothesis import given, settings
from hypothesis import strategies as st


def test_a_native_patch_is_an_exact_cut():
    volume = torch.randn(2, 40, 50)
    patch = PatchGrid((19.5, 24.5), (1.3, 1.3), (16, 16), 1.3).sample(volume)
    torch.testing.assert_close(patch, volume[:, 12:28, 17:33], atol=1e-4, rtol=0)


@pytest.mark.parametrize("quarter", range(4))
@pytest.mark.parametrize("flip", [False, True])
def test_quarter_turns_and_flips_keep_every_value(quarter, flip):
    volume = torch.randn(1, 20, 20)
    patch = PatchGrid((9.5, 9.5), (2, 2), (8, 8), 2.0, rotation=quarter * np.pi / 2, flip=flip).sample(volume)
    torch.testing.assert_close(
        patch.flatten().sort()[0], volume[:, 6:14, 6:14].flatten().sort()[0], atol=1e-4, rtol=0
    )


@settings(max_examples=25, deadline=None)
@given(
    centre=st.tuples(st.floats(35, 65), st.floats(35, 65)),
    spacing=st.tuples(st.floats(0.8, 2.0), st.floats(0.8, 2.0)),
    rotation=st.floats(-3, 3),
    flip=st.booleans(),
    stretch=st.floats(0.8, 1.25),
)
def test_a_linear_ramp_survives_the_way_there_and_back(centre, spacing, rotation, flip, stretch):
    rows, columns = np.indices((101, 101))
    ramp = torch.from_numpy(rows * spacing[0] + 2.0 * columns * spacing[1]).float()[None]
    grid = PatchGrid(centre, spacing, (24, 20), 1.1, rotation, flip, stretch)
    back, inside = grid.put_back(grid.sample(ramp), (101, 101))
    assert inside.any()
    torch.testing.assert_close(back[0][inside], ramp[0][inside], atol=0.02, rtol=0)


def test_anisotropic_pixels_are_measured_in_mm():
    rows, columns = np.indices((100, 200))
    inside_circle = (((rows - 50) * 2.0) ** 2 + ((columns - 100) * 1.0) ** 2) < 30**2
    patch = PatchGrid((50, 100), (2.0, 1.0), (81, 81), 1.0).sample(
        torch.from_numpy(inside_circle)[None].float()
    )
    found = patch[0].numpy() > 0.5
    assert abs(np.ptp(np.flatnonzero(found.any(1))) - np.ptp(np.flatnonzero(found.any(0)))) <= 2


def test_the_outermost_slices_stand_in_for_missing_neighbours():
    stack = torch.arange(3.0)[:, None, None].expand(3, 2, 2)
    assert with_neighbours(stack)[:, :, 0, 0].tolist() == [[0, 0, 1], [0, 1, 2], [1, 2, 2]]


def test_a_stretch_of_two_makes_a_heart_look_twice_as_large():
    image = torch.zeros(1, 64, 64)
    image[0, 28:36, 28:36] = 1.0
    grid = PatchGrid((31.5, 31.5), (1.0, 1.0), (64, 64), 1.0, stretch=2.0)
    assert float(grid.sample(image)[0, 32].sum()) == pytest.approx(16.0, abs=0.6)
