"""``slicer.ScriptedLoadableModule``: the four base classes of a scripted module."""

from __future__ import annotations

import sys
import unittest
from pathlib import Path
from types import ModuleType

import slicer
from PySide6 import QtGui, QtWidgets

from host import NotInHostError
from host.widgets import qMRMLWidget


class ScriptedLoadableModule:
    """What Slicer lists in its module menu."""

    def __init__(self, parent: object) -> None:
        self.parent = parent
        self.moduleName = type(self).__name__
        parent.title = ""
        parent.categories = []
        parent.dependencies = []
        parent.contributors = []
        parent.helpText = parent.acknowledgementText = ""
        for icon in sorted((Path(parent.path).parent / "Resources" / "Icons").glob(f"{self.moduleName}.*")):
            parent.icon = QtGui.QIcon(str(icon))
        slicer.selfTests[self.moduleName] = self.runTest

    def runTest(self, msec: int = 100, **options: object) -> None:  # noqa: N802
        """Run the module's test class, as Reload and Test does."""
        case = getattr(sys.modules[type(self).__module__], f"{self.moduleName}Test")()
        case.messageDelay = msec
        case.runTest(**options)

    def resourcePath(self, filename: str) -> str:  # noqa: N802
        """Return the path of a file in the module's Resources folder."""
        return str(Path(self.parent.path).parent / "Resources" / filename)

    def getDefaultModuleDocumentationLink(self, docPage: str | None = None) -> str:  # noqa: N802, N803
        """Return a link to Slicer's documentation."""
        return (
            f'<p>For more information see the <a href="{docPage or self.moduleName}">documentation</a>.</p>'
        )


class ScriptedLoadableModuleWidget:
    """A panel; ``parent`` is its top widget, ``layout`` that widget's layout."""

    def __init__(self, parent: QtWidgets.QWidget | None = None) -> None:
        super().__init__()
        self.moduleName = type(self).__name__.removesuffix("Widget")
        self.parent = parent
        if parent is None:
            self.parent = qMRMLWidget()
            self.parent.setLayout(QtWidgets.QVBoxLayout())
        self.layout = self.parent.layout()
        if parent is None:
            self.setup()
            self.parent.show()
        slicer.app.moduleManager().moduleAboutToBeUnloaded.connect(self._onModuleAboutToBeUnloaded)

    def _onModuleAboutToBeUnloaded(self, name: str) -> None:  # noqa: N802
        if name == self.moduleName:
            slicer.app.moduleManager().moduleAboutToBeUnloaded.disconnect(self._onModuleAboutToBeUnloaded)
            self.cleanup()

    def setup(self) -> None:
        """Do nothing: the developer's buttons are Slicer's own."""

    def cleanup(self) -> None:
        """Do nothing."""

    def resourcePath(self, filename: str) -> str:  # noqa: N802
        """Return the path of a file in the module's Resources folder."""
        return str(Path(slicer.util.modulePath(self.moduleName)).parent / "Resources" / filename)


class ScriptedLoadableModuleLogic:
    """What a panel does, usable without it."""

    def __init__(self, parent: object = None) -> None:
        super().__init__()
        self.moduleName = type(self).__name__.removesuffix("Logic")
        self.isSingletonParameterNode = True

    def getParameterNode(self) -> slicer.vtkMRMLScriptedModuleNode:  # noqa: N802
        """Return the module's one parameter node in the scene, made when missing."""
        if not self.isSingletonParameterNode:
            raise NotInHostError("The host keeps one parameter node a module.")
        node = slicer.mrmlScene.GetSingletonNode(self.moduleName, "vtkMRMLScriptedModuleNode")
        if node is None:
            return slicer.mrmlScene.AddNode(self.createParameterNode())
        if node.GetAttribute("ModuleName") != self.moduleName:
            node.SetAttribute("ModuleName", self.moduleName)  # closing the scene may have removed it
        return node

    def createParameterNode(self) -> slicer.vtkMRMLScriptedModuleNode:  # noqa: N802
        """Return a new parameter node, not yet in the scene."""
        node = slicer.mrmlScene.CreateNodeByClass("vtkMRMLScriptedModuleNode")
        node.UnRegister(None)
        node.SetSingletonTag(self.moduleName)
        node.SetAttribute("ModuleName", self.moduleName)
        node.SetName(slicer.mrmlScene.GenerateUniqueName(self.moduleName))
        return node


class ScriptedLoadableModuleTest(unittest.TestCase):
    """A self-test that Slicer can run from its Self Tests module."""

    def __init__(self, methodName: str = "runTest") -> None:  # noqa: N803
        super().__init__(methodName)

    def runTest(self) -> None:  # noqa: N802
        """Run the test of the name ``test_<module>1`` and the like; overridden by modules."""

    def delayDisplay(self, message: str, msec: int | None = None) -> None:  # noqa: N802
        """Print the message; in Slicer it pops up for a moment."""
        print(message, file=sys.stderr)


def module() -> ModuleType:
    """Return the module ``slicer.ScriptedLoadableModule``."""
    result = ModuleType("slicer.ScriptedLoadableModule")
    classes = (
        ScriptedLoadableModule,
        ScriptedLoadableModuleWidget,
        ScriptedLoadableModuleLogic,
        ScriptedLoadableModuleTest,
    )
    for cls in classes:
        setattr(result, cls.__name__, cls)
    result.__all__ = [cls.__name__ for cls in classes]
    return result
