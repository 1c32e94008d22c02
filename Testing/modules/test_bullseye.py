"""The bull's-eye widget under real mouse and key events."""

from __future__ import annotations

import pytest
from claimslicer.anatomy.aha import SEGMENTS
from claimslicer.figures.bullseye import GROUPS
from claimslicer.figures.face import scar_face, segments_face, transmurality_face, volume_face
from PySide6 import QtCore, QtGui, QtTest, QtWidgets

Qt = QtCore.Qt
PLAIN, CTRL, SHIFT = (
    Qt.KeyboardModifier.NoModifier,
    Qt.KeyboardModifier.ControlModifier,
    Qt.KeyboardModifier.ShiftModifier,
)


@pytest.fixture
def eye(scene):
    """A bull's-eye of all 17 segments that is shown; ``seen`` and ``hovered`` are what its signals told."""
    from ClaimSlicerLib.bullseye import BullseyeWidget

    widget = BullseyeWidget()
    widget.resize(350, 350)
    widget.setFace(segments_face(dict.fromkeys(SEGMENTS, 5.0)))
    widget.seen, widget.hovers, widget.notches = [], [], []
    widget.selectionChanged.connect(widget.seen.append)
    widget.segmentHovered.connect(widget.hovers.append)
    widget.segmentScrolled.connect(lambda segment, steps: widget.notches.append((segment, steps)))
    widget.show()
    yield widget
    widget.close()


def at(place: tuple[float, float]) -> QtCore.QPoint:
    return QtCore.QPoint(round(place[0]), round(place[1]))


def click(eye, segment: int, modifiers=PLAIN) -> None:
    QtTest.QTest.mouseClick(eye, Qt.MouseButton.LeftButton, modifiers, at(eye.position_of(segment)))


def move(eye, segment: int, buttons=Qt.MouseButton.NoButton, modifiers=PLAIN) -> None:
    place = QtCore.QPointF(*eye.position_of(segment))
    send(eye, QtCore.QEvent.Type.MouseMove, place, Qt.MouseButton.NoButton, buttons, modifiers)


def send(eye, kind, place, button, buttons, modifiers=PLAIN) -> None:
    event = QtGui.QMouseEvent(kind, place, eye.mapToGlobal(place), button, buttons, modifiers)
    QtWidgets.QApplication.sendEvent(eye, event)


def press(eye, key, modifiers=PLAIN) -> None:
    QtTest.QTest.keyClick(eye, key, modifiers)


def picture(eye) -> QtGui.QImage:
    QtWidgets.QApplication.processEvents()
    return eye.grab().toImage()


@pytest.mark.parametrize("segment", SEGMENTS)
def test_a_click_chooses_the_segment_under_it(eye, segment):
    click(eye, segment)
    assert eye.selection == {segment}
    assert eye.seen == [frozenset({segment})]


def test_ctrl_adds_and_takes_away(eye):
    click(eye, 7)
    click(eye, 8, CTRL)
    click(eye, 13, SHIFT)
    assert eye.selection == {7, 8, 13}
    click(eye, 8, CTRL)
    assert eye.selection == {7, 13}
    click(eye, 4)
    assert eye.selection == {4}


def test_a_drag_paints_and_with_ctrl_wipes(eye):
    left = Qt.MouseButton.LeftButton
    QtTest.QTest.mousePress(eye, left, PLAIN, at(eye.position_of(7)))
    for segment in (8, 9, 9, 15):
        move(eye, segment, left)
    QtTest.QTest.mouseRelease(eye, left, PLAIN, at(eye.position_of(15)))
    assert eye.selection == {7, 8, 9, 15}
    assert eye.seen[-1] == {7, 8, 9, 15}
    QtTest.QTest.mousePress(eye, left, CTRL, at(eye.position_of(8)))
    move(eye, 9, left, CTRL)
    QtTest.QTest.mouseRelease(eye, left, CTRL, at(eye.position_of(9)))
    assert eye.selection == {7, 15}
    move(eye, 1)
    assert eye.selection == {7, 15}


def test_outside_and_the_right_button_change_nothing(eye):
    click(eye, 3)
    QtTest.QTest.mouseClick(eye, Qt.MouseButton.LeftButton, PLAIN, QtCore.QPoint(345, 175))
    QtTest.QTest.mouseClick(eye, Qt.MouseButton.RightButton, PLAIN, at(eye.position_of(9)))
    assert eye.selection == {3}


@pytest.mark.parametrize("group", GROUPS)
def test_shortcuts_choose_rings_walls_and_territories(eye, group):
    click(eye, 17)
    QtTest.QTest.mouseClick(eye, Qt.MouseButton.LeftButton, PLAIN, at(eye.position_of_group(group)))
    assert eye.selection == GROUPS[group]


def test_shortcuts_add_with_ctrl_and_there_are_all_and_none(eye):
    def choose(group, modifiers=PLAIN):
        QtTest.QTest.mouseClick(eye, Qt.MouseButton.LeftButton, modifiers, at(eye.position_of_group(group)))

    choose("Basal")
    choose("LAD", CTRL)
    assert eye.selection == GROUPS["Basal"] | GROUPS["LAD"]
    choose("LAD", CTRL)
    assert eye.selection == GROUPS["Basal"] - GROUPS["LAD"]
    choose("All")
    assert eye.selection == set(SEGMENTS)
    choose("None")
    assert eye.selection == set()


