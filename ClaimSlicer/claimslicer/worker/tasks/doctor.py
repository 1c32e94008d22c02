"""What is installed and works; asked of a process that ends afterwards, as every package is imported."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

from claimslicer.doctor import examine
from claimslicer.worker.context import Context


def doctor(context: Context, arguments: Mapping[str, Any]) -> dict[str, Any]:
    """Return all findings as mappings."""
    return {"findings": [dataclasses.asdict(finding) for finding in examine()]}
