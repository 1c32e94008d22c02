"""The word SYNTHETIC in every view that shows a generated node: part of the picture, so in screenshots too.

Each view's window is asked before it draws: whatever changed what is shown (a layer, an opacity, a scene that
was opened) makes the view draw again, so the words can't be left behind. Nothing is added to the scene.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import slicer
import vtk
from claimslicer.figures.palette import SYNTHETIC, rgb
from slicer.i18n import tr as _

from ClaimSlicerLib.synthetic import is_synthetic

TOP = 0.985
"""Where the words hang, as a share of the view's height; Slicer's own annotations stand in the corners."""
FONT_SIZES = (9, 18)
"""Smallest and largest; between them the words take about two thirds of the view's width."""

_marks: dict[str, Mark] = {}


def install() -> None:
    """Mark every view, those of later layouts too; called once the application has started."""
    manager = slicer.app.layoutManager()
    if manager is None:  # Slicer without a main window has no views
        return
    if not _marks:
        manager.layoutChanged.connect(lambda *_args: _mark_views())
    _mark_views()


def _mark_views() -> None:
    for name, window, shows in _views():
        if name not in _marks or not _marks[name].belongs_to(window):
            _marks[name] = Mark(window, shows)


def _views() -> Iterator[tuple[str, vtk.vtkRenderWindow, Callable[[], bool]]]:
    """Give each view's name, window, and the question whether it shows anything synthetic."""
    manager = slicer.app.layoutManager()
    for name in manager.sliceViewNames():
        widget = manager.sliceWidget(name)
        if widget is not None:
            key = widget.mrmlSliceNode().GetID()
            yield key, widget.sliceView().renderWindow(), lambda key=key: _ask(slice_shows_synthetic, key)
    for index in range(manager.threeDViewCount):
        widget = manager.threeDWidget(index)
        if widget is not None:
            key = widget.mrmlViewNode().GetID()
            yield key, widget.threeDView().renderWindow(), lambda key=key: _ask(view_shows_synthetic, key)


def _ask(question: Callable[[slicer.vtkMRMLAbstractViewNode], bool], node_id: str) -> bool:
    node = slicer.mrmlScene.GetNodeByID(node_id)
    return node is not None and question(node)


class Mark:
    """The words in one view's window."""

    def __init__(self, window: vtk.vtkRenderWindow, shows: Callable[[], bool]) -> None:
        self.actor = _words()
        self._shows = shows
        # The window belongs to its view: held here, it would outlive it.
        self._window = vtk.vtkWeakReference()
        self._window.Set(window)
        window.AddObserver(vtk.vtkCommand.StartEvent, self._before_drawing)

    def belongs_to(self, window: vtk.vtkRenderWindow) -> bool:
        """Say whether the words are drawn in ``window``."""
        return self._window.Get() is window

    def _before_drawing(self, window: vtk.vtkRenderWindow, _event: str) -> None:
        self.actor.SetVisibility(self._shows())
        # A light-box view changes its renderers.
        renderer = window.GetRenderers().GetFirstRenderer()
        if renderer is not None and not renderer.HasViewProp(self.actor):
            renderer.AddViewProp(self.actor)
        smallest, largest = FONT_SIZES
        size = min(max(window.GetSize()[0] // 24, smallest), largest)
        self.actor.GetTextProperty().SetFontSize(size)


def _words() -> vtk.vtkTextActor:
    actor = vtk.vtkTextActor()
    actor.SetInput(" " + _("SYNTHETIC – not a patient's image") + " ")
    actor.PickableOff()
    actor.SetLayerNumber(7)
    place = actor.GetPositionCoordinate()
    place.SetCoordinateSystemToNormalizedViewport()
    place.SetValue(0.5, TOP)
    style = actor.GetTextProperty()
    style.SetJustificationToCentered()
    style.SetVerticalJustificationToTop()
    style.SetFontFamilyToArial()
    style.BoldOn()
    style.SetColor(1.0, 1.0, 1.0)
    style.SetBackgroundColor(*rgb(SYNTHETIC))
    style.SetBackgroundOpacity(0.85)
    return actor


def slice_shows_synthetic(slice_node: slicer.vtkMRMLSliceNode) -> bool:
    """Say whether a slice view shows a synthetic volume, or a synthetic segmentation, model or markup."""
    return _layers_show_synthetic(slice_node) or any(
        _visible(node, slice_node, lambda display: display.GetVisibility2D())
        for node in _displayables()
        if not node.IsA("vtkMRMLVolumeNode")
    )


def view_shows_synthetic(view_node: slicer.vtkMRMLViewNode) -> bool:
    """Say whether a 3-D view shows a synthetic node, be it in a slice or by volume rendering."""
    return any(_visible(node, view_node, _in_3d) for node in _displayables()) or any(
        node.GetSliceVisible()
        and node.IsDisplayableInThreeDView(view_node.GetID())
        and _layers_show_synthetic(node)
        for node in slicer.util.getNodesByClass("vtkMRMLSliceNode")
    )


def _layers_show_synthetic(slice_node: slicer.vtkMRMLSliceNode) -> bool:
    layers = slicer.vtkMRMLSliceLogic.GetSliceCompositeNode(slice_node)
    if layers is None:
        return False
    shown = [
        layers.GetNthLayerVolume(index)
        for index in range(layers.LayerLabel + 1 + layers.GetNumberOfAdditionalLayers())
        if layers.GetNthLayerOpacity(index) > 0
    ]
    return any(volume is not None and is_synthetic(volume) for volume in shown)


def _displayables() -> list[slicer.vtkMRMLDisplayableNode]:
    """Return the synthetic nodes that can be seen; view nodes and the slices' own models are none."""
    nodes = slicer.util.getNodesByClass("vtkMRMLDisplayableNode")
    return [node for node in nodes if is_synthetic(node)]


def _in_3d(display: slicer.vtkMRMLDisplayNode) -> bool:
    if display.IsA("vtkMRMLVolumeDisplayNode"):
        return False  # that one is for slices; volume rendering has a display node of its own
    return bool(display.GetVisibility3D())


def _visible(
    node: slicer.vtkMRMLDisplayableNode,
    view: slicer.vtkMRMLAbstractViewNode,
    in_such_views: Callable[[slicer.vtkMRMLDisplayNode], bool],
) -> bool:
    displays = [node.GetNthDisplayNode(index) for index in range(node.GetNumberOfDisplayNodes())]
    return any(
        display is not None
        and display.GetVisibility()
        and in_such_views(display)
        and display.IsDisplayableInView(view.GetID())
        for display in displays
    )
