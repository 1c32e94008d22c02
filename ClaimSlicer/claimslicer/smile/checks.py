"""Checks of the numbers in a scar specification."""

from __future__ import annotations

import math
from numbers import Real
from typing import Any

from claimslicer.errors import SpecificationError


def set_checked(settings: object, name: str, value: Any) -> None:
    """Put a checked value, of Python's own type, into a frozen dataclass that is being made."""
    object.__setattr__(settings, name, value)


def is_number(value: Any) -> bool:
    """Say whether ``value`` is a finite number, which True and False are not."""
    return isinstance(value, Real) and not isinstance(value, bool) and math.isfinite(value)


def in_range(name: str, value: Any, lowest: float, highest: float) -> float:
    """Return ``value`` from ``lowest`` to ``highest`` as a float. Raises SpecificationError."""
    if not is_number(value) or not lowest <= value <= highest:
        raise SpecificationError(f"The {name} must be from {lowest:g} to {highest:g}, not {value!r}.")
    return float(value)


def positive(name: str, value: Any, maximum: float = math.inf) -> float:
    """Return ``value``, above 0 and at most ``maximum``, as a float. Raises SpecificationError."""
    if not is_number(value) or not 0 < value <= maximum:
        limit = f" and at most {maximum:g}" if math.isfinite(maximum) else ""
        raise SpecificationError(f"The {name} must be above 0{limit}, not {value!r}.")
    return float(value)
