"""``slicer.modules``, the module manager and the main window with its module selector."""

from __future__ import annotations

import importlib
import logging
import sys
from pathlib import Path
from types import ModuleType

import slicer
import vtk
from PySide6 import QtCore, QtWidgets

from host import NotInHostError
from host.widgets import qMRMLWidget

PANEL_WIDTH = 380


class CoreModule:
    """A module of Slicer's own whose logic slicer-core has."""

    def __init__(self, name: str, logic: object) -> None:
        self.name = self.title = name
        self._logic = logic

    def logic(self) -> object:
        """Return the logic."""
        return self._logic

    def widgetRepresentation(self) -> None:  # noqa: N802
        """Refuse: slicer-core has no panels."""
        raise NotInHostError(f"The host has no panel for the module {self.name}.")


class qSlicerScriptedLoadableModuleWidget(qMRMLWidget):  # noqa: N801
    """The top of a scripted module's panel; ``self()`` is the Python object."""

    def __init__(self, module: qSlicerScriptedLoadableModule) -> None:
        super().__init__()
        QtWidgets.QVBoxLayout(self)
        self._module = module
        self._python: object = None
        self._entered = False

    def self(self) -> object:
        """Return the module's panel object."""
        return self._python

    def build(self) -> None:
        """Make the panel object and let it set itself up."""
        name = f"{self._module.name}Widget"
        self._python = getattr(sys.modules[self._module.name], name)(self)
        setattr(slicer.modules, name, self._python)
        self._python.setup()
        self.setMRMLScene(slicer.mrmlScene)

    reload = build

    def enter(self) -> None:
        """Tell the panel that it is now shown."""
        if not self._entered:
            self._entered = True
            getattr(self._python, "enter", lambda: None)()

    def exit(self) -> None:
        """Tell the panel that another one is now shown."""
        if self._entered:
            self._entered = False
            getattr(self._python, "exit", lambda: None)()


class qSlicerScriptedLoadableModule:  # noqa: N801
    """What a module's class gets as ``parent``; only these can be set, as on Slicer's object."""

    __slots__ = (
        "_widget",
        "acknowledgementText",
        "categories",
        "contributors",
        "dependencies",
        "helpText",
        "hidden",
        "icon",
        "index",
        "name",
        "path",
        "title",
    )

    def __init__(self, path: Path) -> None:
        self.path = str(path)
        self.name = path.stem
        self._widget: qSlicerScriptedLoadableModuleWidget | None = None

    def widgetRepresentation(self) -> qSlicerScriptedLoadableModuleWidget:  # noqa: N802
        """Return the panel, made when first asked for."""
        if self._widget is None:
            self._widget = qSlicerScriptedLoadableModuleWidget(self)
            self._widget.build()
        return self._widget

    def drop_widget(self) -> None:
        """Let the panel go, as Slicer does when the module is unloaded."""
        widget, self._widget = self._widget, None
        if widget is None:
            return
        widget.exit()
        slicer.app.moduleManager().moduleAboutToBeUnloaded.emit(self.name)
        slicer.modules.__dict__.pop(f"{self.name}Widget", None)
        widget.setParent(None)
        widget.deleteLater()

    def logic(self) -> None:
        """Refuse: a scripted module's logic is its panel's; see ``slicer.util.getModuleLogic``."""
        raise NotInHostError("Ask slicer.util.getModuleLogic for a scripted module's logic.")


class Modules:
    """``slicer.modules``."""


class ModuleManager(QtCore.QObject):
    """``slicer.app.moduleManager()``."""

    moduleAboutToBeUnloaded = QtCore.Signal(str)  # noqa: N815

    def module(self, name: str) -> object:
        """Return a module by its name, None for an unknown one."""
        return getattr(slicer.modules, name.lower(), None)

    def factoryManager(self) -> ModuleManager:  # noqa: N802
        """Return what lists the modules."""
        return self

    def loadedModuleNames(self) -> tuple[str, ...]:  # noqa: N802
        """Return the names of all modules."""
        return tuple(
            module.name for module in vars(slicer.modules).values() if hasattr(module, "dependencies")
        )


class ModuleSelector:
    """``slicer.util.moduleSelector()``."""

    def __init__(self, area: QtWidgets.QScrollArea) -> None:
        self._area = area
        self.selectedModule = ""

    def selectModule(self, name: str) -> None:  # noqa: N802
        """Leave the present module and enter another."""
        module = slicer.app.moduleManager().module(name)
        if module is None:
            logging.error("The module %s is not there.", name)
            return
        widget = module.widgetRepresentation()
        before = self._area.takeWidget()
        if before is not None:
            before.exit()
            before.hide()
        self.selectedModule = name
        self._area.setWidget(widget)
        widget.show()
        widget.enter()


class MainWindow(QtWidgets.QMainWindow):
    """The panel on the left; :meth:`show_views` adds the views on the right."""

    def __init__(self) -> None:
        super().__init__()
        self.setObjectName("qSlicerMainWindow")
        area = QtWidgets.QScrollArea()
        area.setWidgetResizable(True)
        area.setHorizontalScrollBarPolicy(QtCore.Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        area.setFixedWidth(PANEL_WIDTH + area.verticalScrollBar().sizeHint().width() + 2)
        row = QtWidgets.QWidget()
        QtWidgets.QHBoxLayout(row).addWidget(area)
        self.setCentralWidget(row)
        self.resize(1200, 800)
        self._selector = ModuleSelector(area)

    def moduleSelector(self) -> ModuleSelector:  # noqa: N802
        """Return the module selector."""
        return self._selector

    def show_views(self) -> None:
        """Show the layout's views too; they are rendered from now on, which takes time."""
        viewport = slicer.app.layoutManager().viewport()
        self.centralWidget().layout().addWidget(viewport, 1)
        viewport.show()


def core_modules(scene: slicer.vtkMRMLScene, application_logic: object) -> dict[str, CoreModule]:
    """Return Slicer's own modules whose logics slicer-core has."""
    kinds = {
        "Colors": slicer.vtkSlicerColorLogic,
        "Markups": slicer.vtkSlicerMarkupsLogic,
        "Models": slicer.vtkSlicerModelsLogic,
        "Segmentations": slicer.vtkSlicerSegmentationsModuleLogic,
        "SubjectHierarchy": slicer.vtkSlicerSubjectHierarchyModuleLogic,
        "Tables": slicer.vtkSlicerTablesLogic,
        "Terminologies": slicer.vtkSlicerTerminologiesModuleLogic,
        "Volumes": slicer.vtkSlicerVolumesLogic,
        "VolumeRendering": slicer.vtkSlicerVolumeRenderingLogic,
    }
    result = {}
    # slicer-core has no files of terminologies and colours, and says so.
    vtk.vtkObject.GlobalWarningDisplayOff()
    for name, kind in kinds.items():
        logic = kind()
        logic.SetMRMLApplicationLogic(application_logic)
        application_logic.SetModuleLogic(name, logic)
        if name == "Colors":
            application_logic.SetColorLogic(logic)
        logic.SetMRMLScene(scene)
        result[name] = CoreModule(name, logic)
    vtk.vtkObject.GlobalWarningDisplayOn()
    return result


def load_module(path: Path) -> ModuleType:
    """Import a module file and make its module object, as Slicer does at start-up."""
    module = importlib.import_module(path.stem)
    parent = qSlicerScriptedLoadableModule(path)
    setattr(slicer.modules, f"{path.stem}Instance", getattr(module, path.stem)(parent))
    setattr(slicer.modules, path.stem.lower(), parent)
    return module
