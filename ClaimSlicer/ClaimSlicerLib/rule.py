"""How the AHA segments are laid on a heart: the choices that the panels share."""

from __future__ import annotations

from slicer.i18n import tr as _

from ClaimSlicerLib.labelled import LabelledEnum


class Rule(LabelledEnum):
    """How the segments' angles are counted; the values are the library's."""

    FIXED = "fixed", _("60° from the anterior insertion")
    SEPTAL = "septal", _("Septum between the insertions")


class SliceOrder(LabelledEnum):
    """Which end of the stack is the apex; the values are the library's ``apex_first``."""

    FOUND = None, _("As found in the study")
    APEX_FIRST = True, _("First slice is apical")
    BASE_FIRST = False, _("First slice is basal")


class Content(LabelledEnum):
    """What the bull's-eye of a study shows."""

    WALL = "wall", _("Wall per segment, ml (striped: has scar)")
    SCAR = "scar", _("Scar in the labels per segment, ml")
