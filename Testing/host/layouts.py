"""The layout manager: it makes a widget for each view node and arranges them as the layout node says."""

from __future__ import annotations

import weakref
from xml.etree import ElementTree

import slicer
import vtk
from PySide6 import QtCore, QtWidgets

from host import NotInHostError
from host.views import SLICE_MANAGERS, THREE_D_MANAGERS, SliceWidget, ThreeDWidget, ViewWidget


class LayoutManager(QtCore.QObject):
    """``slicer.app.layoutManager()``."""

    layoutChanged = QtCore.Signal(int)  # noqa: N815

    def __init__(self, scene: slicer.vtkMRMLScene, application_logic: object) -> None:
        super().__init__()
        self._application_logic = application_logic
        self._slices: dict[str, SliceWidget] = {}
        self._three_d: dict[str, ThreeDWidget] = {}
        self._slice_logics = vtk.vtkCollection()
        application_logic.SetSliceLogics(self._slice_logics)
        self._viewport = QtWidgets.QWidget()
        QtWidgets.QVBoxLayout(self._viewport).setContentsMargins(0, 0, 0, 0)
        for factory, names in (
            (slicer.vtkMRMLSliceViewDisplayableManagerFactory, SLICE_MANAGERS),
            (slicer.vtkMRMLThreeDViewDisplayableManagerFactory, THREE_D_MANAGERS),
        ):
            factory.GetInstance().SetMRMLApplicationLogic(application_logic)
            for name in names:
                factory.GetInstance().RegisterDisplayableManager(name)
        this = weakref.ref(self)

        @vtk.calldata_type(vtk.VTK_OBJECT)
        def added(_scene: object, _event: str, node: slicer.vtkMRMLNode) -> None:
            if this() and node.IsA("vtkMRMLAbstractViewNode"):
                this()._make(node)

        @vtk.calldata_type(vtk.VTK_OBJECT)
        def removed(_scene: object, _event: str, node: slicer.vtkMRMLNode) -> None:
            if this() and node.IsA("vtkMRMLAbstractViewNode"):
                this()._drop(node)

        scene.AddObserver(scene.NodeAddedEvent, added)
        scene.AddObserver(scene.NodeRemovedEvent, removed)
        self._logic = slicer.vtkMRMLLayoutLogic()
        self._logic.SetMRMLScene(scene)
        node = self._logic.GetLayoutNode()
        node.AddObserver(vtk.vtkCommand.ModifiedEvent, lambda *_: this() and this()._on_layout())
        self._shown = -1
        node.SetViewArrangement(node.SlicerLayoutFourUpView)
        self._on_layout()

    def _make(self, node: slicer.vtkMRMLAbstractViewNode) -> None:
        name = node.GetLayoutName()
        if node.IsA("vtkMRMLSliceNode") and name not in self._slices:
            self._slices[name] = SliceWidget(node, self._application_logic)
            self._slice_logics.AddItem(self._slices[name].sliceLogic())
        elif node.IsA("vtkMRMLViewNode") and name not in self._three_d:
            self._three_d[name] = ThreeDWidget(node)

    def _drop(self, node: slicer.vtkMRMLAbstractViewNode) -> None:
        name = node.GetLayoutName()
        widget = self._slices.get(name) or self._three_d.get(name)
        if widget is None:
            return
        raise NotInHostError(f"The host keeps its views; {node.GetID()} was removed from the scene.")

    def _on_layout(self) -> None:
        node = self._logic.GetLayoutNode()
        if node.GetViewArrangement() == self._shown:
            return
        self._shown = node.GetViewArrangement()
        self._arrange()
        self.layoutChanged.emit(self._shown)

    def _arrange(self) -> None:
        """Put the widgets of the current layout into the viewport."""
        for widget in (*self._slices.values(), *self._three_d.values()):
            widget.setParent(None)
            widget.mrmlViewNode().SetMappedInLayout(False)
        box = self._viewport.layout()
        while box.count():
            box.takeAt(0).widget().deleteLater()
        description = self._logic.GetLayoutNode().GetCurrentLayoutDescription()
        if description:
            box.addWidget(self._built(ElementTree.fromstring(description)))

    def _built(self, element: ElementTree.Element) -> QtWidgets.QWidget:
        """Return the widget of a ``layout`` or ``view`` element."""
        if element.tag == "view":
            return self._widget(element.get("class"), element.get("singletontag"))
        children = [self._built(child) for item in element.findall("item") for child in item]
        if element.get("type") == "tab":
            tabs = QtWidgets.QTabWidget()
            for child in children:
                tabs.addTab(child, "")
            return tabs
        if element.get("type") not in ("vertical", "horizontal", None):
            raise NotInHostError(f"The host has no layout of type {element.get('type')}.")
        upright = element.get("type") != "horizontal"
        if element.get("split") == "true":
            return self._splitter(element, children, upright)
        result = QtWidgets.QWidget()
        box = QtWidgets.QVBoxLayout(result) if upright else QtWidgets.QHBoxLayout(result)
        box.setContentsMargins(0, 0, 0, 0)
        box.setSpacing(1)
        for child in children:
            box.addWidget(child)
            child.show()
        return result

    def _splitter(self, element: ElementTree.Element, children: list, upright: bool) -> QtWidgets.QSplitter:
        """Return the children with handles between them, as large as the items say."""
        way = QtCore.Qt.Orientation.Vertical if upright else QtCore.Qt.Orientation.Horizontal
        result = QtWidgets.QSplitter(way)
        for child in children:
            result.addWidget(child)
            child.show()
        result.setSizes([int(item.get("splitSize", "500")) for item in element.findall("item")])
        return result

    def _widget(self, node_class: str, name: str) -> ViewWidget:
        widgets = {"vtkMRMLSliceNode": self._slices, "vtkMRMLViewNode": self._three_d}
        if node_class not in widgets:
            raise NotInHostError(f"The host has no view for {node_class}.")
        widgets[node_class][name].mrmlViewNode().SetMappedInLayout(True)
        return widgets[node_class][name]

    @property
    def layout(self) -> int:
        """The number of the layout shown."""
        return self._logic.GetLayoutNode().GetViewArrangement()

    def setLayout(self, layout: int) -> None:  # noqa: N802
        """Show a layout by its number; one without a description changes nothing, as in Slicer."""
        if self._logic.GetLayoutNode().IsLayoutDescription(layout):
            self._logic.GetLayoutNode().SetViewArrangement(layout)

    def layoutLogic(self) -> slicer.vtkMRMLLayoutLogic:  # noqa: N802
        """Return the logic, whose node takes further layout descriptions."""
        return self._logic

    def viewport(self) -> QtWidgets.QWidget:
        """Return the widget that holds the views."""
        return self._viewport

    def sliceViewNames(self) -> tuple[str, ...]:  # noqa: N802
        """Return the names of all slice views, shown or not."""
        return tuple(self._slices)

    def sliceWidget(self, name: str) -> SliceWidget | None:  # noqa: N802
        """Return a slice view by name."""
        return self._slices.get(name)

    def mrmlSliceLogics(self) -> vtk.vtkCollection:  # noqa: N802
        """Return the logics of all slice views."""
        return self._slice_logics

    @property
    def threeDViewCount(self) -> int:  # noqa: N802
        """The number of 3-D views."""
        return len(self._three_d)

    def threeDWidget(self, which: int | str) -> ThreeDWidget | None:  # noqa: N802
        """Return a 3-D view by index or name."""
        if isinstance(which, str):
            return self._three_d.get(which)
        return list(self._three_d.values())[which] if 0 <= which < len(self._three_d) else None

    @property
    def tableViewCount(self) -> int:  # noqa: N802
        """The number of table views: the host has none."""
        return 0

    @property
    def plotViewCount(self) -> int:  # noqa: N802
        """The number of plot views: the host has none."""
        return 0

    def resetThreeDViews(self) -> None:  # noqa: N802
        """Let every 3-D view show everything."""
        for widget in self._three_d.values():
            widget.threeDView().resetFocalPoint()
            widget.threeDView().resetCamera()

    def resetSliceViews(self) -> None:  # noqa: N802
        """Let every slice view show its whole background volume."""
        for widget in self._slices.values():
            widget.fitSliceToBackground()
