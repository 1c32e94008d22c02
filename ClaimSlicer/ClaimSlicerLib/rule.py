"""How the AHA segments are laid on a heart: the choices that the panels share."""

from __future__ import annotations

import enum

from slicer.i18n import tr as _


class Rule(enum.Enum):
    """How the segments' angles are counted; the values are the library's."""

    FIXED = "fixed"
    SEPTAL = "septal"

    def label(self) -> str:
        """Return what the user reads."""
        if self is Rule.FIXED:
            return _("60° from the anterior insertion")
        return _("Septum between the insertions")


class SliceOrder(enum.Enum):
    """Which end of the stack is the apex; the values are the library's ``apex_first``."""

    FOUND = None
    APEX_FIRST = True
    BASE_FIRST = False

    def label(self) -> str:
        """Return what the user reads."""
        if self is SliceOrder.FOUND:
            return _("As found in the study")
        return _("First slice is apical") if self is SliceOrder.APEX_FIRST else _("First slice is basal")


class Content(enum.Enum):
    """What the bull's-eye of a study shows."""

    WALL = "wall"
    SCAR = "scar"

    def label(self) -> str:
        """Return what the user reads."""
        if self is Content.WALL:
            return _("Wall per segment, ml (striped: has scar)")
        return _("Scar in the labels per segment, ml")
