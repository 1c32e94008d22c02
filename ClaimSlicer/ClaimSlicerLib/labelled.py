"""Choices that a combo box offers, each written with what the user reads."""

from __future__ import annotations

import enum
from typing import Any


class LabelledEnum(enum.Enum):
    """Members are written ``NAME = value, label``; the parameter node's combo boxes ask for ``label()``."""

    def __new__(cls, value: Any, label: str) -> LabelledEnum:
        """Keep the label beside the value."""
        member = object.__new__(cls)
        member._value_, member._label = value, label
        return member

    def label(self) -> str:
        """Return what the user reads."""
        return self._label
