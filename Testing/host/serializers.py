"""How each kind of parameter is written into a parameter node: as Slicer writes it."""

from __future__ import annotations

import enum
import pathlib
import types
import typing
from collections.abc import Callable, MutableSequence
from types import NoneType

import slicer

from host import NotInHostError
from host.validators import FloatRange, IsInstance, Validator

Node = slicer.vtkMRMLScriptedModuleNode


class Serializer:
    """Writes and reads a value under a name; ``checks`` refuse what it mustn't hold."""

    cached = True
    """Slicer keeps what it read until the node changes."""

    def __init__(self, *checks: Validator) -> None:
        self.checks = list(checks)

    def check(self, value: object) -> None:
        """Refuse a bad value, as Slicer does."""
        for check in self.checks:
            check.validate(value)

    def put(self, node: Node, name: str, value: object) -> None:
        """Check and write, in one event."""
        self.check(value)
        with slicer.util.NodeModify(node):
            self.write(node, name, value)

    def present(self, node: Node, name: str) -> bool:
        """Say whether the node has a value."""
        return node.HasParameter(name)

    def remove(self, node: Node, name: str) -> None:
        """Take the value out of the node."""
        node.UnsetParameter(name)

    def default(self) -> object:
        """Return what a parameter without a given default holds."""
        raise NotImplementedError

    def write(self, node: Node, name: str, value: object) -> None:
        """Write."""
        raise NotImplementedError

    def read(self, node: Node, name: str) -> object:
        """Read."""
        raise NotImplementedError


class Text(Serializer):
    """A value that is one text."""

    def __init__(self, kinds: tuple, default: Callable, from_text: Callable, to_text: Callable = str) -> None:
        super().__init__(IsInstance(kinds))
        self.default, self._from, self._to = default, from_text, to_text

    def write(self, node: Node, name: str, value: object) -> None:
        """Write the text."""
        node.SetParameter(name, self._to(value))

    def read(self, node: Node, name: str) -> object:
        """Return the value of the text."""
        return self._from(node.GetParameter(name))


class Reference(Serializer):
    """A node of the scene, or None."""

    def __init__(self, kind: type) -> None:
        super().__init__(IsInstance((kind, NoneType)))

    def default(self) -> None:
        """Return None."""

    def write(self, node: Node, name: str, value: slicer.vtkMRMLNode | None) -> None:
        """Refer to the node; the empty parameter tells None from never written."""
        node.SetParameter(name, "")
        node.SetNodeReferenceID(name, None if value is None else value.GetID())

    def read(self, node: Node, name: str) -> slicer.vtkMRMLNode | None:
        """Return the node referred to."""
        return node.GetNodeReference(name)

    def remove(self, node: Node, name: str) -> None:
        """Refer to nothing."""
        node.UnsetParameter(name)
        node.RemoveNodeReferenceIDs(name)


class Nothing(Serializer):
    """None, as a member of a union."""

    def __init__(self) -> None:
        super().__init__(IsInstance((NoneType,)))

    def default(self) -> None:
        """Return None."""

    def write(self, node: Node, name: str, value: None) -> None:
        """Leave a trace."""
        node.SetParameter(name, "True")

    def read(self, node: Node, name: str) -> None:
        """Return None."""


