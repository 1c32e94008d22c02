"""Where the parts of the bull's-eye lie in a widget, and how a painter draws them."""

from __future__ import annotations

import functools
import math

import qt
from claimslicer.figures.bullseye import GROUPS, SECTORS, SEPTUM_DEG, WALL_LABELS, WALL_NAMES
from claimslicer.figures.face import Face, Scale
from claimslicer.figures.palette import INK, MISSING, RGB, ink_on, rgb

CENTRED = int(qt.Qt.AlignCenter)
LEFT = int(qt.Qt.AlignLeft) | int(qt.Qt.AlignVCenter)
CHOSEN: RGB = (0.04, 0.35, 0.75)
BORDER: RGB = rgb("#4D4D4D")
WHITE: RGB = (1.0, 1.0, 1.0)
DARK: RGB = rgb(INK)
GREY: RGB = rgb(MISSING)
RIGHT_VENTRICLE: RGB = (0.30, 0.50, 0.85)

VENTRICLE_REACH = 1.15
"""How far out the crescent of the right ventricle reaches, in radii."""
SIDE, TITLE, SCALE, MARGIN = 19.0, 38.0, 46.0, 4.0
"""Room in pixels beside the circle for wall names, above it for titles, below it for the scale."""
CORNERS = {
    "top left": ("LAD", "RCA", "LCX"),
    "top right": ("Basal", "Mid", "Apical"),
    "bottom left": ("All",),
    "bottom right": ("None",),
}


@functools.lru_cache(maxsize=512)
def colour(value: RGB, alpha: float = 1.0):
    """Return a QColor."""
    return qt.QColor(*(round(255 * part) for part in (*value, alpha)))


@functools.lru_cache(maxsize=512)
def brush(value: RGB, alpha: float = 1.0):
    """Return a QBrush."""
    return qt.QBrush(colour(value, alpha))


@functools.lru_cache(maxsize=64)
def pen(value: RGB, width: float, alpha: float = 1.0, style=qt.Qt.SolidLine):
    """Return a QPen with round joins."""
    return qt.QPen(brush(value, alpha), width, style, qt.Qt.RoundCap, qt.Qt.RoundJoin)


