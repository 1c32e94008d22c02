"""The word SYNTHETIC in every view that shows a generated node: part of the picture, so in screenshots too.

Each view's window is asked before it draws: whatever changed what is shown (a layer, an opacity, a scene that
was opened) makes the view draw again, so the words can't be left behind. Nothing is added to the scene.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator

import numpy as np
import slicer
import vtk
from claimslicer.figures.palette import SYNTHETIC, rgb
from slicer.i18n import tr as _

from ClaimSlicerLib.mrml import BINARY_LABELMAP
from ClaimSlicerLib.synthetic import is_synthetic

MARGIN_PIXELS = 4
LINE_PIXELS = 20
"""Room for a line of Slicer's own annotations: where they fill the upper corners, ours hangs below them."""
UPPER_CORNERS = (2, 3)
"""Their numbers in vtkCornerAnnotation."""
FONT_SIZES = (9, 18)
"""Smallest and largest; between them the words fit into the view's width."""

SURFACE = slicer.vtkSegmentationConverter.GetSegmentationClosedSurfaceRepresentationName()

_marks: dict[str, Mark] = {}
_BOXES: dict[str, tuple[tuple[int, ...], np.ndarray | None]] = {}


def install() -> None:
    """Mark every view, those of later layouts too; called once the application has started."""
    manager = slicer.app.layoutManager()
    if manager is None:  # Slicer without a main window has no views
        return
    if not _marks:
        manager.layoutChanged.connect(lambda *_args: _mark_views())
    _mark_views()


def _mark_views() -> None:
    for name, window, words in _views():
        if name not in _marks or not _marks[name].belongs_to(window):
            _marks[name] = Mark(window, words)


def _views() -> Iterator[tuple[str, vtk.vtkRenderWindow, Callable[[], str]]]:
    """Give each view's node ID, its window, and the function that says which words belong there."""
    manager = slicer.app.layoutManager()
    for name in manager.sliceViewNames():
        widget = manager.sliceWidget(name)
        if widget is not None:
            key = widget.mrmlSliceNode().GetID()
            yield key, widget.sliceView().renderWindow(), lambda key=key: _ask(words_for_slice, key)
    for index in range(manager.threeDViewCount):
        widget = manager.threeDWidget(index)
        if widget is not None:
            key = widget.mrmlViewNode().GetID()
            yield key, widget.threeDView().renderWindow(), lambda key=key: _ask(words_for_3d, key)


def _ask(words_for: Callable[[slicer.vtkMRMLAbstractViewNode], str], node_id: str) -> str:
    node = slicer.mrmlScene.GetNodeByID(node_id)
    return "" if node is None else words_for(node)


