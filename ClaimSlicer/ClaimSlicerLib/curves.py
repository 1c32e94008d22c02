"""A training's curves and its sample pictures as widgets that run in PythonQt and in PySide6."""

from __future__ import annotations

import struct
from pathlib import Path

import qt
from claimslicer.figures.curves import COLOURS, Chart, Line, Series, chart
from claimslicer.training.history import History
from slicer.i18n import tr as _

LEFT, RIGHT, TITLE, AXIS, GAP = 42.0, 8.0, 18.0, 18.0, 8.0
"""Room in pixels: beside the axes for numbers, above them for the title, below for steps, between charts."""


class CurvesWidget(qt.QWidget):
    """The loss above, the validation figures below, over the steps of the whole run."""

    def __init__(self, parent=None) -> None:
        qt.QWidget.__init__(self, *(() if parent is None else (parent,)))
        self.minimumWidth = 220
        self.minimumHeight = 265
        self.accessibleName = _("Curves of the training")
        self.charts: tuple[Chart, ...] = ()
        self._history: History | None = None

    def setHistory(self, history: History | None) -> None:  # noqa: N802
        """Show ``history`` as it is now; None shows nothing."""
        self._history = history
        self._lay_out()

    def resizeEvent(self, _event) -> None:  # noqa: N802
        """Lay out again."""
        self._lay_out()

    def _lay_out(self) -> None:
        history = self._history
        width = self.width - LEFT - RIGHT
        height = (self.height - 3 * TITLE - 2 * AXIS - GAP) / 2
        self.charts = ()
        if history is not None and width > 40 and height > 20:
            loss = [
                Series("", history.loss, COLOURS[0], faint=True),
                Series(_("training"), history.smooth_loss(), COLOURS[0]),
            ]
            names = sorted(history.validation)
            found = [
                Series(figure_name(name), history.validation[name], colour)
                for name, colour in zip(names, (COLOURS[1], COLOURS[2], COLOURS[3], COLOURS[0]), strict=False)
            ]
            dice = any(name.startswith("dice_") for name in names)
            title = _("Dice on the patients held back") if dice else _("Loss on the patients held back")
            lower = TITLE + height + AXIS + GAP + 2 * TITLE
            self.charts = (
                chart(_("Loss"), loss, (LEFT, TITLE, width, height), history.steps),
                chart(title, found, (LEFT, lower, width, height), history.steps, from_zero=dice),
            )
        self.update()

    def paintEvent(self, _event) -> None:  # noqa: N802
        """Draw both charts in the colours of the application's theme."""
        painter = qt.QPainter(self)
        painter.setRenderHint(qt.QPainter.Antialiasing, True)
        font = qt.QFont(self.font)
        font.setPixelSize(11)
        painter.setFont(font)
        ink = self.palette.color(qt.QPalette.WindowText)
        for one in self.charts:
            _draw(painter, one, ink)
        painter.end()


def figure_name(name: str) -> str:
    """Return what people call a validation figure; the infarct includes MVO, MI doesn't."""
    known = {"dice_myocardium": _("myocardium"), "dice_infarct": _("infarct"), "dice_scar": _("MI")}
    return known.get(name, name)


def _draw(painter: qt.QPainter, one: Chart, ink: qt.QColor) -> None:
    faint = _with_alpha(ink, 45)
    right, bottom = one.left + one.width, one.top + one.height
    for y, text in one.y_ticks:
        painter.setPen(qt.QPen(qt.QBrush(faint), 1.0))
        painter.drawLine(qt.QPointF(one.left, y), qt.QPointF(right, y))
        _write(painter, text, (0.0, y - 8, one.left - 5, 16.0), qt.Qt.AlignRight, _with_alpha(ink, 190))
    for x, text in one.x_ticks:
        painter.setPen(qt.QPen(qt.QBrush(ink), 1.0))
        painter.drawLine(qt.QPointF(x, bottom), qt.QPointF(x, bottom + 3))
        # The outermost number stays inside the widget.
        place = min(x - 30, right + RIGHT - 60)
        edge = qt.Qt.AlignHCenter if place == x - 30 else qt.Qt.AlignRight
        _write(painter, text, (place, bottom + 3, 60.0, 15.0), edge, _with_alpha(ink, 190))
    painter.setPen(qt.QPen(qt.QBrush(ink), 1.0))
    painter.drawLine(qt.QPointF(one.left, bottom), qt.QPointF(right, bottom))
    rows = 2 if len(one.legend) > 1 else 1
    title = (one.left, one.top - rows * TITLE, one.width, 16.0)
    _write(painter, one.title, title, qt.Qt.AlignLeft, ink)
    if not one.y_ticks:
        box = (one.left, one.top, one.width, one.height)
        _write(painter, _("not yet"), box, qt.Qt.AlignHCenter, _with_alpha(ink, 120))
    for line in one.lines:
        _draw_line(painter, line)
    _draw_legend(painter, one, ink)


