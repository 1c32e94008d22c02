"""What a segmenter says about one-step estimates: the same image as it would see, and gradients to it."""

import dataclasses

import numpy as np
import pytest
import torch
from claimslicer.labels import infarct_mask
from claimslicer.models.registry import save_model
from claimslicer.models.states import compact_state
from claimslicer.patches import PatchGrid, neighbour_index
from claimslicer.segmentation.losses import segmentation_loss
from claimslicer.segmentation.network import Segmenter, SegmenterSettings, build_unet
from claimslicer.synthesis.conditioning import to_network
from claimslicer.training.data.cache import Cohort
from claimslicer.training.data.scanner import bend
from claimslicer.training.settings.config import SynthesisConfig
from claimslicer.training.trainers.feedback import Estimates, Feedback, Place, SegmenterView, judging
from claimslicer.training.trainers.synthesis import SynthesisTrainer
from joint_trial import GENERATOR, SEGMENTER, cached

SIZE = 64


@pytest.fixture(scope="module")
def study():
    return cached(1, "training")


@pytest.fixture(scope="module")
def view(study):
    return SegmenterView.of(study, SEGMENTER.labeller)


def place_in(study, shift=(0, 0), turns=0, flip=False, curve=0.0) -> Place:
    """Return a patch round the scar as training cuts it."""
    z, rows, columns = np.nonzero(infarct_mask(study.labels))
    centre = (np.floor(rows.mean()) + 0.5 + shift[0], np.floor(columns.mean()) + 0.5 + shift[1])
    spacing = (study.spacing_zyx[1], study.spacing_zyx[2])
    grid = PatchGrid(centre, spacing, (SIZE, SIZE), spacing[0], turns * np.pi / 2, flip)
    return Place(study.name, int(z[0]), grid, curve)


def estimates_of(study, view, place, times=(0.1,)) -> Estimates:
    """Return the study's own values as estimates, and its scar as where they count."""
    grey = place.grid.sample(view.grey[place.z][None])[0]
    scar = torch.from_numpy(infarct_mask(study.labels)[place.z].astype(np.float32))
    paint = place.grid.sample(scar[None], "nearest")[0]
    levels, count = view.levels, len(times)
    units = bend((grey - float(levels.wall[place.z])) / float(levels.contrast[place.z]), place.curve)
    clean = to_network(units.numpy()).expand(count, -1, -1).clone()
    return Estimates(clean, paint.expand(count, -1, -1), torch.tensor(times), [place] * count)


@pytest.mark.parametrize(
    ("shift", "turns", "flip"), [((0, 0), 0, False), ((3, -4), 1, True), ((-2, 1), 3, False)]
)
def test_the_segmenter_sees_what_it_would_see_of_the_painted_study(study, view, shift, turns, flip):
    """The image that is painted outside torch, normalised and cut, is the one that gradients pass through."""
    place = place_in(study, shift, turns, flip)
    brighter = view.grey.clone()
    scar = torch.from_numpy(infarct_mask(study.labels))[place.z]
    brighter[place.z][scar] *= 1.3
    order = neighbour_index(len(view.grey), place.z)
    expected = view.hearts[place.z].sample(view.range.normalised(brighter)[order])
    wall, contrast = float(view.levels.wall[place.z]), float(view.levels.contrast[place.z])
    units = (place.grid.sample(brighter[place.z][None])[0] - wall) / contrast
    paint = place.grid.sample(scar.float()[None], "nearest")[0]
    seen = view.with_painted(units, paint, place)
    # The neighbour that stands in for a missing one is the slice itself, and changes with it.
    torch.testing.assert_close(seen, expected, atol=2e-4, rtol=1e-4)
    assert (seen - view.hearts[place.z].sample(view.near[order])).abs().max() > 0.1


