"""Normalisation, conditioning, diffusion and the network against what is known of them."""

import numpy as np
import pytest
import torch
from claimslicer.errors import SpecificationError, StudyError
from claimslicer.labels import Label
from claimslicer.synthesis.band import band_mask
from claimslicer.synthesis.conditioning import (
    condition_vector,
    context_input,
    from_network,
    grain_of,
    noisy_input,
    surroundings,
    to_network,
)
from claimslicer.synthesis.denoising import slice_denoiser
from claimslicer.synthesis.diffusion import add_noise, clean_estimate, masked_loss, training_target
from claimslicer.synthesis.levels import slice_levels
from claimslicer.synthesis.network import CONDITION_VALUES, CONTEXT_CHANNELS, Generator
from claimslicer.synthesis.normalisation import remote_mask, remote_scale
from claimslicer.synthesis.settings import GRAIN_VALUES, GeneratorSettings
from scipy import ndimage


def ring_labels() -> np.ndarray:
    rows, columns = np.indices((60, 60)) - 30
    radius = np.hypot(rows, columns)
    labels = np.zeros((3, 60, 60), np.uint8)
    labels[:, radius < 22] = Label.MYOCARDIUM
    labels[:, radius < 12] = Label.CAVITY
    labels[:, (radius >= 12) & (radius < 18) & (columns > 8)] = Label.INFARCT
    return labels


def test_the_remote_scale_is_that_of_the_healthy_wall_and_invertible():
    labels, rng = ring_labels(), np.random.default_rng(0)
    image = np.where(labels == Label.INFARCT, 300.0, 50.0) + rng.normal(0, 7, labels.shape)
    scale = remote_scale(image, labels)
    assert scale.region == "remote"
    assert scale.mean == pytest.approx(50, abs=1)
    assert scale.sd == pytest.approx(7, rel=0.1)
    np.testing.assert_allclose(scale.backward(scale.forward(image)), image, rtol=1e-5)
    np.testing.assert_allclose(
        from_network(to_network(scale.forward(image))), scale.forward(image), atol=1e-4
    )


def test_the_remote_region_stays_off_borders_and_scar():
    labels = ring_labels()
    remote = remote_mask(labels)
    assert remote.any()
    for dz, dy, dx in ((0, 1, 0), (0, -1, 0), (0, 0, 1), (0, 0, -1)):
        assert (np.roll(labels, (dz, dy, dx), (0, 1, 2))[remote] == Label.MYOCARDIUM).all()


def test_a_study_full_of_scar_is_scaled_by_the_darkest_wall():
    labels = ring_labels()
    labels[labels == Label.MYOCARDIUM] = Label.INFARCT
    image = np.random.default_rng(0).normal(200, 30, labels.shape)
    assert remote_scale(image, labels).region == "darkest quarter"


def test_a_flat_image_is_refused():
    with pytest.raises(StudyError, match="same grey level"):
        remote_scale(np.full((3, 60, 60), 9.0), ring_labels())


def test_a_scar_to_come_is_avoided_unless_too_little_wall_is_left():
    labels, rng = ring_labels(), np.random.default_rng(0)
    labels[labels == Label.INFARCT] = Label.MYOCARDIUM
    image = np.where(np.indices(labels.shape)[2] > 30, 80.0, 50.0) + rng.normal(0, 3, labels.shape)
    right = np.indices(labels.shape)[2] > 30
    assert remote_scale(image, labels, away_from=right).mean == pytest.approx(50, abs=1)
    assert remote_scale(image, labels).mean == pytest.approx(65, abs=4)
    everywhere = np.ones(labels.shape, bool)
    assert remote_scale(image, labels, away_from=everywhere) == remote_scale(image, labels)


def scar_of(labels: np.ndarray) -> np.ndarray:
    return (labels == Label.INFARCT).astype(np.uint8)


