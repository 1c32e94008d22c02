"""The qMRML and ctk widgets that the panels' ``.ui`` files name."""

from __future__ import annotations

from weakref import WeakKeyDictionary

import slicer
from PySide6 import QtCore, QtUiTools, QtWidgets

from host import NotInHostError


def attribute(kind: str, default: object) -> QtCore.Property:
    """Return a plain Qt property with a stored value, so that a ``.ui`` file can set it."""
    values: WeakKeyDictionary = WeakKeyDictionary()
    return QtCore.Property(kind, lambda self: values.get(self, default), values.__setitem__)


class qMRMLWidget(QtWidgets.QWidget):  # noqa: N801
    """The top widget of a panel."""

    def setMRMLScene(self, scene: slicer.vtkMRMLScene) -> None:  # noqa: N802
        """Keep the scene; as in Slicer, only connections of the ``.ui`` file would pass it on."""
        self.scene = scene


class qMRMLNodeComboBox(QtWidgets.QComboBox):  # noqa: N801
    """A list of the scene's nodes of given classes; it follows the scene."""

    currentNodeChanged = QtCore.Signal(object)  # noqa: N815
    noneEnabled = attribute("bool", False)  # noqa: N815
    noneDisplay = attribute("QString", "None")  # noqa: N815
    addEnabled = attribute("bool", True)  # noqa: N815
    removeEnabled = attribute("bool", True)  # noqa: N815
    renameEnabled = attribute("bool", False)  # noqa: N815
    editEnabled = attribute("bool", False)  # noqa: N815
    showHidden = attribute("bool", False)  # noqa: N815
    showChildNodeTypes = attribute("bool", True)  # noqa: N815
    selectNodeUponCreation = attribute("bool", True)  # noqa: N815

    def __init__(self, parent: QtWidgets.QWidget | None = None) -> None:
        super().__init__(parent)
        self._types: tuple[str, ...] = ()
        self._scene: slicer.vtkMRMLScene | None = None
        self._current: slicer.vtkMRMLNode | None = None
        self.activated.connect(self._user_chose)

    def _get_types(self) -> list[str]:
        return list(self._types)

    def _set_types(self, types: list[str]) -> None:
        self._types = tuple(types)
        self._refresh()

    nodeTypes = QtCore.Property("QStringList", _get_types, _set_types)  # noqa: N815

    def setMRMLScene(self, scene: slicer.vtkMRMLScene) -> None:  # noqa: N802
        """Show the nodes of ``scene`` and follow its changes."""
        if self.addEnabled or self.removeEnabled or self.renameEnabled or self.editEnabled:
            raise NotInHostError(
                f"{self.objectName()}: the host's node selector can't add, remove or rename."
            )
        if self._scene is not None:
            raise NotInHostError(f"{self.objectName()}: the host's node selector gets its scene once.")
        self._scene = scene
        events = (scene.NodeAddedEvent, scene.NodeRemovedEvent, scene.EndCloseEvent, scene.EndImportEvent)
        tags = [scene.AddObserver(event, lambda *_: self._refresh()) for event in events]
        self.destroyed.connect(lambda: [scene.RemoveObserver(tag) for tag in tags])
        self._refresh()

    def currentNode(self) -> slicer.vtkMRMLNode | None:  # noqa: N802
        """Return the node shown, or None."""
        return self._current

    def setCurrentNode(self, node: slicer.vtkMRMLNode | None) -> None:  # noqa: N802
        """Show ``node``; one that isn't of the listed classes counts as None, as in Slicer."""
        self._select(node if node is not None and node in self._nodes() else None)

    def _nodes(self) -> list[slicer.vtkMRMLNode]:
        if self._scene is None:
            return []
        found = [node for name in self._types for node in slicer.util.getNodesByClass(name, self._scene)]
        if not self.showChildNodeTypes:
            found = [node for node in found if node.GetClassName() in self._types]
        return [node for node in found if not node.GetHideFromEditors()]

    def _refresh(self) -> None:
        nodes = self._nodes()
        keep = self._current if self._current in nodes else None
        if keep is None and nodes and not self.noneEnabled:
            keep = nodes[0]
        self._select(keep)

    def _select(self, node: slicer.vtkMRMLNode | None) -> None:
        nodes = self._nodes()
        rows = ([None] if self.noneEnabled or not nodes else []) + nodes
        self.clear()
        self.addItems([self.noneDisplay if row is None else row.GetName() for row in rows])
        self.setCurrentIndex(rows.index(node) if node in rows else -1)
        if node is not self._current:
            self._current = node
            self.currentNodeChanged.emit(node)

    def _user_chose(self, index: int) -> None:
        nodes = self._nodes()
        rows = ([None] if self.noneEnabled or not nodes else []) + nodes
        self._select(rows[index])


