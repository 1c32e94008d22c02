"""``slicer.parameterNodeWrapper``: typed parameters in a node of the scene, bound to widgets by name.

Kinds of parameter and of widget that the host doesn't know raise; what is written is what Slicer writes.
"""

from __future__ import annotations

import typing
import weakref
from collections.abc import Callable
from types import ModuleType

import slicer
import vtk

from host import validators
from host.connectors import Connector, connector_for
from host.serializers import Serializer, serializer_for, split


class Parameter:
    """One parameter of a class."""

    def __init__(self, name: str, annotation: object, default: object) -> None:
        self.name, self.annotation = name, annotation
        self.serializer: Serializer = serializer_for(annotation)
        note = next((note for note in split(annotation)[1] if isinstance(note, validators.Default)), None)
        if default is None:
            default = self.serializer.default() if note is None else note.value
        self.default = default


class Wrapper:
    """What ``@parameterNodeWrapper`` makes of a class: its attributes live in ``parameterNode``."""

    allParameters: typing.ClassVar[dict[str, Parameter]]  # noqa: N815

    def __init__(self, parameterNode: slicer.vtkMRMLScriptedModuleNode) -> None:  # noqa: N803
        self.parameterNode = parameterNode
        self._cache: dict[str, object] = {}
        self._bound: dict[int, tuple[dict[str, Connector], int]] = {}
        self._next_tag = 0
        self._showing = False
        for parameter in self.allParameters.values():
            if not parameter.serializer.present(parameterNode, parameter.name):
                parameter.serializer.put(parameterNode, parameter.name, parameter.default)
        # VTK tells an object's first observer last; in Slicer that is one of the application's own.
        if not parameterNode.HasObserver(vtk.vtkCommand.ModifiedEvent):
            parameterNode.AddObserver(vtk.vtkCommand.ModifiedEvent, lambda *_: None)
        # The node outlives this wrapper. A strong reference would close a circle through the node's Python
        # side, which the garbage collector may break while the node still calls.
        this = weakref.ref(self)
        self._cache_tag = self.AddObserver(
            vtk.vtkCommand.ModifiedEvent, lambda *_: this() and this()._reread()
        )
        self._reread()

    def __del__(self) -> None:
        self.parameterNode.RemoveObserver(self._cache_tag)
        for _, tag in self._bound.values():
            self.parameterNode.RemoveObserver(tag)

    def _reread(self) -> None:
        """Keep the values until the node changes; Slicer's wrapper too keeps even a removed node."""
        for name, parameter in self.allParameters.items():
            if parameter.serializer.cached:
                self._cache[name] = self._read(name)

    def _read(self, name: str) -> object:
        """Return the node's value; one that a closed scene took with it becomes the default."""
        serializer = self.allParameters[name].serializer
        if not serializer.present(self.parameterNode, name):
            serializer.put(self.parameterNode, name, self.allParameters[name].default)
        return serializer.read(self.parameterNode, name)

    def getValue(self, name: str) -> object:  # noqa: N802
        """Return a parameter's value."""
        if name in self._cache:
            return self._cache[name]
        return self._read(name)

    def setValue(self, name: str, value: object) -> None:  # noqa: N802
        """Check and write a parameter."""
        with slicer.util.NodeModify(self.parameterNode):
            self.allParameters[name].serializer.put(self.parameterNode, name, value)
            if name in self._cache:
                self._cache[name] = self._read(name)

    def default(self, name: str) -> validators.Default:
        """Return a parameter's default."""
        return validators.Default(self.allParameters[name].default)

    def dataType(self, name: str) -> object:  # noqa: N802
        """Return a parameter's annotated type."""
        return self.allParameters[name].annotation

    def isCached(self, name: str) -> bool:  # noqa: N802
        """Say whether a value is kept until the node changes."""
        return name in self._cache

    def connectGui(self, gui: object) -> int:  # noqa: N802
        """Bind each widget of ``gui`` that has the property SlicerParameterName; return a tag."""
        widgets = [w for w in vars(gui).values() if w.property("SlicerParameterName")]
        return self.connectParametersToGui({w.property("SlicerParameterName"): w for w in widgets})

    def connectParametersToGui(self, mapping: dict[str, object]) -> int:  # noqa: N802
        """Bind parameters to widgets; return a tag for :meth:`disconnectGui`."""
        unknown = set(mapping) - set(self.allParameters)
        if unknown:
            raise ValueError(f"Cannot find a param with the given name: {sorted(unknown)}")
        connectors = {name: connector_for(widget, self.dataType(name)) for name, widget in mapping.items()}
        for name, connector in connectors.items():
            connector.write(self.getValue(name))
            connector.on_changed(self._setter(name, connector))
        this = weakref.ref(self)
        tag = self.AddObserver(vtk.vtkCommand.ModifiedEvent, lambda *_: this() and this()._show())
        self._next_tag += 1
        self._bound[self._next_tag] = connectors, tag
        return self._next_tag

    def disconnectGui(self, tag: int) -> None:  # noqa: N802
        """Undo :meth:`connectGui`."""
        connectors, observer = self._bound.pop(tag, ({}, None))
        for connector in connectors.values():
            connector.on_changed(None)
        if observer is not None:
            self.RemoveObserver(observer)

    def _setter(self, name: str, connector: Connector) -> Callable[[], None]:
        this = weakref.ref(self)

        def changed() -> None:
            if this() is not None and not this()._showing:
                this().setValue(name, connector.read())

        return changed

    def _show(self) -> None:
        if self._showing:
            return
        self._showing = True
        try:
            with slicer.util.NodeModify(self.parameterNode):
                for connectors, _ in list(self._bound.values()):
                    for name, connector in connectors.items():
                        connector.write(self.getValue(name))
        finally:
            self._showing = False

    def StartModify(self) -> int:  # noqa: N802
        """Gather changes until EndModify."""
        return self.parameterNode.StartModify()

    def EndModify(self, was_modifying: int) -> int:  # noqa: N802
        """Tell of the gathered changes at once."""
        return self.parameterNode.EndModify(was_modifying)

    def Modified(self) -> None:  # noqa: N802
        """Tell of a change."""
        self.parameterNode.Modified()

    def AddObserver(self, event: int, callback: Callable, priority: float = 0.0) -> int:  # noqa: N802
        """Observe the node."""
        return self.parameterNode.AddObserver(event, callback, priority)

    def RemoveObserver(self, tag: int) -> None:  # noqa: N802
        """Stop observing the node."""
        self.parameterNode.RemoveObserver(tag)