def shaded_image(labels: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Wall 50, blood 150 and scar 200 in the first slice; further slices of half and double the contrast."""
    base = np.select([labels == Label.CAVITY, labels == Label.INFARCT], [100.0, 150.0], 0.0)
    gain, offset = np.array([1.0, 0.5, 2.0])[:, None, None], np.array([50.0, 80.0, 20.0])[:, None, None]
    return base * gain + offset + rng.normal(0, 2, labels.shape)


def test_each_slice_has_its_own_levels_and_the_way_back_is_exact(monkeypatch):
    labels, rng = ring_labels(), np.random.default_rng(0)
    image = shaded_image(labels, rng)
    monkeypatch.setattr("claimslicer.synthesis.levels.ALONG_STACK", 0.01)
    levels = slice_levels(image, labels)
    units = levels.forward(image)
    for z in range(3):
        assert np.median(units[z][labels[z] == Label.CAVITY]) == pytest.approx(1.0, abs=0.05)
        assert np.median(units[z][labels[z] == Label.MYOCARDIUM]) == pytest.approx(0.0, abs=0.05)
        assert np.median(units[z][labels[z] == Label.INFARCT]) == pytest.approx(1.5, abs=0.05)
    np.testing.assert_allclose(levels.backward(units), image, rtol=1e-5)


def test_levels_are_smooth_along_the_stack_and_bridge_a_slice_without_blood():
    labels, rng = ring_labels(), np.random.default_rng(0)
    image = shaded_image(labels, rng)
    smooth = slice_levels(image, labels).contrast
    assert smooth[1] > 60  # alone it would be 50; its neighbours have 100 and 200
    assert smooth[1] < smooth[2]
    labels[1][labels[1] == Label.CAVITY] = Label.BACKGROUND
    bridged = slice_levels(image, labels).contrast
    assert smooth[0] < bridged[1] < 200


def test_blood_is_taken_off_its_border_and_wall_off_a_scar_to_come():
    """Readers draw the cavity a voxel wide: its border is half wall. Wall under a new scar doesn't count."""
    labels, rng = ring_labels(), np.random.default_rng(0)
    rows, columns = np.indices(labels.shape[1:]) - 30
    labels[:, np.hypot(rows, columns) < 22] = Label.MYOCARDIUM
    labels[:, np.hypot(rows, columns) < 4.2] = Label.CAVITY
    blood = ndimage.binary_erosion(labels == Label.CAVITY, np.ones((1, 3, 3), bool))
    image = np.select([blood, labels == Label.CAVITY], [150.0, 90.0], 50.0) + rng.normal(0, 1, labels.shape)
    assert np.median(image[labels == Label.CAVITY]) < 100
    np.testing.assert_allclose(slice_levels(image, labels).contrast, 100.0, atol=2)
    right = (columns > -4) & (labels == Label.MYOCARDIUM)  # more than half of the wall
    image[right] += 40.0
    np.testing.assert_allclose(slice_levels(image, labels, away_from=right).wall, 50.0, atol=2)
    assert slice_levels(image, labels).wall.min() > 85


def test_dark_blood_is_no_scale_and_labels_without_blood_are_refused():
    labels, rng = ring_labels(), np.random.default_rng(0)
    image = rng.normal(50, 4, labels.shape) - 40.0 * (labels == Label.CAVITY)
    assert (slice_levels(image, labels).contrast >= 3.0).all()
    with pytest.raises(StudyError, match="blood pool"):
        slice_levels(image, np.where(labels == Label.CAVITY, 0, labels))


def test_surroundings_hold_nothing_of_what_is_painted():
    labels = ring_labels()
    scar = scar_of(labels)
    band = band_mask(scar, (1.5, 1.5), 3.0)
    inside = (scar > 0) | band
    bright, dark = np.where(inside, 1e6, 1.0), np.where(inside, -1e6, 1.0)
    one, other = (surroundings(units, labels, scar, band) for units in (bright, dark))
    assert torch.equal(one.clean, other.clean)
    assert torch.equal(one.paint > 0, torch.from_numpy(inside))


def test_scar_that_stays_is_seen_and_not_painted():
    labels = ring_labels()
    scar, units = scar_of(labels), np.ones(labels.shape)
    kept = (scar > 0) & (np.indices(labels.shape)[1] > 30)
    around = surroundings(
        units, labels, np.where(kept, 0, scar), band_mask(np.where(kept, 0, scar), (1.5, 1.5)), kept=kept
    )
    assert not (around.paint.numpy()[kept] > 0).any()
    assert (around.scar.numpy()[kept] > 0).all()
    np.testing.assert_allclose(around.clean.numpy()[kept], to_network(units).numpy()[kept])


@pytest.mark.parametrize("spacing", [(1.5, 1.5), (1.0, 2.0), (0.7, 0.7)])
def test_the_band_is_all_that_lies_so_many_mm_from_the_scar(spacing):
    scar = scar_of(ring_labels())
    scar[2] = 0
    band = band_mask(scar, spacing, 3.0)
    scars, others = np.argwhere(scar[1]) * spacing, np.argwhere(scar[1] == 0)
    nearest = np.array([np.hypot(*(scars - voxel * spacing).T).min() for voxel in others])
    np.testing.assert_array_equal(band[1][tuple(others.T)], nearest <= 3.0)
    assert not (band & (scar > 0)).any()
    assert not band[2].any()
    assert not band_mask(scar, spacing, 0.0).any()


def test_grain_tells_noise_from_interpolated_noise_and_rows_from_columns():
    rng, everywhere = np.random.default_rng(0), np.ones((3, 64, 64), bool)
    white = rng.normal(0, 0.1, (3, 64, 64))
    rows_1, rows_2, columns_1, columns_2 = grain_of(white, everywhere, ~everywhere)
    assert rows_1 == pytest.approx(rows_2, abs=0.15)
    assert np.exp(
        grain_of(2 * white, everywhere, ~everywhere) - grain_of(white, everywhere, ~everywhere)
    ) == (pytest.approx(np.full(4, 2.0)))
    smooth = (white + np.roll(white, 1, 1)) / 2  # interpolated along the rows' axis
    rows_1, rows_2, columns_1, columns_2 = grain_of(smooth, everywhere, ~everywhere)
    assert rows_1 < rows_2 - 0.15
    assert columns_1 == pytest.approx(columns_2, abs=0.15)


def test_grain_is_not_that_of_what_is_painted():
    rng = np.random.default_rng(0)
    values, heart = rng.normal(0, 0.1, (3, 64, 64)), np.ones((3, 64, 64), bool)
    painted = np.zeros_like(heart)
    painted[:, 20:40, 20:40] = True
    other = np.where(painted, 50.0 * values, values)
    np.testing.assert_array_equal(grain_of(values, heart, painted), grain_of(other, heart, painted))


@pytest.mark.parametrize("prediction", ["velocity", "noise"])
def test_target_and_clean_image_belong_together(prediction):
    clean, noise, time = torch.randn(5, 4, 4), torch.randn(5, 4, 4), 0.9 * torch.rand(5)
    noisy = add_noise(clean, noise, time)
    target = training_target(prediction, clean, noise, time)
    torch.testing.assert_close(clean_estimate(prediction, noisy, target, time), clean, atol=1e-4, rtol=1e-4)


def test_each_scar_counts_the_same_whatever_its_size_unless_unbalanced():
    mask = torch.zeros(2, 8, 8)
    mask[0, :1, :2], mask[1] = 1, 1
    error = torch.zeros(2, 8, 8)
    error[0] = 1
    nothing = torch.zeros_like(error)
    assert masked_loss(error, nothing, mask) == 0.5
    assert masked_loss(error, nothing, mask, balanced=False) == pytest.approx(2 / 66)
    error[:, 4:] += 100 * (1 - mask[:, 4:])
    assert masked_loss(error, nothing, mask) == 0.5


def a_generator(**settings) -> Generator:
    """A small network whose every weight counts: fresh ones end their blocks in zeros."""
    torch.manual_seed(0)
    network = Generator(GeneratorSettings(context_widths=(8, 8, 8), widths=(8, 8, 8), **settings)).eval()
    with torch.no_grad():
        for value in network.parameters():
            value.normal_(0, 0.2)
    return network.requires_grad_(False)


def painted_ring():
    labels = ring_labels()
    units = np.random.default_rng(0).normal(0, 1, labels.shape).astype(np.float32)
    scar = scar_of(labels)
    return units, surroundings(units, labels, scar, np.zeros(labels.shape, bool))


def test_variants_share_the_context_and_come_out_as_alone():
    _, around = painted_ring()
    network, noise = a_generator(), torch.randn(2, *around.scar.shape)
    conditions = torch.rand(2, 3, CONDITION_VALUES)
    together = slice_denoiser(network, torch.device("cpu"), around, conditions)(noise, 0.5)
    for index in range(2):
        one = slice(index, index + 1)
        alone = slice_denoiser(network, torch.device("cpu"), around, conditions[one])(noise[one], 0.5)
        assert torch.equal(together[one], alone)


def test_guidance_of_one_is_none_and_more_goes_further_the_same_way():
    _, around = painted_ring()
    network, noise = a_generator(), torch.randn(1, *around.scar.shape)
    with_it, without = torch.rand(1, 3, CONDITION_VALUES), torch.zeros(3, CONDITION_VALUES)

    def at(guidance: float) -> torch.Tensor:
        denoise = slice_denoiser(
            network, torch.device("cpu"), around, with_it, without=without, guidance=guidance
        )
        return denoise(noise, 0.5)

    plain = slice_denoiser(network, torch.device("cpu"), around, with_it)(noise, 0.5)
    assert torch.equal(at(1.0), plain)
    torch.testing.assert_close(at(2.0) - at(1.0), at(1.0) - at(0.0), atol=1e-4, rtol=1e-3)
    assert (at(2.0) != plain).any()


def test_the_settings_take_away_what_the_published_network_does_not_see():
    _, around = painted_ring()
    noisy = torch.randn(around.scar.shape)
    full, blind, flat = (
        GeneratorSettings(**one) for one in ({}, {"surroundings": False}, {"neighbours": False})
    )
    assert context_input(around, [1], full).shape == (1, CONTEXT_CHANNELS, 60, 60)
    assert context_input(around, [1], full)[0, :3].any()
    assert not context_input(around, [1], blind)[0, :3].any()
    assert not noisy_input(noisy, around, [1], full)[0][around.paint == 0].any()
    assert torch.equal(noisy_input(noisy, around, [1], blind)[0], noisy)
    assert torch.equal(noisy_input(noisy, around, [1], flat)[0, 0], noisy[1] * around.paint[1])


def test_a_network_blind_to_its_surroundings_gets_them_pasted_at_each_step():
    units, around = painted_ring()
    network, known = a_generator(surroundings=False), to_network(units)
    seen = []
    network.denoise.register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0].clone()))
    denoise = slice_denoiser(
        network,
        torch.device("cpu"),
        around,
        torch.zeros(1, 3, CONDITION_VALUES),
        known=known,
        generator=torch.Generator().manual_seed(0),
    )
    clean = denoise(torch.full((1, *around.scar.shape), 50.0), 0.01)
    outside = around.paint == 0
    torch.testing.assert_close(clean[0][outside], known[outside])
    assert (seen[0][:, 1][outside] - known[outside]).abs().max() < 0.2
    assert (seen[0][:, 1][~outside] == 50.0).all()


def test_settings_survive_json_and_wrong_ones_are_refused():
    settings = GeneratorSettings(prediction="noise", neighbours=False)
    assert GeneratorSettings.from_dict(settings.to_dict()) == settings
    with pytest.raises(TypeError, match="widths"):
        GeneratorSettings.from_dict({"embedding": 4})
    with pytest.raises(SpecificationError, match="prediction"):
        GeneratorSettings(prediction="image")  # type: ignore[arg-type]
    with pytest.raises(SpecificationError, match="widths"):
        GeneratorSettings(widths=(8, 8))


def test_no_texture_is_all_zeros_and_says_so():
    absent = condition_vector(None, 1.5, np.zeros(GRAIN_VALUES))
    assert absent.shape == (CONDITION_VALUES,)
    assert not absent.any()