class BullseyeLayout:
    """The circle, its sectors' paths and the shortcuts' boxes in a widget of ``width`` × ``height``."""

    def __init__(
        self, width: float, height: float, font, *, with_title: bool = False, with_scale: bool = False
    ) -> None:
        top = (TITLE if with_title else 0.0) + 18.0
        bottom = (SCALE if with_scale else 0.0) + 18.0
        self.width, self.height = float(width), float(height)
        self.top = top - 18.0
        self.radius = max(10.0, min((width / 2 - SIDE) / VENTRICLE_REACH, (height - top - bottom) / 2))
        self.x, self.y = width / 2, top + (height - top - bottom) / 2
        self.scale_top = height - SCALE
        self.fonts = {
            "value": _sized(font, self.radius * 0.095, bold=True),
            "alone": _sized(font, self.radius * 0.115),
            "small": _sized(font, self.radius * 0.07),
            "wall": _sized(font, 12.0),
            "scale": _sized(font, 11.0),
            "title": _sized(font, 13.0, bold=True),
        }
        self.paths = {number: self._sector_path(number) for number in SECTORS}
        self.groups = {**self._walls(), **self._chips()}

    def to_unit(self, x: float, y: float) -> tuple[float, float]:
        """Return a pixel's place on the unit circle."""
        return (x - self.x) / self.radius, (self.y - y) / self.radius

    def from_unit(self, x: float, y: float) -> tuple[float, float]:
        """Return the pixel of a place on the unit circle."""
        return self.x + x * self.radius, self.y - y * self.radius

    def segment_centre(self, number: int) -> tuple[float, float]:
        """Return the pixel at which a segment's text is centred."""
        return self.from_unit(*SECTORS[number].label_position)

    def group_at(self, x: float, y: float) -> str:
        """Return the shortcut at a pixel, or an empty text."""
        point = qt.QPointF(x, y)
        return next((name for name, box in self.groups.items() if box.contains(point)), "")

    def group_centre(self, group: str) -> tuple[float, float]:
        """Return the middle of a shortcut's box."""
        middle = self.groups[group].center()
        return middle.x(), middle.y()

    def _box(self, radius: float):
        reach = radius * self.radius
        return qt.QRectF(self.x - reach, self.y - reach, 2 * reach, 2 * reach)

    def _sector_path(self, number: int):
        sector = SECTORS[number]
        path = qt.QPainterPath()
        if sector.is_disc:
            path.addEllipse(self._box(sector.outer))
            return path
        path.arcMoveTo(self._box(sector.outer), sector.start_deg)
        path.arcTo(self._box(sector.outer), sector.start_deg, sector.width_deg)
        path.arcTo(self._box(sector.inner), sector.start_deg + sector.width_deg, -sector.width_deg)
        path.closeSubpath()
        return path

    def ventricle_path(self):
        """Return the crescent of the right ventricle, outside the septum."""
        start, end = SEPTUM_DEG
        path = qt.QPainterPath()
        near = self._box(1.03)
        path.arcMoveTo(near, start)
        path.arcTo(near, start, end - start)
        # Back along a circle through the same two points whose middle lies further left.
        shift = 0.2
        x, y = (1.03 * part(math.radians(start)) for part in (math.cos, math.sin))
        radius = math.hypot(x + shift, y) * self.radius
        far = qt.QRectF(self.x - shift * self.radius - radius, self.y - radius, 2 * radius, 2 * radius)
        turn = math.degrees(math.atan2(y, x + shift))
        path.arcTo(far, 360.0 - turn, 2 * turn - 360.0)
        path.closeSubpath()
        return path

    def _walls(self) -> dict:
        """Return the boxes of the wall names, which stand around the circle."""
        boxes = {}
        for wall, (x, y) in WALL_LABELS.items():
            away = self.radius * (VENTRICLE_REACH if x < 0 else 1.0) + (9.0 if y else 11.0)
            middle_x, middle_y = self.x + x * away, self.y - y * away
            width, height = (16.0, 64.0) if x else (64.0, 16.0)
            boxes[WALL_NAMES[wall]] = qt.QRectF(middle_x - width / 2, middle_y - height / 2, width, height)
        return boxes

    def _chips(self) -> dict:
        metrics, boxes = qt.QFontMetrics(self.fonts["scale"]), {}
        bottom = self.y + self.radius + 18.0
        for corner, names in CORNERS.items():
            for row, name in enumerate(names):
                width = metrics.horizontalAdvance(name) + 12.0
                x = MARGIN if "left" in corner else self.width - MARGIN - width
                y = self.top + MARGIN + 20.0 * row if "top" in corner else bottom - 18.0 - MARGIN
                boxes[name] = qt.QRectF(x, y, width, 17.0)
        return boxes


def _sized(font, pixels: float, *, bold: bool = False):
    result = qt.QFont(font)
    result.setPixelSize(max(9, round(pixels)))
    result.setBold(bold)
    return result


def draw_face(painter, places: BullseyeLayout, face: Face) -> None:
    """Draw what a face shows inside the circle."""
    _draw_fills(painter, places, face)
    _draw_hatching(painter, places, face)
    _draw_borders(painter, places, face)
    _draw_texts(painter, places, face)


def draw_surroundings(painter, places: BullseyeLayout, face: Face, ink, *, shortcuts: bool) -> None:
    """Draw what stands around the circle and seldom changes; ``ink`` is the colour of texts on the panel."""
    _draw_walls(painter, places, ink)
    if shortcuts:
        _draw_chips(painter, places, ink)
    if face.title:
        painter.setPen(ink)
        painter.setFont(places.fonts["title"])
        painter.drawText(qt.QRectF(0, 0, places.width, 19), CENTRED, face.title)
        painter.setFont(places.fonts["scale"])
        painter.drawText(qt.QRectF(0, 19, places.width, 16), CENTRED, face.subtitle)
    if face.scale:
        _draw_scale(painter, places, face.scale, ink)