def _draw_line(painter: qt.QPainter, line: Line) -> None:
    if not line.points:
        return
    colour = qt.QColor(line.colour)
    painter.setPen(
        qt.QPen(qt.QBrush(_with_alpha(colour, 70 if line.faint else 255)), 1.0 if line.faint else 1.8)
    )
    painter.setBrush(qt.QBrush(qt.Qt.NoBrush))
    path = qt.QPainterPath()
    path.moveTo(*line.points[0])
    for point in line.points[1:]:
        path.lineTo(*point)
    painter.drawPath(path)
    if not line.faint and len(line.points) <= 40:
        painter.setBrush(qt.QBrush(colour))
        for x, y in line.points:
            painter.drawEllipse(qt.QPointF(x, y), 2.0, 2.0)


def _draw_legend(painter: qt.QPainter, one: Chart, ink: qt.QColor) -> None:
    """Write names and last values: one beside the title, more in a row of their own from the left."""
    metrics = painter.fontMetrics()
    widths = [metrics.horizontalAdvance(f"{name} {value}") + 2.0 for name, value, _colour in one.legend]
    x = one.left if len(widths) > 1 else one.left + one.width - sum(widths) - 15.0
    for (name, value, colour), width in zip(one.legend, widths, strict=True):
        painter.setPen(qt.QPen(qt.QBrush(qt.QColor(colour)), 2.0))
        y = one.top - TITLE + 8
        painter.drawLine(qt.QPointF(x, y), qt.QPointF(x + 11, y))
        box = (x + 15, one.top - TITLE, width, 16.0)
        _write(painter, f"{name} {value}", box, qt.Qt.AlignLeft, ink)
        x += width + 25


def _write(painter: qt.QPainter, text: str, box: tuple[float, float, float, float], edge, colour) -> None:
    painter.setPen(qt.QPen(qt.QBrush(colour), 1.0))
    painter.drawText(qt.QRectF(*box), int(edge) | int(qt.Qt.AlignVCenter), text)


def _with_alpha(colour: qt.QColor, alpha: int) -> qt.QColor:
    return qt.QColor(colour.red(), colour.green(), colour.blue(), alpha)


class PictureWidget(qt.QWidget):
    """A PNG picture as wide as the panel, which it never widens."""

    def __init__(self, parent=None) -> None:
        qt.QWidget.__init__(self, *(() if parent is None else (parent,)))
        self.minimumWidth = 100
        self._picture: qt.QPixmap | None = None
        self._shape = 0.0

    def setFile(self, path: Path | None) -> bool:  # noqa: N802
        """Show the picture at ``path``; say whether there is one that can be read."""
        self._picture = None
        if path is not None and path.is_file():
            content, picture = path.read_bytes(), qt.QPixmap()
            if picture.loadFromData(content):
                self._picture = picture
                width, height = struct.unpack(">II", content[16:24])  # as every PNG begins
                self._shape = height / width
        self._fit()
        return self._picture is not None

    def resizeEvent(self, _event) -> None:  # noqa: N802
        """Keep the picture's shape."""
        self._fit()

    def _fit(self) -> None:
        wanted = 0 if self._picture is None else round(self.width * self._shape)
        if wanted != self.minimumHeight:
            self.setFixedHeight(wanted)
        self.update()

    def paintEvent(self, _event) -> None:  # noqa: N802
        """Draw it."""
        if self._picture is None:
            return
        painter = qt.QPainter(self)
        painter.setRenderHint(qt.QPainter.SmoothPixmapTransform, True)
        painter.drawPixmap(qt.QRect(0, 0, self.width, self.height), self._picture)
        painter.end()
