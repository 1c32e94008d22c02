"""The user's views are brought to the heart: its slice, its size, its greys, and no label map over it."""

from __future__ import annotations

import numpy as np
import pytest
import slicer
from claimslicer.figures.difference import WHOLE_HEART_MM
from test_views import GEOMETRY, layers, settle, slice_node, views  # noqa: F401

HEART = np.zeros(GEOMETRY.shape, bool)
HEART[2:6, 20:30, 10:18] = True
HEART[4, 18:32, 8:20] = True


@pytest.fixture
def study(views):  # noqa: F811
    """A volume as Slicer shows it once loaded, with its label map over it."""
    from ClaimSlicerLib.mrml import add_volume

    image = np.zeros(GEOMETRY.shape, np.int16)
    image[:, 0] = 3000
    image[:, 10:40] = 100
    image[HEART] = 150
    volume = add_volume(image, GEOMETRY, "study", synthetic=False)
    labels = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLLabelMapVolumeNode", "labels")
    slicer.util.setSliceViewerLayers(background=volume, foreground=None, label=labels, fit=True)
    for name in ("Red", "Green", "Yellow"):
        width, height, depth = slice_node(name).GetFieldOfView()
        slice_node(name).SetFieldOfView(5 * width, 5 * height, depth)
    settle()
    return volume


def test_the_views_are_brought_to_the_heart(study):
    from ClaimSlicerLib.heart_views import is_seen, show_heart

    assert not is_seen(study, HEART)
    show_heart(study, HEART)
    settle()
    assert is_seen(study, HEART)
    assert is_seen(study, HEART & (np.arange(8) == 4)[:, None, None]), "the slice with most of it"
    for name in ("Red", "Green", "Yellow"):
        assert min(slice_node(name).GetFieldOfView()[:2]) == pytest.approx(WHOLE_HEART_MM)
        assert layers(name).GetLabelVolumeID() is None
    display = study.GetDisplayNode()
    assert (display.GetWindowLevelMin(), display.GetWindowLevelMax()) == pytest.approx((0, 150), abs=60)


def test_zoom_and_greys_of_the_user_stay(study):
    from ClaimSlicerLib.heart_views import show_heart

    show_heart(study, HEART)
    view = slice_node("Red")
    width, height, depth = view.GetFieldOfView()
    view.SetFieldOfView(0.5 * width, 0.5 * height, depth)
    study.GetDisplayNode().SetWindowLevelMinMax(7, 77)
    show_heart(study, HEART)
    assert view.GetFieldOfView()[0] == pytest.approx(0.5 * width)
    assert study.GetDisplayNode().GetWindowLevelMax() == 77


def test_the_level_asked_for_is_shown(study):
    from ClaimSlicerLib.heart_views import is_seen, show_heart

    wanted = HEART & (np.arange(8) == 2)[:, None, None]
    left, posterior, superior = GEOMETRY.index_to_physical(np.array([2.0, 0.0, 0.0]))
    show_heart(study, HEART, (-left, -posterior, superior))
    assert is_seen(study, wanted)
