"""What is installed and works; asked of a process that ends afterwards, as every package is imported."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

from claimslicer.doctor import examine, examine_devices
from claimslicer.worker.context import Context


def doctor(context: Context, arguments: Mapping[str, Any]) -> dict[str, Any]:
    """Return all findings as mappings."""
    return {"findings": [dataclasses.asdict(finding) for finding in examine()]}


def devices(context: Context, arguments: Mapping[str, Any]) -> dict[str, Any]:
    """Return the devices that networks can use here: names that torch knows, each with a description."""
    found = [finding for finding in examine_devices() if finding.name != "memory" and not finding.in_the_way]
    return {"devices": [{"name": finding.name, "text": finding.text} for finding in found]}
