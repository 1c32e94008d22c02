"""The synthetic studies of an experiment's rows: scar beside a patient's own, or in a normal heart."""

import numpy as np
import pytest
from claimslicer.events import SILENT
from claimslicer.labels import scar_of_labels
from claimslicer.synthesis.band import band_mask
from claimslicer.training.data.augment import synthetic_children
from claimslicer.training.data.cache import Cohort
from claimslicer.training.data.online import OnlinePainter
from joint_trial import cached


@pytest.fixture(scope="module")
def hearts():
    return Cohort((cached(1, "training"), cached(2, "training", scar=False)))


@pytest.mark.parametrize("masks", ["ours", "claim"])
def test_another_scar_is_added_to_the_patients_own(hearts, masks):
    children = list(
        synthetic_children(hearts, [0, 3], masks=masks, repaint=False, painting={"num_inference_steps": 1})
    )
    assert [child.name[-1] for child in children] == ["0", "3"] * 2
    for child, parent in zip(children, [hearts.studies[0]] * 2 + [hearts.studies[1]] * 2, strict=True):
        before, after = scar_of_labels(parent.labels), scar_of_labels(child.labels)
        np.testing.assert_array_equal(after[before > 0], before[before > 0])
        assert (after > 0).sum() > (before > 0).sum()
        assert child.synthetic and child.part == "training"
        assert (child.image != parent.image).any()
        new = np.where(before > 0, 0, after)
        untouched = (before > 0) | ~((new > 0) | band_mask(new, parent.spacing_zyx[1:]))
        np.testing.assert_array_equal(child.image[untouched], parent.image[untouched])


def test_a_child_depends_on_its_number_alone(hearts):
    def images(variants):
        made = synthetic_children(hearts, variants, repaint=False, painting={"num_inference_steps": 1})
        return {child.name: child.image for child in made}

    one, three = images([2]), images(3)
    assert len(three) == 6 and len(one) == 2
    for name, image in one.items():
        np.testing.assert_array_equal(image, three[name])


@pytest.mark.parametrize(("share", "infarcted"), [(0.0, {True}), (1.0, {False}), (None, {True, False})])
def test_the_joint_painter_takes_the_hearts_that_are_wanted(hearts, share, infarcted):
    painter = OnlinePainter(
        hearts.studies,
        repaint_share=0.0,
        target=None,
        seed=0,
        options={},
        events=SILENT,
        masks="claim",
        normal_share=share,
    )
    rng = np.random.default_rng(0)
    taken = [painter._take(rng).parent.has_infarct for _ in range(20)]
    assert set(taken) == infarcted
