"""Textures measured and chosen."""

import numpy as np
import pytest
from claimslicer.errors import SpecificationError, StudyError
from claimslicer.labels import Label
from claimslicer.synthesis.texture import (
    LEVELS,
    PRESETS,
    Texture,
    TextureBank,
    edge_step,
    measure_texture,
)


def half_ring(infarct: Label = Label.INFARCT) -> np.ndarray:
    rows, columns = np.indices((60, 60)) - 30
    radius = np.hypot(rows, columns)
    labels = np.zeros((3, 60, 60), np.uint8)
    labels[:, radius < 22] = Label.MYOCARDIUM
    labels[:, (radius < 18) & (columns > 8)] = infarct
    labels[:, radius < 12] = Label.CAVITY
    return labels


def test_the_edge_is_the_mean_step_between_neighbours_in_plane():
    labels = np.full((2, 6, 6), Label.MYOCARDIUM, np.uint8)
    labels[:, :, 3:] = Label.INFARCT
    columns = np.broadcast_to(np.arange(6.0), labels.shape)
    assert edge_step(columns, labels) == pytest.approx(1.0)
    assert edge_step(np.where(labels == Label.INFARCT, 5.0, 2.0), labels) == pytest.approx(3.0)
    slices = np.broadcast_to(np.arange(2.0)[:, None, None], labels.shape)
    assert edge_step(slices, labels) == 0.0
    assert np.isnan(edge_step(columns, np.full_like(labels, Label.INFARCT)))


def test_a_texture_measured_is_that_of_the_scar():
    labels, rng = half_ring(), np.random.default_rng(0)
    labels[:, 29:31][labels[:, 29:31] == Label.INFARCT] = Label.MVO
    units = np.where(labels == Label.INFARCT, rng.gamma(4, 1, labels.shape), 0.0)
    units[labels == Label.MVO] = 1.5
    texture = measure_texture(units, labels)
    assert texture.quantiles.mean() == pytest.approx(4.0, abs=0.2)
    assert texture.mvo_contrast == pytest.approx(-2.5, abs=0.2)
    assert texture.histogram().sum() == pytest.approx(1.0)
    assert texture.scaled(2.0).median == pytest.approx(2 * texture.median)
    with pytest.raises(StudyError, match="voxels of scar"):
        measure_texture(units, np.full_like(labels, Label.MYOCARDIUM))


def bank() -> TextureBank:
    """Thirty patients: medians from 0.5 to 2, brighter where blood stands out less from the wall."""
    medians = np.linspace(0.5, 2.0, 30)
    spread = np.linspace(-0.5, 0.5, len(LEVELS))
    textures = [Texture(median * (1 + spread), -0.5) for median in medians]
    return TextureBank.learnt(textures, list(0.4 * medians))


def test_presets_are_clusters_in_the_order_of_brightness():
    rng = np.random.default_rng(0)
    drawn = {name: [bank().choose(name, 0.3, rng).median for _ in range(30)] for name in PRESETS}
    assert max(drawn["faint"]) < min(drawn["medium"])
    assert max(drawn["medium"]) < min(drawn["bright"])
    assert len(set(drawn["medium"])) > 3


def test_a_wish_in_remote_sds_is_met_and_a_texture_taken_as_it_is():
    rng = np.random.default_rng(0)
    assert bank().choose("5.3", 0.25, rng).median == pytest.approx(5.3 * 0.25)
    assert bank().choose(12, 0.25, rng).median == pytest.approx(12 * 0.25)
    texture = bank().texture(4)
    assert bank().choose(texture, 0.3, rng) is texture
    for wrong in ("sparkling", "nan", "-3", 1000):
        with pytest.raises(SpecificationError):
            bank().choose(wrong, 0.3, rng)


def test_without_a_wish_it_is_that_of_the_hearts_own_scar():
    own = Texture(np.linspace(0.1, 0.2, len(LEVELS)), -0.1)
    assert bank().choose(None, 0.3, np.random.default_rng(0), own) is own
    assert bank().choose("any", 0.3, np.random.default_rng(0), own) is not own


def test_without_a_wish_and_a_scar_it_differs_as_patients_do_whose_blood_stands_out_alike():
    rng = np.random.default_rng(0)
    low, high = ([bank().choose(None, sd, rng).median for _ in range(60)] for sd in (0.25, 0.7))
    assert np.mean(low) < np.mean(high) - 0.4
    assert len(set(low)) > 4
    everyone = [bank().choose("any", 0.3, rng).median for _ in range(60)]
    assert np.ptp(everyone) > np.ptp(low)
    beyond = bank().choose(None, 50.0, rng)  # no patient is like that: the nearest
    assert beyond.median > 1.8


def test_a_typical_texture_is_the_same_for_every_seed():
    one, other = (bank().choose("typical", 0.4, np.random.default_rng(seed)) for seed in (0, 1))
    np.testing.assert_array_equal(one.quantiles, other.quantiles)
    assert one.median == pytest.approx(1.0, abs=0.15)


def test_a_texture_survives_its_recipe_and_older_ones_are_refused():
    texture = bank().texture(7)
    again = Texture.from_recipe(texture.to_dict())
    np.testing.assert_array_equal(again.quantiles, texture.quantiles)
    assert again.mvo_contrast == texture.mvo_contrast
    for lacking in ("unit", "quantiles", "mvo_contrast"):
        values = texture.to_dict()
        del values[lacking]
        with pytest.raises(SpecificationError, match="measure"):
            Texture.from_recipe(values)
