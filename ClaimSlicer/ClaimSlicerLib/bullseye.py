"""The bull's-eye as a widget: shows a face, names what the mouse is over, and lets segments be chosen.

It runs in PythonQt on Qt 5 and 6 and in PySide6. The face is painted once into a pixmap; moving the mouse
only paints what is highlighted over it.
"""

from __future__ import annotations

from collections.abc import Collection

import qt
from claimslicer.anatomy.aha import SEGMENTS
from claimslicer.figures.bullseye import GROUPS, hit_test, step
from claimslicer.figures.face import Face, empty_face, full_name
from slicer.i18n import tr as _

from ClaimSlicerLib.bullseye_picture import BullseyeLayout, draw_face, draw_highlight, draw_surroundings

_STEPS = {
    int(qt.Qt.Key_Left): (-1, 0),
    int(qt.Qt.Key_Right): (1, 0),
    int(qt.Qt.Key_Up): (0, 1),
    int(qt.Qt.Key_Down): (0, -1),
}


HEIGHT_OF_WIDTH = 0.95
MOST_HEIGHT = 640
"""Pixels; a very wide panel has other things to show, too."""


class BullseyeWidget(qt.QWidget):
    """Anterior on top, septum and right ventricle on the left, as the AHA draws it.

    ``segmentHovered`` tells the segment under the mouse or the keyboard's, 0 for none; ``selectionChanged`` a
    frozenset, during a drag as well; ``segmentScrolled`` a segment and the notches that the wheel was turned
    with Ctrl held, or that + and - were pressed.
    """

    segmentHovered = qt.Signal(int)  # noqa: N815
    selectionChanged = qt.Signal(object)  # noqa: N815
    segmentScrolled = qt.Signal(int, int)  # noqa: N815

    def __init__(self, parent=None) -> None:
        # PythonQt's QWidget takes no keyword, and None only where it is given.
        qt.QWidget.__init__(self, *(() if parent is None else (parent,)))
        self._selectable = True
        self.face = empty_face()
        self.hovered = 0
        self.hovered_group = ""
        self.current = 0
        self._focused = False
        self._painting_in: bool | None = None
        self._layout: BullseyeLayout | None = None
        self._picture = self._surroundings = None
        self.mouseTracking = True
        self.focusPolicy = qt.Qt.StrongFocus
        self.minimumWidth = 220
        self.least_height = 240
        self.minimumHeight = self.least_height
        self.accessibleName = _("Bull's-eye of the 17 AHA segments")

    @property
    def selectable(self) -> bool:
        """Whether segments can be chosen; without, the widget only shows and names them."""
        return self._selectable

    @selectable.setter
    def selectable(self, selectable: bool) -> None:
        self._selectable = selectable
        self._repaint(anew=True)

    def setFace(self, face: Face) -> None:  # noqa: N802
        """Show ``face``, its selection included; selectionChanged keeps still."""
        if face == self.face:
            return
        around = [(each.title, each.subtitle, each.scale) for each in (face, self.face)]
        self.face = face
        self._picture = None
        self._repaint(anew=around[0] != around[1])

    @property
    def selection(self) -> frozenset[int]:
        """The segments chosen."""
        return self.face.selected

    def select(self, segments: Collection[int]) -> None:
        """Choose ``segments`` as the user does: shown, and told by selectionChanged where it is a change."""
        if frozenset(segments) == self.selection:
            return
        self.setFace(self.face.with_selection(segments))
        self.selectionChanged.emit(self.selection)

    def point_at(self, segment: int) -> None:
        """Highlight a segment as the mouse over it does; segmentHovered keeps still."""
        if segment != self.hovered:
            self.hovered, self.hovered_group = segment, ""
            self._repaint()

    def choosable(self) -> frozenset[int]:
        """The segments that can be chosen: those with a colour, or all while there is nothing to show."""
        return frozenset(self.face.colours or SEGMENTS)

    def position_of(self, segment: int) -> tuple[float, float]:
        """Where a segment's text is centred, in the widget's pixels."""
        return self._places().segment_centre(segment)

    def position_of_group(self, group: str) -> tuple[float, float]:
        """Where the shortcut of a group of segments is centred, in the widget's pixels."""
        return self._places().group_centre(group)

    # Painting

    def paintEvent(self, _event) -> None:  # noqa: N802
        """Draw the face, from its pixmap, and what is highlighted."""
        if self._picture is None:
            self._picture = self._paint_face()
        painter = qt.QPainter(self)
        painter.drawPixmap(0, 0, self._picture)
        painter.setRenderHint(qt.QPainter.Antialiasing, True)
        draw_highlight(
            painter,
            self._places(),
            hovered=self.hovered,
            group=self.hovered_group,
            current=self.current if self._focused else 0,
        )
        painter.end()

    def _paint_face(self):
        if self._surroundings is None:
            ratio = self.devicePixelRatioF()
            self._surroundings = qt.QPixmap(round(self.width * ratio), round(self.height * ratio))
            self._surroundings.setDevicePixelRatio(ratio)
            self._surroundings.fill(qt.QColor(0, 0, 0, 0))
            ink = self.palette.color(qt.QPalette.WindowText)
            self._paint_on(self._surroundings, draw_surroundings, ink, shortcuts=self.selectable)
        picture = qt.QPixmap(self._surroundings)
        self._paint_on(picture, draw_face)
        return picture

    def _paint_on(self, picture, draw, *arguments, **options) -> None:
        painter = qt.QPainter(picture)
        painter.setRenderHint(qt.QPainter.Antialiasing, True)
        draw(painter, self._places(), self.face, *arguments, **options)
        painter.end()

    def _places(self) -> BullseyeLayout:
        if self._layout is None:
            face = self.face
            self._layout = BullseyeLayout(
                self.width, self.height, self.font, with_title=bool(face.title), with_scale=bool(face.scale)
            )
        return self._layout

    def _repaint(self, *, anew: bool = False) -> None:
        if anew:
            self._picture = self._surroundings = self._layout = None
        self.update()

    def resizeEvent(self, _event) -> None:  # noqa: N802
        """Lay out again, and be as high as the width asks for: a layout would cut or keep it small."""
        wanted = min(max(self.least_height, round(HEIGHT_OF_WIDTH * self.width)), MOST_HEIGHT)
        if wanted != self.minimumHeight:
            self.setFixedHeight(wanted)
        self._repaint(anew=True)

    def changeEvent(self, event) -> None:  # noqa: N802
        """Follow a change of font or colours."""
        self._repaint(anew=True)
        qt.QWidget.changeEvent(self, event)

    # Mouse

    def mouseMoveEvent(self, event) -> None:  # noqa: N802
        """Highlight what is under the mouse; with the button down, paint the selection."""
        segment, group = self._under(event)
        self._hover(segment, group)
        if self._painting_in is not None and segment in self.choosable():
            if self._painting_in:
                self.select(self.selection | {segment})
            else:
                self.select(self.selection - {segment})

    def mousePressEvent(self, event) -> None:  # noqa: N802
        """Choose a segment or a group; with Ctrl or Shift add it, or take it away again."""
        if not self.selectable or event.button() != qt.Qt.LeftButton:
            return
        adding = bool(event.modifiers() & qt.Qt.ControlModifier or event.modifiers() & qt.Qt.ShiftModifier)
        segment, group = self._under(event)
        if group:
            self._choose_group(group, adding)
        elif segment in self.choosable():
            self.current = segment
            self._painting_in = not (adding and segment in self.selection)
            if not adding:
                self.select({segment})
            elif self._painting_in:
                self.select(self.selection | {segment})
            else:
                self.select(self.selection - {segment})

    def mouseReleaseEvent(self, _event) -> None:  # noqa: N802
        """End a drag."""
        self._painting_in = None

    def leaveEvent(self, _event) -> None:  # noqa: N802
        """Nothing is under the mouse any more."""
        self._hover(0, "")

    def wheelEvent(self, event) -> None:  # noqa: N802
        """With Ctrl, turn the amount of a segment; without, let the panel scroll."""
        notches = round(event.angleDelta().y() / 120)
        if self.selectable and self.hovered and notches and event.modifiers() & qt.Qt.ControlModifier:
            self.segmentScrolled.emit(self.hovered, notches)
            event.accept()
        else:
            event.ignore()

    def event(self, event) -> bool:
        """Show the tip of the segment under the mouse."""
        if event.type() == qt.QEvent.ToolTip:
            text = self.face.tips.get(self.hovered, "") or self._group_tip()
            if text:
                qt.QToolTip.showText(event.globalPos(), text, self)
            else:
                qt.QToolTip.hideText()
            return True
        return qt.QWidget.event(self, event)

    def _group_tip(self) -> str:
        if not self.hovered_group:
            return ""
        segments = ", ".join(str(k) for k in sorted(self._group_segments(self.hovered_group)))
        return _("{group}: segments {segments}. Ctrl adds them.").format(
            group=self.hovered_group, segments=segments or "–"
        )

    def _under(self, event) -> tuple[int, str]:
        # Qt 6 has position(), Qt 5 localPos().
        point = event.position() if hasattr(event, "position") else event.localPos()
        segment = hit_test(*self._places().to_unit(point.x(), point.y())) or 0
        group = "" if segment or not self.selectable else self._places().group_at(point.x(), point.y())
        return segment, group

    def _hover(self, segment: int, group: str) -> None:
        if (segment, group) == (self.hovered, self.hovered_group):
            return
        changed = segment != self.hovered
        self.hovered, self.hovered_group = segment, group
        qt.QToolTip.hideText()
        self._repaint()
        if changed:
            self.segmentHovered.emit(segment)

    def _group_segments(self, group: str) -> frozenset[int]:
        return {"All": frozenset(SEGMENTS), "None": frozenset()}.get(group, GROUPS.get(group, frozenset()))

    def _choose_group(self, group: str, adding: bool) -> None:
        segments = self._group_segments(group) & self.choosable()
        if not adding or group == "None":
            self.select(segments)
        elif segments <= self.selection:
            self.select(self.selection - segments)
        else:
            self.select(self.selection | segments)

    # Keyboard

    def keyPressEvent(self, event) -> None:  # noqa: N802
        """Arrows go to the neighbour, Space chooses, Ctrl+A chooses all, Escape none, + and - change the
        amount.
        """
        key = int(event.key())
        if key in _STEPS:
            self._go_to(step(self.current, *_STEPS[key]) if self.current else 1)
        elif not self.selectable:
            qt.QWidget.keyPressEvent(self, event)
        elif key in (int(qt.Qt.Key_Space), int(qt.Qt.Key_Return), int(qt.Qt.Key_Enter)):
            if self.current in self.choosable():
                self.select(self.selection ^ {self.current})
        elif key == int(qt.Qt.Key_A) and event.modifiers() & qt.Qt.ControlModifier:
            self.select(self.choosable())
        elif key == int(qt.Qt.Key_Escape) and self.selection:
            self.select(())
        elif key in (int(qt.Qt.Key_Plus), int(qt.Qt.Key_Minus)) and self.current:
            self.segmentScrolled.emit(self.current, 1 if key == int(qt.Qt.Key_Plus) else -1)
        else:
            qt.QWidget.keyPressEvent(self, event)

    def focusInEvent(self, event) -> None:  # noqa: N802
        """Show where the keyboard is."""
        self._focused = True
        self.current = self.current or 1
        self._repaint()
        qt.QWidget.focusInEvent(self, event)

    def focusOutEvent(self, event) -> None:  # noqa: N802
        """Show that the keyboard is elsewhere."""
        self._focused = False
        self._repaint()
        qt.QWidget.focusOutEvent(self, event)

    def _go_to(self, segment: int) -> None:
        self.current = segment
        self.accessibleDescription = self.face.tips.get(segment, full_name(segment))
        self._repaint()
        self.segmentHovered.emit(segment)
