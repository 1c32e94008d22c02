"""The modules are loaded, light, and pass their own tests."""

from __future__ import annotations

import importlib
import sys
import unittest

import slicer

MODULES = ("ClaimSlicer", "SMILEModule", "SynthesisModule", "SegmentationModule")


class Modules(unittest.TestCase):
    """Runs first, by its name."""

    def test_all_are_loaded(self) -> None:
        for name in MODULES:
            self.assertTrue(
                hasattr(slicer.modules, name.lower()), f"Slicer did not load {name}; see its log."
            )

    def test_loading_brought_no_networks(self) -> None:
        if "torch" in sys.modules:
            self.skipTest("another extension has imported torch")
        self.assertTrue({"monai", "skimage", "matplotlib"}.isdisjoint(sys.modules))

    def test_each_module_passes_its_own_test(self) -> None:
        for name in MODULES:
            with self.subTest(name):
                slicer.mrmlScene.Clear()
                getattr(importlib.import_module(name), f"{name}Test")().runTest()
                slicer.app.processEvents()

    def test_reload_and_test(self) -> None:
        """What the buttons of the developer mode do: make the panel anew, then test."""
        for name in MODULES:
            with self.subTest(name):
                slicer.util.selectModule(name)
                slicer.util.reloadScriptedModule(name)
                slicer.app.processEvents()
                self.assertIsNotNone(slicer.util.getModuleWidget(name).parameters)
                slicer.selfTests[name](msec=1)
                slicer.app.processEvents()
