"""``slicer.parameterNodeWrapper``: typed parameters in a node of the scene, bound to widgets by name.

Only the kinds of parameter and of widget that the panels use are known; any other raises.
"""

from __future__ import annotations

import enum
import typing
import weakref
from collections.abc import Callable
from dataclasses import dataclass
from types import ModuleType, NoneType

import slicer
import vtk
from PySide6 import QtWidgets

from host import NotInHostError
from host.widgets import ctkSliderWidget, qMRMLNodeComboBox


@dataclass(frozen=True)
class WithinRange:
    """The allowed values of a number."""

    minimum: float
    maximum: float

    def check(self, value: float) -> None:
        """Refuse a value outside, as Slicer does."""
        if not self.minimum <= value <= self.maximum:
            raise ValueError(
                f"Value must be within the range [{self.minimum}, {self.maximum}], but is {value}."
            )


class Parameter:
    """One parameter: how its value is written into the node as text or node reference, and read back."""

    def __init__(self, name: str, annotation: object, default: object) -> None:
        self.name = name
        self.kind, *notes = typing.get_args(typing.Annotated[annotation, None])[:-1]
        self.range = next((note for note in notes if isinstance(note, WithinRange)), None)
        options = typing.get_args(self.kind) if typing.get_origin(self.kind) is typing.Union else (self.kind,)
        self.node_types = [
            kind for kind in options if kind is not NoneType and issubclass(kind, slicer.vtkMRMLNode)
        ]
        if len(options) > 1 and (NoneType not in options or len(self.node_types) != len(options) - 1):
            raise NotInHostError(f"{name}: the host knows unions of node classes with None only.")
        if not self.node_types and not (
            self.kind in (str, bool, int, float) or issubclass(self.kind, enum.Enum)
        ):
            raise NotInHostError(f"{name}: the host has no parameter of type {self.kind}.")
        self.default = default

    def read(self, node: slicer.vtkMRMLScriptedModuleNode) -> object:
        """Return the value that ``node`` holds, or the default."""
        if self.node_types:
            return node.GetNodeReference(self.name)
        if not node.HasParameter(self.name):
            return self.default
        text = node.GetParameter(self.name)
        if self.kind is bool:
            return text == "True"
        return self.kind[text] if issubclass(self.kind, enum.Enum) else self.kind(text)

    def write(self, node: slicer.vtkMRMLScriptedModuleNode, value: object) -> None:
        """Check ``value`` and put it into ``node``."""
        if self.node_types:
            if value is not None and not isinstance(value, tuple(self.node_types)):
                raise TypeError(f"{self.name} can't hold a {value.GetClassName()}.")
            node.SetNodeReferenceID(self.name, value.GetID() if value is not None else None)
            return
        if not isinstance(value, (int, float) if self.kind is float else self.kind):
            raise TypeError(f"{self.name} must be a {self.kind.__name__}, not {value!r}.")
        if self.range is not None:
            self.range.check(value)
        node.SetParameter(self.name, value.name if isinstance(value, enum.Enum) else str(value))


def default_of(kind: object) -> object:
    """Return what a parameter without a given default holds."""
    if not isinstance(kind, type) or issubclass(kind, slicer.vtkMRMLNode):
        return None
    return next(iter(kind)) if issubclass(kind, enum.Enum) else kind()


def connect(parameter: Parameter, widget: QtWidgets.QWidget, changed: Callable[[object], None]) -> Callable:
    """Let ``changed(value)`` follow ``widget`` and return the function that shows a value in it."""
    if parameter.node_types and isinstance(widget, qMRMLNodeComboBox):
        widget.nodeTypes = [kind().GetClassName() for kind in parameter.node_types]
        widget.currentNodeChanged.connect(changed)
        return widget.setCurrentNode
    if parameter.kind is str and isinstance(widget, QtWidgets.QLineEdit):
        widget.textChanged.connect(changed)
        return widget.setText
    if parameter.kind is bool and isinstance(widget, QtWidgets.QCheckBox):
        widget.toggled.connect(changed)
        return widget.setChecked
    if isinstance(widget, QtWidgets.QComboBox) and issubclass(parameter.kind, enum.Enum):
        members = list(parameter.kind)
        label = getattr(parameter.kind, "label", lambda member: member.name)
        widget.clear()
        widget.addItems([label(member) for member in members])
        widget.currentIndexChanged.connect(lambda index: changed(members[index]))
        return lambda member: widget.setCurrentIndex(members.index(member))
    spin = (parameter.kind is int and type(widget) is QtWidgets.QSpinBox) or (
        parameter.kind is float and type(widget) in (QtWidgets.QDoubleSpinBox, ctkSliderWidget)
    )
    if not spin:
        raise NotInHostError(f"The host can't bind {parameter.name} to {widget.metaObject().className()}.")
    if parameter.range is None:
        raise NotInHostError(f"{parameter.name}: give it a WithinRange.")
    widget.setProperty("minimum", parameter.range.minimum)
    widget.setProperty("maximum", parameter.range.maximum)
    widget.valueChanged.connect(changed)
    return lambda value: widget.setProperty("value", value)