class ctkCollapsibleButton(QtWidgets.QGroupBox):  # noqa: N801
    """A titled box; the host shows it open or shut and doesn't let it be clicked."""

    def _get_collapsed(self) -> bool:
        return bool(self.property("shut"))

    def _set_collapsed(self, collapsed: bool) -> None:
        self.setProperty("shut", collapsed)
        self.setMaximumHeight(24 if collapsed else 16777215)

    text = QtCore.Property("QString", QtWidgets.QGroupBox.title, QtWidgets.QGroupBox.setTitle)
    collapsed = QtCore.Property("bool", _get_collapsed, _set_collapsed)


class ctkSliderWidget(QtWidgets.QWidget):  # noqa: N801
    """A slider with a spin box beside it, over floating-point values."""

    valueChanged = QtCore.Signal(float)  # noqa: N815

    def __init__(self, parent: QtWidgets.QWidget | None = None) -> None:
        super().__init__(parent)
        self.slider = QtWidgets.QSlider(QtCore.Qt.Orientation.Horizontal)
        self.slider.setRange(0, 1000)
        self.box = QtWidgets.QDoubleSpinBox()
        row = QtWidgets.QHBoxLayout(self)
        row.setContentsMargins(0, 0, 0, 0)
        row.addWidget(self.slider)
        row.addWidget(self.box)
        self.slider.sliderMoved.connect(lambda step: self.box.setValue(self._of_step(step)))
        self.box.valueChanged.connect(self._changed)

    def _of_step(self, step: int) -> float:
        return self.box.minimum() + (self.box.maximum() - self.box.minimum()) * step / 1000

    def _changed(self, value: float) -> None:
        width = self.box.maximum() - self.box.minimum()
        self.slider.setValue(round(1000 * (value - self.box.minimum()) / width) if width else 0)
        self.valueChanged.emit(value)

    value = QtCore.Property("double", lambda s: s.box.value(), lambda s, v: s.box.setValue(v))
    minimum = QtCore.Property("double", lambda s: s.box.minimum(), lambda s, v: s.box.setMinimum(v))
    maximum = QtCore.Property("double", lambda s: s.box.maximum(), lambda s, v: s.box.setMaximum(v))
    decimals = QtCore.Property("int", lambda s: s.box.decimals(), lambda s, v: s.box.setDecimals(v))
    singleStep = QtCore.Property("double", lambda s: s.box.singleStep(), lambda s, v: s.box.setSingleStep(v))  # noqa: N815
    suffix = QtCore.Property("QString", lambda s: s.box.suffix(), lambda s, v: s.box.setSuffix(v))


CUSTOM = {
    kind.__name__: kind for kind in (qMRMLWidget, qMRMLNodeComboBox, ctkCollapsibleButton, ctkSliderWidget)
}


class UiLoader(QtUiTools.QUiLoader):
    """Reads ``.ui`` files; an unknown custom widget is an error, as its panel couldn't be tested."""

    def createWidget(  # noqa: N802
        self, class_name: str, parent: QtWidgets.QWidget | None = None, name: str = ""
    ) -> QtWidgets.QWidget:
        """Make the widget that a ``.ui`` file names."""
        if class_name in CUSTOM:
            widget = CUSTOM[class_name](parent)
            widget.setObjectName(name)
            return widget
        if class_name not in self.availableWidgets():
            raise NotInHostError(f"The host has no widget class {class_name}.")
        return super().createWidget(class_name, parent, name)
