"""The left ventricle and its scar, found in an image."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from claimslicer.anatomy.short_axis import check_slices
from claimslicer.segmentation import segment as label
from claimslicer.worker.context import Context
from claimslicer.worker.messages import study_from


def segment(context: Context, arguments: Mapping[str, Any]) -> dict[str, Any]:
    """Label ``study`` with ``model`` on ``device``; labels that it has are not looked at."""
    options = {name: arguments[name] for name in ("model", "device") if name in arguments}
    context.events.progress("segmenting", 0.0, "loading the networks")
    study = study_from(arguments["study"])
    check_slices(study)
    result = label(study, events=context.events, **options)
    return {
        "labels": result.labels,
        "uncertainty": result.uncertainty,
        "recipe": result.recipe,
        "warning": result.warning,
    }
