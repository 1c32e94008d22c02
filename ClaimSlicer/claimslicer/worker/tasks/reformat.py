"""A short-axis stack out of a scan in another orientation."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from claimslicer.anatomy.short_axis import to_short_axis
from claimslicer.studies import Study
from claimslicer.studies.study import NOTES
from claimslicer.worker.context import Context
from claimslicer.worker.messages import study_from, study_values


def reformat(context: Context, arguments: Mapping[str, Any]) -> dict[str, Any]:
    """Make a short-axis stack of ``study``, by its labels where it has some, else by those of the network.

    ``note`` says what was made.
    """
    context.events.progress("reformatting", 0.0, "finding the ventricle's axis")
    stack = to_short_axis(study_from(arguments["study"]), _segment, events=context.events)
    return {"study": study_values(stack), "note": stack.metadata[NOTES]}


def _segment(cut: Study) -> np.ndarray:
    from claimslicer.segmentation import segment

    return segment(cut).labels
