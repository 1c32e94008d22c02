"""Scar specifications in YAML files that the user names: the command line takes the same ones."""

from __future__ import annotations

from pathlib import Path

import qt
import slicer
from claimslicer.errors import SpecificationError
from claimslicer.outputs import written_whole
from claimslicer.smile import ScarSpec
from slicer.i18n import tr as _

FILTER = "YAML (*.yaml *.yml)"


def save(spec: ScarSpec) -> Path | None:
    """Write a specification to the file that the user names; None when the user thinks better of it."""
    title = _("Save the scar's specification")
    name = qt.QFileDialog.getSaveFileName(slicer.util.mainWindow(), title, "scar.yaml", FILTER)
    if not name:
        return None
    _ensure_yaml()
    path = Path(name) if Path(name).suffix else Path(f"{name}.yaml")
    with written_whole(path) as temporary:
        temporary.write_text(spec.to_yaml(), encoding="utf-8")
    return path


def load() -> ScarSpec | None:
    """Return the specification of the file that the user names; None when the user thinks better of it."""
    title = _("Load a scar's specification")
    name = qt.QFileDialog.getOpenFileName(slicer.util.mainWindow(), title, "", FILTER)
    if not name:
        return None
    _ensure_yaml()
    try:
        text = Path(name).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise SpecificationError(f"{Path(name).name} can't be read as text: choose a YAML file.") from error
    return ScarSpec.from_yaml(text)


def _ensure_yaml() -> None:
    from slicer import packaging

    packaging.pip_ensure(["PyYAML>=6"], requester="SMILE")
