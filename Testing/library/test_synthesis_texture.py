"""Textures measured, chosen and matched."""

import numpy as np
import pytest
from claimslicer.errors import SpecificationError, StudyError
from claimslicer.labels import Label, ScarLabel
from claimslicer.synthesis.matching import Border, match_texture
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
    assert texture.mean == pytest.approx(4.0, abs=0.2)
    assert texture.mvo_contrast == pytest.approx(-2.5, abs=0.2)
    assert texture.histogram().sum() == pytest.approx(1.0)
    assert texture.scaled(2.0).median == pytest.approx(2 * texture.median)
    with pytest.raises(StudyError, match="voxels of scar"):
        measure_texture(units, np.full_like(labels, Label.MYOCARDIUM))


def bank() -> TextureBank:
    """Thirty patients: contrasts from 1 to 8 remote SDs, edges and blood that go with them."""
    means = np.linspace(1, 8, 30)
    spread = np.linspace(-0.5, 0.5, len(LEVELS))
    textures = [Texture(mean * (1 + spread), -1.5, 0.2 * mean) for mean in means]
    return TextureBank.learnt(textures, list(means))


def test_presets_are_clusters_in_the_order_of_brightness():
    rng = np.random.default_rng(0)
    drawn = {name: [bank().choose(name, 3.0, rng).median for _ in range(30)] for name in PRESETS}
    assert max(drawn["faint"]) < min(drawn["medium"])
    assert max(drawn["medium"]) < min(drawn["bright"])
    assert len(set(drawn["medium"])) > 3


def test_a_target_contrast_is_met_and_a_texture_taken_as_it_is():
    rng = np.random.default_rng(0)
    assert bank().choose("5.3", 3.0, rng).median == pytest.approx(5.3)
    assert bank().choose(12, 3.0, rng).median == pytest.approx(12)
    texture = bank().texture(4)
    assert bank().choose(texture, 3.0, rng) is texture
    for wrong in ("sparkling", "nan", "-3", 1000):
        with pytest.raises(SpecificationError):
            bank().choose(wrong, 3.0, rng)


def test_without_a_wish_the_contrast_is_a_typical_one_brighter_beside_bright_blood():
    rng = np.random.default_rng(0)
    dark, light = ([bank().choose(None, blood, rng).mean for _ in range(60)] for blood in (0.5, 9.0))
    assert np.mean(dark) < np.mean(light)
    assert min(dark) > 3.0 and max(light) < 8.5
    everyone = [bank().choose("any", 3.0, rng).mean for _ in range(60)]
    assert np.ptp(everyone) > 2 * np.ptp(dark)


def painted_case(labels, seed=0):
    """Noise painted over the scar of ``labels``, in a wall of another mean."""
    scar = np.zeros(labels.shape, np.uint8)
    scar[labels == Label.INFARCT], scar[labels == Label.MVO] = ScarLabel.SCAR, ScarLabel.MVO
    return scar, np.random.default_rng(seed).normal(0.0, 1.0, labels.shape)


TEXTURE = Texture(np.linspace(0.5, 6.5, len(LEVELS)), -1.6, 0.6)


def test_the_scar_takes_the_textures_grey_levels_in_the_networks_order():
    labels = half_ring()
    scar, painted = painted_case(labels)
    nowhere = np.zeros(scar.shape, bool)
    border = Border.of(labels, scar, nowhere, (1.5, 1.5))
    matched = match_texture(painted, scar, border, TEXTURE)
    inside = scar > 0
    np.testing.assert_allclose(np.quantile(matched[inside], LEVELS), TEXTURE.quantiles, atol=0.05)
    np.testing.assert_array_equal(matched[~inside], painted[~inside])
    core = inside & (border.rim == 0)
    assert core.any()
    order = np.argsort(painted[core])
    assert (np.diff(matched[core][order]) >= 0).all()


def test_mvo_keeps_its_pattern_and_takes_its_contrast():
    labels = half_ring()
    labels[:, 25:35][labels[:, 25:35] == Label.INFARCT] = Label.MVO
    scar, painted = painted_case(labels)
    border = Border.of(labels, scar, np.zeros(scar.shape, bool), (1.5, 1.5))
    matched = match_texture(painted, scar, border, TEXTURE)
    dark, bright = matched[scar == ScarLabel.MVO], matched[scar == ScarLabel.SCAR]
    assert dark.mean() - bright.mean() == pytest.approx(-1.6, abs=1e-6)
    assert dark.std() == pytest.approx(painted[scar == ScarLabel.MVO].std())


def test_a_halo_makes_the_edge_as_steep_as_the_textures():
    labels = half_ring()
    scar, painted = painted_case(labels)
    rows, columns = np.indices((60, 60)) - 30
    halo = np.broadcast_to((np.hypot(rows, columns) < 20) & (columns > 6), labels.shape)
    halo = halo & (labels == Label.MYOCARDIUM)
    border = Border.of(labels, scar, halo, (1.5, 1.5))
    matched = match_texture(painted, scar, border, TEXTURE)
    touched = matched != painted
    assert not (touched & ~halo & (scar == 0)).any()
    outside_halo_too = np.where(halo | (scar > 0), labels, 0)
    assert edge_step(matched, outside_halo_too) == pytest.approx(TEXTURE.edge, abs=0.25)


def test_without_a_halo_the_rim_takes_the_lower_grey_levels_first():
    labels = half_ring()
    scar, painted = painted_case(labels)
    border = Border.of(labels, scar, np.zeros(scar.shape, bool), (1.5, 1.5))
    soft = match_texture(painted, scar, border, TEXTURE)
    steep = match_texture(painted, scar, border, Texture(TEXTURE.quantiles, -1.6, 99.0))
    assert border.step(soft) < border.step(steep) - 0.5
    np.testing.assert_allclose(np.sort(soft[scar > 0]), np.sort(steep[scar > 0]), atol=1e-6)


def test_the_rim_is_measured_in_mm():
    labels = half_ring()
    scar, _ = painted_case(labels)
    nowhere = np.zeros(scar.shape, bool)
    fine, coarse = (Border.of(labels, scar, nowhere, (mm, mm)).rim for mm in (0.75, 1.5))
    assert (fine > 0).sum() > (coarse > 0).sum()
    assert fine.max() == coarse.max() == 1.0


@pytest.mark.parametrize("count", [1, 3])
def test_a_handful_of_voxels_takes_the_middle_of_the_texture(count):
    labels = np.full((1, 20, 20), Label.MYOCARDIUM, np.uint8)
    labels[0, 10, 10 : 10 + count] = Label.INFARCT
    scar, painted = painted_case(labels)
    border = Border.of(labels, scar, np.zeros(scar.shape, bool), (1.5, 1.5))
    matched = match_texture(painted, scar, border, TEXTURE)
    assert matched[scar > 0].mean() == pytest.approx(3.5, abs=0.2)


def test_a_scar_of_the_whole_wall_has_no_edge_to_steer():
    labels = half_ring()
    labels[labels == Label.MYOCARDIUM] = Label.INFARCT
    scar, painted = painted_case(labels)
    border = Border.of(labels, scar, np.zeros(scar.shape, bool), (1.5, 1.5))
    assert not border.rim.any() and not border.inner.size
    matched = match_texture(painted, scar, border, TEXTURE)
    np.testing.assert_allclose(np.quantile(matched[scar > 0], LEVELS), TEXTURE.quantiles, atol=0.05)
