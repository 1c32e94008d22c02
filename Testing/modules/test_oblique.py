"""A heart whose short axis is nearly coronal: what the views show of it, looked at on their pictures."""

from __future__ import annotations

import numpy as np
import pytest
import slicer
from claim_trial import frame_in_scene, move, open_with_the_phantom, show_the_model, turned
from claimslicer.labels import ventricle_mask
from claimslicer.studies import Geometry
from test_marks import picture

DIRECTION = (0.6288, 0.3494, -0.6947, 0.7416, -0.0010, 0.6708, -0.2337, 0.9370, 0.2597)
"""As a scanner gave it; the slices' normal points to the right, forwards and a little up."""


@pytest.fixture
def views(scene):
    """Slicer's own four views, in a window of another size than the views were made in."""
    from ClaimSlicerLib import views

    views.install()
    manager = slicer.app.layoutManager()
    slicer.app.layoutManager().layoutLogic().GetLayoutNode().RemoveAttribute(views.ENLARGED)
    manager.setLayout(slicer.vtkMRMLLayoutNode.SlicerLayoutFourUpView)
    manager.viewport().resize(1000, 640)
    manager.viewport().show()
    slicer.app.processEvents()
    yield views
    views.leave()
    manager.setLayout(slicer.vtkMRMLLayoutNode.SlicerLayoutFourUpView)
    manager.viewport().hide()


@pytest.fixture
def oblique(views, phantom):
    """The phantom's image and labels on slices that lie as a scanner's do."""
    from ClaimSlicerLib.mrml import add_segmentation, add_volume, volume_study
    from ClaimSlicerLib.segments import LABEL_STYLES

    study = volume_study(*phantom)
    axes, _singular, right = np.linalg.svd(np.reshape(DIRECTION, (3, 3)))
    geometry = Geometry(
        study.geometry.shape, study.geometry.spacing, (10.0, -40.0, 5.0), tuple((axes @ right).ravel())
    )
    volume = add_volume(study.image, geometry, "oblique", synthetic=False)
    return volume, add_segmentation(study.labels, volume, "oblique labels", LABEL_STYLES)


def settle() -> None:
    for _ in range(8):
        slicer.app.processEvents()


def pixels(name: str) -> np.ndarray:
    """The picture of a view, ``(rows, columns, 3)``."""
    settle()
    return picture(slicer.app.layoutManager().sliceWidget(name).sliceView()).astype(int).copy()


def node(name: str):
    return slicer.app.layoutManager().sliceWidget(name).mrmlSliceNode()


def ventricle(labels) -> np.ndarray:
    from ClaimSlicerLib.mrml import study_labels

    return ventricle_mask(study_labels(labels, slicer.util.getNode("oblique")))


def test_the_short_axis_stands_large_with_the_left_ventricle_in_it(views, oblique):
    from ClaimSlicerLib.heart_views import show_heart
    from ClaimSlicerLib.planes import lies_along

    volume, labels = oblique
    show_heart(volume, ventricle(labels))
    settle()
    assert lies_along(node("Red"), volume)
    assert not lies_along(node("Green"), volume)
    width, height, _depth = node("Red").GetDimensions()
    assert width * height > 0.55 * 1000 * 640
    assert min(node("Red").GetFieldOfView()[:2]) == pytest.approx(100.0, abs=1)
    # The right of the picture is the patient's left, and above is the head.
    to_ras = slicer.util.arrayFromVTKMatrix(node("Red").GetSliceToRAS())
    assert to_ras[0, 0] < -0.5
    assert to_ras[2, 1] > 0.5


def test_a_layout_that_the_user_chose_stays(views, oblique):
    from ClaimSlicerLib.heart_views import show_heart
    from ClaimSlicerLib.planes import lies_along

    manager, one_up = slicer.app.layoutManager(), slicer.vtkMRMLLayoutNode.SlicerLayoutOneUpGreenSliceView
    manager.setLayout(one_up)
    show_heart(oblique[0], ventricle(oblique[1]))
    settle()
    assert manager.layout == one_up
    assert lies_along(node("Green"), oblique[0])


