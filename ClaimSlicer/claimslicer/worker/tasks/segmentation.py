"""The left ventricle and its scar, found in an image."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from claimslicer.segmentation import segment as label
from claimslicer.segmentation.reformat import check_slices, to_short_axis
from claimslicer.studies.study import NOTES
from claimslicer.worker.context import Context
from claimslicer.worker.messages import study_from, study_values


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


def reformat(context: Context, arguments: Mapping[str, Any]) -> dict[str, Any]:
    """Make a short-axis stack of ``study``, by its labels where it has some, else by those of the network.

    ``note`` says what was made.
    """
    context.events.progress("reformatting", 0.0, "finding the ventricle's axis")
    stack = to_short_axis(
        study_from(arguments["study"]), lambda cut: label(cut).labels, events=context.events
    )
    return {"study": study_values(stack), "note": stack.metadata[NOTES]}
