"""Studies as other scanners would have shown them, for the generator's training."""

import dataclasses

import numpy as np
import pytest
import torch
from claimslicer.training.data.scanner import Scanner, bend, cosines, unbend
from claimslicer.training.trainers.synthesis import shown_intensity

QUIET = Scanner(1.0, (1.0, 1.0), 0.0, 1e-6, (0.0, 0.0), 1.0, 0.0)


def white(seed: int = 0, size: int = 64) -> torch.Tensor:
    return torch.randn((2, size, size), generator=torch.Generator().manual_seed(seed))


def shown(scanner: Scanner, units: torch.Tensor) -> torch.Tensor:
    return scanner.image(units, torch.Generator().manual_seed(1))


def test_a_scanner_that_measures_every_pixel_changes_nothing():
    units = white()
    torch.testing.assert_close(shown(QUIET, units), units, atol=1e-4, rtol=0)


def test_a_smaller_matrix_keeps_what_it_holds_and_nothing_else():
    """Half the matrix: a slow wave stays as it is, one of a pixel's length is gone."""
    half = dataclasses.replace(QUIET, matrix_mm=(2.0, 2.0))
    middle = (np.arange(64) + 0.5) / 64
    slow, fast = (torch.from_numpy(np.cos(np.pi * k * middle)).float().expand(2, 64, 64) for k in (8, 60))
    torch.testing.assert_close(shown(half, slow), slow, atol=1e-3, rtol=0)
    assert shown(half, fast).abs().max() < 1e-3


def test_rows_and_columns_have_a_matrix_each():
    narrow = dataclasses.replace(QUIET, matrix_mm=(2.0, 1.0))
    filtered = shown(narrow, white())
    rows, columns = (filtered.diff(dim=axis).std() for axis in (1, 2))
    assert rows < 0.9 * columns


@pytest.mark.parametrize("matrix", [(1.0, 1.0), (2.0, 1.5)])
@pytest.mark.parametrize("rounded", [0.0, 0.5])
def test_the_noise_has_the_sd_asked_whatever_the_filter(matrix, rounded):
    noisy = dataclasses.replace(QUIET, matrix_mm=matrix, rounded=rounded, noise_sd=0.1)
    found = shown(noisy, torch.zeros(2, 96, 96))
    assert float(found.std()) == pytest.approx(0.1, rel=0.06)


def test_a_coil_brightens_one_side_and_leaves_the_true_zero():
    shaded = dataclasses.replace(QUIET, shading=(0.0, 0.01), zero=0.5)
    image = shown(shaded, torch.ones(1, 64, 64))
    assert image[0, :, -1].mean() > image[0, :, 0].mean() + 0.3
    zero = shown(shaded, torch.full((1, 64, 64), -0.5))
    torch.testing.assert_close(zero, torch.full((1, 64, 64), -0.5), atol=1e-4, rtol=0)


@pytest.mark.parametrize("curve", [-0.6, -0.1, 0.0, 0.3, 0.6])
def test_bending_keeps_wall_blood_and_the_order_of_grey_levels(curve):
    units = torch.linspace(-2, 5, 200)
    bent = bend(units, curve)
    torch.testing.assert_close(bend(torch.tensor([0.0, 1.0]), curve), torch.tensor([0.0, 1.0]))
    assert (bent.diff() > 0).all()
    torch.testing.assert_close(unbend(bend(units * 2, curve), curve), units * 2, atol=1e-4, rtol=1e-4)
    if curve:
        assert (float(bend(torch.tensor(3.0), curve)) < 3.0) == (curve > 0)


def test_scanners_differ_and_come_again_with_the_seed():
    drawn = [Scanner.draw(np.random.default_rng(seed)) for seed in (1, 1, 2)]
    assert drawn[0] == drawn[1] != drawn[2]
    many = [Scanner.draw(np.random.default_rng(seed)) for seed in range(200)]
    pixels = [one.pixel_mm for one in many]
    assert min(pixels) < 0.7 and max(pixels) > 2.0
    assert any(one.rounded == 0 for one in many) and any(one.rounded > 0 for one in many)


def test_the_cosines_are_orthonormal():
    matrix = cosines(48)
    torch.testing.assert_close(matrix @ matrix.T, torch.eye(48), atol=1e-5, rtol=0)


def test_intensity_follows_the_smoothed_scar_and_is_nothing_outside():
    scar = np.zeros((1, 40, 40), bool)
    scar[0, 10:30, 10:30] = True
    units = np.where(np.indices(scar.shape)[2] < 20, 0.5, 1.5) * scar
    shows = shown_intensity(units, scar, (1.5, 1.5))
    assert not shows[~scar].any()
    assert shows[0, 20, 25] == pytest.approx(1.0, abs=0.02)
    assert shows[0, 20, 13] == pytest.approx(1 / 3, abs=0.05)
