"""Start the stand-in: put its modules where ``import qt``, ``import ctk`` and ``slicer.app`` find them."""

from __future__ import annotations

import importlib.metadata
import logging
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

from host import NotInHostError, dialogs, files, layouts, modules, parameters, sampledata, scripted, widgets

REPOSITORY = Path(__file__).resolve().parents[2]
MODULES = ("ClaimSlicer", "SMILEModule", "SynthesisModule", "SegmentationModule")
TRUE_PROPERTY = 0x02
"""PySide6's feature flag: properties are attributes, and their getters and setters are gone."""
FROM_QT = (
    "aboutToQuit",
    "clipboard",
    "devicePixelRatio",
    "focusWidget",
    "keyboardModifiers",
    "palette",
    "screens",
)
"""What ``slicer.app`` has as it is a QApplication."""


class Qt(ModuleType):
    """The module ``qt``: PythonQt has all of Qt's classes in one."""

    QUiLoader = widgets.UiLoader
    QMessageBox = dialogs.MessageBox
    QFileDialog = dialogs.FileDialog

    def __getattr__(self, name: str) -> object:
        for part in (QtCore, QtGui, QtWidgets):
            if hasattr(part, name):
                return getattr(part, name)
        raise AttributeError(f"module 'qt' has no attribute {name!r}")


class Application(QtCore.QObject):
    """``slicer.app``, as far as the modules and ``slicer.util`` use it."""

    startupCompleted = QtCore.Signal()  # noqa: N815
    applicationName = "Slicer"  # noqa: N815
    majorVersion, minorVersion = 5, 12  # noqa: N815

    def __init__(self, folder: Path) -> None:
        super().__init__()
        self.temporaryPath = str(folder)
        self.cachePath = str(folder / "cache")
        self._settings = QtCore.QSettings(str(folder / "Slicer.ini"), QtCore.QSettings.Format.IniFormat)
        self._module_manager = modules.ModuleManager()
        self._files = files.CoreIOManager(slicer.mrmlScene)
        self._logic = slicer.vtkSlicerApplicationLogic()
        self._logic.SetTemporaryPath(self.temporaryPath)
        self._layout_manager: layouts.LayoutManager | None = None
        self._main_window: modules.MainWindow | None = None

    def build(self) -> None:
        """Make what needs Slicer's own modules, or ``slicer.app`` itself."""
        self._logic.SetHomeDirectory(self.temporaryPath)
        self._logic.SetMRMLScene(slicer.mrmlScene)
        for name, module in modules.core_modules(slicer.mrmlScene, self._logic).items():
            setattr(slicer.modules, name.lower(), module)
        # Scenes in one file are unpacked into the cache.
        self._remote = slicer.vtkMRMLRemoteIOLogic()
        self._remote.SetMRMLScene(slicer.mrmlScene)
        self._remote.AddDataIOToScene()
        Path(self.cachePath).mkdir()
        slicer.mrmlScene.GetCacheManager().SetRemoteCacheDirectory(self.cachePath)
        self._layout_manager = layouts.LayoutManager(slicer.mrmlScene, self._logic)
        self._main_window = modules.MainWindow()
        self._main_window.show()

    def __getattr__(self, name: str) -> object:
        if name in FROM_QT:
            return getattr(QtWidgets.QApplication.instance(), name)
        raise AttributeError(f"The host's slicer.app has no {name}.")

    def connect(self, signal: str, slot: object) -> None:
        """Connect as PythonQt does: ``slicer.app.connect("startupCompleted()", slot)``."""
        getattr(self, signal.partition("(")[0]).connect(slot)

    def testingEnabled(self) -> bool:  # noqa: N802
        """Messages are shown, to be recorded; see dialogs.py."""
        return False

    def commandOptions(self) -> SimpleNamespace:  # noqa: N802
        """Return the command line's options."""
        return SimpleNamespace(noMainWindow=False, testingEnabled=False)

    def topLevelWidgets(self) -> list:  # noqa: N802
        """Return the main window."""
        return [self._main_window] if self._main_window else []

    def layoutManager(self) -> layouts.LayoutManager:  # noqa: N802
        """Return the layout manager."""
        return self._layout_manager

    def moduleManager(self) -> modules.ModuleManager:  # noqa: N802
        """Return the module manager."""
        return self._module_manager

    def coreIOManager(self) -> files.CoreIOManager:  # noqa: N802
        """Return what reads and writes files."""
        return self._files

    def applicationLogic(self) -> slicer.vtkSlicerApplicationLogic:  # noqa: N802
        """Return Slicer's application logic, with the selection node."""
        return self._logic

    def mrmlScene(self) -> slicer.vtkMRMLScene:  # noqa: N802
        """Return the scene."""
        return slicer.mrmlScene

    def userSettings(self) -> QtCore.QSettings:  # noqa: N802
        """Return the user's settings: a file that lives as long as the process."""
        return self._settings

    settings = userSettings

    def processEvents(self) -> None:  # noqa: N802
        """Let Qt work."""
        QtWidgets.QApplication.processEvents()

    def pauseRender(self) -> None:  # noqa: N802
        """Hold the views back."""
        self._logic.PauseRender()

    def resumeRender(self) -> None:  # noqa: N802
        """Let the views render again."""
        self._logic.ResumeRender()

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


