"""Volumes side by side in linked views of our own, so that the user's views stay as they are.

The right-hand view of a comparison holds the first volume under the second: its opacity fades from one to the
other. Leaving brings the user's layout back.
"""

from __future__ import annotations

from collections.abc import Iterator
from xml.etree import ElementTree

import numpy as np
import qt
import slicer
from claimslicer.errors import StudyError
from claimslicer.figures.difference import Focus
from claimslicer.figures.palette import SYNTHETIC as SYNTHETIC_COLOUR
from slicer.i18n import tr as _

from ClaimSlicerLib import band
from ClaimSlicerLib.difference import add_bar, difference_of
from ClaimSlicerLib.labelled import LabelledEnum
from ClaimSlicerLib.overlays import bring_back, show_none_but, show_only
from ClaimSlicerLib.planes import lay, slice_planes
from ClaimSlicerLib.settling import Settling

ORIGINAL, SYNTHETIC, DIFFERENCE = "ClaimOriginal", "ClaimSynthetic", "ClaimDifference"
"""Names of the views."""
VIEW_STYLES = {ORIGINAL: ("O", "#7F8C8D"), SYNTHETIC: ("S", SYNTHETIC_COLOUR), DIFFERENCE: ("D", "#B35806")}
"""The letter in each view's bar, and the bar's colour."""
VIEW_GROUP = 17
"""Our views are linked with one another and with no others."""
FORMER_LAYOUT = "ClaimSlicer.FormerLayout"
"""Attribute of the layout node: the number of the layout that the user had."""
HEART_LAYOUT = 17004
"""The short axis in one large view, beside it the heart in 3-D and a long axis."""
ENLARGED = "ClaimSlicer.Enlarged"
"""Attribute of the layout node: the short axis was given its large view in this scene; once is enough."""
FLICKER_MS = 500


_SETTLING = Settling()


class Arrangement(LabelledEnum):
    """What a comparison shows; the values are our numbers among Slicer's layouts."""

    WITH_DIFFERENCE = 17001, _("Side by side, with difference")
    SIDE_BY_SIDE = 17002, _("Side by side")
    ONE_VIEW = 17003, _("In one view")

    @property
    def views(self) -> tuple[str, ...]:
        """The names of its views, from left to right."""
        return {
            Arrangement.SIDE_BY_SIDE: (ORIGINAL, SYNTHETIC),
            Arrangement.WITH_DIFFERENCE: (ORIGINAL, SYNTHETIC, DIFFERENCE),
            Arrangement.ONE_VIEW: (SYNTHETIC,),
        }[self]


def install() -> None:
    """Make our layouts known; called at start-up, as a scene may be opened that was saved in one of them."""
    if slicer.app.layoutManager() is None:  # Slicer without a main window has no views
        return
    layout = _layout_node()
    known = layout.IsLayoutDescription(Arrangement.ONE_VIEW.value)
    for arrangement in Arrangement:
        layout.AddLayoutDescription(arrangement.value, _description(arrangement))
    layout.AddLayoutDescription(HEART_LAYOUT, _heart_description(layout))
    if not known:
        slicer.app.layoutManager().layoutChanged.connect(_on_layout)


def _on_layout(*_args) -> None:
    """End a comparison also when the user has chosen another layout in Slicer's own menu."""
    if comparing() is None:
        band.show_bands(())
        bring_back()


def _description(arrangement: Arrangement) -> str:
    views = "".join(_view_description(name) for name in arrangement.views)
    # Without a splitter, which would keep the widths that the views had in another layout.
    return f'<layout type="horizontal">{views}</layout>'


def _view_description(name: str) -> str:
    letter, colour = VIEW_STYLES[name]
    properties = {"orientation": "Axial", "viewlabel": letter, "viewcolor": colour, "viewgroup": VIEW_GROUP}
    lines = "".join(
        f'<property name="{key}" action="default">{value}</property>' for key, value in properties.items()
    )
    return f'<item><view class="vtkMRMLSliceNode" singletontag="{name}">{lines}</view></item>'


def _heart_description(layout: slicer.vtkMRMLLayoutNode) -> str:
    """Return Slicer's own red, green and 3-D views, as its four-up layout describes them, in other places."""
    four_up = ElementTree.fromstring(layout.GetLayoutDescription(layout.SlicerLayoutFourUpView))
    views = {view.get("singletontag"): view for view in four_up.iter("view")}
    short, solid, long = (ElementTree.tostring(views[name], "unicode") for name in ("Red", "1", "Green"))
    return (
        f'<layout type="horizontal" split="true"><item splitSize="640">{short}</item><item splitSize="360">'
        f'<layout type="vertical"><item>{solid}</item><item>{long}</item></layout></item></layout>'
    )


