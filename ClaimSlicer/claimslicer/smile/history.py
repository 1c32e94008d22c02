"""Undo and redo of what a user asks for: a line of specifications with a place in it."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Callable

from claimslicer.smile.spec import ScarSpec

LIMIT = 200


class History:
    """The specifications that a user went through.

    Changes of the same settings that follow each other within ``together_s`` count as one, as the steps of a
    dragged slider do. ``clock`` gives seconds.
    """

    def __init__(self, together_s: float = 0.5, clock: Callable[[], float] = time.monotonic) -> None:
        self._together_s = together_s
        self._clock = clock
        self.clear()

    def clear(self) -> None:
        """Forget everything."""
        self._specs: list[ScarSpec] = []
        self._place = -1
        self._last_time = -float("inf")
        self._last_fields: frozenset[str] = frozenset()

    @property
    def current(self) -> ScarSpec | None:
        """The specification that the user is at."""
        return self._specs[self._place] if self._specs else None

    @property
    def can_undo(self) -> bool:
        """Whether there is an earlier specification."""
        return self._place > 0

    @property
    def can_redo(self) -> bool:
        """Whether there is a later specification."""
        return self._place + 1 < len(self._specs)

    def record(self, spec: ScarSpec) -> None:
        """Go on to ``spec``; what was undone before is forgotten. The current one again changes nothing."""
        if spec == self.current:
            return
        now, fields = self._clock(), self._changed(spec)
        same_move = fields == self._last_fields and now - self._last_time < self._together_s
        if same_move and self.can_undo and not self.can_redo:
            self._specs[self._place] = spec
        else:
            self._specs = [*self._specs[: self._place + 1], spec][-LIMIT:]
            self._place = len(self._specs) - 1
        self._last_time, self._last_fields = now, fields

    def undo(self) -> ScarSpec | None:
        """Go back one specification and return it, None at the beginning."""
        return self._go(-1) if self.can_undo else None

    def redo(self) -> ScarSpec | None:
        """Go forward one specification and return it, None at the end."""
        return self._go(1) if self.can_redo else None

    def _go(self, steps: int) -> ScarSpec | None:
        self._place += steps
        self._last_fields = frozenset()
        return self.current

    def _changed(self, spec: ScarSpec) -> frozenset[str]:
        if self.current is None:
            return frozenset()
        names = [field.name for field in dataclasses.fields(ScarSpec)]
        return frozenset(name for name in names if getattr(spec, name) != getattr(self.current, name))
