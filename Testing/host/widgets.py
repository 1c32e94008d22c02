"""The ctk widgets that the panels' ``.ui`` files name, and the reader of those files."""

from __future__ import annotations

from PySide6 import QtCore, QtGui, QtUiTools, QtWidgets

from host import NotInHostError
from host.dialogs import DIALOGS
from host.selectors import qMRMLNodeComboBox, qMRMLWidget

EXPLICIT = QtCore.Qt.WidgetAttribute.WA_WState_ExplicitShowHide
WANTED = "visibilityToParent"
"""Property of a box's child: whether it is to be seen when the box is open; CTK's name for it."""


class ctkCollapsibleButton(QtWidgets.QAbstractButton):  # noqa: N801
    """A titled box that a click on its title opens or shuts."""

    contentsCollapsed = QtCore.Signal(bool)  # noqa: N815

    def __init__(self, parent: QtWidgets.QWidget | None = None) -> None:
        super().__init__(parent)
        self._collapsed = False
        self._forcing = False
        self._title = self.fontMetrics().height() + 8
        self.setContentsMargins(0, self._title, 0, 0)
        self.clicked.connect(lambda: self._set_collapsed(not self._collapsed))

    def _set_collapsed(self, collapsed: bool) -> None:
        if collapsed == self._collapsed:
            return
        self._collapsed = collapsed
        direct = QtCore.Qt.FindChildOption.FindDirectChildrenOnly
        for child in self.findChildren(QtWidgets.QWidget, options=direct):
            self._force(child)
        self.setMaximumHeight(self._title if collapsed else 16777215)
        self.updateGeometry()
        self.contentsCollapsed.emit(collapsed)

    collapsed = QtCore.Property("bool", lambda self: self._collapsed, _set_collapsed)

    def _force(self, child: QtWidgets.QWidget) -> None:
        """Show or hide a child as the box is open or shut; what is hidden on purpose stays hidden."""
        if child.property(WANTED) is None:
            child.setProperty(WANTED, not (child.testAttribute(EXPLICIT) and child.isHidden()))
            child.installEventFilter(self)
        self._forcing = True
        child.setVisible(child.property(WANTED) and not self._collapsed)
        # Else Qt would not tell when somebody hides what is hidden by the box.
        child.setAttribute(EXPLICIT, not child.property(WANTED))
        self._forcing = False

    def childEvent(self, event: QtCore.QChildEvent) -> None:  # noqa: N802
        """Hide what a ``.ui`` file adds after it has said that the box is shut."""
        super().childEvent(event)
        if event.type() == QtCore.QEvent.Type.ChildPolished and event.child().isWidgetType():
            self._force(event.child())

    def eventFilter(self, child: QtCore.QObject, event: QtCore.QEvent) -> bool:  # noqa: N802
        """Note what others show and hide; in a shut box it comes to be seen when the box is opened."""
        kinds = QtCore.QEvent.Type
        if event.type() in (kinds.ShowToParent, kinds.HideToParent) and not self._forcing:
            child.setProperty(WANTED, event.type() == kinds.ShowToParent)
            self._force(child)
        return False

    def hitButton(self, position: QtCore.QPoint) -> bool:  # noqa: N802
        """Only the title can be clicked."""
        return position.y() < self._title

    def paintEvent(self, event: QtGui.QPaintEvent) -> None:  # noqa: N802
        """Draw the title with its arrow."""
        painter = QtWidgets.QStylePainter(self)
        option = QtWidgets.QStyleOptionButton()
        option.initFrom(self)
        option.rect = QtCore.QRect(0, 0, self.width(), self._title)
        option.features = QtWidgets.QStyleOptionButton.ButtonFeature.Flat
        painter.fillRect(option.rect, self.palette().midlight())
        arrow = QtWidgets.QStyle.PrimitiveElement.PE_IndicatorArrowDown
        if self._collapsed:
            arrow = QtWidgets.QStyle.PrimitiveElement.PE_IndicatorArrowRight
        option.rect = QtCore.QRect(6, (self._title - 9) // 2, 9, 9)
        painter.drawPrimitive(arrow, option)
        text = QtCore.QRect(22, 0, self.width() - 22, self._title)
        painter.drawItemText(
            text, QtCore.Qt.AlignmentFlag.AlignVCenter, self.palette(), self.isEnabled(), self.text()
        )

    def minimumSizeHint(self) -> QtCore.QSize:  # noqa: N802
        """Leave room for the title."""
        wanted = self.layout().totalMinimumSize() if self.layout() else QtCore.QSize()
        width = self.fontMetrics().horizontalAdvance(self.text()) + 30
        return wanted.expandedTo(QtCore.QSize(width, self._title))


class ctkSliderWidget(QtWidgets.QWidget):  # noqa: N801
    """A slider with a spin box beside it, over floating-point values."""

    valueChanged = QtCore.Signal(float)  # noqa: N815
    valueIsChanging = QtCore.Signal(float)  # noqa: N815

    def __init__(self, parent: QtWidgets.QWidget | None = None) -> None:
        super().__init__(parent)
        self.slider = QtWidgets.QSlider(QtCore.Qt.Orientation.Horizontal)
        self.slider.setRange(0, 1000)
        self.box = QtWidgets.QDoubleSpinBox()
        row = QtWidgets.QHBoxLayout(self)
        row.setContentsMargins(0, 0, 0, 0)
        row.addWidget(self.slider)
        row.addWidget(self.box)
        self.slider.valueChanged.connect(self._slid)
        self.box.valueChanged.connect(self._changed)

    def _slid(self, step: int) -> None:
        """The user moved the slider, by mouse or keyboard; our own moves are blocked."""
        span = self.box.maximum() - self.box.minimum()
        self.box.setValue(self.box.minimum() + span * step / 1000)

    def _changed(self, value: float) -> None:
        self._place()
        self.valueChanged.emit(value)

    def _place(self) -> None:
        span = self.box.maximum() - self.box.minimum()
        blocker = QtCore.QSignalBlocker(self.slider)
        self.slider.setValue(round(1000 * (self.box.value() - self.box.minimum()) / span) if span else 0)
        blocker.unblock()

    def _set_minimum(self, value: float) -> None:
        self.box.setMinimum(value)
        self._place()

    def _set_maximum(self, value: float) -> None:
        self.box.setMaximum(value)
        self._place()

    value = QtCore.Property("double", lambda s: s.box.value(), lambda s, v: s.box.setValue(v))
    minimum = QtCore.Property("double", lambda s: s.box.minimum(), _set_minimum)
    maximum = QtCore.Property("double", lambda s: s.box.maximum(), _set_maximum)
    decimals = QtCore.Property("int", lambda s: s.box.decimals(), lambda s, v: s.box.setDecimals(v))
    singleStep = QtCore.Property("double", lambda s: s.box.singleStep(), lambda s, v: s.box.setSingleStep(v))  # noqa: N815
    suffix = QtCore.Property("QString", lambda s: s.box.suffix(), lambda s, v: s.box.setSuffix(v))
    prefix = QtCore.Property("QString", lambda s: s.box.prefix(), lambda s, v: s.box.setPrefix(v))


class ctkRangeWidget(QtWidgets.QWidget):  # noqa: N801
    """Two numbers, the first not above the second; CTK's slider between them is left out."""

    valuesChanged = QtCore.Signal(float, float)  # noqa: N815

    def __init__(self, parent: QtWidgets.QWidget | None = None) -> None:
        super().__init__(parent)
        self.low, self.high = QtWidgets.QDoubleSpinBox(), QtWidgets.QDoubleSpinBox()
        row = QtWidgets.QHBoxLayout(self)
        row.setContentsMargins(0, 0, 0, 0)
        for box in (self.low, self.high):
            row.addWidget(box)
        self.low.valueChanged.connect(lambda value: self._changed(self.high, max(value, self.high.value())))
        self.high.valueChanged.connect(lambda value: self._changed(self.low, min(value, self.low.value())))

    def _changed(self, other: QtWidgets.QDoubleSpinBox, value: float) -> None:
        blocker = QtCore.QSignalBlocker(other)
        other.setValue(value)
        blocker.unblock()
        self.valuesChanged.emit(self.low.value(), self.high.value())

    def setValues(self, low: float, high: float) -> None:  # noqa: N802
        """Set both numbers at once."""
        if (low, high) == (self.low.value(), self.high.value()):
            return
        blockers = [QtCore.QSignalBlocker(box) for box in (self.low, self.high)]
        self.low.setValue(low)
        self.high.setValue(high)
        for blocker in blockers:
            blocker.unblock()
        self.valuesChanged.emit(self.low.value(), self.high.value())

    def setRange(self, low: float, high: float) -> None:  # noqa: N802
        """Set the limits of both."""
        for box in (self.low, self.high):
            box.setRange(low, high)

    def _set_both(self, name: str, value: object) -> None:
        for box in (self.low, self.high):
            box.setProperty(name, value)

    minimumValue = QtCore.Property("double", lambda s: s.low.value(), lambda s, v: s.low.setValue(v))  # noqa: N815
    maximumValue = QtCore.Property("double", lambda s: s.high.value(), lambda s, v: s.high.setValue(v))  # noqa: N815
    minimum = QtCore.Property("double", lambda s: s.low.minimum(), lambda s, v: s._set_both("minimum", v))
    maximum = QtCore.Property("double", lambda s: s.low.maximum(), lambda s, v: s._set_both("maximum", v))
    decimals = QtCore.Property("int", lambda s: s.low.decimals(), lambda s, v: s._set_both("decimals", v))
    singleStep = QtCore.Property(  # noqa: N815
        "double", lambda s: s.low.singleStep(), lambda s, v: s._set_both("singleStep", v)
    )
    suffix = QtCore.Property("QString", lambda s: s.low.suffix(), lambda s, v: s._set_both("suffix", v))


class ctkPathLineEdit(QtWidgets.QWidget):  # noqa: N801
    """A path with a button that asks for another."""

    currentPathChanged = QtCore.Signal(str)  # noqa: N815

    def __init__(self, parent: QtWidgets.QWidget | None = None) -> None:
        super().__init__(parent)
        self.edit = QtWidgets.QLineEdit()
        self.button = QtWidgets.QToolButton()
        self.button.setText("…")
        row = QtWidgets.QHBoxLayout(self)
        row.setContentsMargins(0, 0, 0, 0)
        row.addWidget(self.edit)
        row.addWidget(self.button)
        self.edit.textChanged.connect(self.currentPathChanged)
        self.button.clicked.connect(self.browse)

    def browse(self) -> None:
        """Ask for a path; an empty answer changes nothing."""
        path = str(DIALOGS.path(self.objectName()))
        if path:
            self.edit.setText(path)

    def addCurrentPathToHistory(self) -> None:  # noqa: N802
        """Do nothing: the host keeps no history."""

    filters = QtCore.Property(
        "int", lambda s: s.property("_filters") or 0, lambda s, v: s.setProperty("_filters", v)
    )
    currentPath = QtCore.Property("QString", lambda s: s.edit.text(), lambda s, v: s.edit.setText(v))  # noqa: N815


class ctkDirectoryButton(QtWidgets.QPushButton):  # noqa: N801
    """A button that shows a folder and asks for another."""

    directoryChanged = QtCore.Signal(str)  # noqa: N815
    directorySelected = QtCore.Signal(str)  # noqa: N815

    def __init__(self, parent: QtWidgets.QWidget | None = None) -> None:
        super().__init__(parent)
        self.setText(QtCore.QDir.currentPath())
        self.clicked.connect(self.browse)

    def browse(self) -> None:
        """Ask for a folder; an empty answer changes nothing."""
        path = str(DIALOGS.path(self.objectName()))
        if path:
            self._set(path)
            self.directorySelected.emit(path)

    def _set(self, path: str) -> None:
        if path != self.text():
            self.setText(path)
            self.directoryChanged.emit(path)

    directory = QtCore.Property("QString", lambda s: s.text(), _set)


class ctkComboBox(QtWidgets.QComboBox):  # noqa: N801
    """A combo box."""


class ctkCheckBox(QtWidgets.QCheckBox):  # noqa: N801
    """A check box."""


class ctkDoubleSpinBox(QtWidgets.QDoubleSpinBox):  # noqa: N801
    """A number."""


CUSTOM = {
    kind.__name__: kind
    for kind in (
        qMRMLWidget,
        qMRMLNodeComboBox,
        ctkCheckBox,
        ctkCollapsibleButton,
        ctkComboBox,
        ctkDirectoryButton,
        ctkDoubleSpinBox,
        ctkPathLineEdit,
        ctkRangeWidget,
        ctkSliderWidget,
    )
}


class UiLoader(QtUiTools.QUiLoader):
    """Reads ``.ui`` files; an unknown custom widget is an error, as its panel couldn't be tested."""

    def createWidget(  # noqa: N802
        self, class_name: str, parent: QtWidgets.QWidget | None = None, name: str = ""
    ) -> QtWidgets.QWidget:
        """Make the widget that a ``.ui`` file names."""
        if class_name in CUSTOM:
            widget = CUSTOM[class_name](parent)
            widget.setObjectName(name)
            return widget
        if class_name not in self.availableWidgets():
            raise NotInHostError(f"The host has no widget class {class_name}.")
        return super().createWidget(class_name, parent, name)
