"""The word SYNTHETIC in the views, off-screen: there when something generated is shown, gone when not."""

from __future__ import annotations

import numpy as np
import pytest
import slicer
import vtk
from claimslicer.figures.palette import SYNTHETIC, rgb
from claimslicer.studies import Geometry, read_study
from vtk.util.numpy_support import vtk_to_numpy

GEOMETRY = Geometry(shape=(6, 40, 50), spacing=(2.0, 2.0, 8.0))


@pytest.fixture
def views(scene):
    """The layout manager, its viewport shown, with the marks installed as at start-up."""
    from ClaimSlicerLib import marks

    marks.install()
    manager = slicer.app.layoutManager()
    manager.setLayout(slicer.vtkMRMLLayoutNode.SlicerLayoutFourUpView)
    manager.viewport().resize(900, 700)
    manager.viewport().show()
    slicer.app.processEvents()
    return manager


@pytest.fixture
def volumes(views):
    """A patient's volume, shown in all slice views, and a synthetic one."""
    from ClaimSlicerLib.mrml import add_volume

    values = np.random.default_rng(0).integers(0, 80, GEOMETRY.shape).astype(np.int16)
    patient = add_volume(values, GEOMETRY, "patient", synthetic=False)
    synthetic = add_volume(values + 20, GEOMETRY, "made up", synthetic=True)
    slicer.util.setSliceViewerLayers(background=patient, fit=True)
    return patient, synthetic


def picture(view) -> np.ndarray:
    """Render a view and return its pixels, ``(rows, columns, 3)``, as a screenshot has them."""
    view.forceRender()
    shot = vtk.vtkWindowToImageFilter()
    shot.SetInput(view.renderWindow())
    shot.ReadFrontBufferOff()
    shot.Update()
    width, height, _ = shot.GetOutput().GetDimensions()
    return vtk_to_numpy(shot.GetOutput().GetPointData().GetScalars()).reshape(height, width, 3)[::-1]


