"""Loading the four module files stays light: Slicer does it each time it starts."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

HEAVY = (
    "torch",
    "monai",
    "skimage",
    "matplotlib",
    "nibabel",
    "yaml",
    "typer",
    "rich",
    "psutil",
    "safetensors",
    "pydicom",
    "scipy.ndimage",
    "scipy.spatial",
    "scipy.special",
    "scipy.stats",
    "scipy.optimize",
    "SimpleITK",
    "pandas",
)
START = """
import sys
import slicer  # before the path grows, as it takes every folder "slicer" there for its own
sys.path.insert(0, sys.argv[1])
from host import application
application.MODULES = ()
application.start()
application.MODULES = ("ClaimSlicer", "SMILEModule", "SynthesisModule", "SegmentationModule")
application.prepare()
before = set(sys.modules)
for name in application.MODULES:
    __import__(name)
print(*sorted(set(sys.modules) - before), sep="\\n")
"""


def test_the_module_files_bring_in_nothing_heavy():
    done = subprocess.run(
        [sys.executable, "-c", START, str(Path(__file__).parents[1])],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    imported = set(done.stdout.split())
    assert {"ClaimSlicer", "SegmentationModule", "claimslicer"} <= imported
    assert imported.isdisjoint(HEAVY), sorted(imported & set(HEAVY))