def ctk_module() -> ModuleType:
    """Return the module ``ctk``."""
    result = ModuleType("ctk")
    result.ctkMessageBox = dialogs.MessageBox
    for name, kind in widgets.CUSTOM.items():
        if name.startswith("ctk"):
            setattr(result, name, kind)
    return result


def python_slicer(folder: Path) -> None:
    """Put the command PythonSlicer, which Slicer has on its PATH, into a folder on it."""
    if os.name != "posix":
        raise NotInHostError("The host makes its PythonSlicer command on Linux and macOS only.")
    command = folder / "PythonSlicer"
    command.write_text(f'#!/bin/sh\nexec "{sys.executable}" "$@"\n', encoding="utf-8")
    command.chmod(command.stat().st_mode | stat.S_IXUSR)
    os.environ["PATH"] = f"{folder}{os.pathsep}{os.environ['PATH']}"


def speak_pythonqt(module_name: str) -> None:
    """Make Qt's properties attributes, as PythonQt does, for the code of one module not yet imported."""
    feature.set_selection(TRUE_PROPERTY, module_name)


def start() -> None:
    """Make the application, an empty scene and all modules, as Slicer does when it starts; once a process."""
    if hasattr(slicer, "app"):
        return
    os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")
    folder = Path(tempfile.mkdtemp(prefix="host-"))
    slicer.qt_application = QtWidgets.QApplication.instance() or QtWidgets.QApplication([])
    QtCore.QSettings.setDefaultFormat(QtCore.QSettings.Format.IniFormat)
    QtCore.QSettings.setPath(
        QtCore.QSettings.Format.IniFormat, QtCore.QSettings.Scope.UserScope, str(folder / "settings")
    )
    python_slicer(folder)
    # PythonQt gives every object its name as an attribute.
    QtCore.QObject.name = property(lambda self: self.property("objectName"))
    # PythonQt takes an empty layout for False, so slicer.util.childWidgetVariables leaves it out.
    QtWidgets.QLayout.__bool__ = lambda self: self.count() > 0
    speak_pythonqt("slicer.util")
    sys.modules["qt"] = Qt("qt")
    sys.modules["ctk"] = ctk_module()
    slicer.mrmlScene = slicer.vtkMRMLScene()
    slicer.modules = modules.Modules()
    slicer.modules.sampleDataSources = {}
    slicer.selfTests = {}
    for kind in (modules.qSlicerScriptedLoadableModule, modules.qSlicerScriptedLoadableModuleWidget):
        setattr(slicer, kind.__name__, kind)
    for name, kind in widgets.CUSTOM.items():
        if name.startswith("qMRML"):
            setattr(slicer, name, kind)
    sys.modules["SampleData"] = sampledata.module()
    for child in (scripted.module(), parameters.module(), packaging_module(), translation_module()):
        sys.modules[child.__name__] = child
        if child.__name__ != "slicer.packaging":
            # Slicer itself imports the others, so that they are there as attributes.
            setattr(slicer, child.__name__.rpartition(".")[2], child)
    slicer.app = Application(folder)
    slicer.app.build()
    _load_all()
    slicer.app.startupCompleted.emit()


def prepare() -> None:
    """Put each module's folder on the path, as in Slicer, and let its files speak PythonQt."""
    for name in MODULES:
        folder = REPOSITORY / name
        sys.path.append(str(folder))
        for file in folder.rglob("*.py"):
            if "claimslicer" not in file.relative_to(folder).parts:
                speak_pythonqt(".".join(file.relative_to(folder).with_suffix("").parts))


def _load_all() -> None:
    """Load the modules; one that can't be loaded is logged and missing, as in Slicer."""
    prepare()
    for name in MODULES:
        try:
            modules.load_module(REPOSITORY / name / f"{name}.py")
        except Exception:
            logging.exception("The module %s can't be loaded.", name)


def load(name: str) -> ModuleType:
    """Return the module file ``name``, imported; its errors are raised."""
    start()
    if not hasattr(slicer.modules, name.lower()):
        modules.load_module(REPOSITORY / name / f"{name}.py")
    return sys.modules[name]


def panel(name: str) -> object:
    """Select a module, as the user does, and return its panel."""
    load(name)
    slicer.util.selectModule(name)
    return slicer.util.getModuleWidget(name)


def close_panels() -> None:
    """Let every panel go, as when Slicer ends, so that the next test begins with new ones."""
    for name in MODULES:
        module = getattr(slicer.modules, name.lower(), None)
        if module is not None:
            module.drop_widget()
    process_events()


def process_events() -> None:
    """Let Qt work, widgets that wait to be deleted included."""
    QtWidgets.QApplication.processEvents()
    QtWidgets.QApplication.sendPostedEvents(None, QtCore.QEvent.Type.DeferredDelete.value)
