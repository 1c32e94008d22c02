"""Losses of the segmenter against closed forms, MONAI's and torch's own, and finite differences."""

import math

import numpy as np
import pytest
import torch
from claimslicer.errors import SpecificationError
from claimslicer.segmentation.losses import (
    CrossEntropy,
    DeepSupervision,
    SoftDice,
    SoftLabelDivergence,
    SumOfLosses,
    segmentation_loss,
    soften_labels,
)
from hypothesis import given, settings
from hypothesis import strategies as st
from monai.losses import DiceCELoss
from scipy.ndimage import gaussian_filter

WEIGHTS = (0.5, 1.0, 1.0, 2.0, 2.0)
LOSSES = (SoftDice(), SoftDice(WEIGHTS), CrossEntropy(), CrossEntropy(WEIGHTS), SoftLabelDivergence(1.0))


def example(seed: int = 0, shape: tuple[int, ...] = (2, 12, 10), classes: int = 5):
    """Logits and labels of blobs, so that softened labels differ from hard ones only near borders."""
    rng = np.random.default_rng(seed)
    field = gaussian_filter(rng.normal(size=shape), (0, *[1.5] * (len(shape) - 1)))
    ranks = field.argsort(axis=None).argsort().reshape(shape)
    labels = torch.from_numpy(ranks * classes // field.size)[:, None]
    return torch.randn((shape[0], classes, *shape[1:]), generator=torch.Generator().manual_seed(seed)), labels


@pytest.mark.parametrize("shape", [(3, 12, 10), (2, 8, 7, 5)])
@pytest.mark.parametrize("weights", [None, WEIGHTS])
def test_the_default_is_what_segmenters_were_trained_with(shape, weights):
    logits, labels = example(1, shape)
    before = DiceCELoss(
        to_onehot_y=True,
        softmax=True,
        batch=True,
        include_background=False,
        weight=None if weights is None else torch.tensor(weights),
    )
    torch.testing.assert_close(segmentation_loss(weights)(logits, labels), before(logits, labels))


@pytest.mark.parametrize("loss", LOSSES)
@pytest.mark.parametrize("shape", [(2, 5, 4), (1, 4, 3, 3)])
def test_gradients_are_those_of_the_value(loss, shape):
    logits, labels = example(2, shape)
    torch.autograd.gradcheck(lambda x: loss.double()(x, labels), logits.double().requires_grad_())
    loss.float()


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 10**6), sigma=st.floats(0, 3), scale=st.floats(0.1, 20))
def test_the_divergence_is_never_negative_and_softened_labels_are_distributions(seed, sigma, scale):
    logits, labels = example(seed)
    soft = soften_labels(labels, 5, sigma)
    assert (soft >= 0).all()
    torch.testing.assert_close(soft.sum(1), torch.ones_like(soft[:, 0]))
    assert SoftLabelDivergence(sigma)(logits * scale, labels) >= -1e-6


def test_the_divergence_vanishes_where_the_prediction_is_the_softened_label():
    _, labels = example(3)
    soft = soften_labels(labels, 5, 1.0)
    assert SoftLabelDivergence(1.0)(soft.clamp_min(1e-30).log(), labels).abs() < 1e-6
    assert SoftLabelDivergence(1.0)(soft.clamp_min(1e-30).log() * 1.5, labels) > 1e-3


def test_the_divergence_is_the_soft_cross_entropy_less_the_labels_entropy():
    logits, labels = example(4)
    soft = soften_labels(labels, 5, 1.0)
    cross_entropy = torch.nn.functional.cross_entropy(logits, soft)
    entropy = -torch.xlogy(soft, soft).sum(1).mean()
    torch.testing.assert_close(SoftLabelDivergence(1.0)(logits, labels), cross_entropy - entropy)


def test_labels_that_are_not_softened_leave_the_cross_entropy():
    logits, labels = example(5)
    wanted = CrossEntropy()(logits, labels)
    for sigma in (0.0, 0.01):
        torch.testing.assert_close(SoftLabelDivergence(sigma)(logits, labels), wanted)
    assert SoftLabelDivergence(1.0)(logits, labels) != pytest.approx(wanted.item(), rel=1e-3)


def test_softening_has_the_width_asked_on_the_axes_asked():
    labels = torch.zeros((1, 1, 40, 40, 6), dtype=torch.long)
    labels[:, :, 20:, :, 3:] = 1
    soft = soften_labels(labels, 2, (2.0, 0.0, 0.0))[0, 1]
    # The step at 19.5 becomes the normal distribution function.
    wanted = [0.5 * (1 + math.erf((row - 19.5) / (2 * math.sqrt(2)))) for row in range(14, 26)]
    np.testing.assert_allclose(soft[14:26, 7, 5], wanted, atol=6e-3)
    assert (soft[..., :3] == 0).all()
    torch.testing.assert_close(soft[:, :1].expand_as(soft), soft)


def test_a_shifted_border_costs_the_divergence_less_than_the_cross_entropy():
    """What it is for: of a prediction that is sure of a border one pixel off, it asks for less change."""
    labels = torch.zeros((1, 1, 20, 20), dtype=torch.long)
    labels[..., 10:] = 1
    one_off = torch.zeros((1, 2, 20, 20))
    one_off[:, 1, :, 9:], one_off[:, 0, :, :9] = 4.0, 4.0
    one_off.requires_grad_()
    pull = {}
    for name, loss in (("hard", CrossEntropy()), ("soft", SoftLabelDivergence(1.0))):
        (gradient,) = torch.autograd.grad(loss(one_off, labels), one_off)
        pull[name] = gradient[0, 1, :, 9].mean()
    assert 0 < pull["soft"] < 0.8 * pull["hard"]