def test_the_keyboard_reaches_and_chooses(eye):
    QtWidgets.QApplication.processEvents()
    pictures = []
    for kind in (QtCore.QEvent.Type.FocusOut, QtCore.QEvent.Type.FocusIn):
        QtWidgets.QApplication.sendEvent(eye, QtGui.QFocusEvent(kind))
        pictures.append(eye.grab().toImage())
    assert pictures[0] != pictures[1]
    assert eye.current == 1
    press(eye, Qt.Key.Key_Down)
    press(eye, Qt.Key.Key_Space)
    assert eye.current == 7
    press(eye, Qt.Key.Key_Left)
    press(eye, Qt.Key.Key_Space)
    assert eye.selection == {7, 8}
    press(eye, Qt.Key.Key_Space)
    assert eye.selection == {7}
    press(eye, Qt.Key.Key_A, CTRL)
    assert eye.selection == set(SEGMENTS)
    press(eye, Qt.Key.Key_Escape)
    assert eye.selection == set()
    press(eye, Qt.Key.Key_Plus)
    press(eye, Qt.Key.Key_Minus)
    assert eye.notches == [(8, 1), (8, -1)]
    assert "anteroseptal" in eye.accessibleDescription


class Wheel:
    """What the widget asks a wheel event for; PySide6, as set here, crashes in angleDelta()."""

    def __init__(self, notches: int, modifiers) -> None:
        self.notches, self._modifiers, self.accepted = notches, modifiers, None

    def angleDelta(self) -> QtCore.QPoint:  # noqa: N802
        return QtCore.QPoint(0, 120 * self.notches)

    def modifiers(self):
        return self._modifiers

    def accept(self) -> None:
        self.accepted = True

    def ignore(self) -> None:
        self.accepted = False


def test_the_wheel_turns_the_amount_only_with_ctrl(eye):
    move(eye, 11)
    for modifiers, expected in ((PLAIN, []), (CTRL, [(11, 2)])):
        wheel = Wheel(2, modifiers)
        eye.wheelEvent(wheel)
        assert eye.notches == expected
        assert wheel.accepted == bool(expected)


def test_what_the_mouse_is_over_is_told_and_marked(eye):
    before = picture(eye)
    move(eye, 5)
    assert eye.hovers == [5]
    assert picture(eye) != before
    move(eye, 5)
    assert eye.hovers == [5]
    QtWidgets.QApplication.sendEvent(eye, QtCore.QEvent(QtCore.QEvent.Type.Leave))
    assert eye.hovers == [5, 0]
    assert picture(eye) == before


def test_tips_name_segments_and_shortcuts(eye):
    def tip(place) -> str:
        QtTest.QTest.mouseMove(eye, at(place))
        send(eye, QtCore.QEvent.Type.MouseMove, QtCore.QPointF(*place), *[Qt.MouseButton.NoButton] * 2)
        event = QtGui.QHelpEvent(QtCore.QEvent.Type.ToolTip, at(place), eye.mapToGlobal(at(place)))
        QtWidgets.QApplication.sendEvent(eye, event)
        return QtWidgets.QToolTip.text()

    assert tip(eye.position_of(5)).startswith("5 basal inferolateral · LCX\nWall 5.0 ml")
    assert "3, 4, 9, 10, 15" in tip(eye.position_of_group("RCA"))


def test_segments_that_the_study_lacks_are_left_alone(eye):
    eye.setFace(scar_face(dict.fromkeys(range(1, 13), 4.0), {}, {}))
    click(eye, 2)
    click(eye, 14)
    assert eye.selection == {2}
    QtTest.QTest.mouseClick(eye, Qt.MouseButton.LeftButton, PLAIN, at(eye.position_of_group("LAD")))
    assert eye.selection == {1, 2, 7, 8}
    press(eye, Qt.Key.Key_A, CTRL)
    assert eye.selection == set(range(1, 13))


def test_without_selection_it_only_shows(eye):
    eye.selectable = False
    click(eye, 7)
    press(eye, Qt.Key.Key_A, CTRL)
    QtTest.QTest.mouseClick(eye, Qt.MouseButton.LeftButton, PLAIN, at(eye.position_of_group("LAD")))
    assert eye.selection == set()
    assert eye.seen == []
    move(eye, 7)
    assert eye.hovers == [7]


def test_setting_a_face_is_shown_and_not_told(eye):
    face = volume_face({k: 0.1 * k for k in SEGMENTS}).with_selection({4})
    eye.setFace(face)
    assert eye.selection == {4}
    assert eye.seen == []
    shown = picture(eye)
    x, y = eye.position_of(16)
    colour = shown.pixelColor(round(x - 12), round(y))
    wanted = [round(255 * part) for part in face.colours[16]]
    assert [colour.red(), colour.green(), colour.blue()] == pytest.approx(wanted, abs=2)


def test_faces_differ_and_fit_any_size(eye):
    values = {k: k / 17 for k in SEGMENTS}
    pictures = []
    for face in (volume_face(values), transmurality_face(values), segments_face(values)):
        eye.setFace(face)
        pictures.append(picture(eye))
    assert pictures[0] != pictures[1] != pictures[2]
    for width, height in ((220, 240), (600, 300), (300, 700)):
        eye.resize(width, height)
        picture(eye)
        for segment in SEGMENTS:
            click(eye, segment)
            assert eye.selection == {segment}


def test_it_is_sharp_on_a_dense_screen(eye, monkeypatch):
    monkeypatch.setattr(type(eye), "devicePixelRatioF", lambda self: 2.0, raising=False)
    eye.resize(351, 351)
    picture(eye)
    assert eye._picture.devicePixelRatio() == 2.0
    assert eye._picture.width() == 702


def test_it_says_what_it_is(eye):
    assert "17 AHA segments" in eye.accessibleName
