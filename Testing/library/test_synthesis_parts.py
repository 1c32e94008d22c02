"""Normalisation, texture and diffusion against what is known of them."""

import numpy as np
import pytest
import torch
from claimslicer.errors import SpecificationError, StudyError
from claimslicer.labels import Label
from claimslicer.synthesis.conditioning import from_network, surroundings, to_network
from claimslicer.synthesis.diffusion import add_noise, clean_from_velocity, masked_loss, velocity
from claimslicer.synthesis.normalisation import remote_mask, remote_scale
from claimslicer.synthesis.texture import TextureBank, texture_histogram


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


def test_surroundings_hold_nothing_of_the_scar():
    labels = ring_labels()
    scar = (labels == Label.INFARCT).astype(np.uint8)
    bright = np.where(scar > 0, 1e6, 1.0)
    dark = np.where(scar > 0, -1e6, 1.0)
    assert torch.equal(surroundings(bright, labels, scar).clean, surroundings(dark, labels, scar).clean)


def test_velocity_and_clean_image_belong_together():
    clean, noise, time = torch.randn(5, 4, 4), torch.randn(5, 4, 4), torch.rand(5)
    noisy = add_noise(clean, noise, time)
    torch.testing.assert_close(clean_from_velocity(noisy, velocity(clean, noise, time), time), clean)


def test_each_scar_counts_the_same_whatever_its_size():
    mask = torch.zeros(2, 8, 8)
    mask[0, :1, :2], mask[1] = 1, 1
    error = torch.zeros(2, 8, 8)
    error[0] = 1
    assert masked_loss(error, torch.zeros_like(error), mask) == 0.5
    error[:, 4:] += 100 * (1 - mask[:, 4:])
    assert masked_loss(error, torch.zeros_like(error), mask) == 0.5


def bank() -> TextureBank:
    medians = np.linspace(1, 9, 20)
    return TextureBank(np.stack([texture_histogram(np.full(5, m)) for m in medians]), medians, medians * 0.8)


def test_textures_are_chosen_by_name_by_value_and_by_likeness():
    rng = np.random.default_rng(0)
    faint, bright = (bank().choose(name, 3.0, rng).argmax() for name in ("faint", "bright"))
    assert faint < bright
    assert bank().choose("5", 3.0, rng).argmax() == bank().choose(5.0, 3.0, rng).argmax()
    dark, light = (
        np.mean([bank().choose(None, blood, rng).argmax() for _ in range(50)]) for blood in (0.8, 7.0)
    )
    assert dark + 2 < light
    with pytest.raises(SpecificationError, match="faint, medium, bright"):
        bank().choose("sparkling", 3.0, rng)
