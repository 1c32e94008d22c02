"""What parameters may hold, and how widgets show them: the annotations of ``slicer.parameterNodeWrapper``."""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass


class Validator:
    """Refuses values."""

    def validate(self, value: object) -> None:
        """Raise ValueError or TypeError for a bad value."""
        raise NotImplementedError


@dataclass(frozen=True)
class IsInstance(Validator):
    """Only values of these classes; as in Python, True is an int."""

    classtype: tuple[type, ...]

    def validate(self, value: object) -> None:
        """Refuse others."""
        if not isinstance(value, self.classtype):
            raise TypeError(f"Value must be of type '{self.classtype}', is type '{type(value)}'")


@dataclass(frozen=True)
class WithinRange(Validator):
    """Numbers from minimum to maximum."""

    minimum: float
    maximum: float

    def validate(self, value: float) -> None:
        """Refuse a value outside."""
        if not self.minimum <= value <= self.maximum:
            raise ValueError(f"Value must be within range [{self.minimum}, {self.maximum}], is {value}")


@dataclass(frozen=True)
class Minimum(Validator):
    """Numbers from minimum on."""

    minimum: float

    def validate(self, value: float) -> None:
        """Refuse a smaller value."""
        if value < self.minimum:
            raise ValueError(f"Value must be at least {self.minimum}, is {value}")


@dataclass(frozen=True)
class Maximum(Validator):
    """Numbers up to maximum."""

    maximum: float

    def validate(self, value: float) -> None:
        """Refuse a larger value."""
        if value > self.maximum:
            raise ValueError(f"Value must be at most {self.maximum}, is {value}")


@dataclass(frozen=True)
class Choice(Validator):
    """One of these."""

    choices: Collection

    def validate(self, value: object) -> None:
        """Refuse others."""
        if value not in self.choices:
            raise ValueError(f"Value is {value}, but must be in one of the following: {self.choices}")


@dataclass(frozen=True)
class RangeBounds(Validator):
    """A FloatRange inside minimum and maximum."""

    minimum: float
    maximum: float

    def validate(self, value: FloatRange) -> None:
        """Refuse a range that reaches outside."""
        if not self.minimum <= value.minimum <= value.maximum <= self.maximum:
            raise ValueError(f"Range must be within [{self.minimum}, {self.maximum}], is {value}")


@dataclass(frozen=True)
class Default:
    """The default value of a parameter."""

    value: object = None


@dataclass(frozen=True)
class Decimals:
    """The digits that a spin box or slider shows."""

    value: int


@dataclass(frozen=True)
class SingleStep:
    """The step of a spin box or slider."""

    value: float


class FloatRange:
    """Two numbers, the first not above the second."""

    def __init__(
        self, minimum: float = 0, maximum: float = 0, save: Callable[[FloatRange], None] | None = None
    ) -> None:
        self._save = None
        self.setRange(minimum, maximum)
        self._save = save

    def setRange(self, minimum: float, maximum: float) -> None:  # noqa: N802
        """Set both."""
        if not minimum <= maximum:
            raise ValueError(f"FloatRange must have minimum <= maximum: {minimum} <= {maximum}")
        self._minimum, self._maximum = minimum, maximum
        if self._save:
            self._save(self)

    minimum = property(lambda self: self._minimum, lambda self, value: self.setRange(value, self._maximum))
    maximum = property(lambda self: self._maximum, lambda self, value: self.setRange(self._minimum, value))

    def __eq__(self, other: object) -> bool:
        ends = (self.minimum, self.maximum)
        return isinstance(other, FloatRange) and ends == (other.minimum, other.maximum)

    __hash__ = None

    def __repr__(self) -> str:
        return f"FloatRange(minimum={self.minimum}, maximum={self.maximum})"
