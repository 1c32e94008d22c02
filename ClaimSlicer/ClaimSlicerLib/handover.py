"""From one module to the next with the same study."""

from __future__ import annotations

import slicer


def go_to(module_name: str, **parameters: object) -> None:
    """Put ``parameters`` into the parameter node of a module and show its panel.

    Raises RuntimeError when the module isn't there, AttributeError for a parameter that it hasn't.
    """
    wanted = slicer.util.getModuleLogic(module_name).getParameterNode()
    for name, value in parameters.items():
        # The wrapper would take any attribute; a name that it hasn't got is a mistake of ours.
        getattr(wanted, name)
        setattr(wanted, name, value)
    slicer.util.selectModule(module_name)
    _scroll_up()
    if parameters.get("volume") is not None:
        from ClaimSlicerLib.views import show_study

        show_study(parameters["volume"])


def _scroll_up() -> None:
    """Let the panel begin at its top: the last one may have been scrolled down."""
    window = slicer.util.mainWindow()
    for area in [] if window is None else slicer.util.findChildren(window, className="QScrollArea"):
        if "Module" in (area.parent().objectName if area.parent() is not None else ""):
            area.verticalScrollBar().value = 0
