"""What is on the screen, looked at before and after: an oblique heart, its overlay, a comparison, a scar."""

from __future__ import annotations

import unittest

import numpy as np
import slicer
import vtk
from hands import wait_for
from vtk.util.numpy_support import vtk_to_numpy

DIRECTION = (0.6288, 0.3494, -0.6947, 0.7416, -0.0010, 0.6708, -0.2337, 0.9370, 0.2597)
"""A short axis that is nearly coronal, as a scanner gave it."""


def pixels(name: str) -> np.ndarray:
    """Return the picture of a slice view, ``(rows, columns, 3)``."""
    slicer.app.processEvents()
    view = slicer.app.layoutManager().sliceWidget(name).sliceView()
    view.forceRender()
    shot = vtk.vtkWindowToImageFilter()
    shot.SetInput(view.renderWindow())
    shot.ReadFrontBufferOff()
    shot.Update()
    image = shot.GetOutput()
    width, height, _depth = image.GetDimensions()
    return vtk_to_numpy(image.GetPointData().GetScalars()).reshape(height, width, 3).astype(int)


def changed(before: np.ndarray, after: np.ndarray) -> float:
    """Return which share of the pixels is another one."""
    return float((np.abs(after - before).max(axis=2) > 8).mean())


def slice_node(name: str):
    """Return the node of a slice view."""
    return slicer.app.layoutManager().sliceWidget(name).mrmlSliceNode()