class Union(Serializer):
    """A value of one of several kinds: the first that takes it, under its own name."""

    def __init__(self, members: list[Serializer]) -> None:
        super().__init__()
        self.members = members
        self.cached = all(member.cached for member in members)

    def default(self) -> object:
        """Return None for an optional value, else the first kind's default."""
        if len(self.members) == 2 and isinstance(self.members[1], Nothing):
            return None
        return self.members[0].default()

    def _taker(self, value: object) -> tuple[int, Serializer]:
        for index, member in enumerate(self.members):
            if value is None and not isinstance(member, Nothing):
                continue  # Slicer writes None as None, not as a reference to nothing
            try:
                member.check(value)
            except (TypeError, ValueError) as error:
                reason = error
            else:
                return index, member
        raise reason

    def check(self, value: object) -> None:
        """Refuse what no member takes."""
        super().check(value)
        self._taker(value)

    def present(self, node: Node, name: str) -> bool:
        """Say whether any member has a value."""
        return any(member.present(node, f"{name}.{index}") for index, member in enumerate(self.members))

    def write(self, node: Node, name: str, value: object) -> None:
        """Write as the first kind that takes the value."""
        index, member = self._taker(value)
        self.remove(node, name)
        member.write(node, f"{name}.{index}", value)

    def read(self, node: Node, name: str) -> object:
        """Return the value of the member that has one."""
        for index, member in enumerate(self.members):
            if member.present(node, f"{name}.{index}"):
                return member.read(node, f"{name}.{index}")
        raise KeyError(name)

    def remove(self, node: Node, name: str) -> None:
        """Take out all members' values."""
        for index, member in enumerate(self.members):
            member.remove(node, f"{name}.{index}")


class List(Serializer):
    """A list: its length, and each element under its index."""

    def __init__(self, element: Serializer) -> None:
        super().__init__()
        self.element = element
        self.cached = element.cached

    def default(self) -> list:
        """Return an empty list."""
        return []

    def check(self, value: object) -> None:
        """Refuse a bad element."""
        super().check(value)
        for element in value:
            self.element.check(element)

    def _length(self, node: Node, name: str) -> int:
        return int(node.GetParameter(f"{name}.len")) if self.present(node, name) else 0

    def present(self, node: Node, name: str) -> bool:
        """Say whether the node has a list."""
        return node.HasParameter(f"{name}.len")

    def write(self, node: Node, name: str, value: MutableSequence) -> None:
        """Write all elements and drop what was behind them."""
        before = self._length(node, name)
        for index, element in enumerate(list(value)):
            self.element.write(node, f"{name}.{index}", element)
        node.SetParameter(f"{name}.len", str(len(value)))
        for index in range(len(value), before):
            self.element.remove(node, f"{name}.{index}")

    def read(self, node: Node, name: str) -> ObservedList:
        """Return a list that writes itself back when it is changed."""
        count = self._length(node, name)
        values = [self.element.read(node, f"{name}.{index}") for index in range(count)]
        return ObservedList(values, lambda changed: self.put(node, name, changed))

    def remove(self, node: Node, name: str) -> None:
        """Take the list out of the node."""
        for index in range(self._length(node, name)):
            self.element.remove(node, f"{name}.{index}")
        node.UnsetParameter(f"{name}.len")


class ObservedList(MutableSequence):
    """What Slicer gives for a list parameter: no list, but like one; ``+`` and ``*`` are refused."""

    def __init__(self, values: list, save: Callable[[list], None]) -> None:
        self._values, self._save = values, save

    def __getitem__(self, index: int | slice) -> object:
        return self._values[index]

    def __setitem__(self, index: int | slice, value: object) -> None:
        self._values[index] = value
        self._save(self._values)

    def __delitem__(self, index: int | slice) -> None:
        del self._values[index]
        self._save(self._values)

    def __len__(self) -> int:
        return len(self._values)

    def __eq__(self, other: object) -> bool:
        return self._values == (other._values if isinstance(other, ObservedList) else other)

    __hash__ = None

    def __repr__(self) -> str:
        return f"ObservedList({self._values})"

    def __add__(self, other: object) -> list:
        raise NotImplementedError("Adding an ObservedList is not supported.")

    __radd__ = __mul__ = __rmul__ = __add__

    def insert(self, index: int, value: object) -> None:
        """Insert and write."""
        self._values.insert(index, value)
        self._save(self._values)