def _draw_fills(painter, places: BullseyeLayout, face: Face) -> None:
    for number, path in places.paths.items():
        painter.fillPath(path, brush(face.colours.get(number, GREY)))


def _draw_hatching(painter, places: BullseyeLayout, face: Face) -> None:
    if not face.hatched:
        return
    area = qt.QPainterPath()
    for number in face.hatched:
        area.addPath(places.paths[number])
    painter.fillPath(area, _stripes(max(6, round(places.radius / 15))))


@functools.lru_cache(maxsize=16)
def _stripes(gap: int):
    """Return a brush of diagonal stripes: stroking that many lines takes Qt 50 ms."""
    tile = qt.QPixmap(gap, gap)
    tile.fill(qt.QColor(0, 0, 0, 0))
    painter = qt.QPainter(tile)
    painter.setRenderHint(qt.QPainter.Antialiasing, True)
    for stroke in (pen(WHITE, 2.4, 0.7), pen(DARK, 1.1, 0.8)):
        painter.setPen(stroke)
        # The neighbours' stripes cut the corners.
        for shift in (-gap, 0, gap):
            painter.drawLine(qt.QLineF(shift - gap, 2 * gap, shift + 2 * gap, -gap))
    painter.end()
    return qt.QBrush(tile)


def _draw_borders(painter, places: BullseyeLayout, face: Face) -> None:
    every, chosen, dashed = qt.QPainterPath(), qt.QPainterPath(), qt.QPainterPath()
    for number, path in places.paths.items():
        every.addPath(path)
        if number in face.selected:
            chosen.addPath(path)
        if number in face.outlined:
            dashed.addPath(path)
    painter.strokePath(every, pen(BORDER, 1.0))
    if face.outlined:
        painter.strokePath(dashed, pen(WHITE, 2.6))
        painter.strokePath(dashed, pen(DARK, 1.6, style=qt.Qt.DashLine))
    if face.selected:
        painter.strokePath(chosen, pen(WHITE, 5.0))
        painter.strokePath(chosen, pen(CHOSEN, 2.6))


def _draw_texts(painter, places: BullseyeLayout, face: Face) -> None:
    height = places.radius * 0.105
    for number in SECTORS:
        x, y = places.segment_centre(number)
        fill = face.colours.get(number, GREY)
        text, note = face.texts.get(number, ""), face.notes.get(number, "")
        # Beside the middle a ring is narrow and high, above and below it wide and low.
        beside = abs(x - places.x) > abs(y - places.y)
        first = str(number) if beside or not note else f"{number} · {note}"
        lines = [(first, "small" if text or note else "alone"), (text, "value"), (beside and note, "small")]
        lines = [line for line in lines if line[0]]
        y -= height * (len(lines) - 1) / 2
        for line, font in lines:
            painter.setFont(places.fonts[font])
            if number in face.hatched:
                width = qt.QFontMetrics(places.fonts[font]).horizontalAdvance(line) + 4.0
                painter.fillRect(_around(x, y, width, height), brush(fill, 0.85))
            painter.setPen(colour(ink_on(fill)))
            painter.drawText(_around(x, y, places.radius, 2 * height), CENTRED, line)
            y += height


def _around(x: float, y: float, width: float, height: float):
    return qt.QRectF(x - width / 2, y - height / 2, width, height)


def _draw_walls(painter, places: BullseyeLayout, ink) -> None:
    """Draw the right ventricle and the walls' names."""
    path = places.ventricle_path()
    painter.fillPath(path, brush(RIGHT_VENTRICLE, 0.25))
    painter.strokePath(path, pen(RIGHT_VENTRICLE, 1.0, 0.8))
    painter.setPen(ink)
    painter.setFont(places.fonts["scale"])
    _draw_upright(painter, places.x - places.radius * 1.085, places.y, "RV")
    painter.setFont(places.fonts["wall"])
    for wall, (x, _y) in WALL_LABELS.items():
        box = places.groups[WALL_NAMES[wall]]
        if x:
            _draw_upright(painter, box.center().x(), box.center().y(), WALL_NAMES[wall])
        else:
            painter.drawText(box, CENTRED, WALL_NAMES[wall])