class Screen(unittest.TestCase):
    """With the phantom on slices that lie obliquely."""

    def setUp(self) -> None:
        from claimslicer.studies import Geometry
        from ClaimSlicerLib import views
        from ClaimSlicerLib.example import add_phantom
        from ClaimSlicerLib.mrml import add_segmentation, add_volume, volume_study
        from ClaimSlicerLib.segments import LABEL_STYLES

        slicer.mrmlScene.Clear()
        layout = slicer.app.layoutManager().layoutLogic().GetLayoutNode()
        layout.RemoveAttribute(views.ENLARGED)
        slicer.app.layoutManager().setLayout(slicer.vtkMRMLLayoutNode.SlicerLayoutFourUpView)
        study = volume_study(*add_phantom())
        slicer.mrmlScene.Clear()
        left, _singular, right = np.linalg.svd(np.reshape(DIRECTION, (3, 3)))
        geometry = Geometry(
            study.geometry.shape, study.geometry.spacing, (10.0, -40.0, 5.0), tuple((left @ right).ravel())
        )
        self.volume = add_volume(study.image, geometry, "oblique", synthetic=False)
        self.labels = add_segmentation(study.labels, self.volume, "oblique labels", LABEL_STYLES)

    def tearDown(self) -> None:
        slicer.util.selectModule("Welcome")
        slicer.mrmlScene.Clear()

    def open_model(self):
        """Open CLAIM with the study and let it show its model; return the panel."""
        slicer.util.selectModule("ClaimSlicer")
        panel = slicer.util.getModuleWidget("ClaimSlicer")
        panel.parameters.volume, panel.parameters.labels = self.volume, self.labels
        panel.ui.applyButton.click()
        wait_for(lambda: panel.parameters.wall is not None, "the AHA model")
        for _turn in range(50):
            slicer.app.processEvents()
        return panel

    def test_the_short_axis_is_large_and_filled_by_the_heart(self) -> None:
        from ClaimSlicerLib.planes import lies_along

        self.open_model()
        self.assertTrue(lies_along(slice_node("Red"), self.volume))
        width, height, _depth = slice_node("Red").GetDimensions()
        other = slice_node("Green").GetDimensions()
        self.assertGreater(width * height, 1.8 * other[0] * other[1])
        self.assertLess(min(slice_node("Red").GetFieldOfView()[:2]), 150.0)

    def test_the_overlay_turns_with_the_points(self) -> None:
        panel = self.open_model()
        points = panel.parameters.insertions
        points.GetDisplayNode().SetVisibility(False)
        before = pixels("Red")
        ends = [np.array(points.GetNthControlPointPositionWorld(index)) for index in range(2)]
        image = panel.parameters.aha.GetSegmentation().GetNthSegment(0).GetRepresentation("Binary labelmap")
        time = image.GetMTime()
        points.SetNthControlPointPositionWorld(0, *(0.6 * ends[0] + 0.4 * ends[1]))
        wait_for(lambda: image.GetMTime() > time, "the turned segments")
        self.assertGreater(changed(before, pixels("Red")), 0.01)

    def test_the_first_comparison_is_where_the_heart_is(self) -> None:
        from claimslicer.labels import ventricle_mask
        from ClaimSlicerLib import views
        from ClaimSlicerLib.mrml import add_volume, study_labels, volume_geometry
        from ClaimSlicerLib.planes import lies_along

        heart = ventricle_mask(study_labels(self.labels, self.volume))
        values = slicer.util.arrayFromVolume(self.volume).copy()
        values[len(heart) // 2][heart[len(heart) // 2]] += 400
        second = add_volume(values, volume_geometry(self.volume), "second", synthetic=True)
        views.compare(self.volume, second, views.Arrangement.WITH_DIFFERENCE, heart=heart)
        for _turn in range(100):
            slicer.app.processEvents()
        for name in views.VIEW_STYLES:
            self.assertTrue(lies_along(slice_node(name), self.volume), name)
            self.assertLess(min(slice_node(name).GetFieldOfView()[:2]), 150.0, name)
        shown = pixels(views.DIFFERENCE)
        middle = shown[shown.shape[0] // 2, shown.shape[1] // 2]
        self.assertGreater(np.ptp(middle), 40, "the middle is coloured")
        slicer.mrmlScene.RemoveNode(second)
        views.leave()
        self.assertIsNone(views.comparing())

    def test_another_volume_is_shown_when_it_is_chosen(self) -> None:
        from ClaimSlicerLib.mrml import add_volume, volume_geometry

        values = np.full(slicer.util.arrayFromVolume(self.volume).shape, 900, np.int16)
        values[:, ::2] = 0
        other = add_volume(values, volume_geometry(self.volume), "other", synthetic=False)
        for name in ("ClaimSlicer", "SMILEModule", "SynthesisModule", "SegmentationModule"):
            with self.subTest(name):
                slicer.util.selectModule(name)
                panel = slicer.util.getModuleWidget(name)
                panel.parameters.volume = self.volume
                before = pixels("Red")
                panel.ui.volumeSelector.setCurrentNode(other)
                self.assertGreater(changed(before, pixels("Red")), 0.2)

    def test_a_module_reached_by_a_button_begins_at_its_top(self) -> None:
        from ClaimSlicerLib.handover import go_to

        areas = slicer.util.findChildren(slicer.util.mainWindow(), className="QScrollArea")
        panels = [area for area in areas if "Module" in area.parent().objectName]
        self.assertTrue(panels, "the panel's scroll area is found by its parent's name")
        panels[0].verticalScrollBar().value = panels[0].verticalScrollBar().maximum
        go_to("SMILEModule", volume=self.volume)
        self.assertEqual(panels[0].verticalScrollBar().value, 0)

    def test_keys_are_those_of_the_open_panel_only(self) -> None:
        slicer.util.selectModule("SegmentationModule")
        panel = slicer.util.getModuleWidget("SegmentationModule")
        self.assertTrue(all(shortcut.enabled for shortcut in panel.shortcuts))
        slicer.util.selectModule("ClaimSlicer")
        self.assertFalse(any(shortcut.enabled for shortcut in panel.shortcuts))

    def test_the_mouse_in_a_slice_marks_the_bulls_eye(self) -> None:
        from ClaimSlicerLib.mrml import volume_geometry

        panel = self.open_model()
        segments = panel.model._result["segments"]
        place = np.argwhere(segments == 11)[5].astype(float)
        ras = volume_geometry(self.volume).index_to_physical(place) * (-1, -1, 1)
        slicer.util.getNode("Crosshair").SetCursorPositionRAS(ras.tolist())
        self.assertEqual(panel.model.bullseye.hovered, 11)