def is_marked(view) -> bool:
    """Say whether the picture has the word's coloured ground and white letters in its top middle."""
    pixels = picture(view).astype(int)
    rows, columns, _ = pixels.shape
    top = pixels[: rows // 8, columns // 4 : 3 * columns // 4]
    ground = (np.abs(top - np.array(rgb(SYNTHETIC)) * 255).max(-1) < 50).sum()
    letters = (top.min(-1) > 180).sum()
    return ground > 300 and letters > 50


def words(view) -> str:
    """Return what is written in a view that was just drawn."""
    props = view.renderWindow().GetRenderers().GetFirstRenderer().GetViewProps()
    texts = [props.GetItemAsObject(index) for index in range(props.GetNumberOfItems())]
    return "".join(text.GetInput() for text in texts if text.IsA("vtkTextActor") and text.GetVisibility())


def slice_view(views, name="Red"):
    return views.sliceWidget(name).sliceView()


def layers(views, name="Red"):
    return views.sliceWidget(name).sliceLogic().GetSliceCompositeNode()


def test_every_layer_counts_and_only_while_it_is_seen(views, volumes):
    patient, synthetic = volumes
    red = layers(views)
    assert not is_marked(slice_view(views))
    red.SetBackgroundVolumeID(synthetic.GetID())
    assert is_marked(slice_view(views))
    assert "not a patient's image" in words(slice_view(views))
    assert not is_marked(slice_view(views, "Yellow"))
    red.SetBackgroundVolumeID(patient.GetID())
    assert not is_marked(slice_view(views))
    red.SetForegroundVolumeID(synthetic.GetID())
    red.SetForegroundOpacity(0.0)
    assert not is_marked(slice_view(views))
    red.SetForegroundOpacity(0.1)
    assert is_marked(slice_view(views))
    red.SetForegroundVolumeID(None)
    label = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLLabelMapVolumeNode", "labels_synthetic")
    slicer.util.updateVolumeFromArray(label, np.ones(GEOMETRY.shape, np.uint8))
    red.SetLabelVolumeID(label.GetID())
    assert is_marked(slice_view(views))
    slicer.mrmlScene.RemoveNode(label)
    assert not is_marked(slice_view(views))


def test_segmentations_count_in_slices_and_in_3d(views, volumes):
    from ClaimSlicerLib.mrml import add_segmentation
    from ClaimSlicerLib.segments import SCAR_STYLES

    patient, synthetic = volumes
    scar = np.zeros(GEOMETRY.shape, np.uint8)
    scar[2:4, 10:20, 10:20] = 1
    real = add_segmentation(scar, patient, "drawn", SCAR_STYLES)
    three_d = views.threeDWidget(0).threeDView()
    assert not is_marked(slice_view(views))
    node = add_segmentation(scar, synthetic, "derived", SCAR_STYLES)
    assert "synthetic" in node.GetName()
    assert is_marked(slice_view(views))
    assert "overlay" in words(slice_view(views))
    display = node.GetDisplayNode()
    display.SetVisibility2D(False)
    assert not is_marked(slice_view(views))
    real.CreateClosedSurfaceRepresentation()
    node.CreateClosedSurfaceRepresentation()
    assert is_marked(three_d)
    display.AddViewNodeID("vtkMRMLSliceNodeYellow")
    assert not is_marked(three_d)
    display.SetVisibility2D(True)
    yellow = views.sliceWidget("Yellow").mrmlSliceNode()
    yellow.JumpSliceByOffsetting(-60.0, -29.0, 20.0)
    assert not is_marked(slice_view(views, "Yellow")), "the slice passes it by"
    yellow.JumpSliceByOffsetting(-29.0, -29.0, 20.0)
    assert is_marked(slice_view(views, "Yellow"))
    assert not is_marked(slice_view(views))
    display.RemoveAllViewNodeIDs()
    display.SetVisibility(False)
    assert not is_marked(three_d)


def test_a_slice_shown_in_3d_counts(views, volumes):
    three_d = views.threeDWidget(0).threeDView()
    layers(views).SetBackgroundVolumeID(volumes[1].GetID())
    assert not is_marked(three_d)
    views.sliceWidget("Red").mrmlSliceNode().SetSliceVisible(True)
    assert is_marked(three_d)
    views.sliceWidget("Red").mrmlSliceNode().SetSliceVisible(False)
    assert not is_marked(three_d)


def test_of_volumes_only_their_rendering_counts_in_3d(views, volumes):
    from ClaimSlicerLib.difference import add_bar, difference_of

    three_d = views.threeDWidget(0).threeDView()
    difference = difference_of(*volumes).node
    add_bar(difference)
    assert not is_marked(three_d)
    display = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLGPURayCastVolumeRenderingDisplayNode")
    volumes[1].AddAndObserveDisplayNodeID(display.GetID())
    display.SetVisibility(True)
    slicer.app.processEvents()
    assert is_marked(three_d)
    assert "image" in words(three_d)
    display.SetVisibility(False)
    assert not is_marked(three_d)


def test_views_of_later_layouts_are_marked_once(views, volumes):
    from ClaimSlicerLib import marks

    views.setLayout(slicer.vtkMRMLLayoutNode.SlicerLayoutDual3DView)
    slicer.app.processEvents()
    views.setLayout(slicer.vtkMRMLLayoutNode.SlicerLayoutFourOverFourView)
    slicer.app.processEvents()
    marks.install()
    layers(views, "Red+").SetBackgroundVolumeID(volumes[1].GetID())
    assert is_marked(slice_view(views, "Red+"))
    renderer = slice_view(views, "Red+").renderWindow().GetRenderers().GetFirstRenderer()
    props = renderer.GetViewProps()
    texts = [props.GetItemAsObject(index) for index in range(props.GetNumberOfItems())]
    assert sum(text.IsA("vtkTextActor") and "SYNTHETIC" in text.GetInput() for text in texts) == 1


def test_the_words_hang_under_the_texts_in_the_views_corners(views, volumes):
    corner = slice_view(views).cornerAnnotation()
    layers(views).SetBackgroundVolumeID(volumes[1].GetID())
    assert is_marked(slice_view(views))
    free = words_top(slice_view(views))
    corner.SetText(2, "name of the patient\ndate of birth\nseries")
    corner.SetText(0, "name of the volume")
    assert words_top(slice_view(views)) == free + 60
    corner.SetText(2, "")
    assert words_top(slice_view(views)) == free
    corner.ClearAllTexts()


def words_top(view) -> int:
    """Return the first row of the words' ground, counted from the top."""
    near = np.abs(picture(view).astype(int) - np.array(rgb(SYNTHETIC)) * 255).max(-1) < 50
    return int(np.flatnonzero(near.sum(1) > 30)[0])


def test_a_saved_scene_is_marked_when_it_is_opened(views, volumes, tmp_path):
    layers(views).SetBackgroundVolumeID(volumes[1].GetID())
    nodes = slicer.mrmlScene.GetNumberOfNodes()
    slicer.app.processEvents()
    assert slicer.mrmlScene.GetNumberOfNodes() == nodes
    assert slicer.util.saveScene(str(tmp_path / "scene.mrb"))
    slicer.mrmlScene.Clear()
    assert not is_marked(slice_view(views))
    slicer.util.loadScene(str(tmp_path / "scene.mrb"))
    assert is_marked(slice_view(views))


def test_the_file_that_slicer_saves_says_synthetic(volumes, tmp_path):
    """Also under a name that doesn't: the header tells the library's reader."""
    from ClaimSlicerLib.synthetic import is_synthetic

    _patient, synthetic = volumes
    file = tmp_path / "innocent.nrrd"
    assert slicer.util.saveNode(synthetic, str(file))
    study = read_study(file)
    assert study.synthetic
    np.testing.assert_array_equal(study.image, slicer.util.arrayFromVolume(synthetic))
    assert study.geometry.is_close(GEOMETRY)
    renamed = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLScalarVolumeNode", "my synthetic heart")
    assert is_synthetic(renamed)
    renamed.SetName("photosynthetic")
    assert not is_synthetic(renamed)


def test_asking_takes_no_time(views, volumes):
    import time

    from ClaimSlicerLib.marks import words_for_slice

    for index in range(100):
        slicer.mrmlScene.AddNewNodeByClass("vtkMRMLModelNode", f"model {index}")
    node = views.sliceWidget("Red").mrmlSliceNode()
    start = time.perf_counter()
    for _ in range(20):
        words_for_slice(node)
    assert (time.perf_counter() - start) / 20 < 0.005
