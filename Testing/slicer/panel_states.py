"""Change what a panel holds, and read it back: to see that a saved scene brings it back."""

from __future__ import annotations

import enum
import typing


def names(parameters) -> list[str]:
    """Return the names of a wrapped parameter node's parameters."""
    return list(parameters.allParameters)


def other_value(annotation, value):
    """Return another allowed value of an annotated type, or ``value`` itself where none is at hand."""
    kind, *notes = typing.get_args(typing.Annotated[annotation, None])[:-1]
    within = next((note for note in notes if hasattr(note, "minimum") and hasattr(note, "maximum")), None)
    if isinstance(kind, type) and issubclass(kind, enum.Enum):
        members = list(kind)
        return members[(members.index(value) + 1) % len(members)]
    if kind is bool:
        return not value
    if kind in (int, float) and within is not None:
        step = 1 if kind is int else (within.maximum - within.minimum) / 8
        return value + step if value + step <= within.maximum else value - step
    return value


def change(parameters, keep: typing.Collection[str] = ()) -> None:
    """Give every number, choice and switch another value, but for those in ``keep``."""
    for name in names(parameters):
        if name not in keep:
            setattr(parameters, name, other_value(parameters.dataType(name), getattr(parameters, name)))


def as_values(parameters) -> dict[str, object]:
    """Return what the panel holds as plain values; nodes by their names."""
    return {name: _plain(getattr(parameters, name)) for name in names(parameters)}


def _plain(value) -> object:
    if hasattr(value, "GetName"):
        return value.GetName()
    if isinstance(value, enum.Enum):
        return value.name
    return value if value is None or isinstance(value, (bool, int, float, str)) else str(value)


def widgets_without_parameter(panel) -> list[str]:
    """Return the SlicerParameterName of each bound widget that the parameter node doesn't have."""
    known = names(panel.parameters)
    bound = {
        name: widget.property("SlicerParameterName")
        for name, widget in vars(panel.ui).items()
        if hasattr(widget, "property") and widget.property("SlicerParameterName")
    }
    return [f"{name}: {parameter}" for name, parameter in bound.items() if parameter not in known]