def _draw_upright(painter, x: float, y: float, text: str) -> None:
    painter.save()
    painter.translate(x, y)
    painter.rotate(-90.0)
    painter.drawText(qt.QRectF(-50, -9, 100, 18), CENTRED, text)
    painter.restore()


def _draw_chips(painter, places: BullseyeLayout, ink) -> None:
    painter.setFont(places.fonts["scale"])
    for names in CORNERS.values():
        for name in names:
            painter.setPen(pen(BORDER, 1.0, 0.6))
            painter.setBrush(qt.QBrush(qt.QColor(128, 128, 128, 30)))
            painter.drawRoundedRect(places.groups[name], 4.0, 4.0)
            painter.setPen(ink)
            painter.drawText(places.groups[name], CENTRED, name)


def _draw_scale(painter, places: BullseyeLayout, scale: Scale, ink) -> None:
    """Draw the colour bar under the circle, with its marks and what it shows."""
    left, width, top = 24.0, places.width - 48.0, places.scale_top + 4.0
    bar = qt.QRectF(left, top, width, 9.0)
    if scale.smooth:
        gradient = qt.QLinearGradient(left, 0.0, left + width, 0.0)
        for k, each in enumerate(scale.colours):
            gradient.setColorAt(k / (len(scale.colours) - 1), colour(rgb(each)))
        painter.fillRect(bar, qt.QBrush(gradient))
    else:
        part = width / len(scale.colours)
        for k, each in enumerate(scale.colours):
            painter.fillRect(qt.QRectF(left + k * part, top, part, 9.0), brush(rgb(each)))
    outline = qt.QPainterPath()
    outline.addRect(bar)
    painter.strokePath(outline, pen(BORDER, 1.0))
    painter.setPen(ink)
    painter.setFont(places.fonts["scale"])
    for place, text in scale.ticks:
        painter.drawText(_around(left + place * width, top + 17.0, 70.0, 14.0), CENTRED, text)
    words = qt.QRectF(0.0, top + 25.0, places.width, 15.0)
    if not scale.hatch_label:
        painter.drawText(words, CENTRED, scale.label)
        return
    metrics = qt.QFontMetrics(places.fonts["scale"])
    gap = 34.0
    whole = metrics.horizontalAdvance(scale.label) + gap + metrics.horizontalAdvance(scale.hatch_label)
    words.setLeft((places.width - whole) / 2)
    painter.drawText(words, LEFT, scale.label)
    words.setLeft(words.left() + metrics.horizontalAdvance(scale.label) + gap)
    painter.drawText(words, LEFT, scale.hatch_label)
    sample = qt.QRectF(words.left() - 20.0, top + 28.0, 15.0, 9.0)
    painter.fillRect(sample, brush(WHITE))
    painter.fillRect(sample, _stripes(6))


def draw_highlight(painter, places: BullseyeLayout, *, hovered: int, group: str, current: int) -> None:
    """Draw what is under the mouse, and a dotted border where the keyboard is."""
    if group in GROUPS:
        for number in GROUPS[group]:
            painter.strokePath(places.paths[number], pen(CHOSEN, 1.6, 0.8, qt.Qt.DashLine))
    if group:
        painter.fillRect(places.groups[group], brush(CHOSEN, 0.18))
    if hovered:
        painter.strokePath(places.paths[hovered], pen(WHITE, 4.6))
        painter.strokePath(places.paths[hovered], pen(DARK, 2.2))
    if current:
        painter.strokePath(places.paths[current], pen(WHITE, 3.2))
        painter.strokePath(places.paths[current], pen(DARK, 1.8, style=qt.Qt.DotLine))
