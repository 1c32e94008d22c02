"""What a training will need; asked of a process that ends afterwards, for it takes a training's memory."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from claimslicer.training.runs.needs import measure_needs
from claimslicer.worker.context import Context


def training_needs(context: Context, arguments: Mapping[str, Any]) -> dict[str, Any]:
    """Measure for ``kind``, ``preset``, ``data``, ``runs_folder`` and ``device``; return all of Needs."""
    needs = measure_needs(
        arguments["kind"],
        arguments["preset"],
        Path(arguments["data"]),
        Path(arguments["runs_folder"]),
        device=arguments["device"],
        events=context.events,
    )
    return needs.to_dict()
