"""qMRML widgets: the top of a panel, and the list of the scene's nodes."""

from __future__ import annotations

import weakref
from collections.abc import Callable

import slicer
from PySide6 import QtCore, QtGui, QtWidgets

from host.dialogs import DIALOGS

MINIMUM_WIDTH = 142
"""Of a node selector in a panel, as seen in Slicer."""


def attribute(kind: str, default: object) -> QtCore.Property:
    """Return a plain Qt property with a stored value, so that a ``.ui`` file can set it."""
    values: weakref.WeakKeyDictionary = weakref.WeakKeyDictionary()

    def write(self: QtWidgets.QWidget, value: object) -> None:
        values[self] = value
        getattr(self, "_refresh", lambda: None)()

    return QtCore.Property(kind, lambda self: values.get(self, default), write)


class qMRMLWidget(QtWidgets.QWidget):  # noqa: N801
    """The top widget of a panel."""

    def setMRMLScene(self, scene: slicer.vtkMRMLScene) -> None:  # noqa: N802
        """Keep the scene; as in Slicer, only connections of the ``.ui`` file would pass it on."""
        self.scene = scene


class _Box(QtWidgets.QComboBox):
    """The list; its names are read again before it opens."""

    about_to_open = QtCore.Signal()

    def showPopup(self) -> None:  # noqa: N802
        """Show the list as it is now."""
        self.about_to_open.emit()
        super().showPopup()