def enlarge() -> bool:
    """Give the short axis a large view, once in a scene; say whether the layout has changed.

    Only Slicer's two layouts of equal parts are changed: any other was chosen by the user.
    """
    layout = _layout_node()
    small = (layout.SlicerLayoutFourUpView, layout.SlicerLayoutConventionalView)
    if layout.GetViewArrangement() not in small or layout.GetAttribute(ENLARGED):
        return False
    install()
    layout.SetAttribute(ENLARGED, "1")
    layout.SetViewArrangement(HEART_LAYOUT)
    return True


def user_views() -> list[slicer.vtkMRMLSliceLogic]:
    """Return the slice views of the user's layouts, those in sight first; a comparison's are left out."""
    logics = [
        (view, slicer.app.applicationLogic().GetSliceLogic(view))
        for view in slicer.util.getNodesByClass("vtkMRMLSliceNode")
        if view.GetName() not in VIEW_STYLES
    ]
    known = [(view, logic) for view, logic in logics if logic is not None]
    return [logic for view, logic in sorted(known, key=lambda each: not each[0].IsViewVisibleInLayout())]


def lay_along(volume: slicer.vtkMRMLVolumeNode) -> None:
    """Turn the first view in sight to the slices of ``volume``, the others across them in turn."""
    try:
        along, *across = slice_planes(volume)
    except StudyError:  # under a transform or sheared: as near as Slicer itself comes
        for logic in user_views():
            logic.GetSliceNode().RotateToVolumePlane(volume)
        return
    for index, logic in enumerate(user_views()):
        lay(logic.GetSliceNode(), across[(index - 1) % 2] if index else along)


def _layout_node() -> slicer.vtkMRMLLayoutNode:
    return slicer.app.layoutManager().layoutLogic().GetLayoutNode()


def show_volume(volume: slicer.vtkMRMLScalarVolumeNode) -> None:
    """Show ``volume`` in all slice views of the user's layout, along its own slices, and nothing over it."""
    leave()
    slicer.util.setSliceViewerLayers(background=volume, foreground=None, label=None)
    lay_along(volume)
    slicer.util.resetSliceViews()


def show_study(volume: slicer.vtkMRMLScalarVolumeNode) -> None:
    """Show the volume that was chosen, unless all views in sight do, and of what we made only its own."""
    if slicer.app.layoutManager() is None:
        return
    seen = [logic for logic in user_views() if logic.GetSliceNode().IsViewVisibleInLayout()]
    shown = {logic.GetSliceCompositeNode().GetBackgroundVolumeID() for logic in seen}
    with slicer.util.RenderBlocker():
        if shown != {volume.GetID()}:
            show_volume(volume)
        show_only(volume)


def comparing() -> Arrangement | None:
    """Return what our views show, or None while the user's own layout is up."""
    if slicer.app.layoutManager() is None:
        return None  # Slicer runs without a main window
    number = _layout_node().GetViewArrangement()
    return next((arrangement for arrangement in Arrangement if arrangement.value == number), None)


def compare(
    first: slicer.vtkMRMLScalarVolumeNode,
    second: slicer.vtkMRMLScalarVolumeNode,
    arrangement: Arrangement,
    *,
    heart: np.ndarray | None = None,
) -> float:
    """Show two volumes of one grid in our linked views, turned to their slices and centred on what differs.

    ``heart`` (bool, ``(z, y, x)``) is what the views are centred on instead, in the slice that differs most.
    Returns the end of the difference's range, in grey levels. Raises StudyError for different grids.
    """
    install()
    difference = difference_of(first, second, heart)
    _SETTLING.stop()
    with slicer.util.RenderBlocker():  # one picture at the end instead of one for each step
        _enter(arrangement)
        over = {ORIGINAL: None, SYNTHETIC: second, DIFFERENCE: difference.node}
        for name, logic in _logics():
            _set_layers(logic.GetSliceCompositeNode(), first, over[name])
        add_bar(difference.node)
        look_at(first, difference.focus)
    volume_id = first.GetID()
    shown = [logic.GetSliceNode() for _name, logic in _logics()]
    _SETTLING.watch(shown, lambda: _look_again(volume_id, difference.focus))
    return difference.end


