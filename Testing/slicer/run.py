"""Run all tests that need the real application, print what they found, and end Slicer with the result.

    Slicer --additional-module-paths ClaimSlicer SMILEModule SynthesisModule SegmentationModule \\
        --python-script Testing/slicer/run.py [pattern ...]

A pattern, such as ``panels``, runs the files of that name only. Add ``--testing`` to run it unattended, as
CTest does (Testing/CMakeLists.txt); views and pictures need a main window, so it isn't run without one.
Pictures of the panels come into the folder CLAIM_PICTURES, or among Slicer's temporary files.

The pytest suite under Testing/modules runs the same module files in a stand-in; what the two disagree on is
found out here.
"""

from __future__ import annotations

import sys
import traceback
import unittest
from pathlib import Path

import slicer

FOLDER = Path(__file__).resolve().parent if "__file__" in globals() else Path(sys.argv[0]).resolve().parent


def suite(patterns: list[str]) -> unittest.TestSuite:
    """Return the tests of the files beside this one."""
    sys.path.insert(0, str(FOLDER))
    loader = unittest.TestLoader()
    names = sorted(path.stem for path in FOLDER.glob("check_*.py"))
    chosen = [name for name in names if not patterns or any(pattern in name for pattern in patterns)]
    return loader.loadTestsFromNames(chosen)


def main() -> int:
    """Run everything; return the exit code."""
    try:
        result = unittest.TextTestRunner(stream=sys.stdout, verbosity=2).run(suite(sys.argv[1:]))
        slicer.mrmlScene.Clear()
        slicer.app.processEvents()
    except Exception:
        traceback.print_exc()
        return 1
    return 0 if result.wasSuccessful() and result.testsRun else 1


# Slicer runs this when every module is there; with --testing it ends as soon as the script does.
slicer.util.exit(main())
