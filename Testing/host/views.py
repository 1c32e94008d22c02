"""``slicer.app.layoutManager()``: Slicer's slice and 3-D views, rendered off screen by slicer-core.

The layout node, the view nodes, the logics, the displayable managers and the interactor styles are Slicer's
own; only the Qt widgets round them are ours.
"""

from __future__ import annotations

import weakref
from collections.abc import Callable

import slicer
import vtk
from PySide6 import QtCore, QtGui, QtWidgets
from vtk.util.numpy_support import vtk_to_numpy

BOTH = (
    "vtkMRMLOrientationMarkerDisplayableManager",
    "vtkMRMLRulerDisplayableManager",
    "vtkMRMLMarkupsDisplayableManager",
    "vtkMRMLColorLegendDisplayableManager",
)
SLICE_MANAGERS = (
    "vtkMRMLModelSliceDisplayableManager",
    "vtkMRMLCrosshairDisplayableManager",
    "vtkMRMLScalarBarDisplayableManager",
    "vtkMRMLSegmentationsDisplayableManager2D",
    *BOTH,
)
THREE_D_MANAGERS = (
    "vtkMRMLCameraDisplayableManager",
    "vtkMRMLViewDisplayableManager",
    "vtkMRMLModelDisplayableManager",
    "vtkMRMLThreeDReformatDisplayableManager",
    "vtkMRMLCrosshairDisplayableManager3D",
    "vtkMRMLSegmentationsDisplayableManager3D",
    "vtkMRMLVolumeRenderingDisplayableManager",
    *BOTH,
)
BUTTONS = {
    QtCore.Qt.MouseButton.LeftButton: "LeftButton",
    QtCore.Qt.MouseButton.MiddleButton: "MiddleButton",
    QtCore.Qt.MouseButton.RightButton: "RightButton",
}


