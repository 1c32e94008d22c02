"""What the extension does once Slicer has started, before any of its panels is opened."""

from __future__ import annotations

import importlib
import logging

STEPS = (
    ("ClaimSlicerLib.terminology", "load"),
    ("ClaimSlicerLib.marks", "install"),
    ("ClaimSlicerLib.views", "install"),
    ("ClaimSlicerLib.sample_data", "register"),
    ("ClaimSlicerLib.training_status", "install"),
)
"""Modules and their functions, in this order; the marks on synthetic images come before anything is shown."""


def begin() -> None:
    """Do every step; one that fails is told, and keeps no other from being done."""
    for module, function in STEPS:
        try:
            getattr(importlib.import_module(module), function)()
        except Exception:
            logging.exception("CLAIM could not start %s: what it does is missing in this session.", module)
