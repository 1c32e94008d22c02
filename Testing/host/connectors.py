"""Which widget shows which kind of parameter, and how; the pairs are Slicer's."""

from __future__ import annotations

import enum
import pathlib
import types
import typing
from collections.abc import Callable
from types import NoneType

import slicer
from PySide6 import QtWidgets

from host import NotInHostError
from host.serializers import split
from host.validators import (
    Choice,
    Decimals,
    FloatRange,
    Maximum,
    Minimum,
    RangeBounds,
    SingleStep,
    WithinRange,
)
from host.widgets import (
    ctkCheckBox,
    ctkComboBox,
    ctkDirectoryButton,
    ctkDoubleSpinBox,
    ctkPathLineEdit,
    ctkRangeWidget,
    ctkSliderWidget,
    qMRMLNodeComboBox,
)

COMBO_BOXES = (QtWidgets.QComboBox, ctkComboBox)
FLOATING = (QtWidgets.QDoubleSpinBox, ctkDoubleSpinBox, ctkSliderWidget)


class Connector:
    """A widget that shows a value; ``changed`` is called when the user changes it."""

    def __init__(self, signal: object, read: Callable[[], object], write: Callable[[object], None]) -> None:
        self._signal, self.read, self.write = signal, read, write
        self._slot: Callable | None = None

    def on_changed(self, changed: Callable[[], None] | None) -> None:
        """Call ``changed`` from now on, or nothing."""
        if self._slot is not None:
            self._signal.disconnect(self._slot)
            self._slot = None
        if changed is not None and self._signal is not None:
            self._slot = lambda *_: changed()
            self._signal.connect(self._slot)


def node_classes(kind: object) -> list[str]:
    """Return the node classes of a node parameter, an empty list for any other."""
    union = typing.get_origin(kind) in (typing.Union, types.UnionType)
    members = typing.get_args(kind) if union else (kind,)
    members = [member for member in members if member is not NoneType]
    if not all(isinstance(member, type) and issubclass(member, slicer.vtkMRMLNode) for member in members):
        return []
    return [member().GetClassName() for member in members]


def connector_for(widget: QtWidgets.QWidget, annotation: object) -> Connector:
    """Return what connects ``widget`` with a parameter of an annotated type; RuntimeError where none can."""
    kind, notes = split(annotation)
    for pair in (_node, _truth, _text, _choice, _whole, _floating, _range, _path):
        result = pair(widget, kind, notes)
        if result is not None:
            return result
    raise RuntimeError(f"Unable to create GUI connector from datatype '{annotation}' to '{type(widget)}'.")


def _property(widget: QtWidgets.QWidget, name: str, signal: str | None) -> Connector:
    return Connector(
        getattr(widget, signal) if signal else None,
        lambda: widget.property(name),
        lambda value: widget.setProperty(name, value),
    )


def _first(notes: list, kind: type) -> object:
    return next((note for note in notes if isinstance(note, kind)), None)


def _node(widget: QtWidgets.QWidget, kind: object, notes: list) -> Connector | None:
    if type(widget) is not qMRMLNodeComboBox or not node_classes(kind):
        return None
    widget.nodeTypes = node_classes(kind)
    return Connector(widget.currentNodeChanged, widget.currentNode, widget.setCurrentNode)


def _truth(widget: QtWidgets.QWidget, kind: object, notes: list) -> Connector | None:
    if kind is not bool:
        return None
    if type(widget) in (QtWidgets.QCheckBox, ctkCheckBox):
        return _property(widget, "checked", "toggled")
    if type(widget) is QtWidgets.QPushButton:
        widget.setCheckable(True)
        return _property(widget, "checked", "toggled")
    return None


def _text(widget: QtWidgets.QWidget, kind: object, notes: list) -> Connector | None:
    if kind is not str:
        return None
    if type(widget) is QtWidgets.QLineEdit:
        result = _property(widget, "text", "textChanged")
        show = result.write
        result.write = lambda value: None if value == result.read() else show(value)  # the cursor stays
        return result
    if type(widget) is QtWidgets.QLabel:
        return _property(widget, "text", None)
    if type(widget) is QtWidgets.QTextEdit:
        return Connector(widget.textChanged, widget.toPlainText, widget.setPlainText)
    return None


