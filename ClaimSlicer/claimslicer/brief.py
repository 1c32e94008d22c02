"""One line for what holds arrays: what an interactive session shows of a study or a result."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from pathlib import Path
from typing import Any

LONGEST = 110


def brief(value: Any) -> str:
    """Return a dataclass's name and fields on a line, arrays by type and shape, the rest shortened.

    Made to be a class's ``__repr__``. Fields that are empty are left out.
    """
    shown = [
        f"{item.name}={_short(getattr(value, item.name))}"
        for item in dataclasses.fields(value)
        if item.repr and not _is_empty(getattr(value, item.name))
    ]
    text = f"{type(value).__name__}({', '.join(shown)})"
    return text if len(text) <= LONGEST else f"{text[: LONGEST - 2]}…)"


def _is_empty(value: Any) -> bool:
    return value is None or (isinstance(value, str | Mapping | tuple) and not value)


def _short(value: Any) -> str:
    if hasattr(value, "dtype") and hasattr(value, "shape"):
        return f"{value.dtype}[{'×'.join(map(str, value.shape))}]"
    if isinstance(value, Mapping):
        return f"{{{len(value)} entries}}"
    if isinstance(value, tuple) and len(value) > 3:
        return f"({len(value)} values)"
    if isinstance(value, float):
        return f"{value:.4g}"
    if isinstance(value, Path):
        return repr(value.name)
    return f"{type(value).__name__}(…)" if dataclasses.is_dataclass(value) else repr(value)