def wrap(cls: type) -> type:
    """Turn an annotated class into a :class:`Wrapper`; its own methods and constants stay."""
    hints = typing.get_type_hints(cls, include_extras=True)
    reserved = set(hints) & set(dir(Wrapper)) | set(vars(cls)) & set(vars(Wrapper)) - {
        "__module__",
        "__doc__",
        "__annotations__",
        "__dict__",
        "__weakref__",
        "__firstlineno__",
        "__static_attributes__",
    }
    if reserved:
        raise ValueError(f"Cannot use reserved name {sorted(reserved)} in a parameterNodeWrapper")
    parameters = {name: Parameter(name, kind, vars(cls).get(name)) for name, kind in hints.items()}
    members = {name: value for name, value in vars(cls).items() if name not in ("__dict__", "__weakref__")}
    members |= {name: _property(name) for name in parameters}
    return type(cls.__name__, (Wrapper,), {**members, "allParameters": parameters})


def _property(name: str) -> property:
    return property(lambda self: self.getValue(name), lambda self, value: self.setValue(name, value))


def module() -> ModuleType:
    """Return the module ``slicer.parameterNodeWrapper``."""
    result = ModuleType("slicer.parameterNodeWrapper")
    result.parameterNodeWrapper = wrap
    for name in ("WithinRange", "Minimum", "Maximum", "Choice", "RangeBounds"):
        setattr(result, name, getattr(validators, name))
    for name in ("Default", "Decimals", "SingleStep", "FloatRange"):
        setattr(result, name, getattr(validators, name))
    return result
