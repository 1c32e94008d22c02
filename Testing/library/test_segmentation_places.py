"""Where the locator sees more than one left ventricle: the labellers choose, and look for its middle once."""

from types import SimpleNamespace

import numpy as np
import pytest
import torch
from claimslicer.labels import Label
from claimslicer.segmentation import labelling
from claimslicer.segmentation.model import SegmenterModel
from claimslicer.segmentation.network import SegmenterSettings, UNetSettings
from claimslicer.studies import Geometry, Study
from torch import nn


class TheBrighterTheSurer(nn.Module):
    """A labeller that takes what is bright for wall, and counts how often it is asked."""

    def __init__(self):
        super().__init__()
        self.asked = 0

    def forward(self, stack):
        self.asked += 1
        logits = torch.zeros(len(stack), 5, *stack.shape[2:])
        logits[:, Label.BACKGROUND], logits[:, Label.MYOCARDIUM] = -2 * stack[:, 1], 2 * stack[:, 1]
        return logits


def square(row: int, column: int) -> np.ndarray:
    mask = np.zeros((3, 160, 160), bool)
    mask[:, row - 15 : row + 15, column - 15 : column + 15] = True
    return mask


@pytest.fixture
def study() -> Study:
    """A dim and a bright square, whose contrasts in their own surroundings differ too."""
    image = np.random.default_rng(1).normal(100, 30, (3, 160, 160))
    image[square(40, 40)] += 60
    image[square(120, 120)] += 400
    return Study("two", image, Geometry(image.shape, (1.0, 1.0, 8.0)))


@pytest.mark.parametrize(("rays", "chosen"), [(96, 1), (0, 0)])
def test_a_polar_labeller_chooses_and_a_square_one_takes_the_likeliest(study, monkeypatch, rays, chosen):
    places = [square(40, 40), square(120, 120)]
    monkeypatch.setattr(labelling, "likely_places", lambda segmenter, study: places)
    labeller = TheBrighterTheSurer()
    settings = SegmenterSettings(labeller=UNetSettings((4, 4), 48, 1.0, 5, rays=rays))
    networks = SimpleNamespace(labellers=[labeller])
    segmenter = SegmenterModel(networks, settings, torch.device("cpu"), {"name": "mine"})
    found = labelling.find_left_ventricle(segmenter, study)
    np.testing.assert_allclose(found.centre, (places[chosen][0].nonzero()[0].mean(),) * 2)
    labeller.asked = 0
    probabilities = found.probabilities()
    assert labeller.asked == (4 if rays else 8)  # once a view: its middles are known by now
    assert probabilities[Label.MYOCARDIUM][places[chosen]].mean() > 0.7
