"""Try the four panels in a real Slicer: open each, press its button on the phantom, look at the nodes.

    Slicer --additional-module-paths ClaimSlicer SMILEModule SynthesisModule SegmentationModule \\
        --python-script Testing/slicer/run.py

Add ``--no-main-window --testing`` to run it unattended; CTest does (Testing/CMakeLists.txt). With a main
window it also saves a picture of each panel among Slicer's temporary files and says where. It ends Slicer
with exit code 0, or 1 with the traceback.

Only Slicer itself can run this. No Slicer was at hand where it was written, so it has never run: the pytest
suite under Testing/modules runs the same module files in a stand-in, and what the two disagree on is found
out here.
"""

from __future__ import annotations

import time
import traceback
from pathlib import Path

import qt
import slicer

MODULES = ("ClaimSlicer", "SMILEModule", "SynthesisModule", "SegmentationModule")


def check(condition: bool, what: str) -> None:
    """Stop the run where something isn't so."""
    if not condition:
        raise AssertionError(what)


def open_panel(name: str):
    """Open a module as the user does and return its panel."""
    check(hasattr(slicer.modules, name.lower()), f"Slicer did not load {name}; see the log above.")
    if slicer.util.mainWindow() is not None:
        slicer.util.selectModule(name)
    panel = slicer.util.getModuleWidget(name)
    slicer.app.processEvents()
    return panel


def press(panel, **nodes) -> str:
    """Choose nodes by selector, press Apply, wait for the end, and return the panel's answer."""
    for selector, node in nodes.items():
        getattr(panel.ui, selector).setCurrentNode(node)
    check(panel.ui.applyButton.enabled, f"{panel.moduleName}: {panel.ui.applyButton.toolTip}")
    panel.ui.applyButton.click()
    end = time.monotonic() + 600
    while getattr(getattr(panel.logic, "command", None), "running", False):
        check(time.monotonic() < end, f"{panel.moduleName} took more than ten minutes.")
        slicer.app.processEvents()
        time.sleep(0.02)
    return panel.ui.resultLabel.text


def keep_picture(panel) -> None:
    """Save how a panel looks at 380 pixels, where there is a window."""
    if slicer.util.mainWindow() is None:
        return
    path = Path(slicer.app.temporaryPath) / f"{panel.moduleName}.png"
    panel.parent.grab().save(str(path))
    print(f"picture: {path}")


def try_model_and_scar(volume, labels):
    """The two panels that work in Slicer's own process; return the scar's node."""
    claim = open_panel("ClaimSlicer")
    text = press(claim, volumeSelector=volume, labelsSelector=labels)
    print(text)
    model = slicer.util.getNode("AHA-17*")
    check(model.GetSegmentation().GetNumberOfSegments() == 17, "the AHA-17 node must have 17 segments")
    keep_picture(claim)

    smile = open_panel("SMILEModule")
    smile.ui.segmentsEdit.text = "7, 12, 13, 16"
    check(smile.parameters.segments == "7, 12, 13, 16", "the line edit must reach the parameter node")
    smile.parameters.volumeMl = 6.0
    check(abs(smile.ui.volumeMlSlider.value - 6.0) < 1e-6, "the parameter node must reach the slider")
    print(press(smile, volumeSelector=volume, labelsSelector=labels))
    scar = slicer.util.getNode("Scar for*")
    voxels = sum(
        int(slicer.util.arrayFromSegmentBinaryLabelmap(scar, name, volume).sum()) for name in ("Scar", "MVO")
    )
    spacing = volume.GetSpacing()
    millilitres = voxels * spacing[0] * spacing[1] * spacing[2] / 1000
    check(abs(millilitres - 6.0) < 0.1, f"6 ml were asked for, {millilitres:.2f} ml are there")
    keep_picture(smile)
    return scar


def try_children(volume, labels, scar) -> None:
    """The two panels that start a child process; without PyTorch they can't, and say so."""
    try:
        import torch  # noqa: F401
    except ModuleNotFoundError:
        print("PyTorch isn't installed in this Slicer: synthesis and segmentation were not tried.")
        return
    synthesis = open_panel("SynthesisModule")
    print(press(synthesis, volumeSelector=volume, labelsSelector=labels, scarSelector=scar))
    painted = slicer.util.getNode("*synthetic scar")
    check(
        painted.GetAttribute("ClaimSlicer.Synthetic") == "1", "the synthetic volume must say that it is one"
    )
    keep_picture(synthesis)

    segmentation = open_panel("SegmentationModule")
    print(press(segmentation, volumeSelector=painted))
    check(len(slicer.util.getNodes("*segmentation")) > 0, "the segmentation must be in the scene")
    keep_picture(segmentation)


def main() -> int:
    """Run everything; return the exit code."""
    try:
        slicer.mrmlScene.Clear()
        for name in MODULES:
            open_panel(name)
        from ClaimSlicerLib.example import add_phantom

        volume, labels = add_phantom()
        scar = try_model_and_scar(volume, labels)
        try_children(volume, labels, scar)
        slicer.mrmlScene.Clear()
        slicer.app.processEvents()
    except Exception:
        traceback.print_exc()
        return 1
    print("All panels work.")
    return 0


# After start-up has ended, so that every module is there.
qt.QTimer.singleShot(0, lambda: slicer.util.exit(main()))