class RenderedView(QtWidgets.QWidget):
    """A VTK render window, drawn off screen and painted into a widget that passes mouse and keys on to it."""

    def __init__(self, factory: object, observer: vtk.vtkInteractorObserver) -> None:
        super().__init__()
        self.setMinimumSize(50, 50)
        self.resize(400, 400)
        self.setMouseTracking(True)
        self.setFocusPolicy(QtCore.Qt.FocusPolicy.StrongFocus)
        self._window = vtk.vtkRenderWindow()
        self._window.SetOffScreenRendering(1)
        self._window.SetMultiSamples(0)
        self._renderer = vtk.vtkRenderer()
        self._window.AddRenderer(self._renderer)
        self._interactor = vtk.vtkGenericRenderWindowInteractor()
        self._interactor.SetRenderWindow(self._window)
        self._interactor.SetInteractorStyle(vtk.vtkInteractorStyleUser())
        self._annotation = vtk.vtkCornerAnnotation()
        self._renderer.AddViewProp(self._annotation)
        self._group = factory.InstantiateDisplayableManagers(self._renderer)
        self._observer = observer
        observer.SetDisplayableManagers(self._group)
        observer.SetInteractor(self._interactor)
        this = weakref.ref(self)
        self._group.AddObserver(vtk.vtkCommand.UpdateEvent, lambda *_: this() and this().scheduleRender())

    def renderWindow(self) -> vtk.vtkRenderWindow:  # noqa: N802
        """Return VTK's window."""
        return self._window

    def interactor(self) -> vtk.vtkRenderWindowInteractor:
        """Return VTK's interactor."""
        return self._interactor

    def interactorStyle(self) -> vtk.vtkInteractorObserver:  # noqa: N802
        """Return what ``slicer.util.clickAndDrag`` asks for its interactor."""
        return self._interactor.GetInteractorStyle()

    def cornerAnnotation(self) -> vtk.vtkCornerAnnotation:  # noqa: N802
        """Return the texts in the view's corners."""
        return self._annotation

    def displayableManagerByClassName(self, name: str) -> vtk.vtkObject:  # noqa: N802
        """Return one of the view's displayable managers."""
        return self._group.GetDisplayableManagerByClassName(name)

    def setBackgroundColor(self, colour: QtGui.QColor) -> None:  # noqa: N802
        """Set the colour where nothing is drawn."""
        self._renderer.SetBackground(colour.redF(), colour.greenF(), colour.blueF())

    def scheduleRender(self) -> None:  # noqa: N802
        """Render when Qt next paints."""
        self.update()

    def forceRender(self) -> None:  # noqa: N802
        """Render now."""
        self._before_render()
        self._window.SetSize(self.width(), self.height())
        self._window.Render()

    def _before_render(self) -> None:
        """Bring what is drawn up to date; overridden."""

    def picture(self) -> QtGui.QImage:
        """Render and return the picture."""
        self.forceRender()
        reader = vtk.vtkWindowToImageFilter()
        reader.SetInput(self._window)
        reader.ReadFrontBufferOff()
        reader.Update()
        image = reader.GetOutput()
        width, height, _ = image.GetDimensions()
        rows = vtk_to_numpy(image.GetPointData().GetScalars()).reshape(height, width, 3)[::-1]
        return QtGui.QImage(
            rows.tobytes(), width, height, 3 * width, QtGui.QImage.Format.Format_RGB888
        ).copy()

    def paintEvent(self, event: QtGui.QPaintEvent) -> None:  # noqa: N802
        """Show the picture."""
        painter = QtGui.QPainter(self)
        painter.drawImage(0, 0, self.picture())
        painter.end()

    def _tell(self, event: QtGui.QSinglePointEvent, name: str) -> None:
        modifiers = event.modifiers()
        self._interactor.SetEventInformation(
            round(event.position().x()),
            self.height() - 1 - round(event.position().y()),
            int(bool(modifiers & QtCore.Qt.KeyboardModifier.ControlModifier)),
            int(bool(modifiers & QtCore.Qt.KeyboardModifier.ShiftModifier)),
        )
        getattr(self._interactor, name)()

    def mousePressEvent(self, event: QtGui.QMouseEvent) -> None:  # noqa: N802
        """Pass a press on to VTK."""
        self._tell(event, f"{BUTTONS[event.button()]}PressEvent")

    def mouseReleaseEvent(self, event: QtGui.QMouseEvent) -> None:  # noqa: N802
        """Pass a release on to VTK."""
        self._tell(event, f"{BUTTONS[event.button()]}ReleaseEvent")

    def mouseMoveEvent(self, event: QtGui.QMouseEvent) -> None:  # noqa: N802
        """Pass a move on to VTK."""
        self._tell(event, "MouseMoveEvent")

    def wheelEvent(self, event: QtGui.QWheelEvent) -> None:  # noqa: N802
        """Pass a turn of the wheel on to VTK."""
        direction = "Forward" if event.angleDelta().y() > 0 else "Backward"
        self._tell(event, f"MouseWheel{direction}Event")

    def enterEvent(self, event: QtGui.QEnterEvent) -> None:  # noqa: N802
        """Pass the pointer's entry on to VTK."""
        self._interactor.EnterEvent()

    def leaveEvent(self, event: QtCore.QEvent) -> None:  # noqa: N802
        """Pass the pointer's leaving on to VTK."""
        self._interactor.LeaveEvent()


class SliceView(RenderedView):
    """The picture of a slice: its volumes, blended by the slice logic, and what the managers draw on it."""

    def __init__(self, logic: slicer.vtkMRMLSliceLogic) -> None:
        observer = slicer.vtkMRMLSliceViewInteractorStyle()
        observer.SetSliceLogic(logic)
        super().__init__(slicer.vtkMRMLSliceViewDisplayableManagerFactory.GetInstance(), observer)
        self._logic = logic
        self._mapper = vtk.vtkImageMapper()
        self._mapper.SetColorWindow(255)
        self._mapper.SetColorLevel(127.5)
        self._actor = vtk.vtkActor2D()
        self._actor.SetMapper(self._mapper)
        # Annotations are drawn over the image.
        self._actor.GetProperty().SetDisplayLocationToBackground()
        self._renderer.AddViewProp(self._actor)
        self._group.SetMRMLDisplayableNode(logic.GetSliceNode())
        logic.ResizeSliceNode(self.width(), self.height())
        this = weakref.ref(self)
        logic.AddObserver(vtk.vtkCommand.ModifiedEvent, lambda *_: this() and this().scheduleRender())

    def mrmlSliceNode(self) -> slicer.vtkMRMLSliceNode:  # noqa: N802
        """Return the node that says where the slice lies."""
        return self._logic.GetSliceNode()

    def resizeEvent(self, event: QtGui.QResizeEvent) -> None:  # noqa: N802
        """Show more or less of the slice at the same scale, as Slicer does."""
        self._logic.ResizeSliceNode(self.width(), self.height())

    def _before_render(self) -> None:
        connection = self._logic.GetImageDataConnection()
        self._actor.SetVisibility(connection is not None)
        self._mapper.SetInputConnection(connection)