def test_the_first_comparison_is_in_the_heart_at_its_size(views, oblique):
    """Also when the views have not been shown before, and the window is another one afterwards."""
    from ClaimSlicerLib.mrml import add_volume, volume_geometry
    from ClaimSlicerLib.planes import lies_along

    volume, labels = oblique
    heart = ventricle(labels)
    values = slicer.util.arrayFromVolume(volume).copy()
    painted = heart & (np.arange(len(heart)) == len(heart) // 2)[:, None, None]
    values[painted] += 400
    second = add_volume(values, volume_geometry(volume), "second", synthetic=True)
    slicer.app.layoutManager().viewport().resize(400, 300)
    views.compare(volume, second, views.Arrangement.WITH_DIFFERENCE, heart=heart)
    slicer.app.layoutManager().viewport().resize(1000, 640)
    settle()
    middle = [int(np.mean(places)) for places in np.nonzero(painted)]
    wanted = volume_geometry(volume).index_to_physical(np.array(middle, float)) * (-1, -1, 1)
    for name in views.VIEW_STYLES:
        assert lies_along(node(name), volume)
        assert 100.0 <= min(node(name).GetFieldOfView()[:2]) < 130.0
        place = slicer.util.arrayFromVTKMatrix(node(name).GetSliceToRAS())[:3, 3]
        assert np.linalg.norm(place - wanted) < 3.0
    shown = pixels(views.DIFFERENCE)
    rows, columns = shown.shape[0] // 2, shown.shape[1] // 2
    assert np.ptp(shown[rows - 5 : rows + 5, columns - 5 : columns + 5], axis=2).max() > 60, "in colours"


def test_the_overlay_in_the_slices_turns_with_the_points(views, oblique, open_panel, wait_for):
    panel = show_the_model(open_with_the_phantom(open_panel, oblique), wait_for)
    settle()
    before, points = pixels("Red"), panel.parameters.insertions
    points.GetDisplayNode().SetVisibility(False)
    without_points = pixels("Red")
    wanted = turned(frame_in_scene(*oblique), 60.0)
    seen = panel.parameters.aha.GetSegmentation().GetNthSegment(0).GetRepresentation("Binary labelmap")
    time = seen.GetMTime()
    move(points, 0, wanted.anterior)
    move(points, 1, wanted.inferior)
    wait_for(lambda: seen.GetMTime() > time and not panel.model.model._frames._job)
    after = pixels("Red")
    assert (np.abs(after - without_points).max(axis=2) > 8).mean() > 0.05, "the segments have other colours"
    assert before.shape == after.shape
    panel.parameters.aha.Modified()
    assert np.array_equal(pixels("Red"), after), "nothing was left to be told"


@pytest.mark.parametrize("layers", ["shared", "each its own"])
def test_a_segmentation_that_is_rewritten_is_drawn_anew(views, oblique, layers):
    from ClaimSlicerLib.heart_views import show_heart
    from ClaimSlicerLib.mrml import study_labels, update_segmentation
    from ClaimSlicerLib.segments import LABEL_STYLES

    volume, labels = oblique
    show_heart(volume, ventricle(labels))
    if layers != "shared":
        labels.GetSegmentation().SeparateSegmentLabelmap(LABEL_STYLES[0].name)
    before = pixels("Red")
    values = study_labels(labels, volume)
    update_segmentation(labels, np.where(values == 1, 0, values).astype(np.uint8), volume, LABEL_STYLES)
    after = pixels("Red")
    assert (np.abs(after - before).max(axis=2) > 8).mean() > 0.03


def test_another_volume_that_is_chosen_is_shown_and_what_was_said_before_goes(views, oblique, open_panel):
    from ClaimSlicerLib.mrml import add_volume, volume_geometry
    from ClaimSlicerLib.planes import lies_along

    volume, _labels = oblique
    bright = np.full(slicer.util.arrayFromVolume(volume).shape, 900, np.int16)
    bright[:, ::2] = 0
    other = add_volume(bright, volume_geometry(volume), "other", synthetic=False)
    texts = {
        "ClaimSlicer": ("studyLabel",),
        "SMILEModule": (),
        "SynthesisModule": ("resultLabel",),
        "SegmentationModule": ("resultLabel", "exportText"),
    }
    for name, said in texts.items():
        views.show_volume(volume)
        panel = open_panel(name)
        panel.parameters.volume = volume
        before = pixels("Red")
        for text in said:
            getattr(panel.ui, text).text = "of the study before"
        panel.ui.volumeSelector.setCurrentNode(other)
        assert (pixels("Red") != before).mean() > 0.2, name
        assert lies_along(node("Red"), other)
        for text in said:
            assert "before" not in getattr(panel.ui, text).text


def test_the_only_volume_is_chosen_already(views, open_panel, phantom):
    assert open_panel("SegmentationModule").parameters.volume is phantom[0]


def test_pointing_goes_from_the_bulls_eye_to_the_slices_and_back(views, oblique, open_panel, wait_for):
    from ClaimSlicerLib.mrml import volume_geometry

    volume, _labels = oblique
    crosshair = slicer.vtkMRMLCrosshairNode()  # Slicer itself makes it
    crosshair.SetSingletonTag("default")
    crosshair = slicer.mrmlScene.AddNode(crosshair)
    panel = show_the_model(open_with_the_phantom(open_panel, oblique), wait_for)
    before = pixels("Red")
    panel.model.bullseye.segmentHovered.emit(8)
    marked = pixels("Red")
    assert (np.abs(marked - before).max(axis=2) > 8).mean() > 0.02, "the others are paler"
    panel.model.bullseye.segmentHovered.emit(0)
    assert np.array_equal(pixels("Red"), before)

    segments = panel.model._result["segments"]
    place = np.argwhere(segments == 11)[5]
    ras = volume_geometry(volume).index_to_physical(place.astype(float)) * (-1, -1, 1)
    crosshair.SetCursorPositionRAS(ras.tolist())
    assert panel.model.bullseye.hovered == 11
    assert "11" in panel.ui.hoverLabel.text
    crosshair.SetCursorPositionInvalid()
    assert panel.model.bullseye.hovered == 0


def test_a_scar_is_seen_in_3d_and_follows(views, oblique):
    from ClaimSlicerLib.mrml import add_segmentation, update_segmentation
    from ClaimSlicerLib.overlays import show_surface
    from ClaimSlicerLib.segments import SCAR_STYLES

    volume, labels = oblique
    heart = ventricle(labels)
    half = np.arange(heart.shape[2]) < np.nonzero(heart)[2].mean()
    node = add_segmentation((heart & half).astype(np.uint8), volume, "scar", SCAR_STYLES)
    view = slicer.app.layoutManager().threeDWidget(0).threeDView()
    view.resetCamera()
    empty = picture(view).astype(int).copy()
    show_surface(node, True)
    view.resetFocalPoint()
    view.resetCamera()
    seen = picture(view).astype(int).copy()
    assert (np.abs(seen - empty).max(axis=2) > 30).mean() > 0.02
    update_segmentation(node, (heart & ~half).astype(np.uint8), volume, SCAR_STYLES)
    show_surface(node, True)
    settle()
    assert (np.abs(picture(view).astype(int) - seen).max(axis=2) > 30).mean() > 0.004
    show_surface(node, False)
    settle()
    assert not node.GetSegmentation().ContainsRepresentation("Closed surface")
