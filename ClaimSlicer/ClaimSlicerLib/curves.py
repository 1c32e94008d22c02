"""A training's curves and its sample pictures as widgets that run in PythonQt and in PySide6."""

from __future__ import annotations

import struct
from dataclasses import dataclass
from pathlib import Path

import qt
from claimslicer.figures.curves import COLOURS, Chart, Line, Series, chart
from claimslicer.training.progress.history import History, smoothed
from slicer.i18n import tr as _

LEFT, RIGHT, TITLE, AXIS, GAP = 42.0, 8.0, 18.0, 18.0, 8.0
"""Room in pixels: beside the axes for numbers, above them for the title, below for steps, between charts."""
CHART_HEIGHT = 132
"""At least, with its texts."""


@dataclass(frozen=True)
class Plot:
    """What one chart shows."""

    title: str
    series: list[Series]
    from_zero: bool = False

    @property
    def title_rows(self) -> int:
        """Rows above the axes: several names stand in one of their own."""
        return 2 if sum(not one.faint for one in self.series) > 1 else 1


class CurvesWidget(qt.QWidget):
    """The losses above, the validation figures below, over the steps of the whole run."""

    def __init__(self, parent=None) -> None:
        qt.QWidget.__init__(self, *(() if parent is None else (parent,)))
        self.minimumWidth = 220
        self.accessibleName = _("Curves of the training")
        self.charts: tuple[Chart, ...] = ()
        self._history: History | None = None

    def setHistory(self, history: History | None) -> None:  # noqa: N802
        """Show ``history`` as it is now; None shows nothing."""
        self._history = history
        self.minimumHeight = CHART_HEIGHT * (0 if history is None else len(plots(history)))
        self._lay_out()

    def resizeEvent(self, _event) -> None:  # noqa: N802
        """Lay out again."""
        self._lay_out()

    def _lay_out(self) -> None:
        wanted = [] if self._history is None else plots(self._history)
        titles = sum(TITLE * plot.title_rows for plot in wanted)
        width = self.width - LEFT - RIGHT
        height = (self.height - titles - GAP * (len(wanted) - 1)) / max(len(wanted), 1) - AXIS
        charts, bottom = [], -GAP
        for plot in wanted if width > 40 and height > 20 else []:
            top = bottom + GAP + TITLE * plot.title_rows
            box, history = (LEFT, top, width, height), self._history
            marks = [step for step in history.begins.values() if step]
            charts.append(
                chart(plot.title, plot.series, box, history.steps, from_zero=plot.from_zero, marks=marks)
            )
            bottom = top + height + AXIS
        self.charts = tuple(charts)
        self.update()

    def paintEvent(self, _event) -> None:  # noqa: N802
        """Draw the charts in the colours of the application's theme."""
        painter = qt.QPainter(self)
        painter.setRenderHint(qt.QPainter.Antialiasing, True)
        font = qt.QFont(self.font)
        font.setPixelSize(11)
        painter.setFont(font)
        ink = self.palette.color(qt.QPalette.WindowText)
        for one in self.charts:
            _draw(painter, one, ink)
        painter.end()


def plots(history: History) -> list[Plot]:
    """Return what the charts of a training show, from top to bottom."""
    dice = {name: curve for name, curve in history.validation.items() if name.startswith("dice_")}
    held_back = history.validation.get("loss", [])
    dices = Plot(
        _("Dice on the patients held back"),
        [
            Series(figure_name(name), dice[name], colour)
            for name, colour in zip(sorted(dice), (*COLOURS[1:], COLOURS[0]), strict=False)
        ],
        from_zero=True,
    )
    if history.joint_stage:
        parts = [
            Series(figure_name(name), smoothed(history.losses.get(name, [])), colour)
            for name, colour in zip(("segmentation", "diffusion", "feedback"), COLOURS, strict=False)
        ]
        painted = [Series("", held_back, COLOURS[1])]
        return [
            Plot(_("Losses"), parts),
            dices,
            Plot(_("Generator's loss on the patients held back"), painted),
        ]
    loss = [
        Series("", history.loss, COLOURS[0], faint=True),
        Series(_("training"), smoothed(history.loss), COLOURS[0]),
    ]
    lost = Plot(_("Loss on the patients held back"), [Series("", held_back, COLOURS[1])])
    return [Plot(_("Loss"), loss), dices if dice else lost]


def figure_name(name: str) -> str:
    """Return what people call a figure; the infarct includes MVO, MI doesn't."""
    known = {
        "dice_myocardium": _("myocardium"),
        "dice_infarct": _("infarct"),
        "dice_scar": _("MI"),
        "segmentation": _("segmenter"),
        "diffusion": _("generator"),
        "feedback": _("feedback"),
    }
    return known.get(name, name)


def _draw(painter: qt.QPainter, one: Chart, ink: qt.QColor) -> None:
    faint = _with_alpha(ink, 45)
    right, bottom = one.left + one.width, one.top + one.height
    painter.setPen(qt.QPen(qt.QBrush(_with_alpha(ink, 110)), 1.0, qt.Qt.DotLine))
    for x in one.marks:
        painter.drawLine(qt.QPointF(x, one.top), qt.QPointF(x, bottom))
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
    """Write names and last values: one beside the title, more in a row of their own."""
    metrics = painter.fontMetrics()
    widths = [metrics.horizontalAdvance(f"{name} {value}") + 2.0 for name, value, _colour in one.legend]
    x = one.left + one.width - sum(widths) - 25.0 * len(widths) + 10.0
    if len(widths) > 1:
        x = max(0.0, min(one.left, x))
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
