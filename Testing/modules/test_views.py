"""Two volumes in our linked views: layers, focus, fade, flicker, the difference, and the way back."""

from __future__ import annotations

import time

import numpy as np
import pytest
import slicer
from claimslicer.errors import StudyError
from claimslicer.figures.difference import difference_colours
from claimslicer.studies import Geometry
from PySide6 import QtTest
from test_marks import picture

GEOMETRY = Geometry(
    shape=(8, 60, 50),
    spacing=(2.0, 2.0, 8.0),
    origin=(10.0, -20.0, 30.0),
    direction=(0.8, 0.0, -0.6, 0.0, 1.0, 0.0, 0.6, 0.0, 0.8),
)
PLACE = (5, slice(20, 40), slice(30, 40))
"""Where most differs."""


@pytest.fixture
def views(scene):
    from ClaimSlicerLib import views

    views.install()
    manager = slicer.app.layoutManager()
    manager.setLayout(slicer.vtkMRMLLayoutNode.SlicerLayoutConventionalView)
    manager.viewport().resize(900, 500)
    manager.viewport().show()
    slicer.app.processEvents()
    yield views
    views.leave()


@pytest.fixture
def volumes(views):
    from ClaimSlicerLib.mrml import add_volume

    before = np.full(GEOMETRY.shape, 100, np.int16)
    after = before.copy()
    after[PLACE] += 50
    after[4, 20:30, 30:40] -= 20
    after[5, 20:30, 30:34] -= 90
    pair = (
        add_volume(before, GEOMETRY, "before", synthetic=False),
        add_volume(after, GEOMETRY, "after", synthetic=True),
    )
    for volume in pair:
        volume.GetDisplayNode().SetAutoWindowLevel(False)
        volume.GetDisplayNode().SetWindowLevelMinMax(0, 200)
    slicer.util.setSliceViewerLayers(background=pair[0], foreground=None, fit=True)
    return pair


def settle() -> None:
    for _ in range(5):
        slicer.app.processEvents()