def _choice(widget: QtWidgets.QWidget, kind: object, notes: list) -> Connector | None:
    if type(widget) not in COMBO_BOXES:
        return None
    if isinstance(kind, type) and issubclass(kind, enum.Enum):
        values = list(kind)
        label = getattr(kind, "label", lambda member: member.name)
    elif kind in (int, float, str, bool):
        choice = _first(notes, Choice)
        if choice is None:
            raise RuntimeError("ComboBoxToStringableConnector requires the Choice annotation to be used.")
        values, label = list(choice.choices), str
    else:
        raise TypeError(f"A combo box can't show {kind}.")
    widget.clear()
    widget.addItems([label(value) for value in values])
    return Connector(
        widget.currentIndexChanged,
        lambda: values[widget.property("currentIndex")],
        lambda value: widget.setProperty("currentIndex", values.index(value)),
    )


def _limits(notes: list) -> tuple[float | None, float | None]:
    within = _first(notes, WithinRange)
    if within is not None:
        return within.minimum, within.maximum
    low, high = _first(notes, Minimum), _first(notes, Maximum)
    return (low.minimum if low else None), (high.maximum if high else None)


def _numbers(widget: QtWidgets.QWidget, notes: list, unbounded: tuple[float, float]) -> Connector:
    for note, name in ((_first(notes, Decimals), "decimals"), (_first(notes, SingleStep), "singleStep")):
        if note is not None:
            widget.setProperty(name, note.value)
    low, high = _limits(notes)
    if type(widget) in (QtWidgets.QSlider, ctkSliderWidget) and None in (low, high):
        raise RuntimeError(
            f"Cannot have a connection to {type(widget).__name__} where the type is unbounded."
        )
    widget.setProperty("minimum", unbounded[0] if low is None else low)
    widget.setProperty("maximum", unbounded[1] if high is None else high)
    return _property(widget, "value", "valueChanged")


def _whole(widget: QtWidgets.QWidget, kind: object, notes: list) -> Connector | None:
    if kind is not int or type(widget) not in (QtWidgets.QSpinBox, QtWidgets.QSlider):
        return None
    return _numbers(widget, notes, (-(2**31), 2**31 - 1))


def _floating(widget: QtWidgets.QWidget, kind: object, notes: list) -> Connector | None:
    if kind not in (int, float) or type(widget) not in FLOATING:
        return None
    if kind is int:
        widget.setProperty("decimals", 0)
    result = _numbers(widget, notes, (float("-inf"), float("inf")))
    read = result.read
    result.read = lambda: kind(read())
    return result


def _range(widget: QtWidgets.QWidget, kind: object, notes: list) -> Connector | None:
    if kind is not FloatRange or type(widget) is not ctkRangeWidget:
        return None
    bounds = _first(notes, RangeBounds)
    if bounds is None:
        raise RuntimeError("Cannot have a connection to a range widget where the float is unbounded.")
    for note, name in ((_first(notes, Decimals), "decimals"), (_first(notes, SingleStep), "singleStep")):
        if note is not None:
            widget.setProperty(name, note.value)
    widget.setRange(bounds.minimum, bounds.maximum)
    return Connector(
        widget.valuesChanged,
        lambda: FloatRange(widget.property("minimumValue"), widget.property("maximumValue")),
        lambda value: widget.setValues(value.minimum, value.maximum),
    )


def _path(widget: QtWidgets.QWidget, kind: object, notes: list) -> Connector | None:
    if not (isinstance(kind, type) and issubclass(kind, pathlib.PurePath)):
        return None
    names = {ctkPathLineEdit: "currentPath", ctkDirectoryButton: "directory"}
    if type(widget) not in names:
        raise NotInHostError(f"The host shows no path in {type(widget).__name__}.")
    name = names[type(widget)]
    result = _property(widget, name, f"{name}Changed")
    read, show = result.read, result.write
    result.read, result.write = lambda: kind(read()), lambda value: show(str(value))
    return result
