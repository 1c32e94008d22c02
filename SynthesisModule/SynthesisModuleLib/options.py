"""What the panel offers: textures and samplers, by the library's names."""

from __future__ import annotations

import enum

from slicer.i18n import tr as _

STEPS = {"dpm": 8, "ddim": 16, "flow": 16, "repaint": 300}
"""What each sampler is used with."""


class Texture(enum.Enum):
    """The library's textures, and that of another study of the scene."""

    AUTO = None
    FAINT = "faint"
    MEDIUM = "medium"
    BRIGHT = "bright"
    ANY = "any"
    STUDY = "study"

    def label(self) -> str:
        """Return what the user reads."""
        return {
            Texture.AUTO: _("Automatic, as in an average heart"),
            Texture.FAINT: _("Faint"),
            Texture.MEDIUM: _("Medium"),
            Texture.BRIGHT: _("Bright"),
            Texture.ANY: _("Any patient's"),
            Texture.STUDY: _("As in another study"),
        }[self]


class Sampler(enum.Enum):
    """The library's samplers."""

    DPM = "dpm"
    DDIM = "ddim"
    FLOW = "flow"
    REPAINT = "repaint"

    def label(self) -> str:
        """Return what the user reads."""
        return {
            Sampler.DPM: _("DPM-Solver++ (fast)"),
            Sampler.DDIM: _("DDIM"),
            Sampler.FLOW: _("Rectified flow"),
            Sampler.REPAINT: _("RePaint, as published (slow)"),
        }[self]
