"""Each panel opens, is narrow enough, knows its parameters, and is as it was when a saved scene is opened."""

from __future__ import annotations

import os
import tempfile
import unittest
from pathlib import Path

import panel_states
import slicer

MODULES = ("ClaimSlicer", "SMILEModule", "SynthesisModule", "SegmentationModule")
WIDEST = 380


def open_panel(name: str):
    """Open a module as the user does and return its panel."""
    slicer.util.selectModule(name)
    slicer.app.processEvents()
    return slicer.util.getModuleWidget(name)


class Panels(unittest.TestCase):
    """With the phantom in the scene."""

    def setUp(self) -> None:
        from ClaimSlicerLib.example import add_phantom

        slicer.mrmlScene.Clear()
        self.volume, self.labels = add_phantom()

    def tearDown(self) -> None:
        slicer.util.selectModule("Welcome")
        slicer.mrmlScene.Clear()

    def test_all_open_and_are_narrow(self) -> None:
        folder = Path(os.environ.get("CLAIM_PICTURES") or slicer.app.temporaryPath)
        for name in MODULES:
            with self.subTest(name):
                panel = open_panel(name)
                self.assertIsNotNone(panel.parameters, "its setup failed; see the log")
                self.assertEqual(panel_states.widgets_without_parameter(panel), [])
                self.assertLessEqual(panel.parent.minimumSizeHint.width(), WIDEST)
                picture = folder / f"{name}.png"
                slicer.util.mainWindow().grab().save(str(picture))
                print(f"picture: {picture}")

    def test_nothing_is_made_by_looking(self) -> None:
        before = {node.GetID() for node in slicer.util.getNodes("*", useLists=False).values()}
        for name in MODULES:
            open_panel(name)
        slicer.app.processEvents()
        after = slicer.util.getNodes("*", useLists=False).values()
        made = [
            node.GetName() for node in after if node.GetID() not in before and not node.GetHideFromEditors()
        ]
        self.assertEqual(made, [])

    def test_a_saved_scene_brings_the_panels_back(self) -> None:
        saved = {}
        for name in MODULES:
            panel = open_panel(name)
            panel.parameters.volume = self.volume
            panel_states.change(panel.parameters)
            slicer.app.processEvents()
            saved[name] = panel_states.as_values(panel.parameters)
        with tempfile.TemporaryDirectory() as folder:
            path = str(Path(folder) / "study.mrb")
            self.assertTrue(slicer.util.saveScene(path))
            slicer.mrmlScene.Clear()
            slicer.app.processEvents()
            slicer.util.loadScene(path)
            slicer.app.processEvents()
        for name in MODULES:
            with self.subTest(name):
                self.assertEqual(panel_states.as_values(open_panel(name).parameters), saved[name])

    def test_the_next_module_takes_over_what_is_handed_to_it(self) -> None:
        """Also when it has been open before, and when something else writes into its parameter node."""
        from ClaimSlicerLib.handover import go_to

        second = slicer.vtkSlicerVolumesLogic().CloneVolume(slicer.mrmlScene, self.volume, "second")
        for name in MODULES:
            with self.subTest(name):
                for volume in (self.volume, second):
                    slicer.util.selectModule("Welcome")
                    go_to(name, volume=volume, labels=self.labels)
                    panel = slicer.util.getModuleWidget(name)
                    self.assertIs(panel.ui.volumeSelector.currentNode(), volume)
                    self.assertNotIn("LGE volume", panel.missing())
                panel.logic.getParameterNode().volume = self.volume
                self.assertIs(panel.ui.volumeSelector.currentNode(), self.volume)
                self.assertIs(panel.parameters.volume, self.volume)