def test_gradients_reach_the_painted_voxels_and_no_others(study, view):
    place = place_in(study)
    own = estimates_of(study, view, place)
    clean = own.clean.clone().requires_grad_()
    torch.manual_seed(0)
    sharp = dataclasses.replace(SegmenterSettings().labeller, widths=SEGMENTER.labeller.widths)
    labeller = build_unet(sharp)
    feedback = Feedback([study], sharp, segmentation_loss(), 0.2)
    feedback.loss(judging(labeller), dataclasses.replace(own, clean=clean)).backward()
    inside = own.paint > 0
    assert (clean.grad[inside] != 0).float().mean() > 0.9
    assert (clean.grad[~inside] == 0).all()
    assert all(parameter.grad is None for parameter in labeller.parameters())


@pytest.mark.parametrize("curve", [0.5, -0.5])
def test_following_the_gradient_lowers_the_loss_whatever_the_curve(study, view, curve):
    torch.manual_seed(0)
    labeller = judging(Segmenter(SEGMENTER).labellers[0])
    feedback = Feedback([study], SEGMENTER.labeller, segmentation_loss(), 0.2)
    plain = feedback.loss(labeller, estimates_of(study, view, place_in(study)))
    own = estimates_of(study, view, place_in(study, curve=curve))
    torch.testing.assert_close(feedback.loss(labeller, own), plain, atol=1e-4, rtol=1e-4)
    clean = own.clean.clone().requires_grad_()
    (gradient,) = torch.autograd.grad(feedback.loss(labeller, dataclasses.replace(own, clean=clean)), clean)
    better = clean.detach() - 0.5 * gradient / gradient.abs().max()
    assert feedback.loss(labeller, dataclasses.replace(own, clean=better)) < plain - 1e-4


def test_estimates_on_other_pixels_than_the_studys_say_nothing(study, view):
    labeller = judging(Segmenter(SEGMENTER).labellers[0])
    feedback = Feedback([study], SEGMENTER.labeller, segmentation_loss(), 0.2)
    own = estimates_of(study, view, place_in(study), (0.1, 0.1))
    one_elsewhere = dataclasses.replace(own, places=[own.places[0], None])
    alone = feedback.loss(labeller, estimates_of(study, view, place_in(study)))
    torch.testing.assert_close(feedback.loss(labeller, one_elsewhere), alone)
    assert feedback.loss(labeller, dataclasses.replace(own, places=[None, None])) == 0


def test_only_low_noise_counts(study, view):
    labeller = judging(Segmenter(SEGMENTER).labellers[0])
    feedback = Feedback([study], SEGMENTER.labeller, segmentation_loss(), 0.2)
    both = estimates_of(study, view, place_in(study), (0.1, 0.5))
    both.clean[1] = 100.0
    torch.testing.assert_close(
        feedback.loss(labeller, both), feedback.loss(labeller, estimates_of(study, view, place_in(study)))
    )
    late = estimates_of(study, view, place_in(study), (0.5, 0.9))
    assert feedback.loss(labeller, late) == 0


def test_a_finished_segmenter_rewards_the_generator(study, tmp_path):
    torch.manual_seed(0)
    fields = {key: {} for key in ("preprocessing", "data", "split", "training", "figures")}
    network = {"kind": "segmentation", "version": "0", "network": SEGMENTER.to_dict(), "terms": ""}
    model = save_model(tmp_path / "judge", "judge", compact_state(Segmenter(SEGMENTER)), fields | network)
    plain = SynthesisConfig(
        cache=tmp_path, out=tmp_path, batch_size=4, device="cpu", scanner_share=0.0, **GENERATOR
    )
    rewarded = dataclasses.replace(plain, reward_weight=1.0, reward_model=str(model), reward_time=0.5)
    assert plain.fingerprint() != rewarded.fingerprint()
    assert "reward_time" not in plain.to_dict()

    def gradients(config: SynthesisConfig) -> torch.Tensor:
        trainer = SynthesisTrainer(config, Cohort((study,)))
        trainer.loss(0, np.random.default_rng(0), torch.Generator().manual_seed(0)).backward()
        assert ("reward" in trainer.terms) == bool(config.reward_weight)
        return torch.cat([p.grad.flatten() for p in trainer.model.parameters() if p.grad is not None])

    assert (gradients(plain) - gradients(rewarded)).abs().max() > 1e-4
