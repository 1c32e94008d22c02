"""The module files keep PythonQt's rules, which PySide6 in the stand-in would let them break."""

from __future__ import annotations

import ast
import sys
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parents[2]
MODULES = ("ClaimSlicer", "SMILEModule", "SynthesisModule", "SegmentationModule")
FILES = sorted(
    path
    for module in MODULES
    for path in (REPOSITORY / module).rglob("*.py")
    if "claimslicer" not in path.relative_to(REPOSITORY).parts
)
PROPERTIES = frozenset(
    {"width", "height", "size", "rect", "pos", "geometry", "text", "title", "toolTip", "enabled", "visible"}
    | {"checked", "value", "currentIndex", "currentText", "minimum", "maximum", "windowTitle", "styleSheet"}
    | {"font", "icon", "objectName", "collapsed", "isEnabled", "isVisible", "isChecked"}
)
"""Getters that are attributes in PythonQt, and the ``is…`` getters that don't exist there."""
HOST_MODULES = frozenset(
    ("slicer", "vtk", "qt", "ctk", "SimpleITK", "numpy", "scipy", "ClaimSlicerLib", "claimslicer")
)


def breaches(source: str) -> list[str]:
    """The places where a module file would fail in PythonQt, or be slow to load."""
    found = []
    tree = ast.parse(source)
    for node in ast.walk(tree):
        if not isinstance(node, ast.Call) or not isinstance(node.func, ast.Attribute):
            continue
        name, line = node.func.attr, node.lineno
        owner = node.func.value
        of_ui = (
            isinstance(owner, ast.Attribute)
            and isinstance(owner.value, ast.Attribute)
            and owner.value.attr == "ui"
        )
        if name in PROPERTIES and not node.args and (of_ui or name not in ("size", "pos", "value")):
            found.append(f"line {line}: {name}() is a property in PythonQt, so an attribute: {name}")
        if isinstance(owner, ast.Name) and owner.id in ("qt", "ctk") and node.keywords:
            found.append(f"line {line}: {owner.id}.{name} takes no keywords in PythonQt")
        if name.startswith("exec") and name != "exec_" and isinstance(owner, ast.Attribute):
            found.append(f"line {line}: exec is a word of Python's own in PythonQt: exec_")
    for node in tree.body:
        names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
        names += [node.module] if isinstance(node, ast.ImportFrom) and not node.level else []
        for name in names:
            root = name.split(".")[0]
            if root not in HOST_MODULES and root not in sys.stdlib_module_names:
                found.append(f"line {node.lineno}: import {root} inside the function that needs it")
    return found


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_module_files_keep_the_rules(path):
    assert not breaches(path.read_text(encoding="utf-8"))


@pytest.mark.parametrize(
    "line",
    [
        "if self.ui.applyButton.isEnabled(): pass",
        "x = self.ui.segmentsEdit.text()",
        "x = widget.width()",
        "b = qt.QLabel(text='x')",
        "import torch",
        "from skimage import measure",
    ],
)
def test_a_breach_is_found(line):
    assert breaches(line)


@pytest.mark.parametrize(
    "line", ["x = w.layout()", "x = dict.values()", "self.ui.bar.value = 3", "import scipy.ndimage"]
)
def test_good_code_passes(line):
    assert not breaches(line)


def test_loading_the_modules_stays_light():
    """What the module files take from the library brings in nothing that Slicer lacks."""
    import subprocess

    code = (
        "import sys; sys.path.insert(0, sys.argv[1]);"
        "import claimslicer.anatomy.aha, claimslicer.anatomy, claimslicer.smile, claimslicer.studies,"
        "claimslicer.studies.conventions, claimslicer.labels, claimslicer.errors;"
        "heavy = {'torch', 'monai', 'skimage', 'matplotlib', 'nibabel', 'yaml', 'typer', 'rich', 'psutil',"
        "'safetensors', 'pydicom'} & set(sys.modules); sys.exit(', '.join(sorted(heavy)) or 0)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(REPOSITORY / "ClaimSlicer")],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