def _enter(arrangement: Arrangement) -> None:
    layout = _layout_node()
    if comparing() is None:
        layout.SetAttribute(FORMER_LAYOUT, str(layout.GetViewArrangement()))
    layout.SetViewArrangement(arrangement.value)
    show_none_but()


def _set_layers(
    layers: slicer.vtkMRMLSliceCompositeNode,
    volume: slicer.vtkMRMLScalarVolumeNode,
    over: slicer.vtkMRMLScalarVolumeNode | None,
) -> None:
    with slicer.util.NodeModify(layers):
        layers.SetLinkedControl(True)
        layers.SetHotLinkedControl(True)
        layers.SetBackgroundVolumeID(volume.GetID())
        layers.SetForegroundVolumeID(over.GetID() if over is not None else None)
        layers.SetForegroundOpacity(1.0)
        layers.SetLabelVolumeID(None)


def _look_again(volume_id: str, focus: Focus | None) -> None:
    volume = slicer.mrmlScene.GetNodeByID(volume_id)
    if volume is not None and comparing() is not None:
        with slicer.util.RenderBlocker():
            look_at(volume, focus)


def look_at(volume: slicer.vtkMRMLScalarVolumeNode, focus: Focus | None) -> None:
    """Turn our views to the slices of ``volume`` and centre them on ``focus``, or show the whole of it."""
    along = slice_planes(volume)[0]
    for _name, logic in _logics():
        node = logic.GetSliceNode()
        lay(node, along)
        logic.FitSliceToBackground()
        if focus is None:
            continue
        left, posterior, superior = focus.centre
        node.JumpSliceByCentering(-left, -posterior, superior)
        width, height, _depth = node.GetDimensions()
        scale = focus.width_mm / max(min(width, height), 1)
        node.SetFieldOfView(scale * width, scale * height, node.GetFieldOfView()[2])


def _logics() -> Iterator[tuple[str, slicer.vtkMRMLSliceLogic]]:
    """Give our views' names and logics; a view has none before it is first shown."""
    for name in VIEW_STYLES:
        logic = slicer.app.applicationLogic().GetSliceLogicByLayoutName(name)
        if logic is not None:
            yield name, logic


def fade(opacity: float) -> None:
    """Show the first volume (0), the second (1), or a mixture, in the view that holds both."""
    for name, logic in _logics():
        if name == SYNTHETIC:
            logic.GetSliceCompositeNode().SetForegroundOpacity(opacity)


def shown_opacity() -> float:
    """Return what :func:`fade` set last; 1 before our views were ever shown."""
    for name, logic in _logics():
        if name == SYNTHETIC:
            return logic.GetSliceCompositeNode().GetForegroundOpacity()
    return 1.0


def leave() -> None:
    """Bring back the user's layout, and the segmentations that were hidden; outlines of bands go."""
    _SETTLING.stop()
    with slicer.util.RenderBlocker():
        band.show_bands(())
        bring_back()
        if comparing() is not None:
            layout = _layout_node()
            former = layout.GetAttribute(FORMER_LAYOUT)
            layout.SetViewArrangement(int(former) if former else layout.SlicerLayoutFourUpView)


def show_segmentations(shown: bool) -> None:
    """Show the segmentations in a comparison after all, or hide them again."""
    if shown:
        bring_back()
    else:
        show_none_but()


def show_painted(*volumes: slicer.vtkMRMLScalarVolumeNode) -> None:
    """While comparing, outline what was painted in those of ``volumes`` that are synthetic, in no others."""
    band.show_bands(volumes if comparing() is not None else ())


class Flicker:
    """Shows the first volume and the second in turn, twice a second, until it is stopped."""

    def __init__(self) -> None:
        self._timer = qt.QTimer()
        self._timer.interval = FLICKER_MS
        self._timer.timeout.connect(self._turn)
        self._before = 1.0

    @property
    def running(self) -> bool:
        """Whether the volumes change places."""
        return self._timer.active

    def start(self) -> None:
        """Begin."""
        if not self.running:
            self._before = shown_opacity()
            self._timer.start()

    def stop(self) -> None:
        """End, and fade to where the user had it."""
        if self.running:
            self._timer.stop()
            fade(self._before)

    def _turn(self) -> None:
        if comparing() is None:
            self.stop()
        else:
            fade(0.0 if shown_opacity() > 0.5 else 1.0)