class qMRMLNodeComboBox(QtWidgets.QWidget):  # noqa: N801
    """A list of the scene's nodes of given classes; it follows the scene."""

    currentNodeChanged = QtCore.Signal(object)  # noqa: N815
    currentNodeIDChanged = QtCore.Signal(str)  # noqa: N815
    nodeAddedByUser = QtCore.Signal(object)  # noqa: N815
    noneEnabled = attribute("bool", False)  # noqa: N815
    noneDisplay = attribute("QString", "None")  # noqa: N815
    addEnabled = attribute("bool", True)  # noqa: N815
    removeEnabled = attribute("bool", True)  # noqa: N815
    renameEnabled = attribute("bool", False)  # noqa: N815
    editEnabled = attribute("bool", False)  # noqa: N815
    showHidden = attribute("bool", False)  # noqa: N815
    showChildNodeTypes = attribute("bool", True)  # noqa: N815
    selectNodeUponCreation = attribute("bool", True)  # noqa: N815
    baseName = attribute("QString", "")  # noqa: N815

    def __init__(self, parent: QtWidgets.QWidget | None = None) -> None:
        super().__init__(parent)
        self._types: tuple[str, ...] = ()
        self._attributes: list[tuple[str, str, str | None]] = []
        self._scene: slicer.vtkMRMLScene | None = None
        self._current: slicer.vtkMRMLNode | None = None
        self._row = -1
        self._box = _Box()
        self._box.setMinimumWidth(MINIMUM_WIDTH)
        self._box.setSizeAdjustPolicy(
            QtWidgets.QComboBox.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon
        )
        row = QtWidgets.QHBoxLayout(self)
        row.setContentsMargins(0, 0, 0, 0)
        row.addWidget(self._box)
        self.setSizePolicy(QtWidgets.QSizePolicy.Policy.Expanding, QtWidgets.QSizePolicy.Policy.Fixed)
        self._box.about_to_open.connect(self._refresh)
        self._box.activated.connect(self._user_chose)

    def _get_types(self) -> list[str]:
        return list(self._types)

    def _set_types(self, types: list[str]) -> None:
        self._types = tuple(types)
        self._refresh()

    nodeTypes = QtCore.Property("QStringList", _get_types, _set_types)  # noqa: N815

    def setMRMLScene(self, scene: slicer.vtkMRMLScene) -> None:  # noqa: N802
        """Show the nodes of ``scene`` and follow its changes."""
        if scene is self._scene:
            return
        self._scene = scene
        this = weakref.ref(self)
        events = (scene.NodeAddedEvent, scene.NodeRemovedEvent, scene.EndBatchProcessEvent)
        tags = [scene.AddObserver(event, lambda *_: this() and this()._refresh()) for event in events]
        self.destroyed.connect(lambda: [scene.RemoveObserver(tag) for tag in tags])
        nodes = self._nodes()
        self._select(nodes[0] if nodes and not self.property("noneEnabled") else None)

    def mrmlScene(self) -> slicer.vtkMRMLScene | None:  # noqa: N802
        """Return the scene."""
        return self._scene

    def addAttribute(self, node_type: str, name: str, value: str | None = None) -> None:  # noqa: N802
        """List nodes of a class only where they have an attribute."""
        self._attributes.append((node_type, name, value))
        self._refresh()

    def currentNode(self) -> slicer.vtkMRMLNode | None:  # noqa: N802
        """Return the node shown, or None."""
        return self._current

    def _current_id(self) -> str:
        return self._current.GetID() if self._current is not None else ""

    def setCurrentNodeID(self, identifier: str) -> None:  # noqa: N802
        """Show the node with an ID."""
        self.setCurrentNode(self._scene.GetNodeByID(identifier) if identifier else None)

    currentNodeID = QtCore.Property("QString", _current_id, setCurrentNodeID)  # noqa: N815

    def setCurrentNode(self, node: slicer.vtkMRMLNode | None) -> None:  # noqa: N802
        """Show ``node``; one that isn't of the listed classes counts as None, as in Slicer."""
        self._select(node if node is not None and node in self._nodes() else None)

    def nodeCount(self) -> int:  # noqa: N802
        """Return how many nodes can be chosen."""
        return len(self._nodes())

    def _listed(self, node: slicer.vtkMRMLNode) -> bool:
        if node.GetHideFromEditors() and not self.property("showHidden"):
            return False
        if not self.property("showChildNodeTypes") and node.GetClassName() not in self._types:
            return False
        wanted = [rule for rule in self._attributes if node.IsA(rule[0])]
        return all(
            node.GetAttribute(name) is not None if value is None else node.GetAttribute(name) == value
            for _, name, value in wanted
        )

    def _nodes(self) -> list[slicer.vtkMRMLNode]:
        if self._scene is None:
            return []
        found = [node for name in self._types for node in slicer.util.getNodesByClass(name, self._scene)]
        return [node for node in dict.fromkeys(found) if self._listed(node)]

    def _actions(self) -> list[tuple[str, Callable[[], None]]]:
        """Return the entries under the nodes: texts and what they do."""
        actions: list[tuple[str, Callable[[], None]]] = []
        if self.property("addEnabled"):
            actions += [
                (f"Create new {self._type_name(kind)}", lambda kind=kind: self.addNode(kind))
                for kind in self._types
            ]
        if self.property("renameEnabled") and self._current is not None:
            actions.append((f"Rename current {self._type_name(self._types[0])}", self.renameCurrentNode))
        if self.property("removeEnabled") and self._current is not None:
            actions.append((f"Delete current {self._type_name(self._types[0])}", self.removeCurrentNode))
        return actions

    @staticmethod
    def _type_name(kind: str) -> str:
        return getattr(slicer, kind)().GetNodeTagName()

    def addNode(self, kind: str | None = None) -> slicer.vtkMRMLNode:  # noqa: N802
        """Add a node, as the entry "Create new" does."""
        kind = kind or self._types[0]
        name = self._scene.GenerateUniqueName(self.property("baseName") or self._type_name(kind))
        node = self._scene.AddNewNodeByClass(kind, name)
        for node_type, attribute_name, value in self._attributes:
            if node.IsA(node_type) and value is not None:
                node.SetAttribute(attribute_name, value)
        if self.property("selectNodeUponCreation"):
            self.setCurrentNode(node)
        self.nodeAddedByUser.emit(node)
        return node

    def removeCurrentNode(self) -> None:  # noqa: N802
        """Remove the node shown from the scene, as the entry "Delete current" does."""
        self._scene.RemoveNode(self._current)

    def renameCurrentNode(self) -> None:  # noqa: N802
        """Ask for another name."""
        self._current.SetName(str(DIALOGS.answer(f"New name of {self._current.GetName()}")))
        self._refresh()

    def _refresh(self) -> None:
        """Follow the scene; where the node shown is gone, the one above it is shown, as in Slicer."""
        if self._scene is None or self._scene.IsBatchProcessing():
            return
        rows = self._rows()
        if self._current in rows:
            self._select(self._current)
        elif self._current is not None and rows:
            self._select(rows[min(len(rows) - 1, max(self._row - 1, 0))])
        else:
            self._select(None)

    def _rows(self) -> list[slicer.vtkMRMLNode | None]:
        nodes = self._nodes()
        return ([None] if self.property("noneEnabled") or not nodes else []) + nodes

    def _select(self, node: slicer.vtkMRMLNode | None) -> None:
        rows = self._rows()
        self._box.clear()
        none = self.property("noneDisplay")
        self._box.addItems([none if row is None else row.GetName() for row in rows])
        changed, self._current = node is not self._current, node
        actions = self._actions() if self._scene is not None else []
        if actions:
            self._box.insertSeparator(self._box.count())
            self._box.addItems([text for text, _ in actions])
        self._row = rows.index(node) if node in rows else -1
        self._box.setCurrentIndex(self._row)
        if changed:
            self.currentNodeChanged.emit(node)
            self.currentNodeIDChanged.emit(self._current_id())

    def _user_chose(self, index: int) -> None:
        rows = self._rows()
        if index < len(rows):
            self._select(rows[index])
            return
        action = self._actions()[index - len(rows) - 1][1]
        self._box.setCurrentIndex(rows.index(self._current) if self._current in rows else -1)
        action()

    def wheelEvent(self, event: QtGui.QWheelEvent) -> None:  # noqa: N802
        """Let the panel scroll instead of choosing another node, as Slicer does."""
        event.ignore()
