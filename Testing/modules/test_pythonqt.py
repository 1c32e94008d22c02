"""The panels' files keep PythonQt's rules, which PySide6 in the stand-in would let them break."""

from __future__ import annotations

import subprocess
import sys

import pytest
import pythonqt_lint
from pythonqt_lint import breaches

WIDGETS = {"bar": "QProgressBar", "button": "QPushButton", "selector": "qMRMLNodeComboBox"}
SUBCLASS = "class B(qt.QWidget):\n    def {name}(self):\n        return 1\n"


@pytest.mark.parametrize("path", pythonqt_lint.module_files(), ids=lambda path: path.name)
def test_the_files_keep_the_rules(path):
    assert list(pythonqt_lint.check(path)) == []


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("if self.ui.button.isEnabled(): pass", "attribute: enabled"),
        ("x = self.ui.button.text()", "attribute: text"),
        ("x = self.ui.bar.value()", "attribute: value"),
        ("w = qt.QWidget()\nx = w.width()", "attribute: width"),
        ("x = anything.styleSheet()", "attribute: styleSheet"),
        ("self.ui.button.setText('x')", ".text ="),
        ("t = qt.QTimer()\nt.setInterval(3)", ".interval ="),
        ("t = qt.QTimer()\nt.singleShot = True", "setProperty"),
        ("self.ui.bar.notes = 3", "no property notes"),
        ("b = qt.QLabel(text='x')", "QLabel takes no keywords"),
        ("b = ctk.ctkSliderWidget(parent=p)", "takes no keywords"),
        ("layout.addWidget(b, stretch=1)", "addWidget takes no keywords"),
        ("qt.QSettings().value('a', 3, type=int)", "value takes no keywords"),
        (SUBCLASS.format(name="sizeHint"), "override getSizeHint"),
        (SUBCLASS.format(name="minimumSizeHint"), "override getMinimumSizeHint"),
        (SUBCLASS.format(name="font"), "hides the property"),
        (SUBCLASS.format(name="go").replace("return", "self.x ="), "can't be written"),
        ("class C(ctk.ctkSliderWidget):\n    def wheelEvent(self, event): pass", "event filter"),
        ("class C(slicer.qMRMLNodeComboBox):\n    def event(self, event): pass", "event filter"),
        ("dialog.exec()", "exec_"),
        ("def f(event): return event.position()", "localPos"),
        ("i = qt.QImage(data, 3, 4, qt.QImage.Format_RGB888)", "loadFromData"),
        ("w = qt.QSvgWidget()", "isn't there"),
        ("class D(qt.QObject):\n    @qt.Slot()\n    def go(self): pass", "isn't there"),
        ("b.clicked.connect(f, qt.Qt.QueuedConnection)", "the slot only"),
        ("b.valueChanged[int].connect(f)", "no overloads"),
        ("isinstance(b, qt.QWidget)", "inherits"),
        ("isinstance(b, (int, slicer.qMRMLWidget))", "inherits"),
        ("with qt.QPainter(self) as painter: pass", "call end()"),
        ("painter.setBrush(qt.Qt.NoBrush)", "QBrush()"),
        ("colour.getRgbF()", "redF()"),
        ("import torch", "inside the function"),
        ("from skimage import measure", "inside the function"),
    ],
)
def test_a_breach_is_found(line, words):
    assert any(words in breach for breach in breaches(line, WIDGETS)), breaches(line, WIDGETS)


@pytest.mark.parametrize(
    "line",
    [
        "x = w.layout()",
        "x = dict.values()",
        "x = event.pos().x()",
        "x = qt.QRect(0, 0, 1, 1).width()",
        "x = item.text()",
        "self.ui.bar.value = 3",
        "self.ui.selector.setCurrentNode(node)",
        "self.ui.bar.setRange(0, 3)",
        "self.ui.button.name = 'x'",
        "b.connect('clicked(bool)', f)",
        "b.clicked.connect(f)",
        "slicer.util.errorDisplay('x', detailedText='y')",
        "def f(event): return event.position() if hasattr(event, 'position') else event.localPos()",
        SUBCLASS.format(name="getSizeHint"),
        SUBCLASS.format(name="paintEvent"),
        "class B(qt.QWidget):\n    def go(self, x=1): self.go(x=2)",
        "b = qt.QLabel('x')\nb.visible = False",
        "d = qt.QDialog()\nd.exec_()",
        "import scipy.ndimage",
        "def f():\n    import torch",
    ],
)
def test_good_code_passes(line):
    assert breaches(line, WIDGETS) == []


def test_the_tool_says_what_it_found(tmp_path):
    bad = tmp_path / "bad.py"
    bad.write_text("import torch\n", encoding="utf-8")
    done = subprocess.run(
        [sys.executable, pythonqt_lint.__file__, str(bad)], capture_output=True, text=True, check=False
    )
    assert done.returncode == 1
    assert f"{bad}:1: import torch" in done.stdout
    bad.write_text("import numpy\n", encoding="utf-8")
    done = subprocess.run(
        [sys.executable, pythonqt_lint.__file__, str(bad)], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout
