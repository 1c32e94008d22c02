"""Sample studies, made on the spot."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from claimslicer.studies.phantom import make_phantom
from claimslicer.studies.phantom.samples import sample_settings
from claimslicer.worker.context import Context
from claimslicer.worker.messages import study_values


def sample(context: Context, arguments: Mapping[str, Any]) -> dict[str, Any]:
    """Make the sample study ``name``."""
    return {"study": study_values(make_phantom(sample_settings(arguments["name"])).study)}