class Mark:
    """The words in one view's window."""

    def __init__(self, window: vtk.vtkRenderWindow, words: Callable[[], str]) -> None:
        self.actor = _actor()
        self._words = words
        # The window belongs to its view: held here, it would outlive it.
        self._window = vtk.vtkWeakReference()
        self._window.Set(window)
        window.AddObserver(vtk.vtkCommand.StartEvent, self._before_drawing)

    def belongs_to(self, window: vtk.vtkRenderWindow) -> bool:
        """Say whether the words are drawn in ``window``."""
        return self._window.Get() is window

    def _before_drawing(self, window: vtk.vtkRenderWindow, _event: str) -> None:
        words = self._words()
        self.actor.SetInput(f" {words} ")
        self.actor.SetVisibility(bool(words))
        # A light-box view changes its renderers.
        renderer = window.GetRenderers().GetFirstRenderer()
        if renderer is not None and not renderer.HasViewProp(self.actor):
            renderer.AddViewProp(self.actor)
        smallest, largest = FONT_SIZES
        size = min(max(window.GetSize()[0] // 30, smallest), largest)
        self.actor.GetTextProperty().SetFontSize(size)
        height = max(window.GetSize()[1], 1)
        down = MARGIN_PIXELS + LINE_PIXELS * _lines_above(renderer)
        self.actor.GetPositionCoordinate().SetValue(0.5, max(1.0 - down / height, 0.5))


def _lines_above(renderer: vtk.vtkRenderer | None) -> int:
    """Return how many lines the fuller of a view's upper corners holds."""
    props = renderer.GetViewProps() if renderer is not None else []
    corners = [prop for prop in props if prop.IsA("vtkCornerAnnotation") and prop.GetVisibility()]
    texts = [corner.GetText(number) or "" for corner in corners for number in UPPER_CORNERS]
    return max((len(text.strip().splitlines()) for text in texts), default=0)


def _actor() -> vtk.vtkTextActor:
    actor = vtk.vtkTextActor()
    actor.PickableOff()
    actor.SetLayerNumber(7)
    place = actor.GetPositionCoordinate()
    place.SetCoordinateSystemToNormalizedViewport()
    style = actor.GetTextProperty()
    style.SetJustificationToCentered()
    style.SetVerticalJustificationToTop()
    style.SetFontFamilyToArial()
    style.BoldOn()
    style.SetColor(1.0, 1.0, 1.0)
    style.SetBackgroundColor(*rgb(SYNTHETIC))
    style.SetBackgroundOpacity(0.85)
    return actor


def words_for_slice(slice_node: slicer.vtkMRMLSliceNode) -> str:
    """Return what a slice view has to say: of its volumes, else of what is drawn over them, else nothing."""
    if _layers_show_synthetic(slice_node):
        return image_words()
    over = any(
        _visible(node, slice_node, lambda display: display.GetVisibility2D()) and _crosses(node, slice_node)
        for node in _displayables()
        if not node.IsA("vtkMRMLVolumeNode")
    )
    return overlay_words() if over else ""


def words_for_3d(view_node: slicer.vtkMRMLViewNode) -> str:
    """Return what a 3-D view has to say: of its slices and rendered volumes, else of its surfaces."""
    slices = slicer.util.getNodesByClass("vtkMRMLSliceNode")
    shown = [node for node in _displayables() if _visible(node, view_node, _in_3d)]
    if any(node.IsA("vtkMRMLVolumeNode") for node in shown) or any(
        node.GetSliceVisible()
        and node.IsDisplayableInThreeDView(view_node.GetID())
        and _layers_show_synthetic(node)
        for node in slices
    ):
        return image_words()
    return overlay_words() if shown else ""


def image_words() -> str:
    """Return what a view says whose image was generated."""
    return _("SYNTHETIC – not a patient's image")


def overlay_words() -> str:
    """Return what a view says that shows something generated over an image which may be a patient's."""
    return _("SYNTHETIC overlay – not a patient's finding")


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


def _crosses(node: slicer.vtkMRMLDisplayableNode, slice_node: slicer.vtkMRMLSliceNode) -> bool:
    """Say whether a slice goes through what a node holds; yes where that isn't known."""
    corners = _labelled_box(node) if node.IsA("vtkMRMLSegmentationNode") else _box(node)
    if corners is None:
        return not node.IsA("vtkMRMLSegmentationNode")
    to_ras = slicer.util.arrayFromVTKMatrix(slice_node.GetSliceToRAS())
    beyond = (corners - to_ras[:3, 3]) @ to_ras[:3, 2]
    return bool(beyond.min() < 0 < beyond.max())


def _box(node: slicer.vtkMRMLDisplayableNode) -> np.ndarray | None:
    """Return the corners of the box round a node in RAS, (8, 3)."""
    bounds = np.zeros(6)
    node.GetRASBounds(bounds)
    if (bounds[1::2] < bounds[::2]).any():
        return None
    # A millimetre round it, as what is flat or a point lies in no slice exactly.
    ends = bounds.reshape(3, 2) + np.array((-1.0, 1.0))
    return np.array(list(itertools.product(*ends)))


def _labelled_box(node: slicer.vtkMRMLSegmentationNode) -> np.ndarray | None:
    """Return the corners of the box round all labelled voxels in RAS, (8, 3); None where there are none.

    It is looked for again when the labels have changed.
    """
    segmentation = node.GetSegmentation()
    keys = segmentation.GetSegmentIDs()
    images = {segmentation.GetSegment(key).GetRepresentation(BINARY_LABELMAP) for key in keys} - {None}
    state = tuple(sorted(image.GetMTime() for image in images))
    known = _BOXES.get(node.GetID())
    if known is None or known[0] != state:
        corners = [part for image in images if (part := _voxel_box(image)) is not None]
        known = _BOXES[node.GetID()] = (state, np.concatenate(corners) if corners else None)
    return known[1]


def _voxel_box(image: slicer.vtkOrientedImageData) -> np.ndarray | None:
    extent = [0, -1, 0, -1, 0, -1]
    if image.IsEmpty() or not slicer.vtkOrientedImageDataResample.CalculateEffectiveExtent(image, extent):
        return None
    to_world = vtk.vtkMatrix4x4()
    image.GetImageToWorldMatrix(to_world)
    ends = np.array(extent, float).reshape(3, 2) + np.array((-0.5, 0.5))
    corners = np.array([(*corner, 1.0) for corner in itertools.product(*ends)])
    return (corners @ slicer.util.arrayFromVTKMatrix(to_world).T)[:, :3]


def _in_3d(display: slicer.vtkMRMLDisplayNode) -> bool:
    """Say whether a display node draws in 3-D; of a volume's only the volume rendering does."""
    node = display.GetDisplayableNode()
    if node.IsA("vtkMRMLVolumeNode"):
        return display.IsA("vtkMRMLVolumeRenderingDisplayNode")
    if node.IsA("vtkMRMLSegmentationNode") and not node.GetSegmentation().ContainsRepresentation(SURFACE):
        return False  # labels are drawn in slices only
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