def middle(name: str) -> np.ndarray:
    """Return the colour in the middle of a view, where the focus is."""
    settle()
    pixels = picture(slicer.app.layoutManager().sliceWidget(name).sliceView())
    return pixels[pixels.shape[0] // 2, pixels.shape[1] // 2].astype(int)


def slice_node(name: str):
    return slicer.app.layoutManager().sliceWidget(name).mrmlSliceNode()


def layers(name: str):
    return slicer.app.layoutManager().sliceWidget(name).mrmlSliceCompositeNode()


def test_each_view_shows_its_volume_on_the_slice_that_differs(views, volumes):
    end = views.compare(*volumes, views.Arrangement.WITH_DIFFERENCE)
    assert end == 50.0
    assert views.comparing() is views.Arrangement.WITH_DIFFERENCE
    grey = middle(views.ORIGINAL)
    assert abs(grey - 127).max() <= 3
    assert abs(middle(views.SYNTHETIC) - 191).max() <= 3
    # The middle of what differs lies where grey levels rose by all of the range: the last colour.
    assert abs(middle(views.DIFFERENCE) - np.array(difference_colours(256)[-1]) * 255).max() <= 3
    centre_ras = matrix(views.SYNTHETIC)
    lps = centre_ras[:3, 3] * (-1, -1, 1)
    index = GEOMETRY.physical_to_index(lps)
    assert np.allclose(index, (5, 29.5, 34.5), atol=0.01)


def matrix(name: str) -> np.ndarray:
    return slicer.util.arrayFromVTKMatrix(slice_node(name).GetSliceToRAS())


def test_the_slices_lie_in_the_volumes_own_plane(views, volumes):
    views.compare(*volumes, views.Arrangement.SIDE_BY_SIDE)
    settle()
    normal = matrix(views.ORIGINAL)[:3, 2] * (-1, -1, 1)
    assert abs(normal @ np.array(GEOMETRY.direction).reshape(3, 3)[:, 2]) > 0.999
    assert np.allclose(matrix(views.ORIGINAL), matrix(views.SYNTHETIC))


def test_the_wheel_moves_all_our_views_and_no_others(views, volumes):
    views.compare(*volumes, views.Arrangement.WITH_DIFFERENCE)
    settle()
    before = {name: matrix(name)[:3, 3] for name in (*views.VIEW_STYLES, "Red")}
    view = slicer.app.layoutManager().sliceWidget(views.ORIGINAL).sliceView()
    view.interactor().SetEventInformation(20, 20)
    view.interactor().EnterEvent()
    view.interactor().MouseWheelForwardEvent()
    settle()
    moved = {name: np.linalg.norm(matrix(name)[:3, 3] - place) for name, place in before.items()}
    assert moved.pop("Red") == 0
    assert all(distance == pytest.approx(8.0, abs=0.01) for distance in moved.values()), moved


def test_leaving_brings_back_layout_layers_and_segmentations(views, volumes):
    from ClaimSlicerLib.mrml import add_segmentation
    from ClaimSlicerLib.segments import SCAR_STYLES

    scar = np.zeros(GEOMETRY.shape, np.uint8)
    scar[PLACE] = 1
    seen, hidden = (add_segmentation(scar, volumes[0], name, SCAR_STYLES) for name in ("seen", "hidden"))
    hidden.GetDisplayNode().SetVisibility2D(False)
    former = {
        name: (
            layers(name).GetBackgroundVolumeID(),
            layers(name).GetForegroundVolumeID(),
            matrix(name).tolist(),
        )
        for name in ("Red", "Green", "Yellow")
    }
    for arrangement in views.Arrangement:
        views.compare(*volumes, arrangement)
        settle()
    assert not seen.GetDisplayNode().GetVisibility2D()
    views.show_segmentations(True)
    assert seen.GetDisplayNode().GetVisibility2D()
    assert not hidden.GetDisplayNode().GetVisibility2D()
    views.show_segmentations(False)
    views.leave()
    settle()
    assert views.comparing() is None
    assert slicer.app.layoutManager().layout == slicer.vtkMRMLLayoutNode.SlicerLayoutConventionalView
    assert seen.GetDisplayNode().GetVisibility2D()
    assert not hidden.GetDisplayNode().GetVisibility2D()
    for name, (background, foreground, place) in former.items():
        assert layers(name).GetBackgroundVolumeID() == background
        assert layers(name).GetForegroundVolumeID() == foreground
        assert matrix(name).tolist() == place


def test_a_scene_saved_while_comparing_can_be_left_after_it_is_opened(views, volumes, tmp_path):
    views.compare(*volumes, views.Arrangement.SIDE_BY_SIDE)
    settle()
    assert slicer.util.saveScene(str(tmp_path / "scene.mrb"))
    views.leave()
    slicer.mrmlScene.Clear()
    slicer.util.loadScene(str(tmp_path / "scene.mrb"))
    settle()
    assert views.comparing() is views.Arrangement.SIDE_BY_SIDE
    assert abs(middle(views.SYNTHETIC) - 191).max() <= 3
    views.leave()
    assert slicer.app.layoutManager().layout == slicer.vtkMRMLLayoutNode.SlicerLayoutConventionalView


def test_fade_mixes_and_flicker_changes_until_stopped(views, volumes):
    views.compare(*volumes, views.Arrangement.ONE_VIEW)
    views.fade(0.5)
    assert abs(middle(views.SYNTHETIC) - 159).max() <= 3
    flicker = views.Flicker()
    flicker.start()
    seen = set()
    end = time.monotonic() + 2.6 * views.FLICKER_MS / 1000
    while time.monotonic() < end:
        QtTest.QTest.qWait(20)
        seen.add(views.shown_opacity())
    assert seen == {0.5, 0.0, 1.0}
    flicker.stop()
    assert views.shown_opacity() == 0.5
    assert not flicker.running


def test_flicker_ends_with_the_comparison(views, volumes):
    views.compare(*volumes, views.Arrangement.ONE_VIEW)
    flicker = views.Flicker()
    flicker.start()
    views.leave()
    QtTest.QTest.qWait(int(1.5 * views.FLICKER_MS))
    assert not flicker.running


def test_the_difference_is_one_node_with_a_range_and_a_bar(views, volumes):
    from ClaimSlicerLib.difference import difference_node

    views.compare(*volumes, views.Arrangement.WITH_DIFFERENCE)
    settle()
    node = difference_node()
    values = slicer.util.arrayFromVolume(node)
    assert values.dtype == np.float32
    expected = slicer.util.arrayFromVolume(volumes[1]).astype(float) - 100
    assert np.array_equal(values, expected)
    assert node.GetAttribute("ClaimSlicer.Synthetic") == "1"
    assert "synthetic" in node.GetName()
    display = node.GetDisplayNode()
    assert (display.GetWindowLevelMin(), display.GetWindowLevelMax()) == (-50.0, 50.0)
    colours = display.GetColorNode()
    views.compare(volumes[1], volumes[0], views.Arrangement.WITH_DIFFERENCE)
    assert difference_node() is node
    assert np.array_equal(slicer.util.arrayFromVolume(node), -expected)
    assert display.GetColorNode() is colours
    settle()
    bar = slicer.vtkSlicerColorLogic.GetColorLegendDisplayNode(node)
    shown = {name: bar_actor(name, bar) for name in views.VIEW_STYLES}
    assert {name: bool(actor and actor.GetVisibility()) for name, actor in shown.items()} == {
        views.ORIGINAL: False,
        views.SYNTHETIC: False,
        views.DIFFERENCE: True,
    }
    assert shown[views.DIFFERENCE].GetLookupTable().GetTableRange() == (-50.0, 50.0)


def bar_actor(name: str, bar):
    view = slicer.app.layoutManager().sliceWidget(name).sliceView()
    return view.displayableManagerByClassName("vtkMRMLColorLegendDisplayableManager").GetColorLegendActor(bar)


def test_volumes_of_other_grids_are_refused_and_nothing_changes(views, volumes):
    from ClaimSlicerLib.mrml import add_volume

    other = add_volume(np.zeros((3, 4, 5), np.int16), Geometry(shape=(3, 4, 5)), "other", synthetic=False)
    nodes, layout = slicer.mrmlScene.GetNumberOfNodes(), slicer.app.layoutManager().layout
    with pytest.raises(StudyError, match="different grids"):
        views.compare(volumes[0], other, views.Arrangement.SIDE_BY_SIDE)
    assert slicer.mrmlScene.GetNumberOfNodes() == nodes
    assert slicer.app.layoutManager().layout == layout


def test_show_volume_fills_the_users_views(views, volumes):
    views.compare(*volumes, views.Arrangement.ONE_VIEW)
    views.show_volume(volumes[1])
    settle()
    assert views.comparing() is None
    for name in ("Red", "Green", "Yellow"):
        assert layers(name).GetBackgroundVolumeID() == volumes[1].GetID()
