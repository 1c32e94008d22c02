"""Start the stand-in: put its modules where ``import qt``, ``import ctk`` and ``slicer.app`` find them."""

from __future__ import annotations

import importlib
import importlib.metadata
import os
import re
import stat
import sys
import tempfile
from pathlib import Path
from types import ModuleType, SimpleNamespace

import slicer
from PySide6 import QtCore, QtGui, QtWidgets
from shibokensupport import feature

from host import NotInHostError, parameters, scripted, widgets

REPOSITORY = Path(__file__).resolve().parents[2]
MODULES = ("ClaimSlicer", "SMILEModule", "SynthesisModule", "SegmentationModule")
TRUE_PROPERTY = 0x02
"""PySide6's feature flag: properties are attributes, and their getters and setters are gone."""


class Qt(ModuleType):
    """The module ``qt``: PythonQt has all of Qt's classes in one."""

    QUiLoader = widgets.UiLoader

    def __getattr__(self, name: str) -> object:
        for part in (QtCore, QtGui, QtWidgets):
            if hasattr(part, name):
                return getattr(part, name)
        raise AttributeError(f"module 'qt' has no attribute {name!r}")


class Application:
    """``slicer.app``, as far as the modules and ``slicer.util`` use it."""

    applicationName = "Slicer"  # noqa: N815

    def testingEnabled(self) -> bool:  # noqa: N802
        """Errors are shown, not skipped; without a main window ``slicer.util`` logs them."""
        return False

    def topLevelWidgets(self) -> list:  # noqa: N802
        """There is no main window."""
        return []

    def processEvents(self) -> None:  # noqa: N802
        """Let Qt work."""
        QtWidgets.QApplication.processEvents()

    def setOverrideCursor(self, cursor: object) -> None:  # noqa: N802
        """Show another cursor."""
        QtWidgets.QApplication.setOverrideCursor(cursor)

    def restoreOverrideCursor(self) -> None:  # noqa: N802
        """Show the former cursor."""
        QtWidgets.QApplication.restoreOverrideCursor()


def packaging_module() -> ModuleType:
    """Return ``slicer.packaging``: it says whether a requirement is met and never installs."""
    result = ModuleType("slicer.packaging")

    def load_requirements(path: str | Path) -> list[str]:
        lines = Path(path).read_text(encoding="utf-8").splitlines()
        return [line.strip() for line in lines if line.strip() and not line.startswith(("#", "-"))]

    def pip_ensure(requirements: list[str], constraints: object = None, requester: str | None = None) -> None:
        for requirement in requirements:
            name = re.split(r"[<>=!~\[; ]", requirement)[0]
            try:
                importlib.metadata.version(name)
            except importlib.metadata.PackageNotFoundError as error:
                raise NotInHostError(
                    f"The host installs nothing; run: pip install '{requirement}'"
                ) from error

    result.load_requirements = load_requirements
    result.pip_ensure = pip_ensure
    return result


def translation_module() -> ModuleType:
    """Return ``slicer.i18n``: texts stay as they are."""
    result = ModuleType("slicer.i18n")
    result.tr = lambda text: text
    result.translate = lambda context, text: text
    return result


def python_slicer() -> Path:
    """Make a folder with the command PythonSlicer, which Slicer has on its PATH, and return the folder."""
    if os.name != "posix":
        raise NotInHostError("The host makes its PythonSlicer command on Linux and macOS only.")
    folder = Path(tempfile.mkdtemp(prefix="host-"))
    command = folder / "PythonSlicer"
    command.write_text(f'#!/bin/sh\nexec "{sys.executable}" "$@"\n', encoding="utf-8")
    command.chmod(command.stat().st_mode | stat.S_IXUSR)
    return folder


def speak_pythonqt(module_name: str) -> None:
    """Make Qt's properties attributes, as PythonQt does, for the code of one module not yet imported."""
    feature.set_selection(TRUE_PROPERTY, module_name)


def start() -> None:
    """Make the application, an empty scene and all modules that Slicer would offer; once a process."""
    if hasattr(slicer, "app"):
        return
    os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")
    slicer.qt_application = QtWidgets.QApplication.instance() or QtWidgets.QApplication([])
    os.environ["PATH"] = f"{python_slicer()}{os.pathsep}{os.environ['PATH']}"
    # PythonQt gives every object its name as an attribute.
    QtCore.QObject.name = property(lambda self: self.property("objectName"))
    speak_pythonqt("slicer.util")
    sys.modules["qt"] = Qt("qt")
    sys.modules["ctk"] = ModuleType("ctk")
    slicer.app = Application()
    slicer.mrmlScene = slicer.vtkMRMLScene()
    logic = slicer.vtkSlicerSegmentationsModuleLogic()
    logic.SetMRMLScene(slicer.mrmlScene)
    slicer.modules = SimpleNamespace(segmentations=SimpleNamespace(logic=lambda: logic))
    for child in (scripted.module(), parameters.module(), packaging_module(), translation_module()):
        sys.modules[child.__name__] = child
        setattr(slicer, child.__name__.rpartition(".")[2], child)
    for name in MODULES:
        # As with additional module paths: each module's folder is on the path.
        folder = REPOSITORY / name
        sys.path.append(str(folder))
        path = SimpleNamespace(path=str(folder / f"{name}.py"))
        setattr(slicer.modules, name.lower(), path)
        for file in folder.rglob("*.py"):
            if "claimslicer" not in file.relative_to(folder).parts:
                dotted = ".".join(file.relative_to(folder).with_suffix("").parts)
                speak_pythonqt(dotted)


def load(name: str) -> ModuleType:
    """Import the module file ``name`` and make its module object, as Slicer does at start-up."""
    start()
    module = importlib.import_module(name)
    getattr(module, name)(SimpleNamespace(path=str(REPOSITORY / name / f"{name}.py")))
    return module


def panel(name: str) -> object:
    """Return the panel of module ``name``, made as Slicer does when the user first opens it."""
    start()
    top = widgets.qMRMLWidget()
    top.setLayout(QtWidgets.QVBoxLayout())
    widget = getattr(load(name), f"{name}Widget")(top)
    widget.setup()
    widget.enter()
    return widget


def process_events() -> None:
    """Let Qt work, widgets that wait to be deleted included."""
    QtWidgets.QApplication.processEvents()
    QtWidgets.QApplication.sendPostedEvents(None, QtCore.QEvent.Type.DeferredDelete.value)