def test_perfect_and_empty_predictions_have_the_dice_that_they_should():
    _, labels = example(6)
    sure = torch.nn.functional.one_hot(labels[:, 0], 5).movedim(-1, 1) * 60.0
    assert SoftDice()(sure, labels) == pytest.approx(0, abs=1e-6)
    nothing = torch.zeros_like(sure)
    nothing[:, 0] = 60.0
    assert SoftDice()(nothing, labels) == pytest.approx(1, abs=1e-4)


def test_a_class_that_is_absent_costs_nothing_unless_it_is_predicted():
    labels = torch.zeros((1, 1, 8, 8), dtype=torch.long)
    logits = torch.zeros((1, 5, 8, 8))
    logits[:, 0] = 60.0
    for loss in (SoftDice(WEIGHTS), CrossEntropy(WEIGHTS), SoftLabelDivergence()):
        assert loss(logits, labels) == pytest.approx(0, abs=1e-6)
    logits[:, 3] = 60.0
    # Of four foreground classes one is wrong; its weight is 2.
    assert SoftDice(WEIGHTS)(logits, labels) == pytest.approx(2 / 4, abs=1e-4)
    assert torch.isfinite(segmentation_loss(kl=1.0)(logits, labels))


@pytest.mark.parametrize("ignored", [-1, 4, 255])
def test_an_ignored_region_has_no_say(ignored):
    logits, labels = example(7, classes=4)
    beyond = torch.full((2, 1, 12, 6), ignored)
    wider = torch.cat([labels, beyond], 3)
    other = torch.cat([logits, torch.randn(2, 4, 12, 6)], 3).requires_grad_()
    for kl_sigma in (0.0, 1.0):
        given = {"kl": 1.0, "kl_sigma": kl_sigma}
        wanted = segmentation_loss(**given)(logits, labels)
        value = segmentation_loss(**given, ignore_label=ignored)(other, wider)
        torch.testing.assert_close(value, wanted)
        (gradient,) = torch.autograd.grad(value, other)
        assert (gradient[..., 10:] == 0).all() and gradient[..., :10].abs().min() > 0
    nowhere = segmentation_loss(**given, ignore_label=ignored)(other, torch.full_like(wider, ignored))
    assert nowhere.item() == pytest.approx(0, abs=1e-6)


def test_halves_of_a_batch_on_two_processes_have_the_loss_and_gradient_of_the_whole():
    logits, labels = example(8, (4, 12, 10))
    logits.requires_grad_()
    whole = segmentation_loss(WEIGHTS, kl=0.5)(logits, labels)
    (wanted,) = torch.autograd.grad(whole, logits)

    others: list[torch.Tensor] = []
    segmentation_loss(WEIGHTS, kl=0.5, summed=lambda sums: others.append(sums.detach()) or sums)(
        logits[2:], labels[2:]
    )
    half = segmentation_loss(WEIGHTS, kl=0.5, summed=lambda sums: sums + others.pop(0))
    value = half(logits[:2], labels[:2])
    torch.testing.assert_close(value, whole)
    (gradient,) = torch.autograd.grad(value, logits)
    torch.testing.assert_close(gradient[:2], wanted[:2])


def test_the_sum_weighs_its_terms_and_tells_them():
    logits, labels = example(9)
    loss = segmentation_loss(WEIGHTS, dice=0.6, cross_entropy=0.2, kl=0.2, kl_sigma=1.5)
    parts = loss.terms(logits, labels)
    torch.testing.assert_close(parts["kl"], SoftLabelDivergence(1.5)(logits, labels))
    torch.testing.assert_close(
        loss(logits, labels), 0.6 * parts["dice"] + 0.2 * parts["cross_entropy"] + 0.2 * parts["kl"]
    )
    assert set(segmentation_loss(cross_entropy=0).terms(logits, labels)) == {"dice"}
    for weights in ({"dice": 0, "cross_entropy": 0}, {"kl": -0.1}):
        with pytest.raises(SpecificationError, match="positive"):
            segmentation_loss(**weights)
    with pytest.raises(SpecificationError):
        SumOfLosses({})


def test_deep_supervision_halves_from_level_to_level_and_leaves_the_coarsest_out():
    weights = DeepSupervision(CrossEntropy()).weights(4)
    assert weights == pytest.approx([4 / 7, 2 / 7, 1 / 7, 0])
    assert DeepSupervision(CrossEntropy()).weights(1) == [1.0]
    logits, labels = example(10, (2, 16, 16))
    levels = [logits, logits[..., ::2, ::2], logits[..., ::4, ::4]]
    coarse = labels[..., 1::2, 1::2]
    loss = CrossEntropy(WEIGHTS)
    wanted = 2 / 3 * loss(levels[0], labels) + 1 / 3 * loss(levels[1], coarse)
    torch.testing.assert_close(DeepSupervision(loss)(levels, [labels, coarse, coarse]), wanted)
    torch.testing.assert_close(DeepSupervision(loss)(levels, labels), wanted)
    alone = DeepSupervision(loss, (0.0, 0.0, 1.0))(levels, labels)
    assert alone == pytest.approx(loss(levels[2], labels[..., 2::4, 2::4]).item())
    with pytest.raises(SpecificationError, match="3 outputs"):
        DeepSupervision(loss, (1.0, 0.5))(levels, labels)


def test_half_precision_logits_are_summed_in_full_precision():
    logits, labels = example(11, (4, 64, 64))
    loss = segmentation_loss(WEIGHTS, kl=1.0)
    half = loss(logits.bfloat16(), labels)
    assert half.dtype == torch.float32
    torch.testing.assert_close(half, loss(logits.bfloat16().float(), labels))
