"""The whole job by mouse and keyboard: from a sample study to numbers, saved and opened again.

It runs in Slicer and, by Testing/modules/test_journey.py, in the stand-in, with the real worker and the
shipped networks. Pictures of what the user sees come into the folder CLAIM_PICTURES, where that is set.
"""

from __future__ import annotations

import os
import tempfile
import unittest
from pathlib import Path

import hands
import numpy as np
import panel_states
import qt
import slicer

MODULES = ("ClaimSlicer", "SMILEModule", "SynthesisModule", "SegmentationModule")


def open_module(name: str):
    """Select a module as the user does and return its panel."""
    slicer.util.selectModule(name)
    slicer.app.processEvents()
    return slicer.util.getModuleWidget(name)


def picture(name: str) -> None:
    """Keep what the main window shows, where pictures are asked for and there is one."""
    window = slicer.util.mainWindow()
    if os.environ.get("CLAIM_PICTURES") and window is not None:
        slicer.app.processEvents()
        window.grab().save(str(Path(os.environ["CLAIM_PICTURES"]) / f"{name}.png"))


def image_of(node) -> np.ndarray:
    """Return a copy of a volume's grey levels."""
    return slicer.util.arrayFromVolume(node).copy()


class Journey(unittest.TestCase):
    """One study from module to module; each step leaves to the next what a user would see."""

    def setUp(self) -> None:
        slicer.mrmlScene.Clear()
        window = slicer.util.mainWindow()
        if window is not None:
            window.resize(1400, 900)

    def tearDown(self) -> None:
        slicer.util.selectModule("ClaimSlicer")
        slicer.mrmlScene.Clear()

    def test_from_study_to_numbers(self) -> None:
        study = self.load_and_turn()
        scar = self.author_scar()
        painted = self.paint(study, scar)
        found = self.segment(painted)
        self.save_and_open_again(study, painted, found)

    def load_and_turn(self):
        """Load the sample study, show the AHA model, and drag an insertion: the model turns."""
        panel = open_module("ClaimSlicer")
        panel.ui.sampleButton.menu().actions()[0].trigger()
        hands.wait_for(lambda: panel.parameters.labels is not None, "the sample study")
        hands.click(panel.ui.applyButton)
        hands.wait_for(lambda: panel.parameters.insertions is not None, "the AHA model")
        aha, volume = panel.parameters.aha, panel.parameters.volume
        hands.wait_for(lambda: panel.parameters.wall is not None, "the wall in 3-D")
        picture("claim")

        def septum() -> np.ndarray:
            return slicer.util.arrayFromSegmentBinaryLabelmap(aha, "2 basal anteroseptal", volume).copy()

        before, points = septum(), panel.parameters.insertions
        self.assertEqual(points.GetNumberOfControlPoints(), 2)
        cavity = slicer.util.arrayFromMarkupsControlPoints(points).mean(0)
        points.InvokeEvent(slicer.vtkMRMLMarkupsNode.PointStartInteractionEvent)
        start = np.array(points.GetNthControlPointPositionWorld(0))
        for step in range(1, 9):
            points.SetNthControlPointPositionWorld(0, *(start + step * 0.06 * (cavity - start)[[1, 0, 2]]))
            slicer.app.processEvents()
        points.InvokeEvent(slicer.vtkMRMLMarkupsNode.PointEndInteractionEvent)
        hands.wait_for(lambda: not np.array_equal(septum(), before), "the model to turn")
        hands.click(panel.ui.smileButton)
        return volume

    def author_scar(self):
        """Choose segments on the bull's-eye, set sliders, undo, redo, write a sentence; return the scar."""
        panel = slicer.util.getModuleWidget("SMILEModule")
        hands.wait_for(lambda: panel.author.heart is not None, "the heart on the bull's-eye")
        eye = panel.bullseye
        self.assertIsNotNone(panel.parameters.insertions, "the insertions come along")
        for number, control in ((11, False), (12, True)):
            hands.click(eye, *eye.position_of(number), control=control)
        self.assertEqual(eye.selection, frozenset({11, 12}))
        hands.press(eye, qt.Qt.Key_Right)
        panel.ui.amountSelector.currentIndex = panel.ui.amountSelector.findText("ml in all")
        panel.ui.volumeSlider.value = 4.0
        hands.wait_for(lambda: panel.scar is not None and panel.scar.volume_ml > 3.9, "the mask")
        hands.click(panel.ui.undoButton)
        self.assertNotEqual(panel.parameters.volumeMl, 4.0)
        hands.click(panel.ui.redoButton)
        self.assertEqual(panel.parameters.volumeMl, 4.0)
        hands.write(panel.ui.sentenceEdit, "subendocardial anterior and anteroseptal infarct, mid, 6 ml")
        self.assertEqual(eye.selection, frozenset({7, 8}))
        hands.wait_for(lambda: abs(panel.scar.volume_ml - 6.0) < 0.1, "the scar of the sentence")
        picture("smile")
        scar = panel.parameters.scar
        self.assertIn("6.0 ml", panel.ui.sentenceLabel.text)
        hands.click(panel.ui.paintButton)
        return scar

    def paint(self, study, scar):
        """Paint once, cancel; paint again, and see the difference."""
        panel = slicer.util.getModuleWidget("SynthesisModule")
        self.assertIs(panel.parameters.volume, study)
        self.assertIs(panel.parameters.scar, scar)
        before = {node.GetID() for node in slicer.util.getNodesByClass("vtkMRMLScalarVolumeNode")}
        hands.click(panel.ui.applyButton)
        hands.wait_for(lambda: panel.job.running, "the painting to start")
        hands.click(panel.ui.cancelButton)
        hands.wait_for(lambda: not panel.job.running, "the cancelled painting to end")
        after = {node.GetID() for node in slicer.util.getNodesByClass("vtkMRMLScalarVolumeNode")}
        self.assertEqual(after, before, "cancelled work leaves nothing behind")
        hands.click(panel.ui.applyButton)
        hands.wait_for(lambda: not panel.job.running, "the painting")
        painted = panel.parameters.shown
        self.assertIsNotNone(painted, panel.ui.resultLabel.text)
        self.assertEqual(painted.GetAttribute("ClaimSlicer.Synthetic"), "1")
        changed = image_of(painted) != image_of(study)
        self.assertTrue(changed.any())
        from ClaimSlicerLib.band import band_array
        from ClaimSlicerLib.mrml import scar_mask

        band = band_array(painted)
        self.assertFalse((changed & (band == 0)).any(), "only what the band says changes")
        self.assertTrue((band[scar_mask(scar, study) > 0] == 1).all(), "the whole mask is painted")
        self.assertTrue((band == 2).any(), "and a band round it")
        hands.click(panel.ui.paintedCheck)
        picture("synthesis")
        hands.click(panel.ui.flickerButton)
        hands.click(panel.ui.flickerButton)
        hands.click(panel.ui.segmentButton)
        return painted

    def segment(self, painted):
        """Segment the painted study, correct it, accept, look at the numbers, export the report."""
        panel = slicer.util.getModuleWidget("SegmentationModule")
        self.assertIs(panel.parameters.volume, painted)
        hands.click(panel.ui.applyButton)
        hands.wait_for(lambda: not panel.job.running, "the segmentation")
        found = panel.parameters.labels
        self.assertIsNotNone(found, panel.ui.resultLabel.text)
        hands.wait_for(lambda: panel.numbers.result is not None and not panel.numbers.stale, "the numbers")
        before = self.infarct_ml(panel)
        hands.click(panel.ui.editButton)
        self.grow_infarct(found, painted)
        panel = open_module("SegmentationModule")
        hands.wait_for(lambda: self.infarct_ml(panel) > before + 0.1, "the numbers of the correction")
        self.assertIn("Corrected is proposed", panel.ui.reviewLabel.text)
        hands.click(panel.ui.correctedButton)
        self.assertEqual(found.GetAttribute("ClaimSlicer.Review.state"), "corrected")
        picture("segmentation")
        with tempfile.TemporaryDirectory() as folder:
            hands.open_box(panel.ui.exportBox)
            hands.write(panel.ui.exportFolderEdit, folder)
            hands.click(panel.ui.exportButton)
            self.assertEqual(panel.parameters.exportFolder, folder)
            hands.wait_for(lambda: panel.ui.exportText.text, "the export to begin", 20.0)
            hands.wait_for(lambda: not panel.export_job.running, "the report")
            hands.wait_for(lambda: list(Path(folder).glob("*/*labels*")), "the labels")
            hands.wait_for(lambda: not panel.export_job.running, "the end of the export")
            (page,) = Path(folder).glob("*/report.html")  # in a folder of this study's
            self.assertIn("SYNTHETIC", page.read_text(encoding="utf-8"))
        return found

    def infarct_ml(self, panel) -> float:
        """Return the infarct's volume as the panel has it, 0 while it has none."""
        result = panel.numbers.result
        return result["totals"]["infarct_ml"] if result is not None and not panel.numbers.stale else 0.0

    def grow_infarct(self, segmentation, volume) -> None:
        """Make the infarct thicker, as an editor's stroke does: the wall beside it becomes infarct."""
        from scipy import ndimage

        def mask(name: str) -> np.ndarray:
            return slicer.util.arrayFromSegmentBinaryLabelmap(segmentation, name, volume) > 0

        infarct, wall = mask("Infarct"), mask("Myocardium")
        grown = infarct | (ndimage.binary_dilation(infarct, np.ones((1, 3, 3))) & wall)
        slicer.util.updateSegmentBinaryLabelmapFromArray(
            grown.astype(np.uint8), segmentation, "Infarct", volume
        )

    def save_and_open_again(self, study, painted, found) -> None:
        """Save the scene, close it, open it: every panel is as it was, and the marks are there."""
        names = [node.GetName() for node in (study, painted, found)]
        levels = image_of(painted)
        held = {name: panel_states.as_values(open_module(name).parameters) for name in MODULES}
        file = os.environ.get("CLAIM_JOURNEY") or str(Path(tempfile.mkdtemp(prefix="claim-")) / "study.mrb")
        self.assertTrue(slicer.util.saveScene(file))
        slicer.mrmlScene.Clear()
        slicer.app.processEvents()
        self.assertEqual(slicer.util.getNodesByClass("vtkMRMLScalarVolumeNode"), [])
        slicer.util.loadScene(file)
        slicer.app.processEvents()
        for name in MODULES:
            self.assertEqual(panel_states.as_values(open_module(name).parameters), held[name], name)
        study, painted, found = (slicer.util.getNode(name) for name in names)
        self.assertTrue(np.array_equal(image_of(painted), levels))
        self.assertEqual(painted.GetAttribute("ClaimSlicer.Synthetic"), "1")
        self.assertEqual(found.GetAttribute("ClaimSlicer.Review.state"), "corrected")