class Tuple(Serializer):
    """A tuple of given kinds, each under its index."""

    def __init__(self, members: list[Serializer]) -> None:
        super().__init__()
        self.members = members
        self.cached = all(member.cached for member in members)

    def default(self) -> tuple:
        """Return the members' defaults."""
        return tuple(member.default() for member in self.members)

    def check(self, value: object) -> None:
        """Refuse another length, and bad members."""
        super().check(value)
        if len(tuple(value)) != len(self.members):
            raise ValueError("Unexpected number of tuple values")
        for member, element in zip(self.members, value, strict=True):
            member.check(element)

    def present(self, node: Node, name: str) -> bool:
        """Say whether the node has the first member."""
        return self.members[0].present(node, f"{name}.0")

    def write(self, node: Node, name: str, value: tuple) -> None:
        """Write all members."""
        for index, (member, element) in enumerate(zip(self.members, value, strict=True)):
            member.write(node, f"{name}.{index}", element)

    def read(self, node: Node, name: str) -> tuple:
        """Return all members."""
        return tuple(member.read(node, f"{name}.{index}") for index, member in enumerate(self.members))

    def remove(self, node: Node, name: str) -> None:
        """Take out all members."""
        for index, member in enumerate(self.members):
            member.remove(node, f"{name}.{index}")


class Range(Serializer):
    """A FloatRange; a change of its ends is written back."""

    cached = False

    def __init__(self) -> None:
        super().__init__(IsInstance((FloatRange,)))

    def default(self) -> FloatRange:
        """Return the range from 0 to 0."""
        return FloatRange()

    def present(self, node: Node, name: str) -> bool:
        """Say whether the node has the range."""
        return node.HasParameter(f"{name}.minimum")

    def write(self, node: Node, name: str, value: FloatRange) -> None:
        """Write both ends."""
        node.SetParameter(f"{name}.minimum", str(value.minimum))
        node.SetParameter(f"{name}.maximum", str(value.maximum))

    def read(self, node: Node, name: str) -> FloatRange:
        """Return the range."""
        ends = (float(node.GetParameter(f"{name}.{end}")) for end in ("minimum", "maximum"))
        return FloatRange(*ends, save=lambda changed: self.put(node, name, changed))

    def remove(self, node: Node, name: str) -> None:
        """Take out both ends."""
        node.UnsetParameter(f"{name}.minimum")
        node.UnsetParameter(f"{name}.maximum")


PLAIN = {
    float: lambda: Text((int, float), lambda: 0, float),
    int: lambda: Text((int,), lambda: 0, int),
    str: lambda: Text((str,), str, str),
    bool: lambda: Text((bool,), bool, lambda text: text == "True"),
    pathlib.Path: lambda: Text((pathlib.Path,), pathlib.Path, pathlib.Path),
    NoneType: Nothing,
    FloatRange: Range,
}


def split(annotation: object) -> tuple[object, list]:
    """Return a type and the notes of its Annotated."""
    kind, *notes = typing.get_args(typing.Annotated[annotation, None])[:-1]
    return kind, notes


def serializer_for(annotation: object) -> Serializer:
    """Return the serializer of an annotated type."""
    kind, notes = split(annotation)
    result = _of_kind(kind)
    result.checks += [note for note in notes if isinstance(note, Validator)]
    return result


def _of_kind(kind: object) -> Serializer:
    origin, arguments = typing.get_origin(kind), typing.get_args(kind)
    if kind in PLAIN:
        return PLAIN[kind]()
    if origin in (typing.Union, types.UnionType):
        return Union([serializer_for(argument) for argument in arguments])
    if origin is list:
        return List(serializer_for(arguments[0]))
    if origin is tuple:
        return Tuple([serializer_for(argument) for argument in arguments])
    if isinstance(kind, type) and issubclass(kind, enum.Enum):
        return Text((kind,), lambda: next(iter(kind)), kind.__getitem__, lambda member: member.name)
    if isinstance(kind, type) and issubclass(kind, slicer.vtkMRMLNode):
        return Reference(kind)
    raise NotInHostError(f"The host has no parameter of type {kind}.")