class ThreeDView(RenderedView):
    """The 3-D picture of a view node."""

    def __init__(self, node: slicer.vtkMRMLViewNode) -> None:
        super().__init__(
            slicer.vtkMRMLThreeDViewDisplayableManagerFactory.GetInstance(),
            slicer.vtkMRMLThreeDViewInteractorStyle(),
        )
        self._node = node
        self._group.SetMRMLDisplayableNode(node)

    def mrmlViewNode(self) -> slicer.vtkMRMLViewNode:  # noqa: N802
        """Return the view node."""
        return self._node

    def cameraNode(self) -> slicer.vtkMRMLCameraNode:  # noqa: N802
        """Return the camera that the view looks through."""
        return self.displayableManagerByClassName("vtkMRMLCameraDisplayableManager").GetCameraNode()

    def renderer(self) -> vtk.vtkRenderer:
        """Return VTK's renderer."""
        return self._renderer

    def resetFocalPoint(self) -> None:  # noqa: N802
        """Turn the camera to the middle of what is shown."""
        self.forceRender()
        bounds = self._renderer.ComputeVisiblePropBounds()
        if vtk.vtkMath.AreBoundsInitialized(bounds):
            middle = [(bounds[2 * axis] + bounds[2 * axis + 1]) / 2 for axis in range(3)]
            self._renderer.GetActiveCamera().SetFocalPoint(middle)

    def resetCamera(self) -> None:  # noqa: N802
        """Move the camera until everything is seen."""
        self._renderer.ResetCamera()
        self._renderer.ResetCameraClippingRange()


class ViewWidget(QtWidgets.QWidget):
    """What the layout holds: a view, made when it is first asked for; Slicer's controller bar is left out."""

    def __init__(self, make: Callable[[], RenderedView]) -> None:
        super().__init__()
        self._make = make
        self._view: RenderedView | None = None
        box = QtWidgets.QVBoxLayout(self)
        box.setContentsMargins(0, 0, 0, 0)

    def view(self) -> RenderedView:
        """Return the view."""
        if self._view is None:
            self._view = self._make()
            self.layout().addWidget(self._view)
        return self._view

    def interactorStyle(self) -> vtk.vtkInteractorObserver:  # noqa: N802
        """Return what ``slicer.util.clickAndDrag`` asks for its interactor."""
        return self.view().interactorStyle()

    def showEvent(self, event: QtGui.QShowEvent) -> None:  # noqa: N802
        """Make the view for being seen."""
        self.view()


class SliceWidget(ViewWidget):
    """``layoutManager().sliceWidget(name)``."""

    def __init__(self, node: slicer.vtkMRMLSliceNode, application_logic: object) -> None:
        self._logic = slicer.vtkMRMLSliceLogic()
        self._logic.SetMRMLApplicationLogic(application_logic)
        self._logic.SetMRMLScene(node.GetScene())
        self._logic.SetSliceNode(node)
        super().__init__(lambda logic=self._logic: SliceView(logic))

    def sliceView(self) -> SliceView:  # noqa: N802
        """Return the view."""
        return self.view()

    def sliceLogic(self) -> slicer.vtkMRMLSliceLogic:  # noqa: N802
        """Return the logic that blends the volumes."""
        return self._logic

    def mrmlSliceNode(self) -> slicer.vtkMRMLSliceNode:  # noqa: N802
        """Return the node that says where the slice lies."""
        return self._logic.GetSliceNode()

    mrmlViewNode = mrmlSliceNode  # noqa: N815

    def mrmlSliceCompositeNode(self) -> slicer.vtkMRMLSliceCompositeNode:  # noqa: N802
        """Return the node that says which volumes are shown."""
        return self._logic.GetSliceCompositeNode()

    def fitSliceToBackground(self) -> None:  # noqa: N802
        """Show the whole background volume."""
        self._logic.FitSliceToBackground()


class ThreeDWidget(ViewWidget):
    """``layoutManager().threeDWidget(index)``."""

    def __init__(self, node: slicer.vtkMRMLViewNode) -> None:
        self._node = node
        super().__init__(lambda: ThreeDView(node))

    def threeDView(self) -> ThreeDView:  # noqa: N802
        """Return the view."""
        return self.view()

    def mrmlViewNode(self) -> slicer.vtkMRMLViewNode:  # noqa: N802
        """Return the view node."""
        return self._node