class Wrapper:
    """What ``@parameterNodeWrapper`` makes of a class: its attributes live in ``parameterNode``."""

    parameters: typing.ClassVar[dict[str, Parameter]]

    def __init__(self, parameterNode: slicer.vtkMRMLScriptedModuleNode) -> None:  # noqa: N803
        self.parameterNode = parameterNode
        self._bound: dict[int, dict[str, Callable]] = {}
        self._showing = False
        for parameter in self.parameters.values():
            if not parameter.node_types and not parameterNode.HasParameter(parameter.name):
                parameter.write(parameterNode, parameter.default)

    def connectGui(self, gui: object) -> int:  # noqa: N802
        """Bind each widget of ``gui`` that has the property SlicerParameterName; return a tag."""
        widgets = [w for w in vars(gui).values() if w.property("SlicerParameterName")]
        named = {widget.property("SlicerParameterName"): widget for widget in widgets}
        unknown = set(named) - set(self.parameters)
        if unknown:
            raise ValueError(f"Cannot find a param with the given name: {sorted(unknown)}")
        tag = len(self._bound)
        self._bound[tag] = {}
        for name, widget in named.items():
            show = connect(self.parameters[name], widget, self._setter(tag, name))
            show(getattr(self, name))
            self._bound[tag][name] = show
        # The node outlives this wrapper. A strong reference would close a circle through the node's Python
        # side, which the garbage collector may break while the node still calls.
        this = weakref.ref(self)
        self.AddObserver(vtk.vtkCommand.ModifiedEvent, lambda *_: this() and this()._show())
        return tag

    def disconnectGui(self, tag: int) -> None:  # noqa: N802
        """Undo :meth:`connectGui`."""
        self._bound[tag] = {}

    def _setter(self, tag: int, name: str) -> Callable[[object], None]:
        def changed(value: object) -> None:
            if name in self._bound[tag] and not self._showing:
                setattr(self, name, value)

        return changed

    def _show(self) -> None:
        if self._showing:
            return
        self._showing = True
        try:
            for shown in self._bound.values():
                for name, show in shown.items():
                    show(getattr(self, name))
        finally:
            self._showing = False

    def AddObserver(self, event: int, callback: Callable, priority: float = 0.0) -> int:  # noqa: N802
        """Observe the node."""
        return self.parameterNode.AddObserver(event, callback, priority)

    def RemoveObserver(self, tag: int) -> None:  # noqa: N802
        """Stop observing the node."""
        self.parameterNode.RemoveObserver(tag)


def wrap(cls: type) -> type:
    """Turn an annotated class into a :class:`Wrapper`."""
    parameters = {}
    for name, annotation in typing.get_type_hints(cls, include_extras=True).items():
        parameter = Parameter(name, annotation, None)
        parameter.default = getattr(cls, name, None) if hasattr(cls, name) else default_of(parameter.kind)
        parameters[name] = parameter
    members = {name: _property(parameter) for name, parameter in parameters.items()}
    return type(cls.__name__, (Wrapper,), {"__doc__": cls.__doc__, "parameters": parameters, **members})


def _property(parameter: Parameter) -> property:
    return property(
        lambda self: parameter.read(self.parameterNode),
        lambda self, value: parameter.write(self.parameterNode, value),
    )


def module() -> ModuleType:
    """Return the module ``slicer.parameterNodeWrapper``."""
    result = ModuleType("slicer.parameterNodeWrapper")
    result.parameterNodeWrapper = wrap
    result.WithinRange = WithinRange
    return result
