"""What the panel offers: textures and samplers, by the library's names."""

from __future__ import annotations

from claimslicer.synthesis.settings import SAMPLING_STEPS
from ClaimSlicerLib.labelled import LabelledEnum
from slicer.i18n import tr as _

STEPS = {"dpm": SAMPLING_STEPS, "ddim": 16, "flow": 16, "repaint": 300}
"""What each sampler is used with."""


class Texture(LabelledEnum):
    """The library's textures, and that of another study of the scene."""

    AUTO = None, _("Automatic, differing as patients do")
    TYPICAL = "typical", _("Typical")
    FAINT = "faint", _("Faint")
    MEDIUM = "medium", _("Medium")
    BRIGHT = "bright", _("Bright")
    ANY = "any", _("Any patient's")
    STUDY = "study", _("As in another study")


class Sampler(LabelledEnum):
    """The library's samplers."""

    DPM = "dpm", _("DPM-Solver++ (fast)")
    DDIM = "ddim", _("DDIM")
    FLOW = "flow", _("Rectified flow")
    REPAINT = "repaint", _("RePaint, as published (slow)")
