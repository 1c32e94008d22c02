"""Models checked, taken in, given out and removed, away from the panel since their files may be large."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from claimslicer.errors import ModelError
from claimslicer.models import registry, transfer
from claimslicer.worker.context import Context


def verify_models(context: Context, arguments: Mapping[str, Any]) -> dict[str, Any]:
    """Check every model and return, for each weights' file, what is wrong; empty where it is intact."""
    models = registry.list_models()
    problems = {}
    for index, model in enumerate(models):
        context.events.progress("verify", index / len(models), f"{model.name} {model.weights.stem}")
        try:
            model.verify()
            problems[str(model.weights)] = ""
        except ModelError as error:
            problems[str(model.weights)] = str(error)
    return {"problems": problems}


def import_model(context: Context, arguments: Mapping[str, Any]) -> dict[str, Any]:
    """Take the model at ``source`` into the user's own, checked, and return its name."""
    return {"name": transfer.import_model(Path(arguments["source"]))[0].name}


def export_model(context: Context, arguments: Mapping[str, Any]) -> dict[str, Any]:
    """Write the model ``name`` to ``archive``."""
    return {"archive": str(transfer.export_model(arguments["name"], Path(arguments["archive"])))}


def remove_model(context: Context, arguments: Mapping[str, Any]) -> dict[str, Any]:
    """Remove the user's own model ``name``."""
    transfer.remove_model(arguments["name"])
    return {}
